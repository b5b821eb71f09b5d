"""The runs of a reports folder, job by job: those whose folders are there, and those that only history.sqlite knows."""

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from batchclf.core.records.history import (
    NEVER,
    FailedRun,
    FileDigest,
    JobHistory,
    RunDetails,
    RunSummary,
    UnreadRun,
    read_time,
)
from batchclf.core.text import utf8_text
from batchclf.core.types import Say, unheard
from batchclf.errors import HistoryError, RunError
from batchclf.storage.run.directory import FAILED_PREFIX, FAILED_SUFFIX, RECORD_FILE
from batchclf.storage.run.published import HISTORY_FILE
from batchclf.storage.run.summaries import read_failed, read_summary

_Read = TypeVar("_Read")

_AT_ONCE = 50
"""So many runs are read before they are written in one step; others can write in between."""

_TIME = len("20260102T030405Z")
"""So many characters of a run id are its time."""


def earlier_runs(folder: Path, before: str | None) -> tuple[RunSummary, ...]:
    """List the runs of a job's folder, oldest first; with `before` those that came before the run of that name.

    That run need not be published yet; then names decide, which are times. Runs whose folder was removed come from
    the history beside the folder. What cannot be read is left out. It never raises.
    """
    runs = job_history(folder).runs
    if before is None:
        return runs
    names = [run.folder for run in runs]
    if before in names:
        return runs[: names.index(before)]
    return tuple(run for run in runs if run.folder < before)


def job_history(folder: Path) -> JobHistory:
    """Look at everything in a job's folder: runs, logs of failed ones, and directories that cannot be read.

    The folder shows what is there; what was removed from it comes from the history, if that can be read. Never raises:
    what is damaged, half removed or not ours costs nothing but its own entry.
    """
    runs: list[RunSummary] = []
    failed: list[FailedRun] = []
    unread: list[UnreadRun] = []
    for name, is_run in _ours(folder):
        try:
            if is_run:
                runs.append(read_summary(folder / name))
            else:
                failed.append(read_failed(folder / name))
        except (RunError, OSError) as error:
            unread.append(UnreadRun(name, _reason(error)))
    there = {utf8_text(name) for name in (*(run.folder for run in runs), *(each.folder for each in unread))}
    pruned, recorded = _recorded(folder, there)
    runs.sort(key=run_age)
    logs = {utf8_text(each.log) for each in failed}
    known = {each.log: each for each in recorded}
    failed = [_with_recorded(each, known.get(utf8_text(each.log))) for each in failed]
    failed += [replace(each, log="") for each in recorded if each.log not in logs | there]
    failed.sort(key=lambda each: (read_time(each.started), each.run_id))
    return JobHistory(folder.name, tuple(sorted([*runs, *pruned], key=run_age)), tuple(failed), tuple(unread))


def all_histories(reports: Path) -> tuple[JobHistory, ...]:
    """Look at every job of a reports folder, by name; those without any run are left out. Never raises."""
    names = {entry.name for entry in _entries(reports) if entry.is_dir(follow_symlinks=False)}
    names.update(_recorded_jobs(reports) - {utf8_text(name) for name in names})
    found = (job_history(reports / name) for name in sorted(names))
    return tuple(job for job in found if job.runs or job.failed or job.unread)


def record_run(reports: Path, folder: Path) -> None:
    """Write a published run into REPORTS/history.sqlite, from its run directory; again if it is there already.

    What else lies beside the run and is not in the file is added, too: runs of a process that was killed before it
    came to this, runs that were copied in, and logs of failed runs. Raises HistoryError if the file is damaged, not
    ours, locked or cannot be written; RunError if the run directory cannot be read.
    """
    try:
        record_runs(reports, folder.parent.name, [folder])
        record_missing(folder.parent, reports)
    except OSError as error:
        raise RunError(
            f"{folder} could not be put into the history: {error.strerror or error}",
            hint=f"see what is wrong with it, then: batchclf history rebuild {folder}",
        ) from error


def record_missing(job_folder: Path, reports: Path | None = None) -> None:
    """Add what lies in a job's folder and is not in the history, as far as it can be read. Raises HistoryError."""
    from batchclf.storage.history.database import reading
    from batchclf.storage.history.rows import known_entries

    reports = reports or job_folder.parent
    known: set[str] = set()
    if os.path.lexists(reports / HISTORY_FILE):
        with reading(reports / HISTORY_FILE) as connection:
            known = known_entries(connection, job_folder.name)
    new = [(name, is_run) for name, is_run in _ours(job_folder) if utf8_text(name) not in known]
    if new:
        runs = [job_folder / name for name, is_run in new if is_run]
        logs = [job_folder / name for name, is_run in new if not is_run]
        record_runs(reports, job_folder.name, runs, logs, unread=[])


def record_failure(
    reports: Path, job: str, log: Path, *, exit_code: int | None = None, run_date: str = "", message: str = ""
) -> None:
    """Write a run of a job that published nothing into the history; without `message` the last error of its log.

    A log that is not there makes an entry, too: the run may have ended before it, or a full disk have cost it. Raises
    HistoryError.
    """
    from batchclf.storage.history.database import writing
    from batchclf.storage.history.rows import put_failure

    try:
        failed = read_failed(log)
    except OSError:
        run_id = log.name.removeprefix(FAILED_PREFIX).removesuffix(FAILED_SUFFIX)
        failed = FailedRun(run_id, log.name, "", "")
    time = read_time(failed.started or failed.run_id[:_TIME])
    failed = replace(
        failed,
        started=failed.started or ("" if time == NEVER else time.isoformat()),
        run_date=run_date,
        exit_code=exit_code,
        message=message or failed.message,
    )
    with writing(reports / HISTORY_FILE) as connection:
        put_failure(connection, job, failed)


def run_folders(job_folder: Path) -> list[Path]:
    """List the run directories in a job's folder by name, whether they can be read or not."""
    return [job_folder / name for name, is_run in _ours(job_folder) if is_run]


def jobs_with_runs(reports: Path) -> list[str]:
    """List the folders of a reports folder that hold runs or logs of failed ones, by name."""
    names = [entry.name for entry in _entries(reports) if entry.is_dir(follow_symlinks=False)]
    return [name for name in names if any(_ours(reports / name))]


def record_runs(
    reports: Path,
    job: str,
    folders: list[Path],
    logs: Iterable[Path] = (),
    *,
    unread: list[UnreadRun] | None = None,
    warn: Say = unheard,
) -> None:
    """Write run directories, and logs of failed runs, into the history of a job, again if they are there already.

    One that cannot be read, or whose tables have other rows than it wrote, goes to `unread`; without such a list it
    raises RunError or OSError. `warn` gets what was edited since a run wrote it. Raises HistoryError.
    """
    from batchclf.storage.history.database import writing
    from batchclf.storage.history.rows import put_failure, put_run
    from batchclf.storage.run.details import digest_files, read_details
    from batchclf.storage.run.written import check_written

    def read(folder: Path) -> tuple[RunDetails, list[FileDigest]]:
        details, digests = read_details(folder), digest_files(folder)
        check_written(folder, (each.name for each in digests), warn=warn, digests={e.name: e.sha256 for e in digests})
        return details, digests

    failed = _read_all(logs, read_failed, unread)
    for start in range(0, max(1, len(folders)), _AT_ONCE):
        some = folders[start : start + _AT_ONCE]
        found = _read_all(some, read, unread)
        if found or failed:
            with writing(reports / HISTORY_FILE) as connection:
                for details, digests in found:
                    put_run(connection, job, details, digests)
                for each in failed:
                    put_failure(connection, job, each)
        failed = []


def _read_all(paths: Iterable[Path], read: Callable[[Path], _Read], unread: list[UnreadRun] | None) -> list[_Read]:
    """Read each path; what cannot be read goes to `unread`, or is raised if there is no such list."""
    found = []
    for path in paths:
        try:
            found.append(read(path))
        except (RunError, OSError) as error:
            if unread is None:
                raise
            unread.append(UnreadRun(path.name, _reason(error)))
    return found


def _reason(error: RunError | OSError) -> str:
    return error.message if isinstance(error, RunError) else str(error.strerror)


def _recorded(folder: Path, there: set[str]) -> tuple[list[RunSummary], list[FailedRun]]:
    """Look up the runs that are not `there` any more, and all failed ones."""
    path = folder.parent / HISTORY_FILE
    if not path.exists():
        return [], []
    from batchclf.storage.history.database import reading
    from batchclf.storage.history.rows import get_failures, get_summaries

    try:
        with reading(path) as connection:
            return get_summaries(connection, folder.name, there), list(get_failures(connection, folder.name))
    except HistoryError:
        return [], []


def _recorded_jobs(reports: Path) -> set[str]:
    path = reports / HISTORY_FILE
    if not path.exists():
        return set()
    from batchclf.storage.history.database import reading
    from batchclf.storage.history.rows import known_jobs

    try:
        with reading(path) as connection:
            return set(known_jobs(connection))
    except HistoryError:
        return set()


def _with_recorded(failed: FailedRun, recorded: FailedRun | None) -> FailedRun:
    """Add what only the process knew that failed."""
    if recorded is None:
        return failed
    return replace(
        failed,
        run_date=recorded.run_date,
        exit_code=recorded.exit_code,
        started=failed.started or recorded.started,
        message=recorded.message or failed.message,
    )


def _ours(folder: Path) -> Iterator[tuple[str, bool]]:
    """List what is a run directory (true) or the log of a failed run (false)."""
    for entry in _entries(folder):
        try:
            if entry.is_dir(follow_symlinks=False):
                if (folder / entry.name / RECORD_FILE).exists():
                    yield entry.name, True
            elif entry.name.startswith(FAILED_PREFIX) and entry.name.endswith(FAILED_SUFFIX):
                yield entry.name, False
        except OSError:
            yield entry.name, True


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    """List what a folder holds by name, hidden files left out; nothing if it cannot be listed."""
    try:
        with os.scandir(folder) as entries:
            yield from sorted((each for each in entries if not each.name.startswith(".")), key=lambda each: each.name)
    except OSError:
        return


def run_age(run: RunSummary) -> tuple[datetime, str]:
    """Order runs by their age, the oldest first."""
    return read_time(run.started), run.folder
