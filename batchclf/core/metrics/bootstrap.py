"""The bootstrap over images, for metrics that depend on the predicted classes alone.

Drawing n images again with replacement (Efron and Tibshirani 1993, chapter 13) draws, for the cells of a table of
counts, from the multinomial distribution with their shares. So no single image is needed, only the cells that occur.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from batchclf.core.estimate import Interval
from batchclf.core.metrics.intervals import LEVEL

_SEED = 20_260_101
_MOST_DRAWS, _LEAST_DRAWS, _CELLS_DRAWN, _CELLS_AT_ONCE = 1_000, 200, 5_000_000, 1_000_000
_TINY = 1e-12
_FROM_MINUS_ONE = ("mcc", "kappa")


def resampled(counts: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Draw as many images again, with replacement: (draws, cells) int64 at a time, from (cells,) counts.

    1,000 draws in all; fewer, at least 200, where the cells are more than 5,000. The seed is fixed.
    """
    random = np.random.Generator(np.random.PCG64(_SEED))
    images, shares = int(counts.sum()), counts / counts.sum()
    left = min(_MOST_DRAWS, max(_LEAST_DRAWS, _CELLS_DRAWN // len(counts)))
    while left > 0:
        draws = min(left, max(1, _CELLS_AT_ONCE // len(counts)))
        yield random.multinomial(images, shares, draws)
        left -= draws


def class_sums(counts: NDArray[np.int64], classes: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """Add up (draws, cells) counts by the class of each cell, (cells,) int64: (draws, size) int64."""
    sums = np.zeros((len(counts), size), np.int64)
    order = np.argsort(classes, kind="stable")
    ordered = classes[order]
    starts = np.flatnonzero(np.diff(ordered, prepend=-1))
    if len(starts):
        sums[:, ordered[starts]] = np.add.reduceat(counts[:, order], starts, axis=1)
    return sums


def agreement(
    correct: NDArray[np.int64], support: NDArray[np.int64], predicted: NDArray[np.int64]
) -> dict[str, NDArray[np.float64]]:
    """Compute the metrics that follow from a confusion matrix's diagonal and margins, (draws, classes) int64 each.

    Gives (draws,) float64 by the name of the `Metric`, in its order; each draw needs at least one image. Macro averages
    are over the classes that occur as label or prediction; what would divide by nothing is 0, as in scikit-learn with
    `zero_division=0`. Balanced accuracy is the mean recall of the classes that have images. mcc is Gorodkin's R_K
    (2004), Matthews' correlation for two classes; kappa is Cohen's (1960).
    """
    occurs = (support + predicted > 0).sum(axis=1)
    present = (support > 0).sum(axis=1)
    n, right = support.sum(axis=1), correct.sum(axis=1)
    recall, precision = _ratio(correct, support), _ratio(correct, predicted)
    f1 = _ratio(2 * correct, support + predicted)
    shares, guessed = support / n[:, None], predicted / n[:, None]
    chance = (shares * guessed).sum(axis=1)
    spread = (1 - (shares**2).sum(axis=1)) * (1 - (guessed**2).sum(axis=1))
    return {
        "accuracy": right / n,
        "balanced_accuracy": recall.sum(axis=1) / present,
        "macro_precision": precision.sum(axis=1) / occurs,
        "macro_recall": recall.sum(axis=1) / occurs,
        "macro_f1": f1.sum(axis=1) / occurs,
        "weighted_precision": (precision * shares).sum(axis=1),
        "weighted_recall": (recall * shares).sum(axis=1),
        "weighted_f1": (f1 * shares).sum(axis=1),
        "mcc": _ratio(right / n - chance, np.sqrt(np.maximum(spread, 0.0))),
        "kappa": _ratio(right / n - chance, 1 - chance),
    }


def percentile_intervals(draws: Mapping[str, list[NDArray[np.float64]]]) -> dict[str, Interval]:
    """Take the middle 95% of the draws of each metric (percentile interval)."""
    ends = (1 - LEVEL) / 2, (1 + LEVEL) / 2
    return {name: Interval(*np.quantile(np.concatenate(values), ends).tolist()) for name, values in draws.items()}


def centred_intervals(
    draws: Mapping[str, list[NDArray[np.float64]]], values: Mapping[str, float]
) -> dict[str, Interval]:
    """Take the percentile interval of each metric, moved by as much as the draws are off its value on average.

    Drawing with replacement leaves images out. Where classes have few, that lowers macro averages of precision and F1
    and raises the weighted precision, so far that the percentile interval can miss the value itself. For other metrics
    the move is next to nothing. No interval reaches beyond what a metric can be; one where the draws do not vary is
    left out.
    """
    intervals = {}
    for name, interval in percentile_intervals(draws).items():
        if interval.high - interval.low > _TINY:
            # Of small classes draws leave images out, so the interval could miss its own value (decision 064)
            off = float(np.concatenate(draws[name]).mean()) - values[name]
            lowest = -1.0 if name in _FROM_MINUS_ONE else 0.0
            intervals[name] = Interval(max(lowest, interval.low - off), min(1.0, interval.high - off))
    return intervals


def _ratio(above: NDArray[Any], below: NDArray[Any]) -> NDArray[np.float64]:
    ratio = np.zeros(np.shape(above))
    np.divide(above, below, out=ratio, where=below > _TINY)
    return ratio
