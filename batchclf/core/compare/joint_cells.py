"""How often each true class got which pair of predictions: all that two runs' metrics depend on, bar probabilities."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from batchclf.core.compare.paired_tests import paired_difference
from batchclf.core.compare.result import MetricChange
from batchclf.core.estimate import Interval
from batchclf.core.metrics.bootstrap import agreement, percentile_intervals, resampled
from batchclf.core.metrics.catalog import formulas_of
from batchclf.core.metrics.class_sums import Cells, ClassSums, class_sums
from batchclf.core.metrics.delta import delta_interval, influences
from batchclf.core.metrics.formulas import OfClasses
from batchclf.core.metrics.overall import DRAWN_CELLS

_LEAST_ROOM = 200_000


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
        return tuple(class_sums(self.counts * kind, self.labels, self.classes) for kind in kinds)

    def metric_changes(self) -> list[MetricChange]:
        """Compute the accuracy and all metrics that follow from the predicted classes; needs at least one image.

        The intervals are percentiles of a paired bootstrap (Efron and Tibshirani 1993, chapter 13): images are drawn
        anew, each with both predictions, so what makes an image hard for both does not widen them. Where the cells are
        very many they come from the delta method, with the difference of an image's influences on both runs. That of
        the accuracy, which the weighted recall is as well, is in closed form.
        """
        first, second = (agreement(self._sums(self.counts, given)) for given in (self.first, self.second))
        values = {name: (float(first[name]), float(second[name])) for name in first}
        intervals = self._drawn() if len(self.counts) <= DRAWN_CELLS else self._by_influence(values)
        both, first_only, second_only, neither = (int(counts.sum()) for counts in self.right_by_class())
        right = paired_difference(both, first_only, second_only, neither)
        same = [name for name, formula in formulas_of(OfClasses).items() if formula.share_of_right]
        intervals |= dict.fromkeys(["accuracy", *same], right.interval)
        values["accuracy"] = (both + first_only) / right.n, (both + second_only) / right.n
        return [MetricChange(name, a, b, b - a, intervals[name]) for name, (a, b) in values.items()]

    def _drawn(self) -> dict[str, Interval]:
        drawn: dict[str, list[NDArray[np.float64]]] = {}
        for counts in resampled(self.counts):
            of_first, of_second = (agreement(self._sums(counts, given)) for given in (self.first, self.second))
            for name, values in of_second.items():
                drawn.setdefault(name, []).append(values - of_first[name])
        return percentile_intervals(drawn)

    def _by_influence(self, values: Mapping[str, tuple[float, float]]) -> dict[str, Interval]:
        of_first, of_second = (
            influences(self._sums(self.counts, given), self.labels, given) for given in (self.first, self.second)
        )
        return {
            name: delta_interval(second - first, of_second[name] - of_first[name], self.counts)
            for name, (first, second) in values.items()
        }

    def _sums(self, counts: NDArray[np.int64], predictions: NDArray[np.int64]) -> ClassSums:
        """Add up a run's diagonal, support and predictions, for each of (…, m) counts: (…, classes) each."""
        return Cells(self.classes, self.labels, predictions, self.counts).sums(counts)
