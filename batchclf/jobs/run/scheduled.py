"""One scheduled run of a job: the run itself, and all that comes after it, whether it went well or not."""

import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from batchclf.core.progress import Watcher
from batchclf.core.records.run import LAST_GOOD, RunRecord
from batchclf.core.types import Say
from batchclf.data.sources.addresses import Address
from batchclf.errors import AlreadyRunningError, BatchclfError, ExitCode, RunError, is_published, noted_as_published
from batchclf.jobs.config.limits import NO_DEADLINE, Deadline
from batchclf.jobs.config.load import Job
from batchclf.jobs.history.retention import apply_retention
from batchclf.jobs.history.runs import record_failure, record_run
from batchclf.jobs.notify.send import notify
from batchclf.jobs.notify.summary import RunOutcome, failed_outcome, published_outcome
from batchclf.jobs.report.index import renew_index
from batchclf.jobs.run.job_run import run_job
from batchclf.storage.run.directory import FAILED_PREFIX, LOG_FILE, RunLog, failed_log
from batchclf.storage.run.job_lock import job_lock
from batchclf.storage.run.published import new_run_id, publish_latest
from batchclf.storage.run.resume import bury_killed


@dataclass(frozen=True, eq=False)
class ScheduledRun:
    """What came of a scheduled run that was published; `troubles` are what went wrong after that."""

    outcome: RunOutcome
    troubles: tuple[BatchclfError, ...]

    @property
    def exit_code(self) -> ExitCode:
        """The exit code of all: that of the run, or ERROR if only something after it went wrong."""
        # The run stays published; what fails after it makes a good run end as an error (decision 099)
        return self.outcome.exit_code or (ExitCode.ERROR if self.troubles else ExitCode.OK)


def run_scheduled(
    job: Job,
    watcher: Watcher,
    command: list[str],
    deadline: Deadline = NO_DEADLINE,
    *,
    on_failure: Callable[[RunOutcome], None] = lambda outcome: None,
) -> ScheduledRun:
    """Run a job, keep its history, remove old runs, write the page of all runs, and notify whoever is to be notified.

    Raises AlreadyRunningError while another run of the job goes on, and what `run_job` raises; those who are to be
    notified of failures, `on_failure` first, have been then, and what went wrong with that is noted in the exception.
    """
    started, clock, before = datetime.now(UTC), time.monotonic(), _logs(job.folder)
    try:
        with job_lock(job.folder):
            _bury_killed(job, watcher)
            before = _logs(job.folder)
            record, folder = run_job(job, watcher, command, deadline)
            with noted_as_published(folder):
                troubles = _keep(job, record, folder, watcher)
    except BaseException as error:
        code, message, hint = _in_words(error)
        seconds = round(time.monotonic() - clock, 3)
        ended = failed_outcome(job.name, job.run_date.isoformat(), code, message, hint, started, seconds)
        on_failure(ended)
        log = None
        if not isinstance(error, AlreadyRunningError) and not is_published(error):
            log = max(_logs(job.folder) - before, default=failed_log(job.folder / new_run_id(job.folder)))
            with suppress(BatchclfError, OSError):  # what ended the run is reported first
                record_failure(job.reports, job.name, log, exit_code=code, run_date=ended.run_date, message=message)
        if not isinstance(error, AlreadyRunningError | KeyboardInterrupt):  # who interrupts does not wait for the page
            renew_index(job.reports, warn=watcher.warn)
        for trouble in _notify(job, ended, watcher, log):
            error.add_note(trouble.message)
        raise
    renew_index(job.reports, warn=watcher.warn)
    ended = published_outcome(record, folder)
    if troubles and ended.good:
        # Notified of as what it ends with: a success has the exit code 0 (decision 099)
        what = f"published, but {'; '.join(trouble.message for trouble in troubles)}"
        ended = replace(ended, exit_code=ExitCode.ERROR, message=what, hint=troubles[0].hint)
    return ScheduledRun(ended, (*troubles, *_notify(job, ended, watcher, folder / LOG_FILE)))


def _keep(job: Job, record: RunRecord, folder: Path, watcher: Watcher) -> list[BatchclfError]:
    """Point the links to the published run, put it into the history, upload it, remove runs that need not be kept.

    Returns what went wrong with that; each is done whatever became of the others.
    """
    keep, baselines = job.spec.retention, [str(each) for each in job.baselines.values()]
    troubles: list[BatchclfError] = []
    for how in (
        lambda: publish_latest(folder, good=record.status == "ok"),
        lambda: record_run(job.reports, folder),
        lambda: _upload(job, watcher),
        lambda: apply_retention(
            job.folder, keep_runs=keep.keep_runs, keep_days=keep.keep_days, kept=baselines, warn=watcher.warn
        ),
    ):
        try:
            how()
        except BatchclfError as error:
            troubles.append(error)
        except OSError as error:
            where = f": {error.filename}" if error.filename else ""
            message = f"after the run was published, the system refused ({error.strerror or error}){where}"
            troubles.append(RunError(message, hint="check the disk's free space and the permissions"))
    return troubles


def _upload(job: Job, watcher: Watcher) -> None:
    if isinstance(job.upload_to, Address):
        from batchclf.jobs.run.upload import upload_runs

        upload_runs(job.folder, job.upload_to, watcher.say)


def _bury_killed(job: Job, watcher: Watcher) -> None:
    """Put the runs that were killed, of which only a log is kept, into the history; what cannot be done is said."""
    try:
        for log in bury_killed(job.folder):
            watcher.say(f"a run was killed before this one; its log is {log.name}")
            record_failure(job.reports, job.name, log)
    except (OSError, BatchclfError) as error:
        why = error.message if isinstance(error, BatchclfError) else error
        watcher.warn(f"what a killed run has left in {job.folder} stays there: {why}")


def _notify(job: Job, outcome: RunOutcome, watcher: Watcher, log: Path | None) -> list[BatchclfError]:
    """Notify of a run; what is said of that goes into its log. A run beside another leaves that one's files alone."""
    overlaps = outcome.status == "already running"
    unlogged: list[BatchclfError] = []
    errors = notify(
        job.spec.notify,
        outcome,
        prometheus=None if overlaps else job.prometheus,
        junit=None if overlaps else job.junit,
        folder=job.path.resolve().parent,
        say=_saying_into(log, watcher, unlogged),
        last_good=job.folder / LAST_GOOD,
    )
    return errors + unlogged


def _saying_into(log: Path | None, watcher: Watcher, unlogged: list[BatchclfError]) -> Say:
    """Give what says a line and writes it at the end of a log that is there; why it cannot goes to `unlogged`, once."""

    def say(line: str) -> None:
        watcher.say(line)
        if log is None or unlogged or not log.is_file():
            return
        try:
            with closing(RunLog(log)) as lines:
                lines.write(line)
        except OSError as error:
            hint = "check the disk's free space and the permissions"
            unlogged.append(RunError(f"{log} cannot be written any more: {error.strerror or error}", hint=hint))

    return say


def _in_words(error: BaseException) -> tuple[ExitCode, str, str]:
    """Give exit code, message and hint of what ended a run."""
    if isinstance(error, BatchclfError):
        return error.exit_code, error.message, error.hint
    if isinstance(error, KeyboardInterrupt):
        what = ["interrupted"] if is_published(error) else ["interrupted", "nothing was published"]
        return ExitCode.INTERRUPTED, "; ".join([*what, *getattr(error, "__notes__", [])]), ""
    return ExitCode.ERROR, f"{type(error).__name__}: {error}", "the log has the details"


def _logs(folder: Path) -> set[Path]:
    """List the logs of failed runs; their names sort by age."""
    return set(folder.glob(f"{FAILED_PREFIX}*"))
