"""The index of all runs as plain data: every job with its runs, the newest first."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Literal
from urllib.parse import quote

from batchclf.core.records.history import NEVER, FailedRun, JobHistory, RunSummary, UnreadRun, last_good, read_time
from batchclf.core.records.run import RunState, needs_a_look, run_state
from batchclf.core.text import (
    NOTHING,
    age,
    count,
    counted,
    duration,
    moment,
    percent,
    percent_interval,
    points,
    points_interval,
    run_date,
    visible,
)
from batchclf.report.sections.gate import in_order
from batchclf.report.sections.verdict import headline

if TYPE_CHECKING:
    from batchclf.report.sections.run_point import RunPoint

MOST_RUNS = 400
"""So many runs of a job are listed; all further ones are counted."""

MOST_RUNS_IN_ALL = 4_000
"""Where there are many jobs each gets fewer, so that the page stays small."""

OPEN_RUNS = 14
"""So many of them are in sight; the others are folded away."""

_LINKED = {
    "report.html": "report",
    "predictions.csv": "predictions",
    "predictions": "predictions",
    "metrics.json": "metrics",
    "run.json": "run",
    "log.jsonl": "log",
}
_LONGEST_MESSAGE = 300


@dataclass(frozen=True)
class Link:
    """A file beside the page: its address, relative and percent-encoded."""

    words: str
    address: str


@dataclass(frozen=True)
class RunRow:
    """One run. `message` says what was wrong, empty where nothing was; numbers are empty where there are none.

    `bad` where it counts as trouble, `last_good` on the newest run that later ones are compared with. `run_date` is
    empty where it is the date of `time`. `removed` where only its numbers are left.
    """

    state: RunState
    word: str
    bad: bool
    time: str
    name: str
    report: str
    message: str
    run_date: str = ""
    last_good: bool = False
    removed: bool = False
    accuracy: str = ""
    accuracy_interval: str = ""
    gap: str = ""
    gap_interval: str = ""
    images: str = ""
    skipped: str = ""
    took: str = ""
    model: str = ""
    source: str = ""
    links: tuple[Link, ...] = ()


@dataclass(frozen=True)
class JobView:
    """One job, or the runs of `score`. `rows` are in sight, `folded` behind them; `note` says how many are shown.

    `accuracy` and `gap` are the trends, empty where there are fewer than two runs to draw.
    """

    name: str
    anchor: str
    last: RunRow
    old: str
    rows: tuple[RunRow, ...]
    folded: tuple[RunRow, ...]
    note: str
    has_sources: bool
    accuracy: "tuple[RunPoint, ...]"
    gap: "tuple[RunPoint, ...]"


@dataclass(frozen=True)
class IndexView:
    """The whole page; `trouble` counts the jobs whose last run was not good."""

    generated: str
    jobs: tuple[JobView, ...]
    trouble: int


def index_view(histories: Sequence[JobHistory], *, generated: datetime) -> IndexView:
    """Put together what the index shows: jobs by name, then what holds runs of `score`.

    `generated` is an aware time.
    """
    ordered = sorted(histories, key=lambda job: (_is_of_score(job), job.name))
    most = min(MOST_RUNS, max(OPEN_RUNS, MOST_RUNS_IN_ALL // max(1, len(ordered))))
    jobs = tuple(_job(job, f"job-{number}", most, generated) for number, job in enumerate(ordered, 1))
    return IndexView(moment(generated), jobs, sum(job.last.bad for job in jobs))


def _is_of_score(job: JobHistory) -> bool:
    """Whether the folder holds runs of `score`, which may be of many things."""
    return any(run.job is None for run in job.runs)


def _job(job: JobHistory, anchor: str, most: int, generated: datetime) -> JobView:
    many_things = _is_of_score(job)
    newest = sorted(_timed(job), key=lambda timed: timed[0], reverse=True)
    rows = [row for _, row in newest]
    shown = rows[:most]
    note = counted(len(rows), "run")
    if len(rows) > most:
        note = f"the newest {count(most)} of {note}"
    return JobView(
        name=visible(job.name),
        anchor=anchor,
        last=shown[0],
        old=age(generated - newest[0][0]) if newest and newest[0][0] > NEVER else "",
        rows=tuple(shown[:OPEN_RUNS]),
        folded=tuple(shown[OPEN_RUNS:]),
        note=note,
        has_sources=many_things,
        accuracy=() if many_things else _trend(job.runs, "accuracy"),
        gap=() if many_things else _trend(job.runs, "gap"),
    )


def _timed(job: JobHistory) -> list[tuple[datetime, RunRow]]:
    timed, model = [], ""
    good = None if _is_of_score(job) else last_good(job.runs)
    for run in job.runs:
        changed = bool(model) and run.model_digest != model
        model = run.model_digest
        row = _run_row(job.name, run, changed)
        timed.append((_time(run.started), replace(row, last_good=run is good)))
    timed += [(_time(run.started, run.run_id), _failed_row(job.name, run)) for run in job.failed]
    return timed + [(_time("", run.folder), _unread_row(run)) for run in job.unread]


def _run_row(job: str, run: RunSummary, changed: bool) -> RunRow:
    state = run_state(run.status, run.gates)
    has_report = "report.html" in run.files
    return RunRow(
        state=state,
        word="Scored" if state == "none" else headline(state, run.gates),
        bad=_is_bad(run),
        time=_short(_time(run.started)),
        name=visible(run.folder),
        report=address(job, run.folder, "report.html") if has_report else "",
        message=_cut(_message(run)),
        run_date=visible(run.run_date) if run.run_date != run.started[:10] else "",
        removed=not run.files,
        accuracy=percent(run.accuracy.value) if run.accuracy else NOTHING,
        accuracy_interval=percent_interval(run.accuracy) if run.accuracy else "",
        gap=points(run.gap.value) if run.gap else NOTHING,
        gap_interval=points_interval(run.gap) if run.gap else "",
        images=count(run.images),
        skipped=f"{count(run.skipped)} skipped" if run.skipped else "",
        took=duration(run.seconds),
        model="new model" if changed else "",
        source=", ".join(map(visible, run.sources)),
        links=tuple(
            Link(words, address(job, run.folder, name)) for name, words in _LINKED.items() if name in run.files
        ),
    )


def _is_bad(run: RunSummary) -> bool:
    return needs_a_look(run.status, run.gates)


def _message(run: RunSummary) -> str:
    """Say what did not pass, else what could not be checked."""
    sentences = [gate.sentence for gate in in_order(run.gates) if not gate.passed]
    sentences = sentences or [gate.sentence for gate in run.gates if gate.missing]
    return "; ".join(sentences)


def _failed_row(job: str, run: FailedRun) -> RunRow:
    message = _cut(run.message) or "the log has no error"
    links = (Link("log", address(job, run.log)),) if run.log else ()
    time = _short(_time(run.started, run.run_id))
    return RunRow("failed", "Run failed", True, time, visible(run.run_id), "", message, links=links)


def _unread_row(run: UnreadRun) -> RunRow:
    time = _short(_time("", run.folder))
    return RunRow("none", "Unreadable", False, time, visible(run.folder), "", _cut(run.reason))


def address(*parts: str) -> str:
    """Write the address of a file, relative to the page; names may hold any bytes."""
    return "/".join(quote(os.fsencode(part), safe="") for part in parts)


def _trend(runs: Sequence[RunSummary], name: Literal["accuracy", "gap"]) -> "tuple[RunPoint, ...]":
    from batchclf.report.sections.run_point import RunPoint

    found = []
    for run in runs[-MOST_RUNS:]:
        value = run.accuracy if name == "accuracy" else run.gap
        if value is not None and (time := _time(run.started)) > NEVER:
            found.append(RunPoint(time, run_date(time, run.run_date), value, _is_bad(run)))
    return tuple(found) if len(found) > 1 else ()


def _cut(text: str) -> str:
    shown = visible(text)
    return shown if len(shown) <= _LONGEST_MESSAGE else shown[: _LONGEST_MESSAGE - 1] + "…"


def _time(text: str, run_id: str = "") -> datetime:
    """Read a time; where that fails the run's id has it, else it counts as the oldest."""
    time = read_time(text)
    return time if time > NEVER else read_time(run_id[:16])


def _short(time: datetime) -> str:
    return moment(time) if time > NEVER else NOTHING
