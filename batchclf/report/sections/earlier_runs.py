"""How accuracy and gap moved over the runs of a job."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import isfinite
from urllib.parse import quote

from batchclf.core.estimate import Estimate
from batchclf.core.records.findings import Findings
from batchclf.core.records.history import RunSummary
from batchclf.core.text import NOTHING, count, percent, points, run_date, run_words, visible
from batchclf.errors import Status
from batchclf.report.parts.metric_words import TrainTestRow, train_test

SHOWN_RUNS = 30
REPORT_FILE = "report.html"


@dataclass(frozen=True, kw_only=True)
class EarlierRunRow(TrainTestRow):
    """One run; `address` is that of its report beside this one, empty for this run and where there is none any more.

    `status` is empty where the run was good.
    """

    when: str
    address: str
    this: bool
    status: str
    level: str


@dataclass(frozen=True)
class EarlierRunsView:
    """`missing` says why nothing is shown. Dates, names and estimates go from the oldest run to this one, `rows` back.

    `dates` are YYYY-MM-DD, `names` say when each run began.
    `train` and `gap` are empty where no run has them.
    """

    missing: str
    sentence: str
    dates: tuple[str, ...]
    names: tuple[str, ...]
    train: tuple[Estimate | None, ...]
    test: tuple[Estimate | None, ...]
    gap: tuple[Estimate | None, ...]
    rows: tuple[EarlierRunRow, ...]
    part: str


@dataclass(frozen=True)
class _Run:
    started: str
    date: str
    address: str
    status: Status
    train: Estimate | None
    test: Estimate | None
    gap: Estimate | None
    level: str


def earlier_runs_view(findings: Findings) -> EarlierRunsView:
    """Show the last runs of the job, this one included, or say why there are none to show."""
    main = findings.main.split
    runs = [_earlier(run) for run in findings.history if run.split == main]
    runs = [run for run in runs if run.test or run.gap]
    if not runs:
        return EarlierRunsView(_why_missing(findings), "", (), (), (), (), (), (), "")
    this = _this(findings)
    runs.append(this)
    shown = runs[-SHOWN_RUNS:]
    train, test, gap = (tuple(getattr(run, name) for run in shown) for name in ("train", "test", "gap"))
    return EarlierRunsView(
        missing="",
        sentence=_sentence(test, gap),
        dates=tuple(run_date(_time(run), run.date) for run in shown),
        names=tuple(run_words(_time(run), run.date) for run in shown),
        train=train if any(train) else (),
        test=test,
        gap=gap if any(gap) else (),
        rows=tuple(_row(run, this=run is this) for run in reversed(shown)),
        part=f"the last {len(shown)} of {count(len(runs))} runs" if len(shown) < len(runs) else "",
    )


def _why_missing(findings: Findings) -> str:
    if findings.record.job is None:
        return "Not part of a job, so there are no earlier runs. The reports of a job show the gap over its runs."
    if findings.history:
        return "No earlier run of this job has labels for this subset."
    return "First run of this job. From the second run on, accuracy and gap over the runs appear here."


def _earlier(run: RunSummary) -> _Run:
    return _Run(
        started=run.started,
        date=run.run_date,
        address=report_address(run),
        status=run.status,
        train=_finite(run.train_accuracy),
        test=_finite(run.accuracy),
        gap=_finite(run.gap),
        level=visible(run.overfitting or NOTHING),
    )


def _this(findings: Findings) -> _Run:
    labelled = {each.split: each.labelled for each in findings.evaluations}
    train = labelled.get("train") if findings.main.split == "test" else None
    main, gap = findings.main.labelled, findings.gap
    return _Run(
        started=findings.record.started,
        date=findings.record.run_date,
        address="",
        status=findings.record.status,
        train=train.accuracy if train else None,
        test=main.accuracy if main else None,
        gap=gap.gap if gap else None,
        level=gap.overfitting if gap else NOTHING,
    )


def _finite(estimate: Estimate | None) -> Estimate | None:
    """Leave out what an older or damaged file says without being a number."""
    if estimate is None:
        return None
    numbers = (estimate.value, estimate.interval.low, estimate.interval.high)
    return estimate if all(map(isfinite, numbers)) else None


def _time(run: _Run) -> datetime:
    return datetime.fromisoformat(run.started)


def _row(run: _Run, *, this: bool) -> EarlierRunRow:
    return EarlierRunRow(
        when=run_words(_time(run), run.date),
        address=run.address,
        this=this,
        status="" if run.status == "ok" else run.status,
        level=run.level,
        **train_test(run.train, run.test, run.gap),
    )


def _sentence(test: Sequence[Estimate | None], gap: Sequence[Estimate | None]) -> str:
    of_gap, of_test = _course("the gap", gap, points, " points"), _course("accuracy", test, percent, "")
    courses = [course for course in (of_gap, of_test) if course]
    if not courses:
        return ""
    return f"Over these {len(test)} runs {'; '.join(courses)}."


def _course(what: str, runs: Sequence[Estimate | None], shown: Callable[[float], str], unit: str) -> str:
    known = [each.value for each in runs if each is not None]
    if len(known) < 2:
        return ""
    first, last = shown(known[0]), shown(known[-1])
    low, high = shown(min(known)), shown(max(known))
    if low == high:
        return f"{what} stayed at {last}{unit}"
    between = "" if {low, high} == {first, last} else f", between {low} and {high}"
    return f"{what} went from {first} to {last}{unit}{between}"


def report_address(run: RunSummary) -> str:
    """Write the address of the report of a run beside this one; empty if its folder or its page was removed."""
    return f"../{quote(run.folder, errors='surrogateescape')}/{REPORT_FILE}" if REPORT_FILE in run.files else ""
