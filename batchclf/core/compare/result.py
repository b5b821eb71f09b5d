"""Two runs on the same images: what has changed, and whether that can be chance."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from batchclf.core.compare.paired_tests import mcnemar_exact
from batchclf.core.estimate import Estimate, Interval
from batchclf.core.metrics.multiple_tests import holm
from batchclf.core.text import class_name, first_of, percent
from batchclf.core.types import PerhapsUnknown

SHOWN_FLIPS = 24
NAMED_CLASSES = 3
"""So many classes that lost are named in a sentence."""
CHANCE = 0.05
"""From this p value on a difference is said to be possibly chance."""


@dataclass(frozen=True, slots=True)
class MetricChange:
    """One overall metric (`name` as in `Metric`) of both runs; `difference` is second minus first, with its paired
    95% interval where there is one.
    """

    name: str
    first: float
    second: float
    difference: float
    interval: Interval | None


@dataclass(frozen=True, slots=True)
class ClassChange:
    """One class on the `images` of it that both runs scored.

    `first` and `second` are its recalls; `difference` is second minus first with its paired interval. `negative_flips`
    counts its images that only the first run got right, `positive_flips` those that only the second did.
    """

    name: str
    images: int
    first: Estimate
    second: Estimate
    difference: Estimate
    negative_flips: int
    positive_flips: int


def lost_classes(per_class: Sequence[ClassChange]) -> tuple[ClassChange, ...]:
    """Give the classes that lost beyond chance at the 5% level, all tested together (`holm`); largest loss first."""
    sure = holm({each.name: partial(_differs, each) for each in per_class}, CHANCE)
    return tuple(each for each in per_class if each.name in sure and each.negative_flips > each.positive_flips)


def _differs(change: ClassChange, risk: float) -> bool:
    return mcnemar_exact(change.negative_flips, change.positive_flips) <= risk


def lost_words(lost: Sequence[ClassChange]) -> str:
    """Name classes that lost beyond chance, with their recalls; empty for none."""
    shown = [f"{class_name(each.name)} ({percent(each.first.value)} to {percent(each.second.value)})" for each in lost]
    return f"worse beyond chance in {first_of(shown, NAMED_CLASSES)}" if shown else ""


@dataclass(frozen=True, slots=True)
class Flip:
    """One image on which the runs predict differently; `label` is None where unknown."""

    path: str
    label: str | None
    first_prediction: str
    first_confidence: PerhapsUnknown
    second_prediction: str
    second_confidence: PerhapsUnknown


@dataclass(frozen=True, slots=True)
class Comparison:
    """The images of `split` that both runs scored, matched by path and content.

    `images` is their number, `labelled` of them have the same label in both runs and are what right and wrong is about;
    `relabelled` have another label. `only_first` and `only_second` count images that the other run lacks, `replaced`
    those whose path holds another content in the second run: they are left out. `changed` counts other predictions.
    `p_value` is that of McNemar's exact test (McNemar 1947), 1.0 where no image flipped, None without labels.
    `negative_flips` are flips from right to wrong, `positive_flips` from wrong to right, `other` all further changes
    (unlabelled, or wrong in both); each the most confident of the second run first, at most 24. `per_class` has the
    classes with images, the largest change of recall first.
    """

    first_run: str
    second_run: str
    split: str
    images: int
    labelled: int
    relabelled: int
    only_first: int
    only_second: int
    both_right: int
    only_first_right: int
    only_second_right: int
    both_wrong: int
    changed: int
    p_value: float | None
    metrics: tuple[MetricChange, ...]
    negative_flips: tuple[Flip, ...]
    positive_flips: tuple[Flip, ...]
    other: tuple[Flip, ...]
    sentence: str
    per_class: tuple[ClassChange, ...] = ()
    replaced: int = 0

    @property
    def same_images(self) -> bool:
        """Whether both runs scored the same images, with the same labels and content."""
        return not (self.only_first or self.only_second or self.relabelled or self.replaced)

    @property
    def lost_classes(self) -> tuple[ClassChange, ...]:
        """The classes with fewer right images in the second run, beyond chance with all classes tested together."""
        return lost_classes(self.per_class)

    @property
    def lost_words(self) -> str:
        """Name these classes in a clause; empty for none."""
        return lost_words(self.lost_classes)

    def __str__(self) -> str:
        """Say it in a sentence."""
        return self.sentence
