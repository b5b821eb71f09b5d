"""The gate: rules that a run must keep to pass."""

from dataclasses import dataclass
from typing import Literal

WhenUncertain = Literal["value", "pass", "fail"]
AlarmName = Literal["no-images", "no-new-images", "same-images", "fewer-images", "class-folders", "one-class"]


@dataclass(frozen=True, slots=True)
class Rule:
    """One metric of one subset checked against bounds, or compared with an earlier run; None is no bound.

    `subset` None is the split or directory that the report is about. `class_name` is a class or "*" for each, `slice`
    the name of a slice. `against` is LAST_GOOD or a baseline run; `max_drop` and `max_rise` are how far the value may
    be below and above the reference's. Fewer than `min_support` images are not enough evidence. `when_uncertain` says
    what not enough evidence does to the run: "value" lets the value alone decide.
    """

    metric: str
    subset: str | None = None
    class_name: str | None = None
    slice: str | None = None
    minimum: float | None = None
    maximum: float | None = None
    against: str | None = None
    max_drop: float | None = None
    max_rise: float | None = None
    min_support: int = 1
    when_uncertain: WhenUncertain = "value"


@dataclass(frozen=True, slots=True)
class Alarms:
    """What would go unseen in a quiet run; `off` names those that are not wanted.

    `count_fell_by` is the share of the last run's images, `one_class` the share of the predictions from which on an
    alarm is raised. `fixed` are the directories that hold the same images in every run.
    """

    off: frozenset[AlarmName] = frozenset()
    count_fell_by: float = 0.5
    one_class: float = 0.95
    fixed: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Gate:
    """Bounds as shares (0 to 1), None for no bound; further rules; alarms, None for none (a run without a job)."""

    min_test_accuracy: float | None = None
    max_gap: float | None = None
    rules: tuple[Rule, ...] = ()
    alarms: Alarms | None = None
