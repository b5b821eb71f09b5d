"""Remove the old runs of a job, and never those that are still needed."""

import os
import secrets
import shutil
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from pathlib import Path

from batchclf import atomic
from batchclf.core.records.history import NEVER, JobHistory, read_time
from batchclf.core.text import utf8_text
from batchclf.core.types import Say
from batchclf.errors import HistoryError, RunError
from batchclf.jobs.history.runs import job_history, record_missing
from batchclf.storage.run.published import HISTORY_FILE


def apply_retention(
    job_folder: Path, *, keep_runs: int | None, keep_days: int | None, kept: Collection[str], warn: Say
) -> list[str]:
    """Remove the run directories and logs that `old_entries` names; returns the names of those that are gone.

    Each is in the history first: what is not is recorded, and if that fails nothing is removed. A run is renamed to
    a hidden name and then removed, so that none is ever seen in part; what a kill leaves, the next call removes.
    Whatever goes wrong is a warning and costs nothing else. The caller holds the job's lock.
    """
    from batchclf.storage.history.database import reading
    from batchclf.storage.history.rows import known_entries

    # By age and process, not by the lock, which those who write into the folder `score` do not take (decision 167)
    atomic.remove_abandoned(job_folder, rf"\.{atomic.OWNER}\.pruned")
    old = old_entries(job_folder, keep_runs=keep_runs, keep_days=keep_days, kept=kept)
    if not old:
        return []
    try:
        record_missing(job_folder)
        with reading(job_folder.parent / HISTORY_FILE) as connection:
            known = known_entries(connection, job_folder.name)
    except (HistoryError, RunError, OSError) as error:
        warn(f"no old run was removed, since they cannot be kept in the history: {error}")
        return []
    removed = []
    for name in old:
        if utf8_text(name) not in known:
            warn(f"{name} was not removed, since it is not in the history")
            continue
        try:
            _remove(job_folder / name)
        except OSError as error:
            warn(f"{job_folder / name} could not be removed: {error.strerror or error}")
        if not os.path.lexists(job_folder / name):
            removed.append(name)
    return removed


def old_entries(
    job_folder: Path,
    *,
    keep_runs: int | None,
    keep_days: int | None,
    kept: Collection[str],
    now: datetime | None = None,
) -> list[str]:
    """Name the run directories, then the logs of failed runs, that need not stay, the oldest first. Never raises.

    One of the newest `keep_runs` runs stays, and one that is at most `keep_days` old; a bound that is None keeps
    nothing, but without any bound all stay. A log stays as long as a run of its age would. Always kept are: the newest
    run and the last good one, those that `kept` names (a run id, a folder's name or a path within one), those that a
    symbolic link in the job's folder leads to, and all that cannot be read as a run.
    """
    if keep_runs is None and keep_days is None:
        return []
    history = job_history(job_folder)
    oldest = _oldest_to_keep(history, keep_runs, keep_days, now or datetime.now(UTC))
    if oldest is None:
        return []
    there = [run for run in history.runs if not run.pruned]
    always = _linked(job_folder) | _named(job_folder, kept)
    always.update(run.folder for run in there[-1:])
    always.update([run.folder for run in there if run.good][-1:])
    runs = [run for run in there if _is_older(run.started, oldest) and not always & {run.folder, run.run_id}]
    logs = [each.log for each in history.failed if each.log and _is_older(each.started or each.run_id[:16], oldest)]
    return [*(run.folder for run in runs), *(log for log in logs if log not in always)]


def _is_older(started: str, oldest: datetime) -> bool:
    """Whether a time is surely before another; of one that cannot be read nobody knows."""
    return NEVER < read_time(started) < oldest


def _oldest_to_keep(
    history: JobHistory, keep_runs: int | None, keep_days: int | None, now: datetime
) -> datetime | None:
    """Find the start of the oldest run that stays; None if all do."""
    bounds = []
    if keep_days is not None:
        try:
            bounds.append(now - timedelta(days=keep_days))
        except OverflowError:
            return None
    if keep_runs is not None:
        starts = [read_time(run.started) for run in history.runs if not run.pruned]
        if len(starts) <= keep_runs:
            return None
        bounds.append(starts[-keep_runs])
    # Of two bounds the one that keeps more (decision 106)
    return min(bounds)


def _linked(job_folder: Path) -> set[str]:
    """Name what symbolic links in the job's folder, or files in their place, lead to, even to a file within."""
    try:
        with os.scandir(job_folder) as entries:
            paths = [Path(entry.path) for entry in entries if entry.is_symlink() or entry.is_file()]
    except OSError:
        return set()
    links = [path for path in paths if path.is_symlink() or atomic.followed(path) != path]
    return {name for link in links for name in _within(job_folder, link)}


def _named(job_folder: Path, kept: Collection[str]) -> set[str]:
    return {name for text in kept for name in (text, *_within(job_folder, Path(text)))}


def _within(job_folder: Path, path: Path) -> list[str]:
    """Name the entry of the job's folder that a path lies in, if it does."""
    try:
        inside = atomic.followed(path).resolve().relative_to(job_folder.resolve())
    except (ValueError, OSError, RuntimeError):  # elsewhere, or a loop of links
        return []
    return [inside.parts[0]] if inside.parts else []


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        # A suffix of its own: what a kill leaves must not be taken for a run that was killed (decision 167)
        hidden = path.with_name(f".{os.getpid()}-{secrets.token_hex(4)}.pruned")
        # First renamed: a directory that is half removed would look like a damaged run (decision 106)
        path.rename(hidden)
        shutil.rmtree(hidden)
    else:
        path.unlink()
