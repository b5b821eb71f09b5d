"""Counts two runs' predictions for the same images, and compares them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import compress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from batchclf.core.compare.joint_cells import JointCells, JointCounts
from batchclf.core.compare.paired_tests import mcnemar_exact, paired_difference
from batchclf.core.compare.result import (
    CHANCE,
    SHOWN_FLIPS,
    ClassChange,
    Comparison,
    Flip,
    MetricChange,
    lost_classes,
    lost_words,
)
from batchclf.core.metrics.catalog import formulas_of, place
from batchclf.core.metrics.formulas import OfImages
from batchclf.core.metrics.intervals import wilson
from batchclf.core.metrics.moments import Moments
from batchclf.core.text import count, counted, percent, points_apart
from batchclf.core.types import sureness


@dataclass(frozen=True, eq=False, slots=True)
class RunPredictions:
    """A run's predictions for some images, one entry an image.

    `labels` and `predictions` are (n,) int64 class indices, -1 where a label is unknown; `confidence` is (n,) float64,
    nan where unknown; `probabilities` is (n, classes) float64 or None. `digests` are (n,) uint64 of the images'
    content, None where it is not known.
    """

    paths: tuple[str, ...]
    labels: NDArray[np.int64]
    predictions: NDArray[np.int64]
    confidence: NDArray[np.float64]
    probabilities: NDArray[np.float64] | None
    digests: NDArray[np.uint64] | None = None

    @classmethod
    def joined(cls, parts: Sequence["RunPredictions"]) -> "RunPredictions":
        """Put parts, at least one, behind each other."""
        probabilities = [part.probabilities for part in parts if part.probabilities is not None]
        digests = [part.digests for part in parts if part.digests is not None]
        return cls(
            tuple(path for part in parts for path in part.paths),
            np.concatenate([part.labels for part in parts]),
            np.concatenate([part.predictions for part in parts]),
            np.concatenate([part.confidence for part in parts]),
            np.concatenate(probabilities) if len(probabilities) == len(parts) else None,
            np.concatenate(digests) if len(digests) == len(parts) else None,
        )

    def __len__(self) -> int:
        """Count the images."""
        return len(self.paths)

    def part(self, begin: int, end: int) -> "RunPredictions":
        """Keep the images from `begin` up to `end`."""
        return self._take(self.paths[begin:end], slice(begin, end))

    def only(self, chosen: NDArray[np.bool_]) -> "RunPredictions":
        """Keep the images where `chosen`, (n,) bool, is true."""
        return self._take(tuple(compress(self.paths, chosen.tolist())), chosen)

    def by_path(self) -> "RunPredictions":
        """Sort by path; of images with the same path the first is kept."""
        first = {path: row for row, path in reversed(list(enumerate(self.paths)))}
        order = sorted(first)
        return self._take(tuple(order), np.array([first[path] for path in order], np.int64))

    def take(self, rows: NDArray[np.int64]) -> "RunPredictions":
        """Keep the images of these indices, in their order."""
        return self._take(tuple([self.paths[row] for row in rows.tolist()]), rows)

    def _take(self, paths: tuple[str, ...], rows: Any) -> "RunPredictions":
        probabilities = None if self.probabilities is None else self.probabilities[rows]
        digests = None if self.digests is None else self.digests[rows]
        return RunPredictions(
            paths, self.labels[rows], self.predictions[rows], self.confidence[rows], probabilities, digests
        )


@dataclass(frozen=True, eq=False, slots=True)
class Flipped:
    """Which of n images have another prediction in the second run: (n,) bool each, with no image in two of them.

    `negative_flips` were right in the first run, `positive_flips` are right in the second; `other` were right in
    neither, or have no label, or not the same one in both. `labels` are (n,) int64, -1 but for those of the same label
    in both.
    """

    labels: NDArray[np.int64]
    negative_flips: NDArray[np.bool_]
    positive_flips: NDArray[np.bool_]
    other: NDArray[np.bool_]


def find_flips(first: RunPredictions, second: RunPredictions) -> Flipped:
    """Compare the predictions for the same images in the same order."""
    labels = np.where(first.labels == second.labels, first.labels, -1)
    changed = first.predictions != second.predictions
    negative, positive = changed & (first.predictions == labels), changed & (second.predictions == labels)
    return Flipped(labels, negative, positive, changed & ~negative & ~positive)


@dataclass(slots=True)
class _Mean:
    """The mean of a metric over the images: of each run, and how far each image's own differ."""

    first: Moments = field(default_factory=Moments)
    second: Moments = field(default_factory=Moments)
    difference: Moments = field(default_factory=Moments)

    def add(self, first: NDArray[np.float64], second: NDArray[np.float64]) -> None:
        for moments, values in ((self.first, first), (self.second, second), (self.difference, second - first)):
            moments.update(values)

    def change(self, name: str) -> MetricChange:
        difference = self.difference
        interval = difference.estimate().interval if difference.n > 1 else None
        return MetricChange(name, self.first.mean, self.second.mean, difference.mean, interval)


@dataclass(eq=False)
class PairTally:
    """Takes the predictions of both runs in pieces of any size; memory grows with the different predictions only.

    `only_first`, `only_second` and `replaced` are for the caller to add to.
    """

    first_run: str
    second_run: str
    split: str
    class_names: tuple[str, ...]
    images: int = 0
    relabelled: int = 0
    only_first: int = 0
    only_second: int = 0
    replaced: int = 0
    changed: int = 0
    _counts: JointCounts = field(init=False)
    _flips: dict[str, list[Flip]] = field(default_factory=lambda: {"negative": [], "positive": [], "other": []})
    _means: dict[str, _Mean] = field(default_factory=lambda: {name: _Mean() for name in formulas_of(OfImages)})

    def __post_init__(self) -> None:
        """Start the counts at zero."""
        self._counts = JointCounts(len(self.class_names))

    def update(self, first: RunPredictions, second: RunPredictions) -> None:
        """Add predictions for the same images in the same order; both have the tally's classes."""
        if not len(first):
            return
        self.images += len(first)
        self.relabelled += int((first.labels != second.labels).sum())
        flipped = find_flips(first, second)
        labels, known = flipped.labels, flipped.labels >= 0
        self._counts.update(labels[known], first.predictions[known], second.predictions[known])
        for kind, chosen in (
            ("negative", flipped.negative_flips),
            ("positive", flipped.positive_flips),
            ("other", flipped.other),
        ):
            rows = np.flatnonzero(chosen)
            self.changed += len(rows)
            self._keep(kind, first, second, labels, rows)
        self._add_means(first, second, labels, np.flatnonzero(known))

    def comparison(self) -> Comparison:
        """Compare what has been counted so far; the same counts always give the same intervals."""
        cells = self._counts.cells()
        by_class = cells.right_by_class()
        both, first_only, second_only, neither = (int(each.sum()) for each in by_class)
        labelled = both + first_only + second_only + neither
        p_value = mcnemar_exact(first_only, second_only) if labelled else None
        metrics = self._metrics(cells) if labelled else ()
        per_class = self._per_class(by_class)
        return Comparison(
            first_run=self.first_run,
            second_run=self.second_run,
            split=self.split,
            images=self.images,
            labelled=labelled,
            relabelled=self.relabelled,
            only_first=self.only_first,
            only_second=self.only_second,
            both_right=both,
            only_first_right=first_only,
            only_second_right=second_only,
            both_wrong=neither,
            changed=self.changed,
            p_value=p_value,
            metrics=metrics,
            negative_flips=tuple(self._flips["negative"]),
            positive_flips=tuple(self._flips["positive"]),
            other=tuple(self._flips["other"]),
            sentence=self._sentence(metrics, p_value, per_class),
            per_class=per_class,
            replaced=self.replaced,
        )

    def _keep(
        self,
        kind: str,
        first: RunPredictions,
        second: RunPredictions,
        labels: NDArray[np.int64],
        rows: NDArray[np.int64],
    ) -> None:
        """Keep the flips that the second run is surest of; ties go to the first path."""
        surest = rows[np.argsort(-second.confidence[rows], kind="stable")[:SHOWN_FLIPS]]
        names = self.class_names
        found = [
            Flip(
                path=second.paths[row],
                label=names[labels[row]] if labels[row] >= 0 else None,
                first_prediction=names[first.predictions[row]],
                first_confidence=float(first.confidence[row]),
                second_prediction=names[second.predictions[row]],
                second_confidence=float(second.confidence[row]),
            )
            for row in surest.tolist()
        ]
        kept = sorted(self._flips[kind] + found, key=lambda flip: (-sureness(flip.second_confidence), flip.path))
        self._flips[kind] = kept[:SHOWN_FLIPS]

    def _add_means(
        self, first: RunPredictions, second: RunPredictions, labels: NDArray[np.int64], rows: NDArray[np.int64]
    ) -> None:
        """Add what follows from the probabilities of the labelled rows."""
        if first.probabilities is None or second.probabilities is None:
            self._means = {}
            return
        of_runs = [probabilities[rows] for probabilities in (first.probabilities, second.probabilities)]
        for name, mean in self._means.items():
            mean.add(*(formulas_of(OfImages)[name].values(labels[rows], of_run) for of_run in of_runs))

    def _metrics(self, cells: JointCells) -> tuple[MetricChange, ...]:
        means = [mean.change(name) for name, mean in self._means.items()]
        return tuple(sorted([*cells.metric_changes(), *means], key=lambda change: place(change.name)))

    def _per_class(self, by_class: tuple[NDArray[np.int64], ...]) -> tuple[ClassChange, ...]:
        changes = []
        for name, both, negative, positive, neither in zip(
            self.class_names, *(counts.tolist() for counts in by_class), strict=True
        ):
            if images := both + negative + positive + neither:
                first, second = wilson(both + negative, images), wilson(both + positive, images)
                difference = paired_difference(both, negative, positive, neither)
                changes.append(ClassChange(name, images, first, second, difference, negative, positive))
        return tuple(sorted(changes, key=lambda change: -abs(change.difference.value)))

    def _sentence(
        self, metrics: tuple[MetricChange, ...], p_value: float | None, per_class: tuple[ClassChange, ...]
    ) -> str:
        if p_value is None:
            share = percent(self.changed / self.images) if self.images else "none"
            return (
                f"Without labels it is unknown which run is right more often; the predictions differ on "
                f"{count(self.changed)} of {counted(self.images, 'image')} ({share})."
            )
        accuracy = metrics[0]
        first, second = percent(accuracy.first), percent(accuracy.second)
        facts = f"Accuracy is {first} in the first run and {second} in the second"
        lost = lost_words(lost_classes(per_class))
        size = points_apart(accuracy.difference)
        if not size.strip("0."):
            flips = sum(each.negative_flips + each.positive_flips for each in per_class)
            though = f", though {counted(flips, 'image')} flipped" if flips else ""
            return f"{facts}: neither is better{though}{f'; {lost}' if lost else ''}."
        direction = "better" if accuracy.difference > 0 else "worse"
        chance = "beyond chance" if p_value < CHANCE else "which can be chance"
        but = "" if not lost else f", but {lost}" if accuracy.difference > 0 else f"; {lost}"
        return f"{facts}: {size} points {direction}, {chance}{but}."
