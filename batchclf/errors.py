"""Every exception that batchclf raises on purpose; only `cli.main.main` prints them."""

import errno
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

WANT = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})
"""The system's errors that are the want of this process or the machine, not the fault of a file."""


INTERRUPTED = 130
"""What the process ends with after Ctrl-C or SIGTERM."""

_PUBLISHED = "the run was published all the same"


class BatchclfError(Exception):
    """Something a user can put right.

    `message` says what happened, to which file or key, and what was expected; `hint` says what to do.
    `exit_code` is what the process ends with (docs/commands.md, "Exit codes").
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(BatchclfError):
    """Command-line arguments that do not go together."""

    exit_code = 2


class DataError(BatchclfError):
    """A data set or directory that is missing, empty, damaged or not what it should be."""


class NothingToScoreError(DataError):
    """A directory in which there is no image to score."""

    exit_code = 5


class UnreadableImageError(BatchclfError):
    """One image file that cannot be decoded; scoring turns it into a `SkippedImage`."""


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


class QueryError(BatchclfError):
    """A SQL query that makes no sense or asks for more than it may."""


class HistoryError(BatchclfError):
    """A history.sqlite that is damaged, not ours, newer than this batchclf, locked or not to be written."""


class ComparisonError(BatchclfError):
    """Two runs that cannot be compared: other classes, other splits, no image in common."""


class TargetTakenError(RunError):
    """A run directory that another run, still going on, is to become."""


class GateFailedError(BatchclfError):
    """A finished and published run whose metrics break a bound of the job's gate."""

    exit_code = 3


class PartialError(BatchclfError):
    """A finished and published run in which more images were skipped than the budget allows."""

    exit_code = 4


EXIT_CODES = {"ok": 0, "gate failed": GateFailedError.exit_code, "partial": PartialError.exit_code}
"""What the process ends with after a run that was published, by its status."""


class DeadlineError(BatchclfError):
    """The deadline passed before there was anything to publish."""

    exit_code = 4


class NotifyError(BatchclfError):
    """Somebody or something that was to be notified of a run, and could not be."""


class AlreadyRunningError(BatchclfError):
    """Another run of the same job holds its lock."""

    exit_code = 75


def note_published(error: BaseException, run: "Path") -> None:
    """Note in what ends a run that it was published before."""
    error.add_note(f"{_PUBLISHED}: {run}")


def is_published(error: BaseException) -> bool:
    """Whether `note_published` has been called for an error."""
    return any(note.startswith(_PUBLISHED) for note in getattr(error, "__notes__", ()))
