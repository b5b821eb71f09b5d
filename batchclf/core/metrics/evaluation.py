"""What the predictions of one split tell: how often and how surely each class, the images to look at, the metrics."""

import heapq
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from batchclf.core.metrics.confidence_bins import CALIBRATION_BINS, confidence_counts
from batchclf.core.metrics.exact_sum import ExactSums
from batchclf.core.types import SHOWN_IMAGES, Prediction, PredictionRows

if TYPE_CHECKING:
    from batchclf.core.metrics.labelled import LabelledMetrics, LabelledTally


@dataclass(frozen=True, eq=False)
class Evaluation:
    """One split (or directory) evaluated.

    `predicted_counts` is (classes,) int64 over all rows, labelled or not; `confidence_counts` is (20,) int64: rows
    whose confidence lies in bin i of 0 to 1, upper edge included in the last. Both it and `mean_confidence` leave out
    rows without a confidence; `mean_confidence` is nan if none has one, and `least_confident` is empty then. `labelled`
    is None where no row has a label.
    """

    split: str
    class_names: tuple[str, ...]
    total: int
    mean_confidence: float
    predicted_counts: NDArray[np.int64]
    confidence_counts: NDArray[np.int64]
    least_confident: tuple[Prediction, ...]
    labelled: "LabelledMetrics | None"


class Tally:
    """Takes prediction rows in pieces of any size and gives the same `Evaluation`, to the bit, however they were cut.

    Rows may also be taken by several tallies, which are merged in any order (decision 189).
    `temperature` is the one that the model divided its logits by, above 0; it changes nothing but what is told of the
    scores without it.
    """

    def __init__(self, split: str, class_names: tuple[str, ...], temperature: float = 1.0) -> None:
        self.split, self.class_names, self.temperature = split, class_names, temperature
        self.total, self.confidence_sum = 0, ExactSums()
        self.predicted_counts = np.zeros(len(class_names), np.int64)
        self.confidence_counts = np.zeros(CALIBRATION_BINS, np.int64)
        self.has_probabilities = True
        self.least_confident: list[Prediction] = []
        self.labelled: LabelledTally | None = None

    def update(self, rows: PredictionRows) -> None:
        """Add rows of this split."""
        if not len(rows):
            return
        rows = rows.by_path()
        self.total += len(rows)
        sure = np.flatnonzero(~np.isnan(rows.confidence))
        self.confidence_sum.add(rows.confidence[sure])
        self.predicted_counts += np.bincount(rows.predictions, minlength=len(self.class_names))
        self.confidence_counts += confidence_counts(rows.confidence[sure])
        self._keep_unsure(rows.lowest(rows.confidence, sure))
        self.has_probabilities &= rows.probabilities is not None
        known = np.flatnonzero(rows.labels >= 0)
        if not len(known):
            return
        self._of_labelled().update(rows, known)

    def merge(self, other: "Tally") -> None:
        """Add the rows that `other` has taken, of the same split, classes and temperature."""
        self.total += other.total
        self.confidence_sum.merge(other.confidence_sum)
        self.predicted_counts += other.predicted_counts
        self.confidence_counts += other.confidence_counts
        self._keep_unsure(other.least_confident)
        self.has_probabilities &= other.has_probabilities
        if other.labelled is not None:
            # Never the other's own arrays, which Ray gives read-only
            self._of_labelled().merge(other.labelled)

    def _of_labelled(self) -> "LabelledTally":
        if self.labelled is None:
            # On the first label: all that is computed from labels is a dozen modules.
            from batchclf.core.metrics.labelled import LabelledTally

            self.labelled = LabelledTally(self.split, self.class_names, self.temperature)
        return self.labelled

    def _keep_unsure(self, rows: list[Prediction]) -> None:
        self.least_confident = heapq.nsmallest(SHOWN_IMAGES, self.least_confident + rows, _by_confidence)

    def evaluation(self) -> Evaluation:
        """Compute the metrics of what has been counted so far."""
        labelled = self.labelled
        if labelled is not None and not self.has_probabilities:
            labelled.forget_probabilities()
        sure = int(self.confidence_counts.sum())
        return Evaluation(
            split=self.split,
            class_names=self.class_names,
            total=self.total,
            mean_confidence=self.confidence_sum.total / sure if sure else float("nan"),
            predicted_counts=self.predicted_counts.copy(),
            confidence_counts=self.confidence_counts.copy(),
            least_confident=tuple(self.least_confident),
            labelled=None if labelled is None else labelled.metrics(),
        )


def _by_confidence(row: Prediction) -> tuple[float, str]:
    return row.confidence, row.path
