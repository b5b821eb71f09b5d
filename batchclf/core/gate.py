"""The gate: bounds that a run must keep to pass."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from batchclf.core.evaluation import LabelledMetrics
from batchclf.core.gap import Gap
from batchclf.core.run_record import GateResult, Status


@dataclass(frozen=True, slots=True)
class Gate:
    """Bounds as shares (0 to 1); None is no bound."""

    min_test_accuracy: float | None = None
    max_gap: float | None = None


RunState = Literal["passed", "failed", "uncertain", "partial", "none"]
"""How a run is judged: "uncertain" where there are too few images to tell, "none" where it has no gate."""


def run_state(status: Status, gates: Sequence[GateResult]) -> RunState:
    """Judge a run by its status and its gates. A bound that is surely missed counts before one that is not certain."""
    if status == "partial":
        return "partial"
    if any(gate.certain and not gate.passed for gate in gates):
        return "failed"
    if not all(gate.certain for gate in gates):
        return "uncertain"
    if status != "ok":
        return "failed"
    return "passed" if gates else "none"


def check_gate(gate: Gate, test: LabelledMetrics, gap: Gap | None) -> list[GateResult]:
    """Hold the test split's metrics and the gap against each bound that is set.

    Whether a bound is kept is decided by the value itself; where its 95% interval reaches to the other side of the
    bound the result is not certain. Raises ValueError where `max_gap` is set and there is no gap: a bound is never
    passed for want of a value.
    """
    results = []
    if gate.min_test_accuracy is not None:
        value, bound = test.accuracy.value, gate.min_test_accuracy
        passed = value >= bound
        verb = "reaches" if passed else "is below"
        sentence = f"test accuracy {value:.2%} {verb} the least allowed {bound:.2%}"
        interval = test.accuracy.interval
        certain = interval.low >= bound if passed else interval.high < bound
        if not certain:
            sentence += _doubt(f"{interval.low:.2%} to {interval.high:.2%}", test.accuracy.n)
        results.append(GateResult("min_test_accuracy", value, bound, passed, sentence, certain))
    if gate.max_gap is not None:
        if gap is None:
            raise ValueError("max_gap needs both splits scored")
        value, bound = gap.gap.value, gate.max_gap
        passed = value <= bound
        verb = "is within" if passed else "is above"
        sentence = f"the overfitting gap of {100 * value:.2f} points {verb} the most allowed {100 * bound:.2f}"
        interval = gap.gap.interval
        certain = interval.high <= bound if passed else interval.low > bound
        if not certain:
            sentence += _doubt(f"{100 * interval.low:.2f} to {100 * interval.high:.2f}", gap.gap.n)
        results.append(GateResult("max_gap", value, bound, passed, sentence, certain))
    return results


def _doubt(interval: str, n: int) -> str:
    images = "1 image is" if n == 1 else f"{n:,} images are"
    return f", but the bound lies within its 95% interval {interval}: {images} not enough to tell"
