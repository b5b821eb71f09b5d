"""The bootstrap over images, for metrics that depend on the predicted classes alone.

Drawing n images again with replacement (Efron and Tibshirani 1993, chapter 13) draws, for the cells of a table of
counts, from the multinomial distribution with their shares. So no single image is needed, only the cells that occur.
"""

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from batchclf.core.estimate import Interval
from batchclf.core.metrics.catalog import METRICS, formulas_of
from batchclf.core.metrics.class_sums import Cells, ClassSums
from batchclf.core.metrics.formulas import OfClasses, totals, values_of
from batchclf.core.metrics.intervals import LEVEL

_SEED = 20_260_101
_MOST_DRAWS, _LEAST_DRAWS, _CELLS_DRAWN, _CELLS_AT_ONCE = 1_000, 200, 5_000_000, 1_000_000
_TINY = 1e-12


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


def bootstrap_intervals(cells: Cells, values: Mapping[str, float]) -> dict[str, Interval]:
    """Give the 95% intervals of the metrics that follow from a confusion matrix and have these `values`, by name.

    One that drawing the images again does not vary is left out.
    """
    if len(cells.counts) < 2:
        return {}
    drawn: dict[str, list[NDArray[np.float64]]] = {}
    for counts in resampled(cells.counts):
        for name, draws in agreement(cells.sums(counts)).items():
            drawn.setdefault(name, []).append(draws)
    return centred_intervals(drawn, values)


def agreement(sums: ClassSums) -> dict[str, NDArray[np.float64]]:
    """Compute the metrics that follow from one or several confusion matrices: (…) float64 by name, in their order."""
    formulas = formulas_of(OfClasses)
    return values_of(formulas, totals(formulas.values(), sums))


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
            entry = METRICS[name]
            intervals[name] = Interval(max(entry.least, interval.low - off), min(entry.most, interval.high - off))
    return intervals
