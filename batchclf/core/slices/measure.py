"""The labelled images, and the metrics of each of their slices."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from batchclf.core.metrics.bootstrap import agreement
from batchclf.core.metrics.class_sums import Cells, ClassSums
from batchclf.core.metrics.intervals import difference
from batchclf.core.metrics.multiple_tests import FALSE_ALARMS
from batchclf.core.metrics.overall import agreement_intervals
from batchclf.core.slices.class_mix import Group, class_mix, class_mix_between
from batchclf.core.slices.columns import Codes, Column
from batchclf.core.slices.fisher import fisher_less
from batchclf.core.slices.result import JOINED, SliceMetrics, Trend

MOST_TRENDS = 5


@dataclass(frozen=True, eq=False)
class Labelled:
    """n labelled images: `labels` and `predictions` are (n,) class indices below `classes`."""

    labels: NDArray[np.integer]
    predictions: NDArray[np.integer]
    classes: int

    @cached_property
    def right(self) -> NDArray[np.bool_]:
        """Which are predicted right: (n,) bool."""
        return np.asarray(self.labels == self.predictions)

    def __len__(self) -> int:
        """Count the images."""
        return len(self.labels)

    def only(self, chosen: NDArray[np.bool_]) -> "Labelled":
        """Keep the images where `chosen`, (n,) bool, is true."""
        return Labelled(self.labels[chosen], self.predictions[chosen], self.classes)

    def group(self) -> Group:
        """Count the images by true class, and those that are right."""
        return Group(self._counts(self.labels), self._counts(self.labels[self.right]))

    def sums(self) -> ClassSums:
        """Count right images, labels and predictions by class."""
        of = self.group()
        return ClassSums.of(of.correct, of.support, self._counts(self.predictions))

    def _counts(self, classes: NDArray[np.integer]) -> NDArray[np.int64]:
        return np.bincount(classes, minlength=self.classes)


def measure_column(images: Labelled, column: Column) -> Iterator[SliceMetrics]:
    """Measure each slice of a column."""
    everything = images.group()
    for code in range(len(column.values)):
        chosen = images.only(column.codes == code)
        if len(chosen):
            yield measure_slice(chosen, everything, column.slice_name(code), column.words[code], column.name)


def measure_slice(chosen: Labelled, everything: Group, name: str, words: str, column: str = "") -> SliceMetrics:
    """Measure a slice of at least one image; `everything` counts all images, those of the slice included."""
    sums = chosen.sums()
    of = Group(sums.support, sums.correct)
    rest = Group(everything.support - of.support, everything.correct - of.correct)
    mix = class_mix(of, rest) if rest.images else None
    return SliceMetrics(
        name,
        column,
        words,
        len(chosen),
        int(of.correct.sum()),
        of.accuracy(),
        difference(of.accuracy(), rest.accuracy()) if rest.images else None,
        None if mix is None else mix.mix.value,
        None if mix is None else mix.beyond,
        {key: float(value) for key, value in agreement(sums).items()},
    )


def with_intervals(measured: SliceMetrics, chosen: Labelled) -> SliceMetrics:
    """Add the intervals of all metrics to those of a slice's images."""
    sums = chosen.sums()
    of_cell, counts = np.unique(
        chosen.labels.astype(np.int64) * chosen.classes + chosen.predictions, return_counts=True
    )
    cells = Cells(chosen.classes, *np.divmod(of_cell, chosen.classes), counts)
    return replace(measured, intervals=agreement_intervals(sums, cells, measured.metrics)[0])


def joint(first: Column, second: Column, codes: tuple[int, int]) -> tuple[str, str]:
    """Give the name and the words of a slice of two columns."""
    name = JOINED.join(column.slice_name(code) for column, code in zip((first, second), codes, strict=True))
    return name, f"{first.words[codes[0]]}, {second.words[codes[1]]}"


def find_slice(columns: Sequence[Column], name: str) -> tuple[NDArray[np.bool_], str] | None:
    """Find which images the slice of one or two columns with a name has, and its words; None if there is none."""
    singles = {column.slice_name(code): (column, code) for column in columns for code in range(len(column.values))}
    if name in singles:
        column, code = singles[name]
        return column.codes == code, column.words[code]
    for place in range(len(name)):
        if name.startswith(JOINED, place):
            first, second = singles.get(name[:place]), singles.get(name[place + len(JOINED) :])
            if first and second and first[0] is not second[0]:
                chosen = (first[0].codes == first[1]) & (second[0].codes == second[1])
                return chosen, joint(first[0], second[0], (first[1], second[1]))[1]
    return None


def trends(images: Labelled, columns: Sequence[Column]) -> tuple[Trend, ...]:
    """Compare the lowest with the highest part of each number, the steepest first.

    Those are kept in which Fisher's exact test, two-sided, finds a difference at 5% for all numbers together
    (Bonferroni).
    """
    numbers = [column for column in columns if len(column.parts) > 1]
    found = [_trend(images, column, FALSE_ALARMS / 2 / len(numbers)) for column in numbers]
    clear = [each for each in found if each is not None]
    return tuple(sorted(clear, key=lambda each: each.difference.value)[:MOST_TRENDS])


def _trend(images: Labelled, column: Column, risk: float) -> Trend | None:
    ends = column.parts[0], column.parts[-1]
    groups = [images.only(column.codes == code).group() for code in ends]
    if not all(group.images for group in groups):
        return None
    names = [column.slice_name(code) for code in ends]
    if groups[0].accuracy().value > groups[1].accuracy().value:
        groups.reverse()
        names.reverse()
    (worse, n), (better, of_others) = ((int(group.correct.sum()), group.images) for group in groups)
    if fisher_less(worse, n, worse + better, n + of_others) > risk:
        return None
    elsewhere = images.only(~np.isin(column.codes, ends)).group()
    mix = class_mix_between(groups[0], groups[1], elsewhere)
    return Trend(
        column.name,
        names[1],
        names[0],
        difference(groups[0].accuracy(), groups[1].accuracy()),
        None if mix is None else mix.mix.value,
        None if mix is None else mix.beyond,
    )


def with_codes(column: Column, codes: Codes) -> Column:
    """Give the same column of other images."""
    return replace(column, codes=codes)
