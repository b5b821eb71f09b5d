"""Whether a job's last good run is recent enough, and what came after it: for whoever watches from outside."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from batchclf.core.records.history import NEVER, FailedRun, JobHistory, RunSummary, read_time
from batchclf.core.text import duration, moment
from batchclf.errors import ExitCode, OutcomeStatus

_CLOCK_SLACK = timedelta(minutes=5)
"""So far a good run may end in the future, by a clock that was set back a little meanwhile."""
_NAMED = 3
_TIME = len("20260102T030405Z")


@dataclass(frozen=True, slots=True)
class LaterRun:
    """A run that came after the last good one, or one that cannot be read, whose status is None.

    `run` is its folder or id, `started` ISO 8601, `message` what went wrong, or empty.
    """

    run: str
    started: str
    status: OutcomeStatus | None
    message: str

    def __str__(self) -> str:
        """Say it in one line."""
        return ": ".join(part for part in (self.run, self.status or "cannot be read", self.message) if part)


@dataclass(frozen=True, slots=True)
class Freshness:
    """A job's last good run, None for none, and how long ago it ended; `later` is what came after it, oldest first."""

    job: str
    max_age: timedelta
    last_good: RunSummary | None
    ended: datetime | None
    age: timedelta | None
    later: tuple[LaterRun, ...]

    @property
    def fresh(self) -> bool:
        """Whether there is one, not older than allowed and not of the future."""
        return self.age is not None and self.age <= self.max_age and not self.of_future

    @property
    def of_future(self) -> bool:
        """Whether it ended later than now, so that a clock was or is wrong."""
        return self.age is not None and self.age < -_CLOCK_SLACK

    @property
    def sentence(self) -> str:
        """Say when the last good run ended, and what came after it, the newest first."""
        named = "; ".join(map(str, self.later[: -_NAMED - 1 : -1]))
        rest = len(self.later) - _NAMED
        runs = f"{named}; and {rest:,} more" if rest > 0 else named
        if self.last_good is None or self.ended is None or self.age is None:
            return f"{self.job} has no good run; others were {runs}" if runs else f"{self.job} has no good run"
        ago = "in the future" if self.of_future else f"{duration(max(0.0, self.age.total_seconds()))} ago"
        last = f"the last good run of {self.job}, {self.last_good.folder}, ended {ago}, {moment(self.ended)}"
        return f"{last}; since then {runs}" if runs else f"{last}; no run has begun since"


def freshness(history: JobHistory, max_age: timedelta, now: datetime) -> Freshness:
    """Look how long before `now` (with its zone) the last good run of a job ended.

    A run of `score` or of an earlier run date counts by the time at which it ended, like any other.
    """
    ends = [(read_time(run.started), run) for run in history.runs if run.good]
    known = [(time + timedelta(seconds=run.seconds), run) for time, run in ends if time > NEVER]
    if not known:
        return Freshness(history.name, max_age, None, None, None, _later(history, NEVER))
    ended, last = max(known, key=lambda each: each[0])
    return Freshness(history.name, max_age, last, ended, now - ended, _later(history, read_time(last.started)))


def _later(history: JobHistory, since: datetime) -> tuple[LaterRun, ...]:
    """List what began after a moment. Where only a name is known, it begins with the time."""
    found = [LaterRun(run.folder, run.started, run.status, _missed(run)) for run in history.runs]
    found += [
        LaterRun(each.run_id, each.started or each.run_id[:_TIME], _status(each), each.message)
        for each in history.failed
    ]
    found += [LaterRun(each.folder, each.folder[:_TIME], None, each.reason) for each in history.unread]
    later = [each for each in found if read_time(each.started) > since]
    return tuple(sorted(later, key=lambda each: (read_time(each.started), each.run)))


def _missed(run: RunSummary) -> str:
    """Give the first rule that a run has broken, or the first alarm that went off in it."""
    return next((gate.sentence for gate in run.gates if not gate.passed), "")


def _status(failed: FailedRun) -> OutcomeStatus:
    try:
        return ExitCode(failed.exit_code or ExitCode.ERROR).unpublished
    except ValueError:
        return "error"
