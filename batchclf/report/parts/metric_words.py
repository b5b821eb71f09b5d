"""The overall metrics in words, and their values as the report shows them."""

from batchclf.core.estimate import Interval
from batchclf.core.text import decimal, percent, points, signed

LOSSES = ("log_loss", "brier")
"""The less the better."""

_WORDS = {
    "accuracy": ("Accuracy", "share of the images that is right"),
    "balanced_accuracy": ("Balanced accuracy", "mean recall of the classes"),
    "macro_precision": ("Macro precision", "mean over the classes"),
    "macro_recall": ("Macro recall", "mean over the classes that occur"),
    "macro_f1": ("Macro F1", "mean over the classes"),
    "weighted_precision": ("Weighted precision", "mean over the images"),
    "weighted_recall": ("Weighted recall", "mean over the images, the same as accuracy"),
    "weighted_f1": ("Weighted F1", "mean over the images"),
    "log_loss": ("Log loss", "mean of −ln of the true class's probability; 0 is perfect"),
    "brier": ("Brier score", "mean squared error of the probabilities; 0 is perfect, 2 the worst"),
    "mcc": ("Matthews correlation (MCC)", "−1 to 1; 0 is what chance gives"),
    "kappa": ("Cohen's kappa", "agreement beyond chance, at most 1"),
}


def metric_words(key: str) -> tuple[str, str]:
    """Name a metric by its key in metrics.json, and say what it is."""
    if key in _WORDS:
        return _WORDS[key]
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
