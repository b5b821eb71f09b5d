"""What slicing the labelled images of a split or directory shows."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from batchclf.core.estimate import Estimate, Interval
from batchclf.core.slices.columns import LeftOut
from batchclf.core.types import Prediction

JOINED = " & "
"""Stands between the two values of a slice of two columns."""


@dataclass(frozen=True)
class SliceMetrics:
    """The labelled images of one slice.

    `name` is COLUMN=VALUE, of two columns joined by ` & `; `words` describe it, `column` is the column, "" for two.
    `difference` is its accuracy minus that of all other images of the split, -1 to 1; of that `class_mix` follows from
    the classes of its images and `beyond` does not. Both are None if a class of the slice does not occur elsewhere, and
    all three if there are no other images. `metrics` has what else follows from its confusion matrix, by name;
    `intervals` has their 95% intervals if a rule of the gate is about the slice.
    """

    name: str
    column: str
    words: str
    images: int
    correct: int
    accuracy: Estimate
    difference: Estimate | None
    class_mix: float | None
    beyond: Estimate | None
    metrics: Mapping[str, float] = field(default_factory=dict)
    intervals: Mapping[str, Interval] = field(default_factory=dict)


@dataclass(frozen=True)
class WeakSlice:
    """A slice that one half of the images has shown to be among the weakest, judged on the other half.

    `found` is how it looks on the first half, `judged` on the other, on which nothing was chosen. `p_value` is that of
    Fisher's exact test, one-sided, that it is not less accurate than the other images; `adjusted` is that by Holm's
    method for all judged slices. `is_weak` if `adjusted` is at most 5%. `errors` are some of its wrong predictions, the
    most confident first.
    """

    found: SliceMetrics
    judged: SliceMetrics
    p_value: float
    adjusted: float
    is_weak: bool
    errors: tuple[Prediction, ...] = ()


@dataclass(frozen=True)
class Search:
    """The search for the weakest slices: `looked_at` slices had at least `least` images in the first half.

    `judged_on` is the number of images in the other half. `weakest` are in the order of the first half.
    """

    looked_at: int
    least: int
    found_on: int
    judged_on: int
    weakest: tuple[WeakSlice, ...]


@dataclass(frozen=True)
class Trend:
    """A number along which accuracy changes: its most and its least accurate outer part, by their slices' names.

    `difference` is the accuracy in the `worse` one minus that in the `better` one; of it `class_mix` follows from the
    classes and `beyond` does not, None if that cannot be told.
    """

    column: str
    better: str
    worse: str
    difference: Estimate
    class_mix: float | None
    beyond: Estimate | None


@dataclass(frozen=True)
class SliceFindings:
    """The slices of one split or directory: each value of each column, in order.

    `left_out` are the columns that make none. `trends` are along numbers, the steepest first.
    """

    images: int
    slices: tuple[SliceMetrics, ...]
    left_out: tuple[LeftOut, ...]
    trends: tuple[Trend, ...]
    search: Search | None
    missing: tuple[str, ...] = ()
    """Sentences on columns that could not be read."""

    def named(self, name: str) -> SliceMetrics | None:
        """Find a slice by its name."""
        return next((each for each in self.slices if each.name == name), None)
