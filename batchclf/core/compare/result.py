"""Two runs on the same images: what has changed, and whether that can be chance."""

from dataclasses import dataclass

from batchclf.core.estimate import Estimate, Interval
from batchclf.core.types import PerhapsUnknown

SHOWN_FLIPS = 24
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

    def __str__(self) -> str:
        """Say it in a sentence."""
        return self.sentence
