"""What the predictions of one split are worth: accuracy, per-class metrics, the images to look at."""

import heapq
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from batchclf.core.confusion import ConfusedPair, ConfusionCounts
from batchclf.core.intervals import Estimate, wilson
from batchclf.core.types import Prediction, PredictionRows

CONFIDENCE_BINS = 20
SHOWN_IMAGES = 24
SHOWN_PAIRS = 10
LOWEST_PROBABILITY = float(np.finfo(np.float64).eps)
"""Log loss clips probabilities to at least this, as scikit-learn's log_loss does."""


@dataclass(frozen=True, slots=True)
class ClassMetrics:
    """One class. `recall` is the class's accuracy; None where a value has nothing to rest on.

    `support` counts images whose true class this is, `predicted` labelled images predicted as it.
    """

    name: str
    support: int
    predicted: int
    correct: int
    recall: Estimate | None
    precision: Estimate | None
    f1: float | None


@dataclass(frozen=True, slots=True)
class Average:
    """Precision, recall and F1 over classes, 0 to 1."""

    precision: float
    recall: float
    f1: float


@dataclass(frozen=True, eq=False)
class LabelledMetrics:
    """What can be known only where true classes are known.

    `macro` weighs each class that occurs as label or prediction alike, `weighted` by support; a class never
    predicted counts with precision 0 in both (scikit-learn's `zero_division=0`). `balanced_accuracy` is the
    mean recall of the classes that have images. `log_loss` is the mean of -ln(probability of the true class),
    None where the file has no probability columns. `worst_errors` are the wrong predictions of the highest
    confidence.
    """

    total: int
    correct: int
    accuracy: Estimate
    balanced_accuracy: float
    macro: Average
    weighted: Average
    log_loss: float | None
    confusion: ConfusionCounts
    per_class: tuple[ClassMetrics, ...]
    confused_pairs: tuple[ConfusedPair, ...]
    worst_errors: tuple[Prediction, ...]


@dataclass(frozen=True, eq=False)
class Evaluation:
    """One split (or directory) evaluated.

    `predicted_counts` is (classes,) int64 over all rows, labelled or not; `confidence_counts` and
    `confidence_correct` are (20,) int64: rows, and right ones among the labelled, whose confidence lies in
    bin i of 0 to 1, upper edge included in the last. `labelled` is None where no row has a label.
    """

    split: str
    class_names: tuple[str, ...]
    total: int
    mean_confidence: float
    predicted_counts: NDArray[np.int64]
    confidence_counts: NDArray[np.int64]
    confidence_correct: NDArray[np.int64]
    least_confident: tuple[Prediction, ...]
    labelled: LabelledMetrics | None


@dataclass(eq=False)
class Tally:
    """Takes prediction rows in pieces of any size and gives the same `Evaluation` however they were cut."""

    split: str
    class_names: tuple[str, ...]
    total: int = 0
    confidence_sum: float = 0.0
    loss_sum: float | None = 0.0
    confusion: ConfusionCounts = field(init=False)
    predicted_counts: NDArray[np.int64] = field(init=False)
    confidence_counts: NDArray[np.int64] = field(init=False)
    confidence_correct: NDArray[np.int64] = field(init=False)
    least_confident: list[Prediction] = field(default_factory=list)
    worst_errors: list[Prediction] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Start the counts at zero."""
        self.confusion = ConfusionCounts.empty(self.class_names)
        self.predicted_counts = np.zeros(len(self.class_names), np.int64)
        self.confidence_counts = np.zeros(CONFIDENCE_BINS, np.int64)
        self.confidence_correct = np.zeros(CONFIDENCE_BINS, np.int64)

    def update(self, rows: PredictionRows) -> None:
        """Add rows of this split."""
        if not len(rows):
            return
        self.total += len(rows)
        self.confidence_sum += float(rows.confidence.sum())
        self.confusion = self.confusion.update(rows.labels, rows.predictions)
        self.predicted_counts += np.bincount(rows.predictions, minlength=len(self.class_names))
        bins = np.minimum((rows.confidence * CONFIDENCE_BINS).astype(np.int64), CONFIDENCE_BINS - 1)
        correct = rows.labels == rows.predictions
        self.confidence_counts += np.bincount(bins, minlength=CONFIDENCE_BINS)
        self.confidence_correct += np.bincount(bins[correct], minlength=CONFIDENCE_BINS)
        if rows.label_probability is None:
            self.loss_sum = None
        elif self.loss_sum is not None:
            known = rows.label_probability[rows.labels >= 0]
            self.loss_sum += float(-np.log(np.clip(known, LOWEST_PROBABILITY, 1.0)).sum())
        unsure = [rows.row(i) for i in _lowest(rows.confidence, np.ones(len(rows), np.bool_))]
        self.least_confident = heapq.nsmallest(SHOWN_IMAGES, self.least_confident + unsure, _by_confidence)
        wrong = [rows.row(i) for i in _lowest(-rows.confidence, (rows.labels >= 0) & ~correct)]
        self.worst_errors = heapq.nsmallest(SHOWN_IMAGES, self.worst_errors + wrong, _by_error)

    def merge(self, other: "Tally") -> None:
        """Add what another tally of the same split and classes has counted."""
        self.total += other.total
        self.confidence_sum += other.confidence_sum
        self.confusion = self.confusion.merge(other.confusion)
        self.predicted_counts += other.predicted_counts
        self.confidence_counts += other.confidence_counts
        self.confidence_correct += other.confidence_correct
        if other.total:
            both = self.loss_sum is not None and other.loss_sum is not None
            self.loss_sum = self.loss_sum + other.loss_sum if both else None  # type: ignore[operator]
        unsure = self.least_confident + other.least_confident
        self.least_confident = heapq.nsmallest(SHOWN_IMAGES, unsure, _by_confidence)
        wrong = self.worst_errors + other.worst_errors
        self.worst_errors = heapq.nsmallest(SHOWN_IMAGES, wrong, _by_error)

    def evaluation(self) -> Evaluation:
        """Compute the metrics of what has been counted so far."""
        return Evaluation(
            split=self.split,
            class_names=self.class_names,
            total=self.total,
            mean_confidence=self.confidence_sum / self.total if self.total else float("nan"),
            predicted_counts=self.predicted_counts.copy(),
            confidence_counts=self.confidence_counts.copy(),
            confidence_correct=self.confidence_correct.copy(),
            least_confident=tuple(self.least_confident),
            labelled=self._labelled(),
        )

    def _labelled(self) -> LabelledMetrics | None:
        confusion = self.confusion
        total, correct = int(confusion.counts.sum()), int(confusion.correct.sum())
        if not total:
            return None
        per_class = class_metrics(confusion)
        present = [c for c in per_class if c.support or c.predicted]
        return LabelledMetrics(
            total=total,
            correct=correct,
            accuracy=wilson(correct, total),
            balanced_accuracy=float(np.mean([c.recall.value for c in per_class if c.recall])),
            macro=_average(present, [1] * len(present)),
            weighted=_average(present, [c.support for c in present]),
            log_loss=None if self.loss_sum is None else self.loss_sum / total,
            confusion=confusion,
            per_class=per_class,
            confused_pairs=confusion.confused_pairs(SHOWN_PAIRS),
            worst_errors=tuple(self.worst_errors),
        )


def class_metrics(confusion: ConfusionCounts) -> tuple[ClassMetrics, ...]:
    """Compute support, recall, precision and F1 of each class, with Wilson intervals for the proportions."""
    metrics = []
    for name, support, predicted, correct in zip(
        confusion.class_names,
        confusion.support.tolist(),
        confusion.predicted.tolist(),
        confusion.correct.tolist(),
        strict=True,
    ):
        metrics.append(
            ClassMetrics(
                name=name,
                support=support,
                predicted=predicted,
                correct=correct,
                recall=wilson(correct, support) if support else None,
                precision=wilson(correct, predicted) if predicted else None,
                f1=2 * correct / (support + predicted) if support + predicted else None,
            )
        )
    return tuple(metrics)


def _average(classes: list[ClassMetrics], weights: list[int]) -> Average:
    def mean(values: list[float]) -> float:
        return float(np.average(values, weights=weights))

    return Average(
        precision=mean([c.precision.value if c.precision else 0.0 for c in classes]),
        recall=mean([c.recall.value if c.recall else 0.0 for c in classes]),
        f1=mean([c.f1 or 0.0 for c in classes]),
    )


def _lowest(values: NDArray[np.float64], allowed: NDArray[np.bool_]) -> list[int]:
    """Find the rows with the lowest allowed values; ties go to the earlier row (rows are sorted by path)."""
    candidates = np.flatnonzero(allowed)
    chosen = candidates[np.argsort(values[candidates], kind="stable")[:SHOWN_IMAGES]]
    return [int(index) for index in chosen]


def _by_confidence(row: Prediction) -> tuple[float, str]:
    return row.confidence, row.path


def _by_error(row: Prediction) -> tuple[float, str]:
    return -row.confidence, row.path
