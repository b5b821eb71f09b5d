"""The metrics, one entry each: names, words, unit, range, better side, formula, and the places that show it.

All else follows from the entries: values, baselines and intervals, metrics.json, the report, the gate, the history,
comparisons, Prometheus, and the tables of the docs.
"""

import difflib
import re
from collections.abc import Iterator
from dataclasses import replace
from math import inf, log
from typing import TypeVar

from batchclf.core.metrics import formulas
from batchclf.core.metrics.class_sums import ratio
from batchclf.core.metrics.entry import Entry
from batchclf.core.metrics.formulas import (
    LOWEST_PROBABILITY,
    OfCalibration,
    OfClass,
    OfClasses,
    OfGap,
    OfHits,
    OfImages,
    OfRun,
)
from batchclf.core.text import scientific

EACH_CLASS = "*"
"""The `class` of a rule that looks at every class."""

_MACRO, _WEIGHTED = (
    "of the classes that occur as label or prediction",
    "of the classes, weighted by their share of the labels",
)

ENTRIES = (
    Entry(
        "accuracy",
        "accuracy",
        "share",
        OfHits(1),
        "share of the labelled images that are predicted right",
        "share of the images that is right",
        in_markdown=True,
        gauge="Share of the labelled images predicted right.",
    ),
    Entry(
        "balanced_accuracy",
        "balanced accuracy",
        "share",
        OfClasses((formulas.recall, formulas.present), lambda recall, classes: recall / classes),
        "mean recall of the classes that have images",
        "mean recall of the classes",
        large=2,
        in_markdown=True,
    ),
    Entry(
        "macro_precision",
        "macro precision",
        "number",
        OfClasses((formulas.precision, formulas.occurring), lambda precision, classes: precision / classes),
        f"mean precision {_MACRO}",
        "mean over the classes",
    ),
    Entry(
        "macro_recall",
        "macro recall",
        "number",
        OfClasses((formulas.recall, formulas.occurring), lambda recall, classes: recall / classes),
        f"mean recall {_MACRO}",
        "mean over the classes that occur",
    ),
    Entry(
        "macro_f1",
        "macro F1",
        "number",
        OfClasses((formulas.f1, formulas.occurring), lambda f1, classes: f1 / classes),
        f"mean F1 {_MACRO}",
        "mean over the classes",
        large=1,
        in_markdown=True,
        gauge="Mean F1 over the classes.",
    ),
    Entry(
        "weighted_precision",
        "weighted precision",
        "number",
        OfClasses((lambda of: of.precision * of.shares,), lambda precision: precision),
        f"mean precision {_WEIGHTED}",
        "mean over the images",
    ),
    Entry(
        "weighted_recall",
        "weighted recall",
        "number",
        OfClasses((lambda of: of.recall * of.shares,), lambda recall: recall, share_of_right=True),
        f"mean recall {_WEIGHTED}; the same as `accuracy`",
        "mean over the images, the same as accuracy",
    ),
    Entry(
        "weighted_f1",
        "weighted F1",
        "number",
        OfClasses((lambda of: of.f1 * of.shares,), lambda f1: f1),
        f"mean F1 {_WEIGHTED}",
        "mean over the images",
    ),
    Entry(
        "topK_accuracy",
        "top-K accuracy",
        "share",
        OfHits(0),
        "share of the labelled images whose true class is among the first K",
        "the true class is among the K most probable",
    ),
    Entry(
        "log_loss",
        "log loss",
        "number",
        OfImages(
            formulas.log_losses,
            lambda shares: -sum(share * log(share) for share in shares.tolist()),
            formulas.HIGHEST_LOG_LOSS,
        ),
        f"mean of −ln(probability of the true class), which counts as at least {scientific(LOWEST_PROBABILITY)}",
        "mean of −ln of the true class's probability; 0 is perfect",
        larger_is_better=False,
        most=inf,
        large=3,
        in_markdown=True,
    ),
    Entry(
        "brier",
        "Brier score",
        "number",
        OfImages(formulas.brier_scores, lambda shares: float(1 - (shares**2).sum()), formulas.HIGHEST_BRIER),
        "mean of the sum over all classes of (probability − 1 or 0)² (Brier 1950), for two classes twice the binary "
        "Brier score",
        "mean squared error of the probabilities; 0 is perfect, 2 the worst",
        larger_is_better=False,
        most=formulas.HIGHEST_BRIER,
    ),
    Entry(
        "mcc",
        "Matthews correlation",
        "number",
        OfClasses(
            (formulas.right, formulas.images, formulas.chance, formulas.shares_squared, formulas.guessed_squared),
            formulas.correlation,
        ),
        "Matthews' correlation, for many classes Gorodkin's R_K (2004)",
        "−1 to 1; 0 is what chance gives",
        title="Matthews correlation (MCC)",
        least=-1.0,
        in_markdown=True,
    ),
    Entry(
        "kappa",
        "Cohen's kappa",
        "number",
        OfClasses(
            (formulas.right, formulas.images, formulas.chance),
            lambda right, images, chance: ratio(right / images - chance, 1 - chance),
        ),
        "Cohen's kappa (1960), agreement beyond chance",
        "agreement beyond chance, at most 1",
        least=-1.0,
    ),
    Entry(
        "gap",
        "the overfitting gap",
        "points",
        OfGap(),
        "train minus test accuracy",
        larger_is_better=False,
        least=-1.0,
        interval="Newcombe",
        gauge="Train minus test accuracy.",
    ),
    Entry(
        "log_loss_gap",
        "the gap of the log loss",
        "number",
        OfGap(of_probabilities=True),
        "test minus train log loss",
        larger_is_better=False,
        least=-inf,
        most=inf,
        interval="MOVER",
    ),
    Entry(
        "ece",
        "expected calibration error",
        "number",
        OfCalibration(lambda calibration: calibration.ece),
        "expected calibration error (Naeini 2015, Guo 2017): mean of |accuracy − confidence| over 20 bins of "
        "confidence, by images",
        title="Calibration error (ECE)",
        larger_is_better=False,
        in_markdown=True,
        gauge="Expected calibration error.",
    ),
    Entry(
        "overconfidence",
        "overconfidence",
        "number",
        OfCalibration(lambda calibration: calibration.overconfidence),
        "mean confidence minus accuracy",
        larger_is_better=None,
        least=-1.0,
    ),
    Entry(
        "mean_confidence",
        "mean confidence",
        "number",
        OfRun("scores"),
        "mean confidence of the predictions, of all images, labelled or not",
        larger_is_better=None,
    ),
    Entry(
        "recall",
        "recall",
        "share",
        OfClass(lambda support, predicted, correct: support),
        "share of the class's images that are predicted right",
    ),
    Entry(
        "precision",
        "precision",
        "share",
        OfClass(lambda support, predicted, correct: predicted, missing="the class is never predicted"),
        "share of the images predicted as the class that are right",
    ),
    Entry(
        "f1",
        "F1",
        "share",
        OfClass(lambda support, predicted, correct: support + predicted - correct, f1=True),
        "harmonic mean of the class's precision and recall",
        interval="indirect Wilson",
    ),
    Entry("images", "images scored", "count", OfRun("count"), "the number of images scored", most=inf),
    Entry(
        "skipped",
        "images skipped",
        "count",
        OfRun("count"),
        "the number of images that could not be read",
        larger_is_better=False,
        most=inf,
    ),
    Entry(
        "skipped_share",
        "share of images skipped",
        "share",
        OfRun("count"),
        "share of the images that could not be read",
        larger_is_better=False,
    ),
    Entry(
        "drift",
        "quantities that have drifted",
        "count",
        OfRun("drift"),
        "how many of the four quantities have [drifted](run-directory.md#drift)",
        larger_is_better=False,
        most=4.0,
    ),
    Entry(
        "psi",
        "largest PSI",
        "number",
        OfRun("drift"),
        "the largest population stability index of them",
        larger_is_better=False,
        most=inf,
    ),
    Entry(
        "changed_share",
        "share of changed predictions",
        "share",
        OfRun("pairs"),
        "share of the images scored by both runs whose prediction changed",
        larger_is_better=False,
        interval="Wilson",
    ),
    Entry(
        "negative_flip_rate",
        "negative flip rate",
        "share",
        OfRun("pairs"),
        "negative flips: share of the labelled ones among them that were right and are wrong now",
        larger_is_better=False,
        interval="Wilson",
    ),
    Entry(
        "threshold_precision",
        "precision at the threshold",
        "share",
        OfRun("thresholds", "positive_class"),
        "share of the images with a probability of the positive class of at least `threshold` that are of it",
        interval="Wilson",
    ),
    Entry(
        "threshold_recall",
        "recall at the threshold",
        "share",
        OfRun("thresholds", "positive_class"),
        "share of the images of the positive class that have a probability of it of at least `threshold`",
        interval="Wilson",
    ),
    Entry(
        "precision_at_recall",
        "precision at the recall to keep",
        "share",
        OfRun("thresholds", "positive_class"),
        "the best precision that keeps the recall `at_recall`, its threshold [chosen on other "
        "images](slices.md#thresholds)",
        interval="Wilson",
    ),
    Entry(
        "recall_at_precision",
        "recall at the precision to keep",
        "share",
        OfRun("thresholds", "positive_class"),
        "the best recall that keeps the precision `at_precision`, likewise",
        interval="Wilson",
    ),
    Entry(
        "coverage",
        "coverage at the cheapest threshold",
        "share",
        OfRun("thresholds", "costs"),
        "share of the images that are kept if those are refused [that cost less so](slices.md#refusing-unsure-images)",
        interval="Wilson",
    ),
    Entry(
        "kept_accuracy",
        "accuracy of the images kept",
        "share",
        OfRun("thresholds", "costs"),
        "share of them that is right",
        interval="Wilson",
    ),
    Entry(
        "cost",
        "cost of an image",
        "number",
        OfRun("thresholds", "costs"),
        "mean cost of an image then, of errors and looks",
        larger_is_better=False,
        most=inf,
    ),
)
"""All metrics, in the order in which they are shown. `topK_accuracy` stands for top2_accuracy, top3_accuracy, …"""

_TOP_K = next(entry for entry in ENTRIES if entry.formula == OfHits(0))
_TOP = re.compile(r"top([2-9]|[1-9][0-9]{1,6})_accuracy")

METRICS = {entry.name: entry for entry in ENTRIES if entry is not _TOP_K}
"""All but top2_accuracy, top3_accuracy, …, which `find_metric` knows."""

RECORDED = tuple(
    entry.name for entry in METRICS.values() if entry.source in ("overall", "gap", "calibration", "scores")
)
"""The metrics that every history knows."""

_KIND = TypeVar("_KIND", OfClasses, OfImages, OfCalibration)


def formulas_of(kind: type[_KIND]) -> dict[str, _KIND]:
    """Give the formulas of a kind by the name of the metric."""
    return {name: entry.formula for name, entry in METRICS.items() if isinstance(entry.formula, kind)}


def overall(ranks: int) -> Iterator[Entry]:
    """Yield the overall metrics of a split, top-2 to top-`ranks` accuracy among them."""
    for entry in ENTRIES:
        if entry is _TOP_K:
            yield from map(_of_rank, range(2, ranks + 1))
        elif entry.source == "overall":
            yield entry


def find_metric(name: str) -> Entry | None:
    """Find a metric by its name; None if there is none."""
    if rank := top_rank(name):
        return _of_rank(rank)
    return METRICS.get(name)


def top_rank(name: str) -> int | None:
    """Give the k of `topK_accuracy`, at least 2; None for any other name."""
    found = _TOP.fullmatch(name)
    return int(found[1]) if found else None


def place(name: str) -> tuple[int, int]:
    """Give the place of a metric in the order in which they are shown; unknown ones come last."""
    rank = top_rank(name)
    known = _TOP_K.name if rank else name
    names = [entry.name for entry in ENTRIES]
    return names.index(known) if known in names else len(names), rank or 0


def nearest_metrics(name: str) -> list[str]:
    """List up to three names that are like a wrong one, the nearest first."""
    if name == "top1_accuracy":
        return ["accuracy"]
    names = [*METRICS, "top2_accuracy", "top3_accuracy", "top5_accuracy"]
    return difflib.get_close_matches(name.lower().replace("-", "_").replace(" ", "_"), names, 3, 0.5)


def _of_rank(rank: int) -> Entry:
    name, words, definition, meaning = (
        text.replace("K", str(rank)) for text in (_TOP_K.name, _TOP_K.words, _TOP_K.definition, _TOP_K.meaning)
    )
    return replace(_TOP_K, name=name, words=words, definition=definition, meaning=meaning, formula=OfHits(rank))
