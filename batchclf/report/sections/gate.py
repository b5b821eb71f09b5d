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

_COUNTED = {True: "; that counts as passed", False: "; that counts as failed"}
"""The ends of sentences that `effect` says, too."""

_ORDER: dict[Outcome, int] = {"failed": 0, "missing": 1, "uncertain": 2, "passed": 3}


@dataclass(frozen=True)
class GateLine:
    """One rule or alarm: `word` says in a word or two how it went, `effect` what that does to the run if that is not
    plain; `state` colours it. `place` is the subset, `group` the class or classes; both may be empty. `more` is what
    there is to say beside the sentence: the value of the last good run, rules that were not checked for this reason.
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
    more: str
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


def gate_line(gate: GateResult, names: Mapping[str, str], more: str = "") -> GateLine:
    """Show one rule or alarm; `more` is said beside its sentence."""
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
        sentence=visible(
            gate.reason.removesuffix(_COUNTED[gate.passed]) if gate.outcome == "uncertain" else gate.reason
        ),
        more=visible(more),
        alarm=alarm,
    )


def _group(name: str) -> str:
    if name == "*":
        return "each class"
    return f"class {class_name(name)}" if name else ""


def _against(against: str) -> str:
    return "the last good run" if against == LAST_GOOD else visible(against)


def failed_words(gates: Sequence[GateResult]) -> str:
    """Count what did not pass: `1 alarm raised, 2 rules failed`; empty if all passed.

    Rules that an alarm keeps from being checked do not count: the alarm is their cause.
    """
    failed = [gate for gate in gates if not gate.passed and not gate.because]
    alarms = sum(gate.kind == "alarm" for gate in failed)
    unchecked = sum(gate.missing and gate.kind != "alarm" for gate in failed)
    parts = [
        (alarms, "alarm", "raised"),
        (len(failed) - alarms - unchecked, "rule", "failed"),
        (unchecked, "rule", "not checked"),
    ]
    return ", ".join(f"{counted(number, kind)} {what}" for number, kind, what in parts if number)


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
        clauses.append(f"{_of(missed, rules)} failed")
    elif met:
        clauses.append(f"{_of(met, rules)} passed")
    if absent := outcomes["missing", False]:
        clauses.append(f"{counted(absent, 'rule')} not checked, which counts as failed")
    if unsure := sum(gate.outcome == "uncertain" for gate in rules):
        clauses.append(f"not enough evidence for {_of(unsure, rules)}")
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
        return "the rule"
    return f"all {count(number)} rules" if number == len(rules) else f"{count(number)} of {count(len(rules))} rules"


def summary(gates: Sequence[GateResult]) -> str:
    """Count rules and alarms by how they went: `3 rules: 1 failed, 2 passed. 2 alarms: none raised.`."""
    alarms = [gate.outcome for gate in gates if gate.kind == "alarm"]
    rules = [gate.outcome for gate in gates if gate.kind != "alarm"]
    words: dict[Outcome, str] = {
        "failed": "failed",
        "missing": "not checked",
        "uncertain": "uncertain",
        "passed": "passed",
    }
    raised: dict[Outcome, str] = {"failed": "raised", "missing": "not checked", "uncertain": "not checked"}
    parts = [
        f"{counted(len(rules), 'rule')}: {_outcomes(rules, words)}." if rules else "",
        f"{counted(len(alarms), 'alarm')}: {_outcomes(alarms, raised) or 'none raised'}." if alarms else "",
    ]
    return " ".join(filter(None, parts))


def _outcomes(outcomes: Sequence[Outcome], words: Mapping[Outcome, str]) -> str:
    counts = Counter(words[outcome] for outcome in outcomes if outcome in words)
    if len(counts) == 1 and counts.total() == len(outcomes):
        return next(iter(counts)) if len(outcomes) == 1 else f"all {next(iter(counts))}"
    return ", ".join(f"{count(counts[word])} {word}" for word in dict.fromkeys(words.values()) if counts[word])
