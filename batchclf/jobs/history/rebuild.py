"""`batchclf history rebuild`: run directories into the history again."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from batchclf.core.records.history import UnreadRun
from batchclf.core.types import Say, unheard
from batchclf.jobs.history.runs import jobs_with_runs, record_missing, record_runs, run_folders
from batchclf.storage.history.database import writing
from batchclf.storage.run.directory import read_record
from batchclf.storage.run.published import HISTORY_FILE


@dataclass(frozen=True)
class Rebuilt:
    """The file, how many runs were recorded, and what could not be read."""

    path: Path
    runs: int
    unread: tuple[UnreadRun, ...]


def rebuild_history(reports: Path, folders: Sequence[Path] = (), *, warn: Say = unheard) -> Rebuilt:
    """Record run directories, all under the reports folder unless some are given; those that are known are renewed.

    Runs in the history whose folder is gone stay as they are. A directory that lies elsewhere goes to the job that its
    run.json names. A run whose tables have other rows than it wrote counts as one that cannot be read, since nobody
    knows which of its numbers are right; `warn` gets what was edited since. Raises RunError if a given one cannot be
    read, HistoryError or OSError.
    """
    with writing(reports / HISTORY_FILE):
        pass  # make it, so that there is one even without a run
    if folders:
        for folder in folders:
            record_runs(reports, _job_of(reports, folder), [folder.resolve()], warn=warn)
        return Rebuilt(reports / HISTORY_FILE, len(folders), ())
    number, unread = 0, list[UnreadRun]()
    for job in jobs_with_runs(reports):
        runs, before = run_folders(reports / job), len(unread)
        record_runs(reports, job, runs, unread=unread, warn=warn)
        number += len(runs) - (len(unread) - before)
        record_missing(reports / job)
    return Rebuilt(reports / HISTORY_FILE, number, tuple(unread))


def _job_of(reports: Path, folder: Path) -> str:
    record = read_record(folder)
    beside = folder.resolve().parent
    return beside.name if beside.parent == reports.resolve() else record.job or beside.name
