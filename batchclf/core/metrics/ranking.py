"""ROC and precision-recall of each class against the rest, from its probabilities."""

from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from batchclf.core.estimate import Estimate, Interval
from batchclf.core.metrics.intervals import Z, wilson
from batchclf.core.metrics.probability_bins import ProbabilityBins

CURVE_POINTS = 101
"""A curve has at most so many points."""


_EVEN_POINTS = CURVE_POINTS // 2 + 1
"""Of a thinned curve these are spread evenly; between each two of them one more stands where the curve bends most."""

Curve = tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class ClassRanking:
    """One class against the rest.

    `auc` is the area under the ROC curve with DeLong's interval (DeLong 1988), None where the class or the rest has no
    image; `average_precision` is None where the class has none. `roc` has (false positive rate, true positive rate)
    from (0, 0) to (1, 1), `precision_recall` (recall, precision) by rising recall, from (0, 1) on; both empty where
    undefined. Between two points of `precision_recall` the precision is that of the second.
    """

    name: str
    positives: int
    negatives: int
    auc: Estimate | None
    average_precision: float | None
    roc: Curve
    precision_recall: Curve


class RankingCounts:
    """How often a class got which probability, as histograms: memory does not grow with the images.

    `images` counts all images, `positives` those of the class, both (classes, bins) uint32; the bins are those of
    `ProbabilityBins`. Two probabilities in the same bin count as a tie.
    """

    def __init__(self, class_names: tuple[str, ...]) -> None:
        self.class_names = class_names
        self.bins = ProbabilityBins.for_classes(len(class_names))
        self.images, self.positives = (np.zeros((len(class_names), self.bins.count), np.uint32) for _ in range(2))

    def update(self, labels: NDArray[np.int64], probabilities: NDArray[np.float64]) -> None:
        """Add images by their (n,) true class, none below 0, and their (n, classes) probabilities, 0 to 1."""
        # Added in place: the piece is small beside the histograms, so a bincount would be slow.
        cells = self.bins.of(probabilities) + np.arange(len(self.class_names)) * self.bins.count
        np.add.at(self.images.reshape(-1), cells.reshape(-1), np.uint32(1))
        np.add.at(self.positives.reshape(-1), cells[np.arange(len(labels)), labels], np.uint32(1))

    def ranking(self) -> tuple[ClassRanking, ...]:
        """Compute every class's areas and curves; the probabilities of a bin are taken as equal."""
        return tuple(map(_of_class, self.class_names, self.images, self.positives))


def _of_class(name: str, images: NDArray[np.uint32], of_class: NDArray[np.uint32]) -> ClassRanking:
    """Compute one class from its two histograms over rising probabilities."""
    filled = np.flatnonzero(images)[::-1]  # the highest probability first
    positive = of_class[filled].astype(np.float64)
    negative = images[filled] - positive
    positives, negatives = int(positive.sum()), int(negative.sum())
    if not positives:
        return ClassRanking(name, 0, negatives, None, None, (), ())
    found, taken = np.cumsum(positive), np.cumsum(positive + negative)
    recall, precision = found / positives, found / taken
    average_precision = float((positive / positives * precision).sum())
    recalls, precisions = np.append(0.0, recall), np.append(1.0, precision)
    curve = _thinned(recalls, precisions, recalls)
    if not negatives:
        return ClassRanking(name, positives, 0, None, average_precision, (), curve)
    false, true = np.append(0.0, (taken - found) / negatives), np.append(0.0, recall)
    roc = _thinned(false, true, false + true)
    return ClassRanking(name, positives, negatives, _auc(positive, negative), average_precision, roc, curve)


def _auc(positive: NDArray[np.float64], negative: NDArray[np.float64]) -> Estimate:
    """Estimate the area under the ROC curve: how often a positive is ranked before a negative, ties as one half.

    `positive` and `negative` are counts by falling probability. The interval is the normal one with the variance of
    DeLong, DeLong & Clarke-Pearson (1988), cut to 0 to 1. Two cases need another one. Where all pairs or none are
    ranked right that variance is 0: then it is Wilson's for as many pairs as can be made with no image in two of them.
    Where there is only one positive or one negative there is no variance: then it is 0 to 1.
    """
    m, n = float(positive.sum()), float(negative.sum())
    # Placements: which share of the others an image of this bin is ranked right against.
    of_positive = (n - np.cumsum(negative) + negative / 2) / n
    of_negative = (np.cumsum(positive) - positive / 2) / m
    area = float((positive * of_positive).sum() / m)
    pairs = int(min(m, n))
    # DeLong's variance is 0 here and would claim certainty from few images (decision 061)
    if area in (0.0, 1.0):
        return Estimate(area, wilson(pairs if area else 0, pairs).interval, int(m + n))
    if pairs == 1:
        return Estimate(area, Interval(0.0, 1.0), int(m + n))
    variance = (positive * (of_positive - area) ** 2).sum() / (m * (m - 1))
    variance += (negative * (of_negative - area) ** 2).sum() / (n * (n - 1))
    half = Z * sqrt(variance)
    return Estimate(area, Interval(max(0.0, area - half), min(1.0, area + half)), int(m + n))


def _thinned(x: NDArray[np.float64], y: NDArray[np.float64], along: NDArray[np.float64]) -> Curve:
    """Keep at most CURVE_POINTS of a curve's points; `along` rises along it."""
    chosen = np.arange(len(x))
    if len(x) > CURVE_POINTS:
        even = np.searchsorted(along, np.linspace(along[0], along[-1], _EVEN_POINTS))
        even = np.unique(np.append(even[:-1], len(x) - 1))
        chosen = np.union1d(even, _farthest_from_chords(x, y, even))
    return tuple(zip(x[chosen].tolist(), y[chosen].tolist(), strict=True))


def _farthest_from_chords(x: NDArray[np.float64], y: NDArray[np.float64], ends: NDArray[np.int64]) -> NDArray[np.int64]:
    """Find the point between each two neighbours of `ends` that is farthest from the line through them."""
    start = np.repeat(ends[:-1], np.diff(ends))  # of the chord that a point lies under; the last point has none
    stop = np.repeat(ends[1:], np.diff(ends))
    under = np.arange(len(start))
    distance = np.abs((x[stop] - x[start]) * (y[under] - y[start]) - (y[stop] - y[start]) * (x[under] - x[start]))
    return np.lexsort((distance, start))[ends[1:] - 1]
