"""Earlier runs: in a few numbers each, and all that the history keeps of one."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from batchclf.core.estimate import Estimate
from batchclf.core.records.run import GateResult, SubsetRecord
from batchclf.errors import Status

NEVER = datetime.min.replace(tzinfo=UTC)


def read_time(text: str) -> datetime:
    """Read a time of a record; one that cannot be read counts as the oldest, NEVER."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return NEVER
    return time if time.tzinfo else time.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class RunSummary:
    """One run, from its run.json and metrics.json.

    `folder` is the name of its folder beside the others. `split` is the one reported on ("test", or "" for a
    directory); `accuracy` is None where it has no labels, `gap` (train minus test) where there is none. Times are
    ISO 8601 with offset. `sources` are the data sets or directories that were scored, `files` the names of what
    lies in the folder (none where its folder was removed); `job` is None for a run of `score`. `run_date` is
    the date of the job's run, YYYY-MM-DD, or empty. `good` says whether its status is "ok".
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
    run_date: str = ""

    @property
    def good(self) -> bool:
        """Whether later runs may be compared with it: complete, and its gate passed."""
        return self.status == "ok"

    @property
    def pruned(self) -> bool:
        """Whether its folder is no longer there, so that only the history knows it."""
        return not self.files


def last_good(runs: Sequence[RunSummary]) -> RunSummary | None:
    """Give the newest run that later ones may be compared with, of runs from the oldest on; None without one."""
    return next((run for run in reversed(runs) if run.good), None)


@dataclass(frozen=True, slots=True)
class MetricValue:
    """One metric of one split with the ends of its 95% interval and what the baseline gets, None where there is none.

    The name is the key in metrics.json; `gap` and `log_loss_gap` stand with the test split. `images` is the number of
    images that the value rests on.
    """

    split: str
    name: str
    value: float
    low: float | None
    high: float | None
    baseline: float | None
    images: int


@dataclass(frozen=True, slots=True)
class ClassValues:
    """One class of one split: a row of per_class.csv, with the same names; None where a cell is empty."""

    split: str
    class_name: str
    support: int | None
    predicted: int | None
    correct: int | None
    recall: float | None
    recall_low: float | None
    recall_high: float | None
    precision: float | None
    precision_low: float | None
    precision_high: float | None
    f1: float | None
    gap: float | None
    gap_low: float | None
    gap_high: float | None
    auc: float | None
    auc_low: float | None
    auc_high: float | None
    average_precision: float | None


@dataclass(frozen=True, slots=True)
class RunDetails:
    """All that the history keeps of a run but the digests of its files.

    `model` is the bundle's path, `dataset` the data set's name, `batchclf` the version that ran. `subsets` are those of
    run.json without `cached`, `precision` and `timings`. Metrics and classes are sorted by split and name.
    """

    summary: RunSummary
    complete: bool
    dataset: str | None
    model: str
    command: tuple[str, ...]
    batchclf: str
    subsets: tuple[SubsetRecord, ...]
    metrics: tuple[MetricValue, ...]
    classes: tuple[ClassValues, ...]


@dataclass(frozen=True, slots=True)
class FileDigest:
    """A file of a run directory as it was recorded: SHA-256 in hexadecimal, size in bytes."""

    name: str
    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class FailedRun:
    """A run that left only its log, the file `log`; `message` is its last error, empty where it tells none.

    `started` is the time of its first line, ISO 8601, or empty. `log` is empty where the file was removed. Run
    date and exit code are known where the run was recorded when it failed.
    """

    run_id: str
    log: str
    started: str
    message: str
    run_date: str = ""
    exit_code: int | None = None


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
