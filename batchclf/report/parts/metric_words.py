"""The metrics in words, and their values as the report and the tables of the history show them."""

from batchclf.core.estimate import Interval
from batchclf.core.metrics.catalog import find_metric
from batchclf.core.text import decimal, percent, points, signed


def metric_words(key: str) -> tuple[str, str]:
    """Name a metric by its key in metrics.json, and say what it is; one of another version has its key alone."""
    metric = find_metric(key)
    return (key, "") if metric is None else (metric.heading, metric.meaning)


def metric_value(key: str, value: float) -> str:
    """Show a value of a metric: shares as percentages, the gap in points, others with three decimals."""
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
    return f"{points(value)} points" if _unit(key) in ("share", "points") else signed(value, 3)


def difference_interval(key: str, interval: Interval | None) -> str:
    """Show the interval of a difference; empty where there is none."""
    if interval is None:
        return ""
    ends = (difference(key, end).removesuffix(" points") for end in (interval.low, interval.high))
    return " to ".join(ends)


def p_words(p_value: float) -> str:
    """Show a p value."""
    return "p < 0.001" if p_value < 0.001 else f"p = {p_value:.2g}"


def _unit(key: str) -> str:
    metric = find_metric(key)
    return "" if metric is None else metric.unit
