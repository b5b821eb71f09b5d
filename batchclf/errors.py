"""What a process ends with, and every exception that batchclf raises on purpose; only `cli.main.main` prints them."""

import errno
from contextlib import contextmanager
from enum import IntEnum
from typing import TYPE_CHECKING, ClassVar, Literal, Self

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WANT = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})
"""The system's errors that are the want of this process or the machine, not the fault of a file."""

_NO_THREAD = "can't start new thread"  # Python's RuntimeError for that has no class of its own
_CHECK_LIMITS = "raise the limits of the process, or give fewer --workers"

Status = Literal["ok", "gate failed", "partial"]
"""What came of a run that was published."""

OutcomeStatus = Literal[Status, "error", "deadline", "nothing to score", "already running", "interrupted"]
"""The same, or how a run ended that published nothing."""


class ExitCode(IntEnum):
    """What a process ends with: the number, the status of a published run, that of a run that published nothing.

    This table is the only place that knows the numbers; docs/commands.md, "Exit codes", is compared with it.
    """

    published: Status | None
    unpublished: OutcomeStatus

    OK = 0, "ok"
    ERROR = 1
    USAGE = 2
    GATE_FAILED = 3, "gate failed"
    PARTIAL = 4, "partial", "deadline"
    NOTHING_TO_SCORE = 5, None, "nothing to score"
    ALREADY_RUNNING = 75, None, "already running"
    INTERRUPTED = 130, None, "interrupted"

    def __new__(cls, code: int, published: Status | None = None, unpublished: OutcomeStatus = "error") -> Self:
        """Make a row of the table."""
        row = int.__new__(cls, code)
        row._value_ = code
        row.published = published
        row.unpublished = unpublished
        return row

    @classmethod
    def of(cls, status: Status) -> Self:
        """Look up what the process ends with after a run that was published with a status."""
        return next(row for row in cls if row.published == status)

    @property
    def words(self) -> str:
        """The name in words, as `--help` and the docs write it: "gate failed"."""
        return self.name.lower().replace("_", " ")


_PUBLISHED = "the run was published all the same"


class BatchclfError(Exception):
    """Something a user can put right.

    `message` says what happened, to which file or key, and what was expected; `hint` says what to do.
    `exit_code` is what the process ends with. `excerpt` has lines of what the user has written, with the place marked.
    """

    exit_code: ClassVar[ExitCode] = ExitCode.ERROR
    excerpt: tuple[str, ...] = ()

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(BatchclfError):
    """Arguments, of a command or a function, that do not go together or are not what they must be."""

    exit_code = ExitCode.USAGE


class DataError(BatchclfError):
    """A data set or directory that is missing, empty, damaged or not what it should be."""


class StoreError(BatchclfError):
    """An object store that cannot be used: no bucket, no credentials, no connection, or it fails for good."""


class NothingToScoreError(DataError):
    """A directory in which there is no image to score."""

    exit_code = ExitCode.NOTHING_TO_SCORE


class UnreadableImageError(BatchclfError):
    """One image file that cannot be decoded; scoring turns it into a `SkippedImage`."""


class ImageTimeoutError(UnreadableImageError):
    """One that takes too long: another try may be quicker, so nothing of it is kept for a later run."""


class UnknownGeometryError(UsageError):
    """An image that is not of the model's size, and nobody has said how its pixels are brought to it."""

    def of(self, path: object) -> Self:
        """Say which file it is."""
        return type(self)(f"{path}: {self.message}", hint=self.hint)


class ModelError(BatchclfError):
    """A model bundle that is missing, damaged, of another format version or does not fit the data."""


class JobFileError(BatchclfError):
    """A job file with an unknown key, a wrong type or a value out of range; its line, from 1, and the key if known."""

    def __init__(self, message: str, *, hint: str = "", line: int | None = None, key: str = "") -> None:
        super().__init__(message, hint=hint)
        self.line = line
        self.key = key


class PredictionsError(BatchclfError):
    """A predictions CSV that lacks columns or holds values that cannot be read."""


class RunError(BatchclfError):
    """A run directory that is missing, incomplete or of another format version."""


class EngineError(BatchclfError):
    """A cluster that cannot be reached or started, or whose workers are not fit; what was scored so far is kept."""


class QueryError(BatchclfError):
    """A SQL query that makes no sense or asks for more than it may."""


class HistoryError(BatchclfError):
    """A history.sqlite that is damaged, not ours, newer than this batchclf, locked or not to be written."""


class ComparisonError(BatchclfError):
    """Two runs that cannot be compared: other classes, other splits, no image in common."""


class TargetTakenError(RunError):
    """A run directory that another run, still going on, is to become."""


class DeadlineError(BatchclfError):
    """The deadline passed before there was anything to publish."""

    exit_code = ExitCode.PARTIAL


class NotifyError(BatchclfError):
    """Somebody or something that was to be notified of a run, and could not be."""


class AlreadyRunningError(BatchclfError):
    """Another run of the same job holds its lock."""

    exit_code = ExitCode.ALREADY_RUNNING


class StoppedError(BatchclfError):
    """Ctrl-C or SIGTERM, in words."""

    exit_code = ExitCode.INTERRUPTED


def explained(error: BaseException) -> BatchclfError | None:
    """Say in words what the system refused to a command or a function: memory, files, threads; None for all else."""
    if isinstance(error, MemoryError):
        hint = with_kept("free memory, or give a smaller --batch-size or fewer --workers", error)
        return BatchclfError(f"out of memory: {error}", hint=hint)
    if isinstance(error, OSError):
        where = f": {error.filename}" if error.filename else ""
        check = _CHECK_LIMITS if error.errno in WANT else "check the disk's free space and the permissions"
        hint = f"{check}; {kept_of(error) or 'nothing was published'}"
        return BatchclfError(f"the system refused ({error.strerror or error}){where}", hint=hint)
    if str(error) == _NO_THREAD:
        return BatchclfError(f"the system refused ({error})", hint=with_kept(_CHECK_LIMITS, error))
    return None


def kept_of(error: BaseException) -> str:
    """Give what a run has noted on its way out: that what was scored can be gone on with."""
    return "; ".join(getattr(error, "__notes__", []))


def with_kept(hint: str, error: BaseException) -> str:
    """Add to a hint what a run has noted on its way out."""
    return "; ".join(filter(None, (hint, kept_of(error))))


def published_note(run: "Path") -> str:
    """Say of a run that something else went wrong with that it was published."""
    return f"{_PUBLISHED}: {run}"


@contextmanager
def noted_as_published(run: "Path") -> "Iterator[None]":
    """Note in whatever ends the block that the run is published all the same."""
    try:
        yield
    except BaseException as error:
        error.add_note(published_note(run))
        raise


def is_published(error: BaseException) -> bool:
    """Whether an error has passed through `noted_as_published`."""
    return any(note.startswith(_PUBLISHED) for note in getattr(error, "__notes__", ()))
