"""How far probabilities computed with less precision are from those of float32."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from batchclf.core.records.run import PrecisionRecord
from batchclf.core.text import counted, scientific, times


@dataclass
class PrecisionCheck:
    """What was found on the images compared so far.

    `changed` counts images whose most probable class is another one; `largest` is the largest difference of a
    probability, 0 to 1. `reference_seconds` and `reduced_seconds` are what both took for some of the images.
    """

    images: int = 0
    changed: int = 0
    largest: float = 0.0
    reference_seconds: float = field(default=0.0, compare=False)
    reduced_seconds: float = field(default=0.0, compare=False)

    def restart(self, found: PrecisionRecord | None) -> None:
        """Begin anew, or with what was found before."""
        found = found or PrecisionRecord(0, 0, 0.0)
        self.images, self.changed, self.largest = found.images, found.changed, found.largest

    def record(self) -> PrecisionRecord:
        """Give what was found so far."""
        return PrecisionRecord(self.images, self.changed, self.largest)

    def add(self, reference: NDArray[np.float32], reduced: NDArray[np.float32]) -> None:
        """Compare the probabilities of the same images, both (n, classes), with float32 and with less precision.

        Raises ValueError where the shapes differ.
        """
        if reference.shape != reduced.shape:
            raise ValueError(f"probabilities of shape {reference.shape} and {reduced.shape} cannot be compared")
        if not len(reference):
            return
        self.images += len(reference)
        self.changed += int((reference.argmax(axis=1) != reduced.argmax(axis=1)).sum())
        # max() would drop a difference that is not a number.
        self.largest = float(np.maximum(self.largest, np.abs(reference - reduced).max()))

    def add_seconds(self, reference: float, reduced: float) -> None:
        """Add what both took for the same images."""
        self.reference_seconds += reference
        self.reduced_seconds += reduced

    @property
    def sentence(self) -> str:
        """Say it in words, for a person."""
        return (
            f"on {counted(self.images, 'image')} compared, probabilities differ from float32's by up to "
            f"{scientific(self.largest)}, and {self.changed:,} have another class"
        )

    @property
    def slower(self) -> str:
        """Say that less precision takes longer here, for a person; empty if it does not, or if that is not known."""
        if not self.reduced_seconds > self.reference_seconds > 0:
            return ""
        return (
            f"less precision took {times(self.reduced_seconds / self.reference_seconds)} as long as float32 for the "
            "images compared; leave --precision away"
        )
