"""Two runs side by side by their recorded numbers, without their images."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from batchclf.core.records.history import ClassValues, MetricValue, RunDetails
from batchclf.core.records.run import GateResult

_Value = TypeVar("_Value")
_Key = TypeVar("_Key", bound=tuple[str | int, ...])
_Numbers = MetricValue | ClassValues | GateResult


@dataclass(frozen=True, slots=True)
class MetricPair:
    """One metric of one split in both runs, None where a run has it not; `difference` is second minus first."""

    split: str
    name: str
    first: MetricValue | None
    second: MetricValue | None

    @property
    def difference(self) -> float | None:
        """Second minus first, in the metric's unit; None where either is missing."""
        return _minus(self.second, self.first, "value")


@dataclass(frozen=True, slots=True)
class ClassPair:
    """One class of one split in both runs, None where a run has it not."""

    split: str
    class_name: str
    first: ClassValues | None
    second: ClassValues | None

    @property
    def recall_difference(self) -> float | None:
        """Second minus first, -1 to 1; None where either is missing."""
        return _minus(self.second, self.first, "recall")

    @property
    def f1_difference(self) -> float | None:
        """Second minus first, -1 to 1; None where either is missing."""
        return _minus(self.second, self.first, "f1")

    @property
    def size(self) -> float:
        """How far the class has moved, 0 to 1; -1 where that is not known."""
        return max((abs(each) for each in (self.recall_difference, self.f1_difference) if each is not None), default=-1)


@dataclass(frozen=True, slots=True)
class GatePair:
    """One rule or alarm in both runs, None where a run was not checked against it."""

    first: GateResult | None
    second: GateResult | None

    @property
    def either(self) -> GateResult:
        """The rule as one of the runs has it, the second first."""
        found = self.second or self.first
        assert found is not None
        return found

    @property
    def difference(self) -> float | None:
        """Second value minus first; None where either is missing."""
        return _minus(self.second, self.first, "value")


@dataclass(frozen=True, slots=True)
class RunDifference:
    """Two runs by their numbers; classes come in the order of how far they have moved."""

    first: RunDetails
    second: RunDetails
    metrics: tuple[MetricPair, ...]
    classes: tuple[ClassPair, ...]
    gates: tuple[GatePair, ...]


def run_difference(first: RunDetails, second: RunDetails) -> RunDifference:
    """Put two runs side by side, the earlier one first."""
    metrics = _paired(
        {(each.split, each.name): each for each in first.metrics},
        {(each.split, each.name): each for each in second.metrics},
    )
    classes = _paired(
        {(each.split, each.class_name): each for each in first.classes},
        {(each.split, each.class_name): each for each in second.classes},
    )
    gates = _paired(_numbered(first.summary.gates), _numbered(second.summary.gates))
    pairs = [ClassPair(split, name, *both) for (split, name), both in classes.items()]
    return RunDifference(
        first,
        second,
        tuple(MetricPair(split, name, *both) for (split, name), both in metrics.items()),
        tuple(sorted(pairs, key=lambda pair: (-pair.size, pair.split, pair.class_name))),
        tuple(GatePair(*both) for both in gates.values()),
    )


def _paired(first: dict[_Key, _Value], second: dict[_Key, _Value]) -> dict[_Key, tuple[_Value | None, _Value | None]]:
    """Join by key, in the order of the first and then of what only the second has."""
    return {key: (first.get(key), second.get(key)) for key in dict.fromkeys([*first, *second])}


def _numbered(gates: Sequence[GateResult]) -> dict[tuple[str | int, ...], GateResult]:
    """Give each result a key; rules that are alike but for their bound are told apart by their number."""
    found: dict[tuple[str | int, ...], GateResult] = {}
    for gate in gates:
        number = 0
        while (key := (gate.kind, gate.name, gate.subset, gate.class_name, gate.against, number)) in found:
            number += 1
        found[key] = gate
    return found


def _minus(second: _Numbers | None, first: _Numbers | None, name: str) -> float | None:
    if second is None or first is None:
        return None
    after, before = getattr(second, name), getattr(first, name)
    return None if after is None or before is None else float(after - before)
