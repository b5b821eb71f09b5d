"""The first thing to read: is the model good enough, why, and what has changed since the last run."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal

from batchclf.core.metrics.evaluation import Evaluation
from batchclf.core.options import capitalised
from batchclf.core.records.findings import Findings
from batchclf.core.records.history import RunSummary
from batchclf.core.records.run import GateResult, RunRecord, RunState, run_state
from batchclf.core.records.unlabelled import UnlabelledVerdict, unlabelled_verdict
from batchclf.core.text import (
    age,
    counted,
    duration,
    moment,
    p_value,
    percent,
    percent_interval,
    points,
    points_apart,
    visible,
)
from batchclf.errors import ExitCode
from batchclf.report.parts.subset_words import measured, partial_words, subset_names
from batchclf.report.sections.gate import GateLine, failed_words, gate_line, held_words, in_order, summary

if TYPE_CHECKING:
    from batchclf.core.compare.result import Comparison

Direction = Literal["better", "worse", "same", "unknown"]
UNKNOWN = "accuracy unknown without labels"
CHANCE = 0.05
"""From this p value on a change is said to be possibly chance."""

# A rule for each of 1,000 classes is 1,000 results; run.json has all (decision 086)
SHOWN_GATES = 8
"""So many rules and alarms stand in the verdict; the section on the gate has them all."""


@dataclass(frozen=True)
class Change:
    """What has changed since the last run, in a sentence."""

    direction: Direction
    sentence: str


@dataclass(frozen=True)
class Verdict:
    """`alarm` says that predictions without labels and without a gate need a look, `details` what is known of them.

    `word` is the headline at its shortest. `started` is ISO 8601 with offset; `old` is the age of the numbers when the
    page was written, empty below 1 h.

    `partial` says why the run is only partial, empty for a whole one. `warnings` say what may make the numbers mean
    less than they seem to. `gates` are what needs a look and, where they are few, the others; `more_gates` counts those
    that are not there. `rerun` is the command that runs the same date again, empty after a good run. `run_date` is
    empty if it is the date of `started`. `change` is None for a run that belongs to no job.
    """

    state: RunState
    alarm: bool
    headline: str
    reason: str
    details: tuple[str, ...]
    word: str
    partial: str
    warnings: tuple[str, ...]
    gates: tuple[GateLine, ...]
    more_gates: str
    rerun: str
    change: Change | None
    started: str
    when: str
    run_date: str
    old: str


def verdict_view(findings: Findings, generated: datetime) -> Verdict:
    """Judge the run by its status and its gates."""
    record = findings.record
    state = run_state(record.status, record.gates)
    unlabelled = unlabelled_verdict(findings.main, findings.drift, findings.drift_note)
    words = unlabelled.headline if unlabelled and state == "none" else headline(state, record.gates)
    started = datetime.fromisoformat(record.started)
    since = generated - started - timedelta(seconds=record.seconds)
    gates, more_gates = _gate_lines(record)
    return Verdict(
        state=state,
        alarm=state == "none" and unlabelled is not None and unlabelled.alarm,
        headline=words,
        reason=_reason(state, record, findings.main, unlabelled),
        details=() if unlabelled is None else tuple(map(capitalised, unlabelled.details[1:])),
        word=unlabelled.word if unlabelled and state == "none" else words.partition(":")[0],
        partial=partial_words(record),
        warnings=_warnings(record),
        gates=gates,
        more_gates=more_gates,
        rerun="" if state in ("passed", "none") else _rerun(record),
        change=_of_main(_change(findings), findings),
        started=started.isoformat(),
        when=f"Run of {moment(started)}, took {duration(record.seconds)}",
        run_date=record.run_date if record.run_date != record.started[:10] else "",
        old=age(since),
    )


def _warnings(record: RunRecord) -> tuple[str, ...]:
    """List the warnings of all subsets, each with the subset's name if there are several."""
    names = subset_names(record) if len(record.subsets) > 1 else {}
    return tuple(
        visible(f"{names[subset.split]}: {warning}" if subset.split in names else capitalised(warning))
        for subset in record.subsets
        for warning in subset.warnings
    )


def headline(state: RunState, gates: Sequence[GateResult]) -> str:
    """Say in a few words how a run is judged."""
    missed = failed_words(gates)
    failed = f": {missed}" if missed else ""
    rules = [gate for gate in gates if gate.kind != "alarm"]
    if state == "passed" and rules and all(gate.missing for gate in rules):
        return "No earlier good run yet"
    return {
        "passed": "Gate passed",
        "failed": f"Gate failed{failed}",
        "uncertain": "Not enough evidence",
        "partial": f"Partial result, gate failed{failed}" if missed else "Partial result",
        "none": "Scored, no gate set",
    }[state]


def _rerun(record: RunRecord) -> str:
    """Give the command that runs the same job for the same date; empty for a run that is not of a job."""
    command = list(record.command)
    if not record.job or not record.run_date or command[1:2] != ["run"]:
        return ""
    for place in reversed(range(len(command))):
        if command[place] == "--date":
            del command[place : place + 2]
        elif command[place].startswith("--date="):
            del command[place]
    return visible(shlex.join([*command, "--date", record.run_date]))


def _gate_lines(record: RunRecord) -> tuple[tuple[GateLine, ...], str]:
    """Choose what stands in the verdict: all where they are few, else what did not pass; and count the rest."""
    ordered, names = in_order(record.gates), subset_names(record)
    if len(ordered) > SHOWN_GATES:
        ordered = [gate for gate in ordered if gate.outcome != "passed"][:SHOWN_GATES]
    rest = len(record.gates) - len(ordered)
    return tuple(gate_line(gate, names) for gate in ordered), f"All {summary(record.gates)}" if rest else ""


def _reason(state: RunState, record: RunRecord, main: Evaluation, unlabelled: UnlabelledVerdict | None) -> str:
    score, held = score_words(main) if unlabelled is None else unlabelled.details[0], held_words(record.gates)
    if state == "none":
        return f"{score}." if unlabelled else f"{score}; no rule was set that it could be checked against."
    if not held:
        return f"{score}; the gate was not met." if state == "failed" else f"{score}."
    if state == "uncertain":
        failed = not all(gate.passed for gate in record.gates)
        counts = f"failed (exit code {ExitCode.GATE_FAILED})" if failed else f"passed (exit code {ExitCode.OK})"
        return f"{score}; {held}. The run counts as {counts}."
    return f"{score}; {held}."


def score_words(main: Evaluation) -> str:
    """Say in a clause what the main evaluation came to."""
    if main.labelled is None:
        if not main.total:
            return "No image could be scored"
        return f"{counted(main.total, 'image')} scored; {UNKNOWN}"
    accuracy = main.labelled.accuracy
    return (
        f"{measured(main.split)} is {percent(accuracy.value)} (95% interval {percent_interval(accuracy)}) "
        f"on {counted(accuracy.n, 'image')}"
    )


def _of_main(change: Change | None, findings: Findings) -> Change | None:
    """Say what the change is about where it is one of several subsets."""
    name = subset_names(findings.record).get(findings.main.split, "")
    if change is None or findings.change is None or len(findings.record.subsets) == 1 or not name:
        return change
    return replace(change, sentence=f"{name[0].upper()}{name[1:]}: {change.sentence[0].lower()}{change.sentence[1:]}")


def _change(findings: Findings) -> Change | None:
    change, record = findings.change, findings.record
    last = findings.history[-1] if findings.history else None
    if change is None:
        if last is not None:
            return Change("unknown", _incomparable(last))
        first = Change("unknown", "First run of this job: there is none to compare it with.")
        return first if record.job is not None else None
    than = f"the run of {_when(last)}" if last else f"run {visible(change.first_run)}"
    same_images = not (change.only_first or change.only_second or change.relabelled or change.replaced)
    if not change.changed and same_images:
        same_model = last is not None and last.model_digest == record.model.digest
        facts = "Same model, same images, same predictions" if same_model else "Another model, but the same predictions"
        if record.is_of_predictions:
            facts = "Same images, same predictions"
        return Change("same", f"{facts} as in {than}.")
    return _difference(change, than, same_images)


def _when(run: RunSummary) -> str:
    return moment(datetime.fromisoformat(run.started))


def _incomparable(last: RunSummary) -> str:
    had = f"; it had {percent(last.accuracy.value)} accuracy" if last.accuracy else ""
    return f"Not comparable image by image with the run of {_when(last)}{had}."


def _difference(change: "Comparison", than: str, same_images: bool) -> Change:
    """Say how much better or worse this run is on the images that both have scored."""
    accuracy = next((metric for metric in change.metrics if metric.name == "accuracy"), None)
    if accuracy is None or change.p_value is None:
        on = "" if same_images else f" on the {counted(change.images, 'image')} that both have"
        return Change("unknown", f"{counted(change.changed, 'prediction')} differ from {than}{on}.")
    on = "" if same_images else f" on the {counted(change.labelled, 'image')} that both have"
    size = points_apart(accuracy.difference)
    if not size.strip("0."):
        flips = change.only_first_right + change.only_second_right
        swapped = f"; {counted(flips, 'image')} flipped between right and wrong" if flips else ""
        return Change("same", f"As accurate as {than}{on}{swapped}.")
    direction: Direction = "better" if accuracy.difference > 0 else "worse"
    interval = accuracy.interval
    words = f"95% interval {points(interval.low)} to {points(interval.high)}, " if interval else ""
    chance = "this can be chance" if change.p_value >= CHANCE else "this is more than chance"
    return Change(
        direction,
        f"{size} points {direction} than {than}{on} ({words}McNemar's test {p_value(change.p_value)}): {chance}.",
    )
