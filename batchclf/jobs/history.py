"""The runs that a reports folder holds, job by job."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from batchclf.core.history import FailedRun, JobHistory, RunSummary, UnreadRun
from batchclf.errors import RunError
from batchclf.storage.run_directory import FAILED_PREFIX, FAILED_SUFFIX, RECORD_FILE
from batchclf.storage.run_summaries import read_failed, read_summary


def earlier_runs(folder: Path, before: str | None) -> tuple[RunSummary, ...]:
    """List the runs in a job's folder, oldest first; with `before` those that came before the run of that name.

    That run need not be published yet; then names decide, which are times. What cannot be read is left out. It never
    raises.
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

    Never raises: what is damaged, half removed or not ours costs nothing but its own entry.
    """
    runs: list[RunSummary] = []
    failed: list[FailedRun] = []
    unread: list[UnreadRun] = []
    for entry in _entries(folder):
        try:
            if entry.is_dir(follow_symlinks=False):
                if (folder / entry.name / RECORD_FILE).exists():
                    runs.append(read_summary(folder / entry.name))
            elif entry.name.startswith(FAILED_PREFIX) and entry.name.endswith(FAILED_SUFFIX):
                failed.append(read_failed(folder / entry.name))
        except (RunError, OSError) as error:
            unread.append(UnreadRun(entry.name, error.message if isinstance(error, RunError) else str(error.strerror)))
    failed.sort(key=lambda each: (_time(each.started), each.log))
    return JobHistory(folder.name, tuple(sorted(runs, key=_age)), tuple(failed), tuple(unread))


def all_histories(reports: Path) -> tuple[JobHistory, ...]:
    """Look at every folder of a reports folder, by name; those without any run are left out. Never raises."""
    folders = (reports / entry.name for entry in _entries(reports) if entry.is_dir(follow_symlinks=False))
    found = (job_history(folder) for folder in folders)
    return tuple(job for job in found if job.runs or job.failed or job.unread)


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    """List what a folder holds by name, hidden files left out; nothing where it cannot be listed."""
    try:
        with os.scandir(folder) as entries:
            yield from sorted((each for each in entries if not each.name.startswith(".")), key=lambda each: each.name)
    except OSError:
        return


def _age(run: RunSummary) -> tuple[datetime, str]:
    return _time(run.started), run.folder


def _time(text: str) -> datetime:
    """Read a time; one that cannot be read counts as the oldest."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)
    return time if time.tzinfo else time.replace(tzinfo=UTC)
