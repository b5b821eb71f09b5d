"""Labels that are probably wrong."""

from dataclasses import dataclass

from batchclf.core.types import Prediction


@dataclass(frozen=True, slots=True)
class LabelSuspicions:
    """`images` of the labelled ones are suspected, `shown` are the most suspect, at most 24; `method` names how.

    `missing` says why nothing could be looked for (the extra is not installed, no probability columns, too many rows);
    it is empty otherwise.
    """

    images: int
    shown: tuple[Prediction, ...]
    method: str
    missing: str
