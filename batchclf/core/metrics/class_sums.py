"""The cells of a confusion matrix, and what their images add up to, class by class."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

_TINY = 1e-12


@dataclass(eq=False)
class ClassSums:
    """The images of each class that are predicted right, have it as label, and are predicted as it.

    (…, classes) int64 each. `images` is the number of all images, (…, 1) int64, at least 1; it is not added up from
    `support`, so that the influence of one more image can be computed class by class.
    """

    correct: NDArray[np.int64]
    support: NDArray[np.int64]
    predicted: NDArray[np.int64]
    images: NDArray[np.int64]

    @classmethod
    def of(cls, correct: NDArray[np.int64], support: NDArray[np.int64], predicted: NDArray[np.int64]) -> "ClassSums":
        """Take the diagonal and the margins of one or several confusion matrices, (…, classes) int64 each."""
        return cls(correct, support, predicted, np.asarray(support.sum(axis=-1, keepdims=True)))

    @cached_property
    def recall(self) -> NDArray[np.float64]:
        """The recall of each class, 0 to 1; 0 without images."""
        return ratio(self.correct, self.support)

    @cached_property
    def precision(self) -> NDArray[np.float64]:
        """The precision of each class, 0 to 1; 0 if it is never predicted."""
        return ratio(self.correct, self.predicted)

    @cached_property
    def f1(self) -> NDArray[np.float64]:
        """F1 of each class, 0 to 1; 0 if it does not occur."""
        return ratio(2 * self.correct, self.support + self.predicted)

    @cached_property
    def shares(self) -> NDArray[np.float64]:
        """The share of the images that have each class as label, 0 to 1."""
        return np.asarray(self.support / self.images)

    @cached_property
    def guessed(self) -> NDArray[np.float64]:
        """The share of the images that are predicted as each class, 0 to 1."""
        return np.asarray(self.predicted / self.images)


@dataclass(frozen=True, eq=False)
class Cells:
    """Cells of a confusion matrix: true class, predicted class and how many images, (cells,) int64 each."""

    classes: int
    labels: NDArray[np.int64]
    predictions: NDArray[np.int64]
    counts: NDArray[np.int64]

    def sums(self, counts: NDArray[np.int64]) -> ClassSums:
        """Add up other counts of the same cells, (…, cells) int64: (…, classes)."""
        correct = class_sums(counts * (self.labels == self.predictions), self.labels, self.classes)
        support, predicted = (class_sums(counts, group, self.classes) for group in (self.labels, self.predictions))
        return ClassSums.of(correct, support, predicted)


def class_sums(counts: NDArray[np.int64], classes: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """Add up (…, cells) counts by the class of each cell, (cells,) int64: (…, size) int64."""
    sums = np.zeros((*counts.shape[:-1], size), np.int64)
    order = np.argsort(classes, kind="stable")
    ordered = classes[order]
    starts = np.flatnonzero(np.diff(ordered, prepend=-1))
    if len(starts):
        sums[..., ordered[starts]] = np.add.reduceat(counts.take(order, axis=-1), starts, axis=-1)
    return sums


def ratio(above: NDArray[Any], below: NDArray[Any]) -> NDArray[np.float64]:
    """Divide, giving 0 for what would be divided by nothing, as scikit-learn does with `zero_division=0`."""
    found = np.zeros(np.shape(above))
    np.divide(above, below, out=found, where=below > _TINY)
    return found
