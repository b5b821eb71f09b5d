"""Earlier runs in a few numbers each."""

from dataclasses import dataclass

from batchclf.core.intervals import Estimate
from batchclf.core.run_record import GateResult, Status


@dataclass(frozen=True, slots=True)
class RunSummary:
    """One run, from its run.json and metrics.json.

    `folder` is the name of its folder beside the others. `split` is the one reported on ("test", or "" for a
    directory); `accuracy` is None where it has no labels, `gap` (train minus test) where there is none. Times are
    ISO 8601 with offset. `sources` are the data sets or directories that were scored, `files` the names of what
    lies in the folder; `job` is None for a run of `score`.
    """

    run_id: str
    folder: str
    started: str
    seconds: float
    status: Status
    split: str
    images: int
    skipped: int
    accuracy: Estimate | None
    train_accuracy: Estimate | None
    gap: Estimate | None
    overfitting: str | None
    macro_f1: float | None
    ece: float | None
    model_digest: str
    gates: tuple[GateResult, ...]
    sources: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    job: str | None = None


@dataclass(frozen=True, slots=True)
class FailedRun:
    """A run that left only its log, the file `log`; `message` is its last error, empty where it tells none.

    `started` is the time of its first line, ISO 8601, or empty.
    """

    run_id: str
    log: str
    started: str
    message: str


@dataclass(frozen=True, slots=True)
class UnreadRun:
    """A run directory that cannot be read by this batchclf, and why."""

    folder: str
    reason: str


@dataclass(frozen=True, slots=True)
class JobHistory:
    """What a job's folder holds, oldest first each."""

    name: str
    runs: tuple[RunSummary, ...]
    failed: tuple[FailedRun, ...]
    unread: tuple[UnreadRun, ...]
