"""`batchclf history prune`: retention by hand."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from batchclf.core.records.history import JobHistory
from batchclf.core.records.run import LAST_GOOD
from batchclf.core.types import Say
from batchclf.errors import UsageError
from batchclf.jobs.history.lookup import find_finished, find_job
from batchclf.jobs.history.retention import apply_retention, old_entries
from batchclf.storage.run.job_lock import job_lock


@dataclass(frozen=True)
class PrunePlan:
    """Which job's runs are removed, and which stay; `kept` as for `apply_retention`."""

    folder: Path
    keep_runs: int | None
    keep_days: int | None
    kept: tuple[str, ...]


@dataclass(frozen=True)
class Pruned:
    """The names of what was removed (or would be), and of what could not be."""

    gone: tuple[str, ...]
    left: tuple[str, ...] = ()


def plan_prune(
    reports: Path, job: str, keep_runs: int | None, keep_days: int | None, keep: Sequence[str] | None
) -> PrunePlan:
    """Find out what stays. `job` is a name or a job file, whose baselines stay, and whose retention holds unless given.

    Raises UsageError if the job's runs are compared with baselines that nobody has named, JobFileError or RunError.
    """
    kept: list[str] = []
    if job.endswith(".toml"):
        from batchclf.jobs.config.load import load_job

        loaded = load_job(Path(job))
        reports, job = loaded.reports, loaded.name
        kept += map(str, loaded.baselines.values())
        if keep_runs is None and keep_days is None:
            keep_runs, keep_days = loaded.spec.retention.keep_runs, loaded.spec.retention.keep_days
        history = find_job(reports, job)
    else:
        history = find_job(reports, job)
        if not keep and (named := _baselines(history)):
            raise UsageError(
                f"the runs of {job} are compared with the baseline {', '.join(sorted(named))}, which must stay",
                hint="give the job file in place of the job's name, or name the baseline's run with --keep",
            )
    kept += [find_finished(reports, history, text).folder for text in keep or ()]
    return PrunePlan(reports / job, keep_runs, keep_days, tuple(kept))


def prune(plan: PrunePlan, *, dry_run: bool, warn: Say) -> Pruned:
    """Remove what need not stay, under the job's lock. Raises AlreadyRunningError while a run of the job goes on."""
    if dry_run:
        return Pruned(tuple(_old(plan)))
    with job_lock(plan.folder):
        old = _old(plan)
        gone = apply_retention(
            plan.folder, keep_runs=plan.keep_runs, keep_days=plan.keep_days, kept=plan.kept, warn=warn
        )
    return Pruned(tuple(gone), tuple(name for name in old if name not in gone))


def _old(plan: PrunePlan) -> list[str]:
    return old_entries(plan.folder, keep_runs=plan.keep_runs, keep_days=plan.keep_days, kept=plan.kept)


def _baselines(history: JobHistory) -> set[str]:
    """Name the baselines that the newest run was compared with."""
    gates = history.runs[-1].gates if history.runs else ()
    return {gate.against for gate in gates if gate.kind != "alarm" and gate.against not in ("", LAST_GOOD)}
