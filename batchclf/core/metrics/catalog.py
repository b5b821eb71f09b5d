"""The metrics: those that a rule of the gate can name, those that the history records, and what they are called."""

import difflib
import re
from dataclasses import dataclass
from math import inf
from typing import Literal

Source = Literal["overall", "calibration", "class", "gap", "count", "drift", "pairs"]
Unit = Literal["share", "points", "number", "count"]

EACH_CLASS = "*"
"""The `class` of a rule that looks at every class."""


@dataclass(frozen=True, slots=True)
class RuleMetric:
    """One metric by its name in a rule; `words` name it within a sentence.

    `source` is where it comes from: the overall metrics of a split, its calibration, one class of it, the gap between
    the splits, counts of images, drift, or the comparison of the images that two runs have scored (those can be held
    only `against` another run, and drift, which has a reference of its own, never). `unit`: shares are 0 to 1 and shown
    as percentages, the gap is shown in points. `larger_is_better` is None where neither is. Values are from `least` to
    `most`.
    """

    name: str
    words: str
    source: Source
    unit: Unit
    larger_is_better: bool | None = True
    least: float = 0.0
    most: float = 1.0

    @property
    def per_class(self) -> bool:
        """Whether a rule on it names a class."""
        return self.source == "class"

    def shown(self, value: float) -> str:
        """Show a value."""
        if self.unit == "share":
            return f"{value:.2%}"
        if self.unit == "points":
            return f"{100 * value:.2f}"
        return f"{value:,.0f}" if self.unit == "count" and value == int(value) else f"{value:,.4f}"

    def shown_difference(self, value: float) -> str:
        """Show a difference of two values, in points for shares; -0.00 is 0.00."""
        if self.unit in ("share", "points"):
            return f"{round(100 * value, 2) + 0.0:.2f}"
        if self.unit == "count" and value == int(value):
            return f"{value:,.0f}"
        return f"{round(value, 4) + 0.0:,.4f}"

    @property
    def difference_unit(self) -> str:
        """What stands behind a difference: " points" of shares, nothing of others."""
        return " points" if self.unit in ("share", "points") else ""


METRICS = {
    metric.name: metric
    for metric in (
        RuleMetric("accuracy", "accuracy", "overall", "share"),
        RuleMetric("balanced_accuracy", "balanced accuracy", "overall", "share"),
        RuleMetric("macro_precision", "macro precision", "overall", "number"),
        RuleMetric("macro_recall", "macro recall", "overall", "number"),
        RuleMetric("macro_f1", "macro F1", "overall", "number"),
        RuleMetric("weighted_precision", "weighted precision", "overall", "number"),
        RuleMetric("weighted_recall", "weighted recall", "overall", "number"),
        RuleMetric("weighted_f1", "weighted F1", "overall", "number"),
        RuleMetric("log_loss", "log loss", "overall", "number", larger_is_better=False, most=inf),
        RuleMetric("brier", "Brier score", "overall", "number", larger_is_better=False, most=2.0),
        RuleMetric("mcc", "Matthews correlation", "overall", "number", least=-1.0),
        RuleMetric("kappa", "Cohen's kappa", "overall", "number", least=-1.0),
        RuleMetric("ece", "expected calibration error", "calibration", "number", larger_is_better=False),
        RuleMetric("overconfidence", "overconfidence", "calibration", "number", larger_is_better=False, least=-1.0),
        RuleMetric("mean_confidence", "mean confidence", "calibration", "number", larger_is_better=None),
        RuleMetric("gap", "the overfitting gap", "gap", "points", larger_is_better=False, least=-1.0),
        RuleMetric("recall", "recall", "class", "share"),
        RuleMetric("precision", "precision", "class", "share"),
        RuleMetric("f1", "F1", "class", "share"),
        RuleMetric("images", "images scored", "count", "count", most=inf),
        RuleMetric("skipped", "images skipped", "count", "count", larger_is_better=False, most=inf),
        RuleMetric("skipped_share", "share of images skipped", "count", "share", larger_is_better=False),
        RuleMetric("drift", "quantities that have drifted", "drift", "count", larger_is_better=False, most=4.0),
        RuleMetric("psi", "largest PSI", "drift", "number", larger_is_better=False, most=inf),
        RuleMetric("changed_share", "share of changed predictions", "pairs", "share", larger_is_better=False),
        RuleMetric("negative_flip_rate", "negative flip rate", "pairs", "share", larger_is_better=False),
    )
}
"""All but top2_accuracy, top3_accuracy, …, which `find_metric` knows."""

RECORDED = (
    "accuracy",
    "balanced_accuracy",
    "macro_precision",
    "macro_recall",
    "macro_f1",
    "weighted_precision",
    "weighted_recall",
    "weighted_f1",
    "log_loss",
    "brier",
    "mcc",
    "kappa",
    "gap",
    "log_loss_gap",
    "ece",
    "overconfidence",
    "mean_confidence",
)
"""The metrics that every history knows, in the order in which they are shown; from `ece` on without an interval."""

WORDS = {
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
"""Each overall metric by its key in metrics.json: its name, and what it is."""

_TOP = re.compile(r"top([2-9]|[1-9][0-9]{1,6})_accuracy")


def find_metric(name: str) -> RuleMetric | None:
    """Find a metric by its name; None where there is none."""
    if rank := top_rank(name):
        return RuleMetric(name, f"top-{rank} accuracy", "overall", "share")
    return METRICS.get(name)


def top_rank(name: str) -> int | None:
    """Give the k of `topK_accuracy`, at least 2; None for any other name."""
    found = _TOP.fullmatch(name)
    return int(found[1]) if found else None


def nearest_metrics(name: str) -> list[str]:
    """List up to three names that are like a wrong one, the nearest first."""
    if name == "top1_accuracy":
        return ["accuracy"]
    names = [*METRICS, "top2_accuracy", "top3_accuracy", "top5_accuracy"]
    return difflib.get_close_matches(name.lower().replace("-", "_").replace(" ", "_"), names, 3, 0.5)
