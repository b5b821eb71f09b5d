"""A run directory that survives a kill: what a run has left is taken over by the next one with `--resume`."""

import errno
import os
import shutil
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import BaseFileLock, FileLock, SoftFileLock

from batchclf import atomic
from batchclf.core.text import counted
from batchclf.core.types import Say
from batchclf.errors import NothingToScoreError, RunError, TargetTakenError, noted_as_published
from batchclf.storage.run.directory import check_free, give_up
from batchclf.storage.run.journal import JOURNAL_FILE, Journal, JournalHead, KilledRun, read_journal

LOCK_FILE = ".lock"
"""Held while a run writes into its hidden folder; the system frees it with the process, however that ends."""

KEPT_DAYS = 30
"""What a killed run has left is removed when nobody has gone on with it for so long."""


@contextmanager
def resumable_run_directory(target: Path, head: JournalHead, *, resume: bool, say: Say) -> Iterator[KilledRun]:
    """Give a hidden folder beside `target` to fill; it is renamed to `target` when all went well.

    With `resume` it may be the folder of a killed run that lies there and was asked for in the same way (`head`);
    its entries tell how far that came. Where the block raises after something was scored, the folder stays for a
    resume, and the exception gets a note that says so; else it is removed, but for its log. Raises RunError where
    something stands at `target` already, TargetTakenError where another run is about to become it.
    """
    check_free(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    run, lock = (_take_over(target, head, say) if resume else None) or _begin(target, head)
    if _another_at_work(run.folder, target):
        lock.release()
        if not run.files:
            shutil.rmtree(run.folder, ignore_errors=True)
        raise TargetTakenError(
            f"another run is under way that will become {target}", hint="wait for it, or give another run directory"
        )
    try:
        yield run
        # Renamed first: what is whole must not be lost to a kill now.
        atomic.publish_folder(run.folder, target)
    except BaseException as error:
        left = read_journal(run.folder)
        if left is not None and left.files and not isinstance(error, RunError | NothingToScoreError):
            error.add_note(
                f"the scores of {counted(left.files, 'file')} are kept; the same command with --resume goes on"
            )
        else:
            give_up(run.folder, target)
        raise
    else:
        with noted_as_published(target):
            atomic.flush_path(target.parent)
        for name in (JOURNAL_FILE, LOCK_FILE):
            with suppress(OSError):  # they do no harm in a run that is published
                (target / name).unlink(missing_ok=True)
    finally:
        lock.release()
    with suppress(OSError):
        _remove_others(target, head)


def _remove_others(target: Path, head: JournalHead) -> None:
    """Remove what the published run has made good, and what nobody has gone on with for long."""
    for other, other_lock in _killed_runs(target, head.source):
        if other.head == head or atomic.is_beside(other.folder, target) or _is_old(other.folder):
            shutil.rmtree(other.folder, ignore_errors=True)
        other_lock.release()


def _begin(target: Path, head: JournalHead) -> tuple[KilledRun, BaseFileLock]:
    folder = atomic.beside(target)
    folder.mkdir()
    lock: BaseFileLock | None = None
    try:
        lock = take_lock(folder / LOCK_FILE)
        # From here on the folder of a killed run is known as such.
        Journal(folder, head, []).close()
    except BaseException:
        if lock is not None:
            lock.release()
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return KilledRun(folder, head), lock


def _take_over(target: Path, head: JournalHead, say: Say) -> tuple[KilledRun, BaseFileLock] | None:
    """Find the killed run that came farthest among those that were asked for in the same way; keep its lock."""
    best: tuple[KilledRun, BaseFileLock] | None = None
    other: KilledRun | None = None
    for run, lock in _killed_runs(target, head.source):
        if run.head != head:
            other = run
        elif best is None or run.files > best[0].files:
            if best is not None:
                best[1].release()
            best = run, lock
            continue
        lock.release()
    if best is not None:
        atomic.remove_leftovers(best[0].folder)
        say(f"going on with the run that was killed after {counted(best[0].files, 'file')}")
    elif other is not None:
        changed = [name for name, value in head.parts.items() if other.head.parts.get(name) != value]
        say(f"beginning anew: the run that was killed after {counted(other.files, 'file')} had another "
            f"{', another '.join(changed)}")  # fmt: skip
    return best


def _killed_runs(target: Path, source: str) -> Iterator[tuple[KilledRun, BaseFileLock]]:
    """Lock and give each hidden folder beside `target` in which `source` was scored and nobody is at work."""
    for folder in sorted(target.parent.glob(".*.partial")):
        if not (folder / JOURNAL_FILE).exists():
            continue
        lock = _lock_of(folder)
        if lock is None:
            continue
        # Read only now: until a moment ago somebody may have been at work.
        run = read_journal(folder)
        if run is not None and run.head.source == source:
            yield run, lock
        else:
            lock.release()


def _another_at_work(own: Path, target: Path) -> bool:
    """Whether a run that is going on will be renamed to `target`, too; it would fail then, after all its work.

    Of two that begin at once, at least one is told: both hold their lock before they look.
    """
    for folder in target.parent.glob(".*.partial"):
        if folder != own and atomic.is_beside(folder, target) and (folder / LOCK_FILE).exists():
            lock = _lock_of(folder)
            if lock is None:
                return True
            lock.release()
    return False


def _lock_of(folder: Path) -> BaseFileLock | None:
    """Take the lock of a hidden folder; None where a run holds it."""
    try:
        return take_lock(folder / LOCK_FILE)
    except (OSError, RunError):
        return None


def take_lock(path: Path) -> BaseFileLock:
    """Take a lock that the system frees when the process ends.

    Raises filelock's Timeout if another process has it, RunError if the file system has no locks, OSError.
    """
    lock: BaseFileLock = FileLock(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that filelock goes on with a file, which is refused below
            lock.acquire(timeout=0)
    except NotImplementedError as error:  # filelock before 3.24
        raise _no_locks(path, os.strerror(errno.ENOSYS)) from error
    except OSError as error:
        if error.errno in atomic.NO_LOCKS:
            raise _no_locks(path, error.strerror) from error
        raise
    if isinstance(lock, SoftFileLock):
        # A file that says "locked" stays after a kill, and no later run would begin (decision 158)
        lock.release()
        raise _no_locks(path, os.strerror(errno.ENOSYS))
    return lock


def _no_locks(path: Path, reason: str | None) -> RunError:
    return RunError(
        f"the lock {path} cannot be taken: {atomic.WITHOUT_LOCKS} ({reason}); without it two runs may write at once",
        hint="publish on another disk (publish.reports of a job, --reports or --out of score) and copy the runs, or "
        "mount this one with locks (NFS: local_lock=flock, CIFS: nobrl, if only this machine runs the job)",
    )


def _is_old(folder: Path) -> bool:
    return (folder / JOURNAL_FILE).stat().st_mtime < time.time() - KEPT_DAYS * 86400
