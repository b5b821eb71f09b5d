"""Intervals by the delta method, where the cells of a confusion matrix are too many to draw them again and again."""

from math import sqrt

import numpy as np
from numpy.typing import NDArray

from batchclf.core.estimate import Interval
from batchclf.core.metrics.bootstrap import agreement
from batchclf.core.metrics.confusion import ConfusionCounts
from batchclf.core.metrics.intervals import Z


def delta_intervals(confusion: ConfusionCounts) -> dict[str, Interval]:
    """Give the 95% intervals of the metrics that follow from a confusion matrix, by the name of the `Metric`.

    How much one more image moves a metric is its influence; the metric's standard error is the square root of the sum
    of the squared influences of all images (the infinitesimal jackknife, Efron 1982, chapter 6).
    """
    labels, predictions = np.nonzero(confusion.counts)
    counts = confusion.counts[labels, predictions]
    margins = confusion.correct, confusion.support, confusion.predicted
    value = agreement(*(margin[None] for margin in margins))
    found = influences(*margins, labels, predictions)
    return {name: delta_interval(float(value[name][0]), influence, counts) for name, influence in found.items()}


def delta_interval(value: float, influence: NDArray[np.float64], counts: NDArray[np.int64]) -> Interval:
    """Give the 95% interval of a metric from the influence of an image of each cell, (cells,), and their counts."""
    centred = influence - counts @ influence / counts.sum()
    half = Z * sqrt(counts @ centred**2)
    return Interval(value - half, value + half)


def influences(
    correct: NDArray[np.int64],
    support: NDArray[np.int64],
    predicted: NDArray[np.int64],
    labels: NDArray[np.int64],
    predictions: NDArray[np.int64],
) -> dict[str, NDArray[np.float64]]:
    """Say how much one more image of each cell, its (cells,) true and predicted class, moves each metric: (cells,).

    The first three are a confusion matrix's diagonal and margins, (classes,). The influence is the sum of what one more
    in the class's support, in the predicted class's count and, where they are the same, in the correct ones does.
    """
    size, margins = len(support), (correct, support, predicted)
    value = agreement(*(margin[None] for margin in margins))
    moved = []
    for place in range(len(margins)):
        changed = [np.broadcast_to(margin, (size, size)) for margin in margins]
        changed[place] = changed[place] + np.eye(size, dtype=np.int64)
        moved.append(agreement(*changed))
    found = {}
    for name, (at,) in value.items():
        of_correct, of_support, of_predicted = (each[name] - at for each in moved)
        found[name] = of_support[labels] + of_predicted[predictions] + of_correct[labels] * (labels == predictions)
    return found
