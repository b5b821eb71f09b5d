"""A run directory that survives a kill: what a run has left is taken over by the next one.

That of a job is, by the job's next run; that of `score` by one with `--resume`.
"""

import errno
import hashlib
import os
import shutil
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from filelock import BaseFileLock, FileLock, SoftFileLock

from batchclf import atomic
from batchclf.core.text import counted
from batchclf.core.types import Say
from batchclf.errors import NothingToScoreError, RunError, TargetTakenError, noted_as_published
from batchclf.storage.predictions.write import GROWING_PARQUET_FILE, PARQUET_FILE, PARTS_FOLDER
from batchclf.storage.run.directory import LOG_FILE, RunLog, check_free, failed_log, give_up, put_log_aside
from batchclf.storage.run.journal import (
    JOURNAL_FILE,
    Journal,
    JournalEntry,
    JournalHead,
    KilledRun,
    read_journal,
)

LOCK_FILE = ".lock"
"""Held while a run writes into its hidden folder; the system frees it with the process, however that ends."""

_PART = 2**20

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
            # A run that looks who is at work may make the lock in it again meanwhile
            atomic.remove_folder(run.folder)
        raise TargetTakenError(
            f"another run is under way that will become {target}", hint="wait for it, or give another run directory"
        )
    try:
        with _published(run.folder, target, "the same command with --resume goes on"):
            yield run
    finally:
        lock.release()
    with suppress(OSError):
        _remove_others(target, head)


@contextmanager
def job_run_directory(target: Path) -> Iterator[KilledRun]:
    """Give a hidden folder beside `target` to fill, as `resumable_run_directory` does, to a job whose lock is held.

    What the job's last run has left, if it was killed, is in it; `take_up` says what of that can be used. If the block
    raises after something was scored, that stays for the next run, and the log goes to `failed-NAME.log.jsonl`.
    """
    check_free(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    killed, folder = _farthest(target.parent), atomic.beside(target)
    if killed is None:
        folder.mkdir()
    else:
        killed.folder.rename(folder)
    try:
        with _published(folder, target, "the next run of the job goes on"):
            yield KilledRun(folder) if killed is None else replace(killed, folder=folder)
    except BaseException:
        put_log_aside(folder, target)
        raise


def bury_killed(folder: Path) -> list[Path]:
    """Remove what killed runs have left in a job's folder, which no one else writes to now, but for their logs.

    What the next run can go on with stays, that of the run that came farthest. Returns the logs,
    `failed-NAME.log.jsonl`, one a run. Raises OSError if something cannot be removed.
    """
    logs = []
    for partial in sorted(folder.glob(".*.partial")):
        if partial.is_symlink():  # what was to become `latest`: the run that it leads to is published
            continue
        log = partial / LOG_FILE
        target = folder / partial.name[1:].rsplit(".", 2)[0]
        if log.is_file() and not failed_log(target).exists():
            last = RunLog(log)
            last.write("the run was killed, or the machine went down", level="error")
            last.close()
            logs.append(failed_log(target))
            log.replace(logs[-1])
    farthest = _farthest(folder)
    atomic.remove_leftovers(folder, None if farthest is None else farthest.folder)
    return logs


def take_up(run: KilledRun, head: JournalHead, say: Say) -> list[JournalEntry]:
    """Give what a killed run has written into its folder and this one, which is asked for by `head`, can go on with.

    All else is removed from the folder, but for lock and log. A line says what is gone on with, or why nothing is.
    """
    if run.head is None:
        return []
    entries: list[JournalEntry] = []
    if run.head != head:
        say(_anew(run, _other(run, head)))
    else:
        entries, damaged = _intact(run)
        through = counted(replace(run, entries=entries).files, "file")
        say(
            _anew(run, f"has left {damaged} damaged, as after a power cut")
            if damaged
            else f"going on with the run that was killed after {through}"
        )
    if not entries:
        # First of all: it must never speak of what is not there.
        Journal(run.folder, head, []).close()
    kept = {LOCK_FILE, LOG_FILE, JOURNAL_FILE, *(_tables(entries[-1]) if entries else ())}
    if any(entry.part for entry in entries):
        kept.add(PARTS_FOLDER)
    for path in run.folder.iterdir():
        if path.name not in kept:
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    return entries


def _anew(run: KilledRun, why: str) -> str:
    return f"beginning anew: the run that was killed after {counted(run.files, 'file')} {why}"


def _other(run: KilledRun, head: JournalHead) -> str:
    """Say in what a run was asked for in another way."""
    theirs = {} if run.head is None else run.head.parts
    changed = [name for name in {**head.parts, **theirs} if head.parts.get(name) != theirs.get(name)]
    return f"had another {', another '.join(changed or ['source'])}"


def _tables(entry: JournalEntry) -> set[str]:
    """Name the files that a journal speaks of; the Parquet file may stand for the one that grew."""
    return {*entry.written, *([PARQUET_FILE] if GROWING_PARQUET_FILE in entry.written else [])}


def _intact(run: KilledRun) -> tuple[list[JournalEntry], str]:
    """Find out how much of what a killed run has written is on the disk; after a power cut that may be less.

    Gives the entries whose bytes are there; without any, the name of a file in which they are not.
    """
    entries, short = _with_whole_parts(run)
    while entries:
        sizes = _sizes(run.folder, entries[-1])
        short = next((name for name, size in sizes.items() if _size(run.folder / name) < size), "")
        if not short:
            break
        entries.pop()
    if not entries:
        return [], short
    # Of the last one alone: what it speaks of holds all before it.
    wrong = [name for name, size in sizes.items() if _sha256(run.folder / name, size) != entries[-1].written[name]]
    return ([], wrong[0]) if wrong else (entries, "")


def _with_whole_parts(run: KilledRun) -> tuple[list[JournalEntry], str]:
    """Give the entries up to the first whose part is not as it was written, and the name of that part."""
    for number, entry in enumerate(run.entries):
        for name, part in entry.part.items():
            path = run.folder / name
            if not path.is_file() or _sha256(path, path.stat().st_size) != part.sha256:
                return list(run.entries[:number]), name
    return list(run.entries), ""


def _sizes(folder: Path, entry: JournalEntry) -> dict[str, int]:
    """Give the bytes that an entry speaks of by file, but for those that are in the Parquet file by now."""
    sizes = {name: size for of in (entry.predictions, entry.images, entry.skipped) for name, size in of.items()}
    finished = not (folder / GROWING_PARQUET_FILE).exists() and (folder / PARQUET_FILE).exists()
    return {
        name: sizes[name] for name in entry.written if name in sizes and not (finished and name == GROWING_PARQUET_FILE)
    }


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else -1


def _sha256(path: Path, size: int) -> str:
    """Digest the first bytes of a file."""
    whole = hashlib.sha256()
    with path.open("rb") as file:
        while part := file.read(min(_PART, size)):
            whole.update(part)
            size -= len(part)
    return whole.hexdigest()


@contextmanager
def _published(folder: Path, target: Path, how: str) -> Iterator[None]:
    """Rename a hidden folder to `target` at the end.

    If the block raises after something was scored, the folder stays, and a note says so and `how` it is gone on with;
    else it is removed, but for its log.
    """
    try:
        yield
        # Renamed first: what is whole must not be lost to a kill now.
        atomic.publish_folder(folder, target)
    except BaseException as error:
        left = read_journal(folder)
        if left is not None and left.files and not isinstance(error, RunError | NothingToScoreError):
            error.add_note(f"the scores of {counted(left.files, 'file')} are kept; {how}")
        else:
            give_up(folder, target)
        raise
    with noted_as_published(target):
        atomic.flush_path(target.parent)
    for name in (JOURNAL_FILE, LOCK_FILE):
        with suppress(OSError):  # they do no harm in a run that is published
            (target / name).unlink(missing_ok=True)


def _farthest(folder: Path) -> KilledRun | None:
    """Find, of what killed runs have left in a job's folder, that of the one that came farthest."""
    runs = (read_journal(path) for path in sorted(folder.glob(".*.partial")) if not path.is_symlink())
    return max((run for run in runs if run is not None and run.files), key=lambda run: run.files, default=None)


def _remove_others(target: Path, head: JournalHead) -> None:
    """Remove what the published run has made good, and what nobody has gone on with for long."""
    for other, other_lock in _killed_runs(target, head.source):
        if other.head == head or atomic.is_beside(other.folder, target) or _is_old(other.folder):
            atomic.remove_folder(other.folder)
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
        run, lock = best
        return replace(run, entries=take_up(run, head, say)), lock
    if other is not None:
        say(_anew(other, _other(other, head)))
    return None


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
        if run is not None and run.head is not None and run.head.source == source:
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
        lock = take_lock(folder / LOCK_FILE)
    except (OSError, RunError):
        return None
    if [path.name for path in folder.glob("*")] in ([LOCK_FILE], []):
        # filelock makes the folder of a lock: its run has just removed it.
        shutil.rmtree(folder, ignore_errors=True)
    return lock


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
