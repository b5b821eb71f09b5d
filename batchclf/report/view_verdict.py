"""The first thing to read: is the model good enough, why, and what has changed since the last run."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from batchclf.core.comparison import Comparison
from batchclf.core.evaluation import Evaluation
from batchclf.core.findings import Findings
from batchclf.core.gate import RunState, run_state
from batchclf.core.history import RunSummary
from batchclf.core.run_record import GateResult, RunRecord
from batchclf.report.view_format import (
    age,
    count,
    counted,
    duration,
    moment,
    percent,
    percent_interval,
    points,
    visible,
)

Direction = Literal["better", "worse", "same", "unknown"]
UNKNOWN = "how many are right cannot be known without labels"
CHANCE = 0.05
"""From this p value on a change is said to be possibly chance."""


@dataclass(frozen=True)
class GateLine:
    """One bound of the gate: `word` says in a word or two how it went, `state` colours it."""

    state: Literal["met", "missed", "uncertain"]
    word: str
    sentence: str


@dataclass(frozen=True)
class Change:
    """What has changed since the last run, in a sentence."""

    direction: Direction
    sentence: str


@dataclass(frozen=True)
class Verdict:
    """`started` is ISO 8601 with offset; `old` is the age of the numbers when the page was written, empty below 1 h.

    `change` is None for a run that belongs to no job.
    """

    state: RunState
    headline: str
    reason: str
    gates: tuple[GateLine, ...]
    change: Change | None
    started: str
    when: str
    old: str


def verdict_view(findings: Findings, generated: datetime) -> Verdict:
    """Judge the run by its status and its gates."""
    record = findings.record
    state = run_state(record.status, record.gates)
    missed = [gate for gate in record.gates if not gate.passed]
    headline = {
        "passed": "Gate passed",
        "failed": "Gate failed",
        "uncertain": "Not enough evidence",
        "partial": "Partial result, gate failed" if missed else "Partial result",
        "none": "Scored, no gate set",
    }[state]
    started = datetime.fromisoformat(record.started)
    since = generated - started - timedelta(seconds=record.seconds)
    return Verdict(
        state=state,
        headline=headline,
        reason=_reason(state, record, findings.main, missed),
        gates=tuple(_gate_line(gate) for gate in record.gates),
        change=_change(findings),
        started=started.isoformat(),
        when=f"Run of {moment(started)}, took {duration(record.seconds)}",
        old=age(since),
    )


def measured(split: str) -> str:
    """Name the accuracy of a split."""
    return {"test": "Test accuracy", "train": "Train accuracy"}.get(split, "Accuracy")


def _gate_line(gate: GateResult) -> GateLine:
    sentence = visible(gate.sentence)
    if not gate.certain:
        return GateLine("uncertain", "Just met" if gate.passed else "Just missed", sentence)
    return GateLine("met", "Met", sentence) if gate.passed else GateLine("missed", "Not met", sentence)


def _reason(state: RunState, record: RunRecord, main: Evaluation, missed: list[GateResult]) -> str:
    score, bounds = _score(main), len(record.gates)
    if state == "none":
        return f"{score}; no bound was set that it could be held against."
    if state == "passed":
        return f"{score}; {'the bound is' if bounds == 1 else f'all {bounds} bounds are'} met."
    if state == "failed":
        if not bounds:
            return f"{score}; the gate was not met."
        which = "the bound is" if bounds == 1 else f"{len(missed)} of {bounds} bounds {_are(len(missed))}"
        return f"{score}; {which} not met."
    if state == "uncertain":
        close = sum(not gate.certain for gate in record.gates)
        which = "the bound lies" if bounds == 1 else f"{close} of {bounds} bounds {'lies' if close == 1 else 'lie'}"
        outcome = "failed (exit code 3)" if missed else "passed (exit code 0)"
        return (
            f"{score}; {which} within the 95% interval, so chance alone can tip it. By its value the gate is {outcome}."
        )
    scored = sum(target.scored for target in record.targets)
    lost = sum(target.skipped for target in record.targets)
    share = f"Only {count(scored)} of {counted(scored + lost, 'image')} could be scored"
    if main.labelled is None:
        return f"{share}; {UNKNOWN}." if main.total else f"{share}."
    return f"{share}; {score[0].lower()}{score[1:]}."


def _are(number: int) -> str:
    return "is" if number == 1 else "are"


def _score(main: Evaluation) -> str:
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


def _change(findings: Findings) -> Change | None:
    change, record = findings.change, findings.record
    last = findings.history[-1] if findings.history else None
    if change is None:
        if last is not None:
            return Change("unknown", _incomparable(last))
        first = Change("unknown", "First run of this job: there is none to compare it with.")
        return first if record.job is not None else None
    than = f"the run of {_when(last)}" if last else f"run {visible(change.first_run)}"
    same_images = not (change.only_first or change.only_second or change.relabelled)
    if not change.changed and same_images:
        same_model = last is not None and last.model_digest == record.model.digest
        facts = "Same model, same images, same answers" if same_model else "Another model, but the same answers"
        return Change("same", f"{facts} as in {than}.")
    return _difference(change, than, same_images)


def _when(run: RunSummary) -> str:
    return moment(datetime.fromisoformat(run.started))


def _incomparable(last: RunSummary) -> str:
    had = f"; it had {percent(last.accuracy.value)} accuracy" if last.accuracy else ""
    return f"Not comparable image by image with the run of {_when(last)}{had}."


def _difference(change: Comparison, than: str, same_images: bool) -> Change:
    """Say how much better or worse this run is on the images that both have scored."""
    accuracy = next((metric for metric in change.metrics if metric.name == "accuracy"), None)
    if accuracy is None or change.p_value is None:
        on = "" if same_images else f" on the {counted(change.images, 'image')} that both have"
        return Change("unknown", f"{counted(change.changed, 'answer')} differ from {than}{on}.")
    on = "" if same_images else f" on the {counted(change.labelled, 'image')} that both have"
    size = points(abs(accuracy.difference)).lstrip("+")
    if not size.strip("0."):
        flips = change.only_first_right + change.only_second_right
        swapped = f"; {counted(flips, 'image')} flipped between right and wrong" if flips else ""
        return Change("same", f"As accurate as {than}{on}{swapped}.")
    direction: Direction = "better" if accuracy.difference > 0 else "worse"
    interval = accuracy.interval
    words = f"95% interval {points(interval.low)} to {points(interval.high)}, " if interval else ""
    p_value = "p < 0.001" if change.p_value < 0.001 else f"p = {change.p_value:.2g}"
    chance = "this can be chance" if change.p_value >= CHANCE else "this is more than chance"
    return Change(direction, f"{size} points {direction} than {than}{on} ({words}McNemar's test {p_value}): {chance}.")
