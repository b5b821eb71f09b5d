"""A measured value with its interval."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Interval:
    """A 95% interval."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Estimate:
    """A measured value with its 95% interval; `n` is the number of images it rests on."""

    value: float
    interval: Interval
    n: int


@dataclass(frozen=True)
class AmongLabelled:
    """How good the model is if it chooses among the `classes` that labels name, fewer than it has.

    `correct` of `images`, all those with a label, have the most probable of these classes as their label.
    """

    classes: int
    images: int
    correct: int
