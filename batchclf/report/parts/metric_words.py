"""The overall metrics in words, and their values as the report shows them."""

from batchclf.core.estimate import Interval
from batchclf.core.metrics.catalog import WORDS
from batchclf.core.text import decimal, percent, points, signed

LOSSES = ("log_loss", "brier")
"""The less the better."""


def metric_words(key: str) -> tuple[str, str]:
    """Name a metric by its key in metrics.json, and say what it is."""
    if key in WORDS:
        return WORDS[key]
    most = key.removeprefix("top").removesuffix("_accuracy")  # top2_accuracy, top3_accuracy, …
    return f"Top-{most} accuracy", f"the true class is among the {most} most probable"


def metric_value(key: str, value: float) -> str:
    """Show a value of a metric: accuracies as percentages, others with three decimals."""
    return percent(value) if key.endswith("accuracy") else decimal(value)


def metric_interval(key: str, interval: Interval | None) -> str:
    """Show the interval of a metric; empty where there is none."""
    if interval is None:
        return ""
    return f"{metric_value(key, interval.low)} to {metric_value(key, interval.high)}"


def difference(key: str, value: float) -> str:
    """Show a difference of two values of a metric: of accuracies in points, of others with three decimals."""
    return f"{points(value)} points" if key.endswith("accuracy") else signed(value, 3)


def difference_interval(key: str, interval: Interval | None) -> str:
    """Show the interval of a difference; empty where there is none."""
    if interval is None:
        return ""
    ends = (points(end) if key.endswith("accuracy") else signed(end, 3) for end in (interval.low, interval.high))
    return " to ".join(ends)


def p_words(p_value: float) -> str:
    """Show a p value."""
    return "p < 0.001" if p_value < 0.001 else f"p = {p_value:.2g}"
