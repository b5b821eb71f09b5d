"""The confusion matrix: counts that add up, however the rows are cut."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from batchclf.core.metrics.class_sums import Cells, ClassSums
from batchclf.errors import PredictionsError

MOST_CLASSES = 25_000
"""Of these the confusion matrix takes 5 GB; a step beyond ImageNet's 21,841. (decision 169)"""


def check_class_count(class_names: tuple[str, ...]) -> None:
    """Raise PredictionsError for more classes than `MOST_CLASSES`."""
    if len(class_names) > MOST_CLASSES:
        raise PredictionsError(
            f"there are {len(class_names):,} classes, and labelled images are evaluated for at most "
            f"{MOST_CLASSES:,}: the confusion matrix would not fit into memory",
            hint="leave out the labels: `score --labels none`, or an empty column `label` for `evaluate`",
        )


@dataclass(frozen=True, slots=True)
class ConfusedPair:
    """`count` images of class `label`, a `share` (0 to 1) of it, were taken for `prediction`."""

    label: str
    prediction: str
    count: int
    share: float


@dataclass(frozen=True, eq=False)
class ConfusionCounts:
    """How often each true class (row) was predicted as each class (column): (classes, classes) int64."""

    class_names: tuple[str, ...]
    counts: NDArray[np.int64]

    @classmethod
    def empty(cls, class_names: tuple[str, ...]) -> "ConfusionCounts":
        """Start with no image counted; raises what `check_class_count` raises."""
        check_class_count(class_names)
        return cls(class_names, np.zeros((len(class_names), len(class_names)), np.int64))

    def update(self, labels: NDArray[np.int64], predictions: NDArray[np.int64]) -> None:
        """Add images by (n,) true and predicted class indices; a label of -1 (unknown) is not counted."""
        known = labels >= 0
        # Not by bincount: a matrix of a thousand classes is large beside the piece that is added to it.
        np.add.at(self.counts, (labels[known], predictions[known]), 1)

    def merge(self, other: "ConfusionCounts") -> None:
        """Add the images that `other` has counted, of the same classes."""
        np.add(self.counts, other.counts, out=self.counts)

    def copy(self) -> "ConfusionCounts":
        """Give what was counted so far; later updates do not change it."""
        return ConfusionCounts(self.class_names, self.counts.copy())

    @property
    def support(self) -> NDArray[np.int64]:
        """Images of each true class: (classes,) int64."""
        return np.asarray(self.counts.sum(axis=1))

    @property
    def predicted(self) -> NDArray[np.int64]:
        """Labelled images predicted as each class: (classes,) int64."""
        return np.asarray(self.counts.sum(axis=0))

    @property
    def correct(self) -> NDArray[np.int64]:
        """Images of each class predicted right: (classes,) int64."""
        return np.diagonal(self.counts).copy()

    @property
    def sums(self) -> ClassSums:
        """Diagonal and margins: (classes,) int64 each."""
        return ClassSums.of(self.correct, self.support, self.predicted)

    def cells(self) -> Cells:
        """List the cells that hold images."""
        labels, predictions = np.nonzero(self.counts)
        return Cells(len(self.class_names), labels, predictions, self.counts[labels, predictions])

    def wrong_cells(self) -> Cells:
        """List the cells off the diagonal that hold images, largest first, ties in class order.

        Of ten thousand classes the matrix has a hundred million cells, so that nothing is made of its size.
        (decision 169)
        """
        labels, predictions = np.nonzero(self.counts)
        off = labels != predictions
        labels, predictions = labels[off], predictions[off]
        numbers = self.counts[labels, predictions]
        order = np.argsort(-numbers, kind="stable")
        return Cells(len(self.class_names), labels[order], predictions[order], numbers[order])

    def row_normalised(self) -> NDArray[np.float64]:
        """Each row as shares of its true class, 0 to 1; a class without images has a row of nan."""
        support = self.support[:, None].astype(np.float64)
        shares = np.full(self.counts.shape, np.nan)
        np.divide(self.counts, support, out=shares, where=support > 0)
        return shares

    def confused_pairs(self, most: int) -> tuple[ConfusedPair, ...]:
        """Find the `most` largest cells off the diagonal, largest first, ties in class order."""
        support, wrong = self.support, self.wrong_cells()
        found = zip(
            wrong.labels[:most].tolist(), wrong.predictions[:most].tolist(), wrong.counts[:most].tolist(), strict=True
        )
        return tuple(
            ConfusedPair(self.class_names[row], self.class_names[column], number, number / int(support[row]))
            for row, column, number in found
        )
