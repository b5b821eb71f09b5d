"""The metrics in words, and their values as the report and the tables of the history show them."""

from dataclasses import dataclass

from batchclf.core.estimate import Estimate, Interval
from batchclf.core.metrics.catalog import find_metric
from batchclf.core.text import (
    NOTHING,
    decimal,
    decimal_difference,
    percent,
    percent_interval,
    points,
    points_interval,
)


def metric_words(key: str) -> tuple[str, str]:
    """Name a metric by its key in metrics.json, and say what it is; one of another version has its key alone."""
    metric = find_metric(key)
    return (key, "") if metric is None else (metric.heading, metric.meaning)


def metric_value(key: str, value: float) -> str:
    """Show a value of a metric: shares as percentages, the gap in points, others with four decimals."""
    unit = _unit(key)
    return percent(value) if unit == "share" else f"{points(value)} points" if unit == "points" else decimal(value)


def metric_interval(key: str, interval: Interval | None) -> str:
    """Show the interval of a metric; empty where there is none."""
    if interval is None:
        return ""
    show = points if _unit(key) == "points" else lambda end: metric_value(key, end)
    return f"{show(interval.low)} to {show(interval.high)}"


def difference(key: str, value: float) -> str:
    """Show a difference of two values of a metric: of shares in points, of others with three decimals."""
    return f"{points(value)} points" if _unit(key) in ("share", "points") else decimal_difference(value)


def difference_interval(key: str, interval: Interval | None) -> str:
    """Show the interval of a difference; empty where there is none."""
    if interval is None:
        return ""
    ends = (difference(key, end).removesuffix(" points") for end in (interval.low, interval.high))
    return " to ".join(ends)


def _unit(key: str) -> str:
    metric = find_metric(key)
    return "" if metric is None else metric.unit


@dataclass(frozen=True, kw_only=True)
class TrainTestRow:
    """A metric on train and on test, and the gap between them, with 95% intervals; – and empty where there is none."""

    train: str
    train_interval: str
    test: str
    test_interval: str
    gap: str
    gap_interval: str


def train_test(train: Estimate | None, test: Estimate | None, gap: Estimate | None) -> dict[str, str]:
    """Show two shares and their difference: the values of a TrainTestRow."""
    return {
        "train": share(train),
        "train_interval": share_interval(train),
        "test": share(test),
        "test_interval": share_interval(test),
        "gap": points(gap.value) if gap else NOTHING,
        "gap_interval": points_interval(gap) if gap else "",
    }


def share(estimate: Estimate | None) -> str:
    """Show a share as a percentage."""
    return percent(estimate.value) if estimate else NOTHING


def share_interval(estimate: Estimate | None) -> str:
    """Show the 95% interval of a share; empty for none."""
    return percent_interval(estimate) if estimate else ""
