"""The first thing to read: is the model good enough, why, and what has changed since the last run."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal

from batchclf.core.metrics.evaluation import Evaluation
from batchclf.core.options import capitalised
from batchclf.core.records.findings import Findings
from batchclf.core.records.history import RunSummary, last_good
from batchclf.core.records.run import NO_LABELS_USED, GateResult, RunRecord, RunState, SubsetRecord, causes, run_state
from batchclf.core.records.unlabelled import UnlabelledVerdict, unlabelled_verdict
from batchclf.core.text import (
    age,
    count,
    counted,
    duration,
    listed,
    moment,
    p_value,
    percent,
    percent_interval,
    points,
    points_apart,
    visible,
)
from batchclf.errors import ExitCode
from batchclf.report.parts.subset_words import (
    has_several,
    last_good_words,
    measured,
    named_run,
    partial_words,
    subset_name,
    subset_names,
    subset_place,
)
from batchclf.report.sections.gate import IN_VERDICT, GateLine, failed_words, gate_line, held_words, in_order, summary

if TYPE_CHECKING:
    from batchclf.core.compare.result import Comparison

Direction = Literal["better", "worse", "same", "unknown"]
NAMED_SUBSETS = 3
"""Up to so many failed subsets are named in the headline, with their folders below."""
UNKNOWN = "accuracy unknown without labels"
CHANCE = 0.05
"""From this p value on a change is said to be possibly chance."""


@dataclass(frozen=True)
class Change:
    """What has changed since the last run, in a sentence."""

    direction: Direction
    sentence: str


@dataclass(frozen=True)
class Verdict:
    """`alarm` says that predictions without labels and without a gate need a look, `details` what is known of them.

    `word` is the headline at its shortest. `cause` says what the failure does not come from, if that is known, and so
    where to look. `started` is ISO 8601 with offset; `old` is the age of the numbers when the page was written, empty
    below 1 h.

    `partial` says why the run is only partial, empty for a whole one. `warnings` say what may make the numbers mean
    less than they seem to. `gates` are what needs a look and, if they are few, the others; `more_gates` counts all if
    some are not there. `folders` are the names and paths of the directories that failed. `rerun` is the command that
    runs the same date again, empty after a good run. `change` is None for a run that belongs to no job.
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
    cause: str
    folders: tuple[tuple[str, str], ...]
    rerun: str
    change: Change | None
    started: str
    when: str
    old: str


def verdict_view(findings: Findings, generated: datetime) -> Verdict:
    """Judge the run by its status and its gates."""
    record = findings.record
    state = run_state(record.status, record.gates)
    unlabelled = unlabelled_verdict(findings.main, findings.drift, findings.drift_note)
    words = headline(state, record.gates, _failed_names(record))
    if unlabelled and state == "none":
        words = unlabelled.headline
    started = datetime.fromisoformat(record.started)
    since = generated - started - timedelta(seconds=record.seconds)
    gates, more_gates = _gate_lines(findings)
    bad = state not in ("passed", "none")
    return Verdict(
        state=state,
        alarm=state == "none" and unlabelled is not None and unlabelled.alarm,
        headline=words,
        reason=_reason(state, record, _spotlight(findings), unlabelled),
        details=() if unlabelled is None else tuple(map(capitalised, unlabelled.details[1:])),
        word=unlabelled.word if unlabelled and state == "none" else words.partition(":")[0],
        partial=partial_words(record),
        warnings=_warnings(record),
        gates=gates,
        more_gates=more_gates,
        cause=_cause(findings) if bad and len(record.subsets) > 1 else "",
        folders=_failed_folders(record) if bad else (),
        rerun=_rerun(record) if bad else "",
        change=_of_main(_change(findings), findings),
        started=started.isoformat(),
        when=_when(record, started),
        old=age(since),
    )


def _warnings(record: RunRecord) -> tuple[str, ...]:
    """List the warnings of all subsets, each with the subset's name if there are several."""
    names = subset_names(record) if len(record.subsets) > 1 else {}
    # What an alarm has reported is not said twice
    reported = {gate.subset for gate in record.gates if gate.name.startswith("class-folders") and not gate.passed}
    return tuple(
        visible(f"{names[subset.split]}: {warning}" if subset.split in names else capitalised(warning))
        for subset in record.subsets
        for warning in subset.warnings
        if not (subset.split in reported and warning.startswith(NO_LABELS_USED))
    )


def _when(record: RunRecord, started: datetime) -> str:
    """Say when the run was: for which run date, if that is another one than the day on which it started."""
    took = f"took {duration(record.seconds)}"
    if record.run_date in ("", record.started[:10]):
        return f"Run of {moment(started)}, {took}"
    return f"Run of {visible(record.run_date)}, started {moment(started)}, {took}"


def _failed_subsets(record: RunRecord) -> list[SubsetRecord]:
    """List the subsets on which a rule or alarm did not pass; empty if the run has the splits of a data set only."""
    failed = {gate.subset for gate in record.gates if not gate.passed}
    return [subset for subset in record.subsets if subset.split in failed] if has_several(record) else []


def _failed_names(record: RunRecord) -> str:
    """Name these in the headline, if they are few."""
    failed = _failed_subsets(record)
    if len(failed) > NAMED_SUBSETS:
        return f"{count(len(failed))} subsets"
    return listed([subset_name(subset) for subset in failed])


def _failed_folders(record: RunRecord) -> tuple[tuple[str, str], ...]:
    named = ((subset_name(subset), subset_place(subset)) for subset in _failed_subsets(record))
    return tuple((name, place) for name, place in named if place)[:NAMED_SUBSETS]


def _spotlight(findings: Findings) -> Evaluation:
    """Choose what the reason is about: the main subset, or the first that failed if the main one did not."""
    failed = [subset.split for subset in _failed_subsets(findings.record)]
    if findings.main.split in failed:
        return findings.main
    return next((each for each in findings.evaluations if each.split in failed), findings.main)


def _cause(findings: Findings) -> str:
    # Only here: most runs have a single subset
    from batchclf.report.sections.cause import cause_words

    return cause_words(findings)


def headline(state: RunState, gates: Sequence[GateResult], places: str = "") -> str:
    """Say in a few words how a run is judged; `places` are the subsets that failed, empty for a run of one."""
    missed = failed_words(gates)
    failed = f"{f' on {places}' if places else ''}: {missed}" if missed else ""
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


def _gate_lines(findings: Findings) -> tuple[tuple[GateLine, ...], str]:
    """Choose what stands in the verdict: all if they are few, else what did not pass; and count all."""
    # A rule for each of 1,000 classes is 1,000 results; run.json has all (decision 086)
    gates, names = findings.record.gates, subset_names(findings.record)
    also = dict(causes(gates))
    good = last_good(findings.history)
    ordered = [gate for gate in in_order(gates) if not gate.because]
    if len(gates) > IN_VERDICT:
        ordered = [gate for gate in ordered if gate.outcome != "passed"][:IN_VERDICT]
    lines = (gate_line(gate, names, also.get(gate) or _last_good(gate, good)) for gate in ordered)
    return tuple(lines), summary(gates) if len(ordered) < len(gates) else ""


def _last_good(gate: GateResult, good: RunSummary | None) -> str:
    """Say what a value that did not pass was in the last good run; empty if its sentence says it or it is not known."""
    if gate.passed or gate.kind != "bound" or good is None:
        return ""
    # Only here: a run without rules needs no metric's words
    from batchclf.core.metrics.catalog import EACH_CLASS, find_metric

    then = next((each for each in good.gates if each.name == gate.name and each.passed), None)
    key = {"min_test_accuracy": "accuracy", "max_gap": "gap"}.get(gate.name, gate.name.partition("[")[0])
    metric = find_metric(key)
    if then is None or then.value is None or metric is None or gate.class_name == EACH_CLASS:
        return ""
    unit = " points" if metric.unit == "points" else ""
    return f"{metric.shown(then.value)}{unit} in {last_good_words(good)}"


def _reason(state: RunState, record: RunRecord, main: Evaluation, unlabelled: UnlabelledVerdict | None) -> str:
    score, held = score_words(main) if unlabelled is None else unlabelled.details[0], held_words(record.gates)
    if state == "none":
        return f"{score}." if unlabelled else f"{score}; no gate is set."
    if not held:
        return f"{score}; the gate failed." if state == "failed" else f"{score}."
    if state == "failed":
        return f"{score}."
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
        of = f" of {visible(main.split)}" if main.split else ""
        return f"{counted(main.total, 'image')}{of} scored; {UNKNOWN}"
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
            return Change("unknown", _incomparable(last, record))
        first = Change("unknown", "First run of this job: nothing to compare with.")
        return first if record.job is not None else None
    than = named_run(last, record) if last else f"run {visible(change.first_run)}"
    if not change.changed and change.same_images:
        same_model = last is not None and last.model_digest == record.model.digest
        facts = "Same model, same images, same predictions" if same_model else "Different model, same predictions"
        if record.is_of_predictions:
            facts = "Same images, same predictions"
        return Change("same", f"{facts} as in {than}.")
    return _difference(change, than)


def _incomparable(last: RunSummary, record: RunRecord) -> str:
    had = f", which had {percent(last.accuracy.value)} accuracy" if last.accuracy else ""
    return f"Not comparable image by image with {named_run(last, record)}{had}."


def _difference(change: "Comparison", than: str) -> Change:
    """Say how much better or worse this run is on the images that both have scored."""
    accuracy = next((metric for metric in change.metrics if metric.name == "accuracy"), None)
    if accuracy is None or change.p_value is None:
        on = "" if change.same_images else f" on the {counted(change.images, 'image')} in both"
        return Change("unknown", f"{counted(change.changed, 'prediction')} differ from {than}{on}.")
    on = "" if change.same_images else f" on the {counted(change.labelled, 'image')} in both"
    size = points_apart(accuracy.difference)
    if not size.strip("0."):
        flips = change.only_first_right + change.only_second_right
        swapped = f"; {counted(flips, 'image')} flipped between right and wrong" if flips else ""
        lost = change.lost_words
        return Change("same", f"As accurate as {than}{on}{swapped}{f'; {lost}' if lost else ''}.")
    direction: Direction = "better" if accuracy.difference > 0 else "worse"
    interval = accuracy.interval
    words = f"95% interval {points(interval.low)} to {points(interval.high)}, " if interval else ""
    chance = "can be chance" if change.p_value >= CHANCE else "beyond chance"
    lost = change.lost_words
    return Change(
        direction,
        f"{size} points {direction} than {than}{on} ({words}McNemar's test {p_value(change.p_value)}): {chance}"
        f"{f'; {lost}' if lost else ''}.",
    )
