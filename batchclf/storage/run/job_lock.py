"""The lock of a job: one run at a time."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from filelock import Timeout

from batchclf.core.text import duration
from batchclf.errors import AlreadyRunningError
from batchclf.storage.run.resume import take_lock

LOCK_FILE = ".lock"


@contextmanager
def job_lock(folder: Path) -> Iterator[None]:
    """Hold the job's lock; raises AlreadyRunningError, naming the holder and its age, where another process has it.

    Raises RunError if the file system has no locks.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / LOCK_FILE
    holder = path.with_suffix(".holder")
    try:
        lock = take_lock(path)
    except Timeout as error:
        raise AlreadyRunningError(
            f"another run of this job is under way ({_who(holder)}; lock {path})",
            hint="wait for it; the lock ends with the process, so there is nothing to remove",
        ) from error
    try:
        with suppress(OSError):  # it only says who; a full disk must not end the run
            holder.write_text(f"process {os.getpid()} since {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC\n")
        yield
    finally:
        with suppress(OSError):
            holder.unlink(missing_ok=True)
        lock.release()


def _who(holder: Path) -> str:
    try:
        who = holder.read_text().strip()
        since = datetime.strptime(who.partition(" since ")[2], "%Y-%m-%d %H:%M:%S UTC").replace(tzinfo=UTC)
    except (OSError, ValueError):  # it has not written it yet, or has just ended
        return "another process"
    return f"{who}, for {duration(max(0, int((datetime.now(UTC) - since).total_seconds())))}"
