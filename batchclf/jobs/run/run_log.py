"""What happens during a run: the time of each step, and all that is said, in the run's log too."""

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from batchclf.storage.run.directory import LOG_FILE, RunLog

if TYPE_CHECKING:
    from batchclf.core.progress import Advance, Total, Watcher


@dataclass
class Steps:
    """Times the steps of a run, in order."""

    timings: dict[str, float] = field(default_factory=dict)
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    _clock: float = field(default_factory=time.perf_counter)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Add the seconds that the block takes under `name`."""
        before = time.perf_counter()
        try:
            yield
        finally:
            self.timings[name] = round(time.perf_counter() - before, 3)

    @property
    def seconds(self) -> float:
        """Seconds since the run began."""
        return round(time.perf_counter() - self._clock, 3)


@dataclass(frozen=True, eq=False)
class Logged:
    """A watcher whose lines also go to the run's log."""

    watcher: "Watcher"
    log: RunLog

    def say(self, line: str) -> None:
        """Say one line and log it."""
        self.log.write(line)
        self.watcher.say(line)

    def warn(self, line: str) -> None:
        """Say one line that must not go unseen and log it as a warning."""
        self.log.write(line, level="warning")
        self.watcher.warn(line)

    def detail(self, line: str) -> None:
        """Log one line as a warning; say it to those who asked for more."""
        self.log.write(line, level="warning")
        self.watcher.detail(line)

    def progress(self, what: str, total: "Total") -> "AbstractContextManager[Advance]":
        """Show progress; it is not logged."""
        return self.watcher.progress(what, total)


@contextmanager
def logging_to(folder: Path, target: Path, watcher: "Watcher") -> Iterator[Logged]:
    """Let all that is said go to the log in `folder`, which is to become `target`, too; so does what ends the block.

    An OSError that names no file, as that of a full disk, gets the target's name.
    """
    log = RunLog(folder / LOG_FILE)
    try:
        yield Logged(watcher, log)
    except BaseException as error:
        if isinstance(error, OSError) and error.filename is None:
            error.filename = str(target)
        with suppress(OSError):  # a full disk must not hide what ended the run
            log.failure(error)
        raise
    finally:
        with suppress(OSError):
            log.close()
