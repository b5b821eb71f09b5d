"""How often each true class got which pair of predictions: all that two runs' metrics depend on, bar probabilities."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from batchclf.core.compare.paired_tests import paired_difference
from batchclf.core.compare.result import MetricChange
from batchclf.core.estimate import Interval
from batchclf.core.metrics.bootstrap import agreement, class_sums, percentile_intervals, resampled
from batchclf.core.metrics.delta import delta_interval, influences
from batchclf.core.metrics.overall import DRAWN_CELLS

_LEAST_ROOM = 200_000
_Margins = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]


@dataclass(eq=False)
class JointCounts:
    """Counts images by (true class, first prediction, second prediction); memory grows with the cells that occur."""

    classes: int
    _codes: list[NDArray[np.int64]] = field(default_factory=list)
    _counts: list[NDArray[np.int64]] = field(default_factory=list)
    _room: int = _LEAST_ROOM

    def update(self, labels: NDArray[np.int64], first: NDArray[np.int64], second: NDArray[np.int64]) -> None:
        """Add images by their (n,) class indices, none below 0."""
        codes, counts = np.unique((labels * self.classes + first) * self.classes + second, return_counts=True)
        self._codes.append(codes)
        self._counts.append(counts)
        if sum(map(len, self._codes)) > self._room:
            self._compact()

    def cells(self) -> "JointCells":
        """Give what was counted so far."""
        self._compact()
        code, size = self._codes[0], self.classes
        return JointCells(size, code // size**2, code // size % size, code % size, self._counts[0])

    def _compact(self) -> None:
        none = np.zeros(0, np.int64)
        codes, places = np.unique(np.concatenate([none, *self._codes]), return_inverse=True)
        counts = np.zeros(len(codes), np.int64)
        np.add.at(counts, places, np.concatenate([none, *self._counts]))
        self._codes, self._counts = [codes], [counts]
        self._room = max(_LEAST_ROOM, 2 * len(codes))


@dataclass(frozen=True, eq=False)
class JointCells:
    """The cells that occur, (m,) int64 each: true class, first prediction, second prediction, and how many images."""

    classes: int
    labels: NDArray[np.int64]
    first: NDArray[np.int64]
    second: NDArray[np.int64]
    counts: NDArray[np.int64]

    def right_by_class(self) -> tuple[NDArray[np.int64], ...]:
        """Count, of each true class, the images right in both, in the first only, in the second only, in neither.

        Four arrays, (classes,) int64 each.
        """
        first, second = self.first == self.labels, self.second == self.labels
        kinds = (first & second, first & ~second, ~first & second, ~first & ~second)
        return tuple(class_sums((self.counts * kind)[None], self.labels, self.classes)[0] for kind in kinds)

    def metric_changes(self) -> tuple[MetricChange, ...]:
        """Compute the metrics that need no probabilities, in the order of `Metric`; needs at least one image.

        The intervals are percentiles of a paired bootstrap (Efron and Tibshirani 1993, chapter 13): images are drawn
        anew, each with both predictions, so what makes an image hard for both does not widen them. Where the cells are
        very many they come from the delta method, with the difference of an image's influences on both runs. That of
        the accuracy, which the weighted recall is as well, is in closed form.
        """
        first, second = (agreement(*self._margins(self.counts[None], given)) for given in (self.first, self.second))
        values = {name: (float(first[name][0]), float(second[name][0])) for name in first}
        intervals = self._drawn() if len(self.counts) <= DRAWN_CELLS else self._by_influence(values)
        right = (int(counts.sum()) for counts in self.right_by_class())
        intervals["accuracy"] = intervals["weighted_recall"] = paired_difference(*right).interval
        return tuple(MetricChange(name, a, b, b - a, intervals[name]) for name, (a, b) in values.items())

    def _drawn(self) -> dict[str, Interval]:
        drawn: dict[str, list[NDArray[np.float64]]] = {}
        for counts in resampled(self.counts):
            of_first, of_second = (agreement(*self._margins(counts, given)) for given in (self.first, self.second))
            for name, values in of_second.items():
                drawn.setdefault(name, []).append(values - of_first[name])
        return percentile_intervals(drawn)

    def _by_influence(self, values: Mapping[str, tuple[float, float]]) -> dict[str, Interval]:
        found = []
        for predictions in (self.first, self.second):
            correct, support, predicted = (margin[0] for margin in self._margins(self.counts[None], predictions))
            found.append(influences(correct, support, predicted, self.labels, predictions))
        of_first, of_second = found
        return {
            name: delta_interval(second - first, of_second[name] - of_first[name], self.counts)
            for name, (first, second) in values.items()
        }

    def _margins(self, counts: NDArray[np.int64], predictions: NDArray[np.int64]) -> _Margins:
        """Add up a run's diagonal, support and predictions, for each of (draws, m) counts: (draws, classes) each."""
        correct = class_sums(counts * (predictions == self.labels), self.labels, self.classes)
        support, predicted = (class_sums(counts, group, self.classes) for group in (self.labels, predictions))
        return correct, support, predicted
