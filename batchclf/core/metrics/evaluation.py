"""What the predictions of one split are worth: accuracy, per-class metrics, the images to look at."""

import heapq
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from batchclf.core.estimate import Estimate
from batchclf.core.metrics.calibration import CALIBRATION_BINS, Calibration, CalibrationCounts, confidence_counts
from batchclf.core.metrics.confusion import ConfusedPair, ConfusionCounts
from batchclf.core.metrics.examples import CellExamples
from batchclf.core.metrics.intervals import wilson
from batchclf.core.metrics.overall import Metric, overall_metrics
from batchclf.core.metrics.probability_counts import ProbabilityCounts
from batchclf.core.metrics.ranking import ClassRanking
from batchclf.core.metrics.temperature import UntemperedCounts, WithoutTemperature
from batchclf.core.metrics.top_k import TopHits
from batchclf.core.types import Prediction, PredictionRows

SHOWN_IMAGES = 24
SHOWN_PAIRS = 10


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


@dataclass(frozen=True, eq=False)
class LabelledMetrics:
    """What can be known only where true classes are known.

    `overall` are the metrics of all classes together, `metric` finds one of them. `worst_errors` are the wrong
    predictions of the highest confidence. `ranking` is None where the file has no probability columns. `examples` has
    the images of each cell (true class, predicted class) of the confusion matrix, the most confident first: at most 6
    a cell, 2 where there are more than 100 classes. `without_temperature` is None where the model has no temperature
    and where the file has no probability columns.
    """

    total: int
    correct: int
    accuracy: Estimate
    confusion: ConfusionCounts
    per_class: tuple[ClassMetrics, ...]
    confused_pairs: tuple[ConfusedPair, ...]
    worst_errors: tuple[Prediction, ...]
    overall: tuple[Metric, ...] = ()
    calibration: Calibration | None = None
    without_temperature: WithoutTemperature | None = None
    ranking: tuple[ClassRanking, ...] | None = None
    examples: Mapping[tuple[int, int], tuple[Prediction, ...]] = field(default_factory=dict)

    def metric(self, name: str) -> Metric | None:
        """Find an overall metric by its name; None where there is none (no probability columns, for one)."""
        return next((metric for metric in self.overall if metric.name == name), None)


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
    """Takes prediction rows in pieces of any size and gives the same `Evaluation` however they were cut.

    `temperature` is the one that the model divided its logits by, above 0; it changes nothing but what is told of the
    scores without it.
    """

    split: str
    class_names: tuple[str, ...]
    temperature: float = 1.0
    total: int = 0
    confidence_sum: float = 0.0
    predicted_counts: NDArray[np.int64] = field(init=False)
    confidence_counts: NDArray[np.int64] = field(init=False)
    confusion: ConfusionCounts = field(init=False)
    hits: TopHits = field(default_factory=TopHits)
    calibration: CalibrationCounts = field(default_factory=CalibrationCounts)
    probabilities: ProbabilityCounts | None = field(init=False)
    untempered: UntemperedCounts | None = field(init=False)
    examples: CellExamples = field(init=False)
    least_confident: list[Prediction] = field(default_factory=list)
    worst_errors: list[Prediction] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Start the counts at zero."""
        classes = len(self.class_names)
        self.predicted_counts = np.zeros(classes, np.int64)
        self.confidence_counts = np.zeros(CALIBRATION_BINS, np.int64)
        self.confusion = ConfusionCounts.empty(self.class_names)
        self.probabilities = ProbabilityCounts(self.class_names)
        self.untempered = UntemperedCounts(self.temperature) if self.temperature != 1 else None
        self.examples = CellExamples(self.split, self.class_names)

    def update(self, rows: PredictionRows) -> None:
        """Add rows of this split."""
        if not len(rows):
            return
        rows = rows.by_path()
        self.total += len(rows)
        self.confidence_sum += float(rows.confidence.sum())
        self.predicted_counts += np.bincount(rows.predictions, minlength=len(self.class_names))
        self.confidence_counts += confidence_counts(rows.confidence)
        unsure = _first_rows(rows, rows.confidence, np.arange(len(rows)))
        self.least_confident = heapq.nsmallest(SHOWN_IMAGES, self.least_confident + unsure, _by_confidence)
        if rows.probabilities is None:
            self.probabilities = self.untempered = None
        known = np.flatnonzero(rows.labels >= 0)
        if len(known):
            self._update_labelled(rows, known)

    def _update_labelled(self, rows: PredictionRows, known: NDArray[np.int64]) -> None:
        labels, predictions = rows.labels[known], rows.predictions[known]
        correct = labels == predictions
        self.confusion.update(labels, predictions)
        self.hits.update(labels, rows.ranked[known])
        self.calibration.update(rows.confidence[known], correct)
        if self.probabilities is not None and rows.probabilities is not None:
            of_known = rows.probabilities[known]
            self.probabilities.update(labels, of_known)
            if self.untempered is not None:
                self.untempered.update(labels, predictions, of_known)
        self.examples.update(rows)
        wrong = _first_rows(rows, -rows.confidence, known[~correct])
        self.worst_errors = heapq.nsmallest(SHOWN_IMAGES, self.worst_errors + wrong, _by_error)

    def merge(self, other: "Tally") -> None:
        """Add what another tally of the same split, classes and temperature has counted."""
        self.total += other.total
        self.confidence_sum += other.confidence_sum
        self.predicted_counts += other.predicted_counts
        self.confidence_counts += other.confidence_counts
        self.confusion.merge(other.confusion)
        self.hits.merge(other.hits)
        self.calibration.merge(other.calibration)
        if self.probabilities is None or other.probabilities is None:
            self.probabilities = None
        else:
            self.probabilities.merge(other.probabilities)
        if self.untempered is None or other.untempered is None:
            self.untempered = None
        else:
            self.untempered.merge(other.untempered)
        self.examples.merge(other.examples)
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
            confidence_correct=self.calibration.correct_by_bin(),
            least_confident=tuple(self.least_confident),
            labelled=self._labelled(),
        )

    def _labelled(self) -> LabelledMetrics | None:
        confusion = self.confusion.copy()
        total, correct = int(confusion.counts.sum()), int(confusion.correct.sum())
        if not total or self.hits.counts is None:
            return None
        scores = self.probabilities
        losses = (None, None) if scores is None else (scores.log_loss, scores.brier)
        return LabelledMetrics(
            total=total,
            correct=correct,
            accuracy=wilson(correct, total),
            confusion=confusion,
            per_class=class_metrics(confusion),
            confused_pairs=confusion.confused_pairs(SHOWN_PAIRS),
            worst_errors=tuple(self.worst_errors),
            overall=overall_metrics(confusion, self.hits.counts, *losses),
            calibration=self.calibration.calibration(),
            without_temperature=None if self.untempered is None else self.untempered.result(),
            ranking=None if scores is None else scores.ranking.ranking(),
            examples=self.examples.by_cell(),
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


def _first_rows(rows: PredictionRows, values: NDArray[np.float64], allowed: NDArray[np.int64]) -> list[Prediction]:
    """Give the allowed rows of lowest value; ties go to the first, so in rows sorted by path to the first path."""
    chosen = allowed[np.argsort(values[allowed], kind="stable")[:SHOWN_IMAGES]]
    return [rows.row(index) for index in chosen.tolist()]


def _by_confidence(row: Prediction) -> tuple[float, str]:
    return row.confidence, row.path


def _by_error(row: Prediction) -> tuple[float, str]:
    return -row.confidence, row.path
