"""Find jobs and runs by what a person types, and all that is known of a run, its folder there or not."""

import difflib
import os
from pathlib import Path

from batchclf import atomic
from batchclf.core.records.history import FailedRun, FileDigest, JobHistory, RunDetails, RunSummary
from batchclf.core.records.run import LAST_GOOD
from batchclf.core.text import utf8_text
from batchclf.errors import RunError
from batchclf.jobs.history.runs import all_histories, job_history
from batchclf.storage.history.database import check, reading
from batchclf.storage.history.rows import get_details, get_digests
from batchclf.storage.run.details import read_details
from batchclf.storage.run.published import HISTORY_FILE, LATEST

_NAMED = 5
"""So many runs are named if several begin alike."""


def check_history(reports: Path, *, full: bool = False) -> None:
    """Raise RunError if there is no such reports folder, HistoryError if its history is damaged or not ours."""
    if not reports.is_dir():
        raise RunError(f"there is no reports folder {reports}", hint="give it with --reports")
    if os.path.lexists(reports / HISTORY_FILE):
        check(reports / HISTORY_FILE, full=full)


def find_job(reports: Path, name: str) -> JobHistory:
    """Look up a job, or the folder `score`, by its exact name. Raises RunError that names those that there are."""
    history = job_history(reports / name) if Path(name).name == name else JobHistory(name, (), (), ())
    if history.runs or history.failed or history.unread:
        return history
    names = [job.name for job in all_histories(reports)]
    near = difflib.get_close_matches(name, names, 1)
    hint = f"did you mean {near[0]}?" if near else f"jobs are: {', '.join(names)}" if names else "run a job first"
    raise RunError(f"there is no run of a job {name} in {reports}", hint=hint)


def find_run(reports: Path, history: JobHistory, text: str) -> RunSummary | FailedRun:
    """Look up a run by its id or folder, a unique beginning of it, or the words latest and last-good.

    Raises RunError if there is none, or more than one.
    """
    if text in (LATEST, LAST_GOOD):
        return _by_word(reports, history, text)
    every: list[RunSummary | FailedRun] = [*history.runs, *history.failed]
    exact = [run for run in every if text in (run.run_id, _name(run))]
    found = exact or [run for run in every if text and _name(run).startswith(text)]
    if len(found) == 1:
        return found[0]
    if not found:
        raise RunError(
            f"{history.name} has no run {text}", hint=f"its runs are listed by: batchclf history list {history.name}"
        )
    names = ", ".join(_name(run) for run in found[:_NAMED]) + (", …" if len(found) > _NAMED else "")
    raise RunError(f"{len(found)} runs of {history.name} begin with {text}: {names}", hint="give more of the id")


def find_finished(reports: Path, history: JobHistory, text: str) -> RunSummary:
    """Look up a run that has published something, as `find_run` does. Raises RunError."""
    run = find_run(reports, history, text)
    if isinstance(run, FailedRun):
        raise RunError(
            f"the run {run.run_id} of {history.name} failed, so it has no numbers", hint="choose another run"
        )
    return run


def details_of(reports: Path, job: str, run: RunSummary) -> RunDetails:
    """Give all that is known of a run: from its folder or, if that was removed, from the history.

    Raises RunError, OSError or HistoryError.
    """
    if not run.pruned:
        return read_details(reports / job / run.folder)
    with reading(reports / HISTORY_FILE) as connection:
        found = get_details(connection, job, run)
    if found is None:
        raise RunError(f"the run {run.folder} of {job} is gone from the history", hint="list the runs again")
    return found


def recorded_digests(reports: Path, job: str, run: RunSummary) -> list[FileDigest]:
    """Give the digests of a run's files when it was recorded; none if it was not. Raises HistoryError."""
    if not os.path.lexists(reports / HISTORY_FILE):
        return []
    with reading(reports / HISTORY_FILE) as connection:
        return get_digests(connection, job, run.folder)


def _by_word(reports: Path, history: JobHistory, word: str) -> RunSummary:
    """Follow the link of that name, else take the newest run."""
    runs = [run for run in history.runs if word == LATEST or run.good]
    if not runs:
        raise RunError(
            f"{history.name} has no {'run' if word == LATEST else 'good run'}", hint="choose a run by its id"
        )
    linked = atomic.followed(reports / history.name / word).resolve().name
    return next((run for run in runs if utf8_text(run.folder) == utf8_text(linked)), runs[-1])


def _name(run: RunSummary | FailedRun) -> str:
    return run.folder if isinstance(run, RunSummary) else run.run_id
