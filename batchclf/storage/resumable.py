"""A run directory that survives a kill: what a run has left is taken over by the next one with `--resume`."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout

from batchclf import atomic
from batchclf.core.types import Say
from batchclf.errors import NothingToScoreError, RunError
from batchclf.storage.journal import JOURNAL_FILE, JournalHead, KilledRun, read_journal
from batchclf.storage.run_directory import check_free, give_up

LOCK_FILE = ".lock"
"""Held while a run writes into its hidden folder; the system frees it with the process, however that ends."""


@contextmanager
def resumable_run_directory(target: Path, head: JournalHead, *, resume: bool, say: Say) -> Iterator[KilledRun]:
    """Give a hidden folder beside `target` to fill; it is renamed to `target` when all went well.

    With `resume` it may be the folder of a killed run that lies there and was asked for in the same way (`head`);
    its entries tell how far that came. Where the block raises after something was scored, the folder stays for a
    resume, and the exception gets a note that says so; else it is removed, but for its log. Raises RunError where
    something stands at `target` already.
    """
    check_free(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    run, lock = (_take_over(target, head, say) if resume else None) or _begin(target, head)
    try:
        yield run
        for name in (JOURNAL_FILE, LOCK_FILE):
            (run.folder / name).unlink(missing_ok=True)
        run.folder.rename(target)
    except BaseException as error:
        left = read_journal(run.folder)
        if left is not None and left.files and not isinstance(error, RunError | NothingToScoreError):
            error.add_note(f"{left.files:,} files were through and are kept; the same command with --resume goes on")
        else:
            give_up(run.folder, target)
        raise
    finally:
        lock.release()
    for other, other_lock in _killed_runs(target, head.source):
        # What this run has made good.
        if other.head == head or _was_for(other, target):
            shutil.rmtree(other.folder, ignore_errors=True)
        other_lock.release()


def _begin(target: Path, head: JournalHead) -> tuple[KilledRun, BaseFileLock]:
    folder = atomic.beside(target)
    folder.mkdir()
    lock = FileLock(folder / LOCK_FILE)
    lock.acquire(timeout=0)
    return KilledRun(folder, head), lock


def _take_over(target: Path, head: JournalHead, say: Say) -> tuple[KilledRun, BaseFileLock] | None:
    """Find the killed run that came farthest among those that were asked for in the same way; keep its lock."""
    best: tuple[KilledRun, BaseFileLock] | None = None
    for run, lock in _killed_runs(target, head.source):
        if run.head != head:
            if _was_for(run, target):
                changed = [name for name, value in head.parts.items() if run.head.parts.get(name) != value]
                say(f"beginning anew: the run that was killed after {run.files:,} files had another "
                    f"{', another '.join(changed)}")  # fmt: skip
        elif best is None or run.files > best[0].files:
            if best is not None:
                best[1].release()
            best = run, lock
            continue
        lock.release()
    if best is not None:
        say(f"going on with the run that was killed after {best[0].files:,} files")
    return best


def _killed_runs(target: Path, source: str) -> Iterator[tuple[KilledRun, BaseFileLock]]:
    """Lock and give each hidden folder beside `target` in which `source` was scored and nobody is at work."""
    for folder in sorted(target.parent.glob(".*.partial")):
        run = read_journal(folder)
        if run is None or run.head.source != source:
            continue
        lock = FileLock(folder / LOCK_FILE)
        try:
            lock.acquire(timeout=0)
        except (Timeout, OSError):
            continue
        yield run, lock


def _was_for(run: KilledRun, target: Path) -> bool:
    """Whether the folder of a killed run was to become `target`."""
    return run.folder.name.startswith(f".{target.name}.")
