"""What the gate said: every rule and alarm with its outcome, what needs a look first."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from batchclf.core.records.run import LAST_GOOD, GateResult, Outcome
from batchclf.core.text import class_name, count, counted, visible

SHOWN_RESULTS = 200
"""So many rules and alarms are listed of those that did not pass, and of those that did."""

IN_VERDICT = 8
"""Up to so many stand in the verdict, and there is no section on the gate; of more, those that did not pass."""

IN_SIGHT = 12
"""Up to so many are all in sight; of more, those that passed are folded away."""

_ORDER: dict[Outcome, int] = {"failed": 0, "missing": 1, "uncertain": 2, "passed": 3}


@dataclass(frozen=True)
class GateLine:
    """One rule or alarm: `word` says in a word or two how it went, `effect` what that does to the run where it is not
    plain; `state` colours it. `place` is the subset, `group` the class or classes; both may be empty.
    """

    state: Outcome
    word: str
    effect: str
    kind: str
    name: str
    place: str
    group: str
    against: str
    sentence: str
    alarm: bool


@dataclass(frozen=True)
class GateView:
    """`lines` are in sight, `folded` behind them; `left_out` says how many more there are, empty for none."""

    sentence: str
    lines: tuple[GateLine, ...]
    folded: tuple[GateLine, ...]
    left_out: str


def gate_view(gates: Sequence[GateResult], names: Mapping[str, str]) -> GateView | None:
    """Show all rules and alarms, what failed first; `names` has what the subsets are called. None without a gate."""
    if not gates:
        return None
    open_ones, passed = _apart(gates)
    shown = [*open_ones[:SHOWN_RESULTS], *passed[:SHOWN_RESULTS]]
    more = len(gates) - len(shown)
    lines = tuple(gate_line(gate, names) for gate in shown)
    in_sight = len(lines) if len(gates) <= IN_SIGHT else min(len(open_ones), SHOWN_RESULTS)
    return GateView(
        sentence=summary(gates),
        lines=lines[:in_sight],
        folded=lines[in_sight:],
        left_out=f"{counted(more, 'further result')}: all of them are in run.json" if more else "",
    )


def in_order(gates: Sequence[GateResult]) -> list[GateResult]:
    """Put what failed first, then what is missing, uncertain and passed; alarms first, but among the passed last."""
    return sorted(
        gates,
        key=lambda gate: (gate.passed, _ORDER[gate.outcome], (gate.kind == "alarm") == (gate.outcome == "passed")),
    )


def _apart(gates: Sequence[GateResult]) -> tuple[list[GateResult], list[GateResult]]:
    ordered = in_order(gates)
    return [g for g in ordered if g.outcome != "passed"], [g for g in ordered if g.outcome == "passed"]


def gate_line(gate: GateResult, names: Mapping[str, str]) -> GateLine:
    """Show one rule or alarm."""
    alarm, outcome = gate.kind == "alarm", gate.outcome
    words: dict[Outcome, str] = {
        "passed": "No alarm" if alarm else "Passed",
        "failed": "Alarm" if alarm else "Failed",
        "uncertain": "Not enough evidence",
        "missing": "Not checked",
    }
    return GateLine(
        state=outcome,
        word=words[outcome],
        effect="" if outcome in ("passed", "failed") else f"counts as {'passed' if gate.passed else 'failed'}",
        kind="alarm" if alarm else "rule",
        name=visible(gate.name.partition("[")[0]).replace("_", " "),
        place=visible(names.get(gate.subset, gate.subset)) if gate.subset else "",
        group=_group(gate.class_name),
        against="" if alarm else _against(gate.against),
        sentence=visible(gate.reason),
        alarm=alarm,
    )


def _group(name: str) -> str:
    if name == "*":
        return "each class"
    return f"class {class_name(name)}" if name else ""


def _against(against: str) -> str:
    return "the last good run" if against == LAST_GOOD else visible(against)


def failed_words(gates: Sequence[GateResult]) -> str:
    """Count what did not pass: `1 alarm raised, 2 rules failed`; empty if all passed."""
    return _kinds([gate for gate in gates if not gate.passed], " raised", " failed")


def _kinds(gates: Sequence[GateResult], of_alarms: str = "", of_rules: str = "") -> str:
    alarms = sum(gate.kind == "alarm" for gate in gates)
    parts = [(alarms, "alarm", of_alarms), (len(gates) - alarms, "rule", of_rules)]
    return ", ".join(counted(number, word) + what for number, word, what in parts if number)


def held_words(gates: Sequence[GateResult]) -> str:
    """Say in a clause what the gate came to: what failed, what could not be checked, or that all is well."""
    alarms = [gate for gate in gates if gate.kind == "alarm"]
    rules = [gate for gate in gates if gate.kind != "alarm"]
    raised = sum(not gate.passed for gate in alarms)
    outcomes = Counter((gate.outcome, gate.passed) for gate in rules)
    missed, met = outcomes["failed", False], outcomes["passed", True]
    clauses = []
    if raised:
        clauses.append(f"{counted(raised, 'alarm')} {'was' if raised == 1 else 'were'} raised")
    if missed:
        clauses.append(f"{_of(missed, rules)} not met")
    elif met:
        clauses.append(f"{_of(met, rules)} met")
    if absent := outcomes["missing", False]:
        clauses.append(f"{counted(absent, 'rule')} not checked, which counts as failed")
    if unsure := sum(gate.outcome == "uncertain" for gate in rules):
        of = "the rule" if len(rules) == 1 else f"{count(unsure)} of {count(len(rules))} rules"
        clauses.append(f"for {of} there is not enough evidence")
    if waiting := outcomes["missing", True]:
        clauses.append(f"{counted(waiting, 'rule')} not checked: no earlier good run yet")
    unchecked = sum(gate.outcome == "uncertain" for gate in alarms)
    if unchecked:
        clauses.append(f"{counted(unchecked, 'alarm')} {'was' if unchecked == 1 else 'were'} not checked")
    if len(alarms) > raised + unchecked and not raised:
        clauses.append("no other alarm was raised" if unchecked else "no alarm was raised")
    return "; ".join(clauses)


def _of(number: int, rules: Sequence[GateResult]) -> str:
    if len(rules) == 1:
        return "the rule is"
    if number == len(rules):
        return f"all {count(number)} rules are"
    return f"{count(number)} of {count(len(rules))} rules {'is' if number == 1 else 'are'}"


def summary(gates: Sequence[GateResult]) -> str:
    """Count all by how they went: `2 alarms, 3 rules: 1 failed, 4 passed.`."""
    outcomes: dict[Outcome, str] = {
        "failed": "failed",
        "missing": "not checked",
        "uncertain": "without enough evidence",
        "passed": "passed",
    }
    counts = [(sum(gate.outcome == outcome for gate in gates), words) for outcome, words in outcomes.items()]
    return f"{_kinds(gates)}: {', '.join(f'{count(number)} {words}' for number, words in counts if number)}."
