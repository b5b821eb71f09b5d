"""What the predictions of images whose true class is known are worth: all metrics, and the errors to look at."""

import heapq
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from batchclf.core.estimate import Estimate
from batchclf.core.metrics.calibration import Calibration, CalibrationCounts
from batchclf.core.metrics.confusion import ConfusedPair, ConfusionCounts
from batchclf.core.metrics.examples import CellExamples
from batchclf.core.metrics.intervals import wilson
from batchclf.core.metrics.overall import Metric, overall_metrics
from batchclf.core.metrics.probability_counts import ProbabilityCounts
from batchclf.core.metrics.ranking import ClassRanking
from batchclf.core.metrics.temperature import UntemperedCounts, WithoutTemperature
from batchclf.core.metrics.top_k import TopHits
from batchclf.core.types import SHOWN_IMAGES, Prediction, PredictionRows, sureness

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
    predictions of the highest confidence, those without a confidence last. `calibration` is of the images that have a
    confidence, None if none has one. `ranking` is None where the file has no probability columns. `examples` has
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


class LabelledTally:
    """Takes the rows of one split that have labels, as `Tally` does; that one hands them on.

    `temperature` is the one that the model divided its logits by, above 0.
    """

    def __init__(self, split: str, class_names: tuple[str, ...], temperature: float) -> None:
        self.confusion = ConfusionCounts.empty(class_names)
        self.hits, self.calibration = TopHits(), CalibrationCounts()
        self.probabilities: ProbabilityCounts | None = ProbabilityCounts(class_names)
        self.untempered = UntemperedCounts(temperature) if temperature != 1 else None
        self.examples = CellExamples(split, class_names)
        self.worst_errors: list[Prediction] = []

    def update(self, rows: PredictionRows, known: NDArray[np.int64]) -> None:
        """Add rows, sorted by path; `known` are the indices of those with a label, at least one."""
        labels, predictions = rows.labels[known], rows.predictions[known]
        correct = labels == predictions
        self.confusion.update(labels, predictions)
        self.hits.update(labels, rows.ranked[known])
        sure = ~np.isnan(rows.confidence[known])
        self.calibration.update(rows.confidence[known][sure], correct[sure])
        if rows.probabilities is None:
            self.forget_probabilities()
        elif self.probabilities is not None:
            # Row after row in memory: another order would add up a row's squares otherwise (decision 189)
            of_known = np.ascontiguousarray(rows.probabilities[known])
            self.probabilities.update(labels, of_known)
            if self.untempered is not None:
                self.untempered.update(labels, predictions, of_known)
        self.examples.update(rows)
        self._keep_errors(rows.lowest(-rows.confidence, known[~correct]))

    def merge(self, other: "LabelledTally") -> None:
        """Add the rows that `other` has taken, of the same split, classes and temperature."""
        self.confusion.merge(other.confusion)
        self.hits.merge(other.hits)
        self.calibration.merge(other.calibration)
        if other.probabilities is None:
            self.forget_probabilities()
        elif self.probabilities is not None:
            self.probabilities.merge(other.probabilities)
            if self.untempered is not None and other.untempered is not None:
                self.untempered.merge(other.untempered)
        self.examples.merge(other.examples)
        self._keep_errors(other.worst_errors)

    def forget_probabilities(self) -> None:
        """Do without what needs the probabilities of all rows: some have none."""
        self.probabilities = self.untempered = None

    def _keep_errors(self, wrong: list[Prediction]) -> None:
        self.worst_errors = heapq.nsmallest(SHOWN_IMAGES, self.worst_errors + wrong, _by_error)

    def metrics(self) -> LabelledMetrics | None:
        """Compute the metrics of what has been counted so far; None where nothing was."""
        confusion = self.confusion.copy()
        total, correct = int(confusion.counts.sum()), int(confusion.correct.sum())
        if not total or self.hits.counts is None:
            return None
        scores = self.probabilities
        return LabelledMetrics(
            total=total,
            correct=correct,
            accuracy=wilson(correct, total),
            confusion=confusion,
            per_class=class_metrics(confusion),
            confused_pairs=confusion.confused_pairs(SHOWN_PAIRS),
            worst_errors=tuple(self.worst_errors),
            overall=overall_metrics(confusion, self.hits.counts, {} if scores is None else scores.means),
            calibration=self.calibration.calibration() if self.calibration.images.any() else None,
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


def _by_error(row: Prediction) -> tuple[float, str]:
    return -sureness(row.confidence), row.path
