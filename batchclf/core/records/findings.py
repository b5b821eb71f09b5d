"""Everything that a report is made from, whatever its format."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from batchclf.core.images.drift import Drift
from batchclf.core.images.duplicates import Duplicates
from batchclf.core.images.statistics import ImageStatistics
from batchclf.core.metrics.evaluation import Evaluation
from batchclf.core.records.history import RunSummary
from batchclf.core.records.run import RunRecord, main_of
from batchclf.core.types import Prediction

if TYPE_CHECKING:
    from batchclf.core.compare.result import Comparison
    from batchclf.core.metrics.gap import Gap
    from batchclf.core.metrics.thresholds import ThresholdFindings
    from batchclf.core.slices.result import SliceFindings


@dataclass(frozen=True, slots=True)
class LabelIssues:
    """`images` of the labelled ones have an issue, `shown` are the most likely ones, at most 24; `method` names how.

    `missing` says why nothing could be looked for (no probability columns, too many rows);
    it is empty otherwise.
    """

    images: int
    shown: tuple[Prediction, ...]
    method: str
    missing: str


@dataclass(frozen=True, eq=False)
class Findings:
    """One run, evaluated.

    `history` are the earlier runs of the same job, oldest first; `change` compares the main split with that of the last
    of them, None where that cannot be. `statistics` has one entry a split whose images were looked at. `label_issues`
    is None where the main split has no labels. `drift_note` says why there is no `drift`, if that is known. `flips` has
    a comparison with the last run for each subset that both have scored, the main one's first. `slices` and
    `thresholds` are those of the main split, None without labels and in runs of an earlier batchclf. `alone` says that
    the report will lie without the other files of the run.
    """

    record: RunRecord
    evaluations: tuple[Evaluation, ...]
    gap: "Gap | None" = None
    duplicates: Duplicates | None = None
    statistics: tuple[ImageStatistics, ...] = ()
    drift: tuple[Drift, ...] = ()
    history: tuple[RunSummary, ...] = ()
    change: "Comparison | None" = None
    label_issues: LabelIssues | None = None
    drift_note: str = ""
    flips: "tuple[Comparison, ...]" = ()
    slices: "SliceFindings | None" = None
    thresholds: "ThresholdFindings | None" = None
    alone: bool = False

    def __post_init__(self) -> None:
        """Raise ValueError where there is no evaluation."""
        if not self.evaluations:
            raise ValueError("a report needs at least one evaluation")

    @property
    def main(self) -> Evaluation:
        """The evaluation that the report is about, see `main_of`."""
        name = main_of(self.record.main_subset, [each.split for each in self.evaluations])
        return next(each for each in self.evaluations if each.split == name)
