"""Intervals by the delta method, for confusion matrices whose cells are too many to draw them again and again."""

from collections.abc import Mapping
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from batchclf.core.estimate import Interval
from batchclf.core.metrics.catalog import formulas_of
from batchclf.core.metrics.class_sums import Cells, ClassSums
from batchclf.core.metrics.formulas import OfClasses, moved_totals, totals, values_of
from batchclf.core.metrics.intervals import Z


def delta_intervals(sums: ClassSums, cells: Cells, values: Mapping[str, float]) -> dict[str, Interval]:
    """Give the 95% intervals of the metrics that follow from a confusion matrix and have these `values`, by name.

    `sums` are the matrix's own, (classes,). How much one more image moves a metric is its influence; the metric's
    standard error is the square root of the sum of the squared influences of all images (the infinitesimal jackknife,
    Efron 1982, chapter 6).
    """
    found = influences(sums, cells.labels, cells.predictions)
    return {name: delta_interval(values[name], influence, cells.counts) for name, influence in found.items()}


def delta_interval(value: float, influence: NDArray[np.float64], counts: NDArray[np.int64]) -> Interval:
    """Give the 95% interval of a metric from the influence of an image of each cell, (cells,), and their counts."""
    centred = influence - counts @ influence / counts.sum()
    half = Z * sqrt(counts @ centred**2)
    return Interval(value - half, value + half)


def influences(
    sums: ClassSums, labels: NDArray[np.int64], predictions: NDArray[np.int64]
) -> dict[str, NDArray[np.float64]]:
    """Say how much one more image of each cell, its (cells,) true and predicted class, moves each metric: (cells,).

    `sums` are (classes,). The influence is the sum of what one more in the class's support, in the predicted class's
    count and, if they are the same, in the right ones does. A class changes its own terms only, and the number of
    images, so the time grows with the classes and not with their square (decision 128).
    """
    formulas = formulas_of(OfClasses)
    at = values_of(formulas, totals(formulas.values(), sums))
    correct, support, predicted, images = sums.correct, sums.support, sums.predicted, sums.images
    more = ClassSums(correct, support, predicted, images + 1)
    changes = (
        (ClassSums(correct + 1, support, predicted, images), sums),
        (ClassSums(correct, support + 1, predicted, images + 1), more),
        (ClassSums(correct, support, predicted + 1, images), sums),
    )
    moved = [values_of(formulas, moved_totals(formulas.values(), *change)) for change in changes]
    found = {}
    for name, value in at.items():
        of_correct, of_support, of_predicted = (each[name] - value for each in moved)
        found[name] = of_support[labels] + of_predicted[predictions] + of_correct[labels] * (labels == predictions)
    return found
