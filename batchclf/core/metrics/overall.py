"""A split's overall metrics, each with its 95% interval and what the baseline gets."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from batchclf.core.estimate import Interval
from batchclf.core.metrics.baseline import baseline_metrics
from batchclf.core.metrics.bootstrap import agreement, bootstrap_intervals
from batchclf.core.metrics.catalog import overall
from batchclf.core.metrics.class_sums import Cells, ClassSums
from batchclf.core.metrics.confusion import ConfusionCounts
from batchclf.core.metrics.delta import delta_intervals
from batchclf.core.metrics.formulas import OfHits, OfImages
from batchclf.core.metrics.intervals import wilson
from batchclf.core.metrics.moments import Moments

IntervalMethod = Literal["wilson", "bootstrap", "delta", "logit", "none"]

DRAWN_CELLS = 5_000
"""Up to so many cells of the confusion matrix that hold images are drawn again; with more the delta method is used."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One overall metric.

    `name` is its key in metrics.json. `interval` is None where there is none (`method` "none"). `baseline` is the value
    of the baseline that always predicts the shares of the true classes; None where it has none.
    """

    name: str
    value: float
    interval: Interval | None
    method: IntervalMethod
    baseline: float | None


def overall_metrics(
    confusion: ConfusionCounts, hits: NDArray[np.int64], means: Mapping[str, Moments]
) -> tuple[Metric, ...]:
    """Compute all overall metrics of at least one labelled image, in the order of the catalogue.

    `hits` is (k,) int64: entry i counts images whose true class is among the first i + 1 predicted classes. `means` has
    the moments of each image's own value by the name of the metric, none without probability columns. Accuracies have
    Wilson's interval, means one on the logit scale (from two images on), all that follows from the confusion matrix
    that of a bootstrap over images, or of the delta method where its cells are very many. Where drawing the images
    again can change nothing there is no interval.
    """
    sums, total = confusion.sums, int(confusion.counts.sum())
    baseline = baseline_metrics(sums.support, len(hits))
    values = {name: float(value) for name, value in agreement(sums).items()}
    intervals, method = agreement_intervals(sums, confusion.cells(), values)
    found = []
    for entry in overall(len(hits)):
        name = entry.name
        if isinstance(entry.formula, OfHits):
            estimate = wilson(int(hits[entry.formula.rank - 1]), total)
            found.append(Metric(name, estimate.value, estimate.interval, "wilson", baseline[name]))
        elif not isinstance(entry.formula, OfImages):
            interval = intervals.get(name)
            found.append(Metric(name, values[name], interval, method if interval else "none", baseline[name]))
        elif name in means:
            found.append(_mean(name, means[name], baseline[name], entry.formula.most))
    return tuple(found)


def agreement_intervals(
    sums: ClassSums, cells: Cells, values: Mapping[str, float]
) -> tuple[dict[str, Interval], IntervalMethod]:
    """Give the 95% intervals of what follows from a confusion matrix, by the metric's name, and how they were made."""
    # Too many cells to draw; with so many images the delta method holds (decision 063)
    if len(cells.counts) > DRAWN_CELLS:
        return delta_intervals(sums, cells, values), "delta"
    return bootstrap_intervals(cells, values), "bootstrap"


def _mean(name: str, moments: Moments, baseline: float, most: float) -> Metric:
    if moments.n < 2:
        return Metric(name, moments.mean, None, "none", baseline)
    return Metric(name, moments.mean, moments.bounded_interval(most), "logit", baseline)
