"""ROC and precision-recall of each class against the rest, from how often it got which probability."""

from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from batchclf.core.estimate import Estimate, Interval
from batchclf.core.metrics.intervals import Z, wilson

CURVE_POINTS = 101
"""A curve has at most so many points."""


_EVEN_POINTS = CURVE_POINTS // 2 + 1
"""Of a thinned curve these are spread evenly; between each two of them one more stands where the curve bends most."""

LARGEST_ERROR = 0.005
"""An area that bins give with a larger error is left out: it would not be known to two decimals."""

Curve = tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class ClassRanking:
    """One class against the rest.

    `auc` is the area under the ROC curve with DeLong's interval (DeLong 1988), None where the class or the rest has no
    image; `average_precision` is None where the class has none. `auc_error` and `average_precision_error` say how far
    the area of the probabilities themselves lies from that at most: 0.0 if they were all kept, else up to 0.005; with
    a larger error both are None. `roc` has (false positive rate, true positive rate) from (0, 0) to (1, 1),
    `precision_recall` (recall, precision) by rising recall, from (0, 1) on; both empty where the class, or for `roc`
    the rest, has no image. Between two points of `precision_recall` the precision is that of the second.
    """

    name: str
    positives: int
    negatives: int
    auc: Estimate | None
    auc_error: float | None
    average_precision: float | None
    average_precision_error: float | None
    roc: Curve
    precision_recall: Curve


def class_ranking(
    name: str, images: NDArray[np.int64 | np.uint32], of_class: NDArray[np.int64 | np.uint32], *, exact: bool
) -> ClassRanking:
    """Compute a class's areas and curves from counts over its rising probabilities.

    `images` counts all images, `of_class` those of the class, both (values,). Each entry stands for one probability if
    `exact`, else for a bin, in which every order is possible.
    """
    filled = np.flatnonzero(images)[::-1]  # the highest probability first
    positive = of_class[filled].astype(np.float64)
    negative = images[filled] - positive
    positives, negatives = int(positive.sum()), int(negative.sum())
    if not positives:
        return ClassRanking(name, 0, negatives, None, None, None, None, (), ())
    found, taken = np.cumsum(positive), np.cumsum(positive + negative)
    recall, precision = found / positives, found / taken
    average_precision: float | None = float((positive / positives * precision).sum())
    average_precision_error: float | None = 0.0
    if not exact:
        lowest, highest = _average_precisions(positive, negative)
        average_precision, average_precision_error = (lowest + highest) / 2, (highest - lowest) / 2
        if average_precision_error > LARGEST_ERROR:
            average_precision = average_precision_error = None
    recalls, precisions = np.append(0.0, recall), np.append(1.0, precision)
    curve = _thinned(recalls, precisions, recalls)
    if not negatives:
        return ClassRanking(name, positives, 0, None, None, average_precision, average_precision_error, (), curve)
    false, true = np.append(0.0, (taken - found) / negatives), np.append(0.0, recall)
    roc = _thinned(false, true, false + true)
    # Within a bin all pairs may be ranked right, or none: ties as one half are in the middle
    auc_error = 0.0 if exact else float((positive * negative).sum() / (2 * positives * negatives))
    auc = _auc(positive, negative, auc_error) if auc_error <= LARGEST_ERROR else None
    return ClassRanking(
        name=name,
        positives=positives,
        negatives=negatives,
        auc=auc,
        auc_error=None if auc is None else auc_error,
        average_precision=average_precision,
        average_precision_error=average_precision_error,
        roc=roc,
        precision_recall=curve,
    )


def _average_precisions(positive: NDArray[np.float64], negative: NDArray[np.float64]) -> tuple[float, float]:
    """Give the lowest and the highest average precision that bins of falling probability leave open.

    It is lowest if the negatives of each bin come before its positives, one after the other; highest if the positives
    come first, all with the same probability.
    """
    found, others = np.cumsum(positive), np.cumsum(negative)
    highest = (positive * found / (found + others - negative).clip(1)).sum()
    bins = np.repeat(np.arange(len(positive)), positive.astype(np.int64))
    rank = np.arange(1.0, len(bins) + 1)
    lowest = (rank / (rank + others[bins])).sum()
    return float(lowest / len(bins)), float(highest / len(bins))


def _auc(positive: NDArray[np.float64], negative: NDArray[np.float64], error: float) -> Estimate:
    """Estimate the area under the ROC curve: how often a positive is ranked before a negative, ties as one half.

    `positive` and `negative` are counts by falling probability. The interval is the normal one with the variance of
    DeLong, DeLong & Clarke-Pearson (1988), wider by `error` on both sides, cut to 0 to 1. Two cases need another one.
    If all pairs or none are ranked right that variance is 0: then it is Wilson's for as many pairs as can be made with
    no image in two of them. With only one positive or one negative there is no variance: then it is 0 to 1.
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
    half = Z * sqrt(variance) + error
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
    farthest = []
    for start, stop in zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True):
        distance = np.abs(
            (x[stop] - x[start]) * (y[start:stop] - y[start]) - (y[stop] - y[start]) * (x[start:stop] - x[start])
        )
        farthest.append(stop - 1 - int(distance[::-1].argmax()))
    return np.array(farthest, np.int64)
