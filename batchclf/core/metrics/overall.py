"""A split's overall metrics, each with its 95% interval and what the baseline gets."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from batchclf.core.estimate import Interval
from batchclf.core.metrics.baseline import baseline_metrics
from batchclf.core.metrics.bootstrap import agreement, centred_intervals, class_sums, resampled
from batchclf.core.metrics.confusion import ConfusionCounts
from batchclf.core.metrics.delta import delta_intervals
from batchclf.core.metrics.intervals import wilson
from batchclf.core.metrics.moments import Moments

IntervalMethod = Literal["wilson", "bootstrap", "delta", "normal", "none"]

DRAWN_CELLS = 5_000
"""Up to so many cells of the confusion matrix that hold images are drawn again; with more the delta method is used."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One overall metric.

    `name` is its key in metrics.json: accuracy, balanced_accuracy, macro_precision, macro_recall, macro_f1,
    weighted_precision, weighted_recall, weighted_f1, top2_accuracy, top3_accuracy, …, log_loss, brier, mcc, kappa, in
    this order. `interval` is None where there is none (`method` "none"). `baseline` is the value of the baseline
    that always predicts the shares of the true classes; None where it has none.
    """

    name: str
    value: float
    interval: Interval | None
    method: IntervalMethod
    baseline: float | None


def overall_metrics(
    confusion: ConfusionCounts, hits: NDArray[np.int64], log_loss: Moments | None, brier: Moments | None
) -> tuple[Metric, ...]:
    """Compute all overall metrics of at least one labelled image.

    `hits` is (k,) int64: entry i counts images whose true class is among the first i + 1 predicted classes. `log_loss`
    and `brier` are the moments of each image's own value, None without probability columns. Accuracies have Wilson's
    interval, means the normal one (from two images on), all that follows from the confusion matrix that of a
    bootstrap over images, or of the delta method where its cells are very many. Where drawing the images again can
    change nothing there is no interval.
    """
    support, total = confusion.support, int(confusion.counts.sum())
    baseline = baseline_metrics(support, len(hits))
    values = agreement(confusion.correct[None], support[None], confusion.predicted[None])
    # Too many cells to draw; with so many images the delta method holds (decision 063)
    many = np.count_nonzero(confusion.counts) > DRAWN_CELLS
    method: IntervalMethod = "delta" if many else "bootstrap"
    numbers = {name: float(value[0]) for name, value in values.items()}
    intervals = delta_intervals(confusion) if many else _bootstrap(confusion, numbers)
    of_matrix = {}
    for name, number in numbers.items():
        interval = intervals.get(name)
        of_matrix[name] = Metric(name, number, interval, method if interval else "none", baseline[name])
    accuracy = _share("accuracy", int(hits[0]), total, baseline)
    averages = [metric for name, metric in of_matrix.items() if name not in ("accuracy", "mcc", "kappa")]
    top = [
        _share(f"top{rank}_accuracy", count, total, baseline) for rank, count in enumerate(hits[1:].tolist(), start=2)
    ]
    means = [_mean(name, moments, baseline) for name, moments in (("log_loss", log_loss), ("brier", brier)) if moments]
    return (accuracy, *averages, *top, *means, of_matrix["mcc"], of_matrix["kappa"])


def _bootstrap(confusion: ConfusionCounts, numbers: dict[str, float]) -> dict[str, Interval]:
    labels, predictions = np.nonzero(confusion.counts)
    counts = confusion.counts[labels, predictions]
    if len(counts) < 2:
        return {}
    size, right = len(confusion.class_names), labels == predictions
    drawn: dict[str, list[NDArray[np.float64]]] = {}
    for draw in resampled(counts):
        correct = class_sums(draw * right, labels, size)
        of_draw = agreement(correct, class_sums(draw, labels, size), class_sums(draw, predictions, size))
        for name, values in of_draw.items():
            drawn.setdefault(name, []).append(values)
    return centred_intervals(drawn, numbers)


def _share(name: str, hits: int, total: int, baseline: dict[str, float]) -> Metric:
    estimate = wilson(hits, total)
    return Metric(name, estimate.value, estimate.interval, "wilson", baseline[name])


def _mean(name: str, moments: Moments, baseline: dict[str, float]) -> Metric:
    if moments.n < 2:
        return Metric(name, moments.mean, None, "none", baseline[name])
    return Metric(name, moments.mean, moments.estimate().interval, "normal", baseline[name])
