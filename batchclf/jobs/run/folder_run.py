"""The run of `batchclf score`: one directory or one split, with a model that is there already."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from batchclf.core.records.run import DatasetRecord, RunRecord
from batchclf.core.types import Dataset, Say
from batchclf.errors import ModelError, TargetTakenError
from batchclf.jobs.config.limits import NO_DEADLINE, Budget, Deadline
from batchclf.jobs.config.settings import DirectorySubset, ScoreSettings, SplitSubset, open_bundle
from batchclf.jobs.evaluate.predictions import RunTally
from batchclf.jobs.report.write import load_ahead
from batchclf.jobs.run.inputs import Publication
from batchclf.jobs.run.provenance import scored_head
from batchclf.jobs.run.publish import finish
from batchclf.jobs.run.run_log import Steps, logging_to
from batchclf.jobs.score.run_files import journal_head
from batchclf.jobs.score.score_subsets import score_directory, score_subsets
from batchclf.models.bundle import Bundle, load_bundle
from batchclf.scoring.processes import WorkerProcesses
from batchclf.storage.predictions.write import check_formats
from batchclf.storage.run.directory import new_run_directory
from batchclf.storage.run.published import new_run_id, publish_latest, published_models
from batchclf.storage.run.resume import resumable_run_directory

if TYPE_CHECKING:
    from batchclf.core.progress import Watcher
    from batchclf.data.sources.addresses import Location
    from batchclf.jobs.evaluate.studies import Plan


JOB = "score"
"""The folder of the runs of `batchclf score` in the reports folder."""


@dataclass(frozen=True, eq=False)
class SplitOf:
    """A split of a loaded data set."""

    dataset: Dataset
    name: str


def score_split_run(
    what: SplitOf,
    bundle: Bundle,
    settings: ScoreSettings,
    out: Path,
    watcher: "Watcher",
    command: list[str],
    *,
    deadline: Deadline = NO_DEADLINE,
    pictures: bool = True,
    plan: "Plan | None" = None,
) -> RunRecord:
    """Score a split, evaluate and report into the run directory `out`, which must not be there yet.

    What has been scored until the deadline is published, with the status "partial". Raises ModelError if the split does
    not fit the model, DeadlineError if the deadline has passed before the first image, and RunError if `out` is there;
    then nothing is left behind but the log.
    """
    check_formats(settings.formats)
    steps, dataset = Steps(), what.dataset
    split = dataset.splits[what.name]
    with new_run_directory(out) as folder, logging_to(folder, out, watcher) as logged:
        _say_model(bundle, logged.say)
        with steps.step("score"):
            subset = SplitSubset(dataset.name, dataset.class_names, split)
            tally = RunTally(bundle.info, plan, what.name)
            scored, files = score_subsets(
                {what.name: subset}, bundle, settings, folder, logged, deadline=deadline, tally=tally
            )
        of_data = DatasetRecord(dataset.name, dataset.origin, len(dataset.train.images), len(dataset.test.images))
        head = scored_head(out.name, None, command, bundle, False, settings, of_data, files)
        return finish(
            folder,
            head,
            scored,
            steps,
            logged,
            {what.name: split},
            Publication(out.parent, pictures=pictures, plan=plan),
            tally,
        )


def score_directory_run(
    subset: DirectorySubset,
    bundle: Bundle,
    settings: ScoreSettings,
    budget: Budget | None,
    out: Path,
    watcher: "Watcher",
    command: list[str],
    *,
    resume: bool = False,
    pictures: bool = True,
    processes: WorkerProcesses | None = None,
    deadline: Deadline = NO_DEADLINE,
    plan: "Plan | None" = None,
) -> RunRecord:
    """Score a directory, evaluate and report into the run directory `out`, which must not be there yet.

    With `resume` the run goes on where an earlier one, asked for in the same way and lying beside `out`, was killed.
    The record's status is "partial" if more images were skipped than the budget allows, or if the deadline has ended
    the scoring. Raises what `score_directory` raises, and RunError if `out` is there; then nothing is published.
    """
    check_formats(settings.formats)
    steps = Steps()
    subset = replace(subset, source=subset.source.opened())
    rule = subset.rule(bundle.info.class_names)
    journal = journal_head(
        subset.source.address,
        {"source of labels": rule.fingerprint(), "choice of files": subset.selection.fingerprint(subset.source)},
        bundle,
        settings,
    )
    with (
        resumable_run_directory(out, journal, resume=resume, say=watcher.say) as run,
        logging_to(run.folder, out, watcher) as logged,
    ):
        _say_model(bundle, logged.say)
        load_ahead()
        tally = None if run.entries else RunTally(bundle.info, plan, "")
        with steps.step("score"):
            scored, files = score_directory(
                subset,
                rule,
                bundle,
                settings,
                run.folder,
                logged,
                head=journal,
                kept=run.entries,
                processes=processes,
                deadline=deadline,
                tally=tally,
            )
        if budget is not None:
            scored = budget.held(scored)
        head = scored_head(out.name, None, command, bundle, False, settings, None, files)
        to = Publication(out.parent, pictures=pictures, plan=plan)
        return finish(run.folder, head, [scored], steps, logged, {}, to, tally)


def at_free_name(
    out: Path | None, reports: Path, write: Callable[[Path], RunRecord], *, job: str = JOB
) -> tuple[Path, RunRecord]:
    """Have a run written to `out`, or without it to REPORTS/JOB/TIME, another name if another run takes that first.

    Gives the run directory and what `write` gives; raises what that raises.
    """
    folder = reports / job
    while True:
        target = out or folder / new_run_id(folder)
        try:
            return target, write(target)
        except TargetTakenError:
            if out is not None:
                raise
            # Another run began in the same moment: the next name is free.


def publish_among(run: Path, reports: Path, *, warn: Say) -> None:
    """Let `latest` lead to a run under REPORTS/score, and write the page of all runs again.

    Raises RunError if the link cannot be turned.
    """
    from batchclf.jobs.report.index import renew_index

    try:
        publish_latest(run)
    finally:
        renew_index(reports, warn=warn)


def choose_bundle(model: "Location | None", reports: Path, *, say: Say) -> Bundle:
    """Open the named bundle, or the newest one that the jobs have published under `reports`, and say which.

    Raises ModelError if there is none, and says how to make one.
    """
    if model is not None:
        return open_bundle(model)
    candidates = published_models(reports)
    if not candidates:
        raise _no_model(f"no --model was given and no job has published a model under {reports}")
    usable = []
    for path in candidates:
        try:
            usable.append(load_bundle(path))
        except ModelError as error:
            if len(candidates) == 1:
                raise
            say(f"not using a published model: {error.message}")
    if not usable:
        raise _no_model(f"none of the {len(candidates)} models that jobs have published under {reports} can be used")
    newest = max(usable, key=lambda bundle: bundle.info.created)
    say(f"using the newest published model, {newest.path} of {newest.info.created}")
    return newest


def _no_model(message: str) -> ModelError:
    from batchclf.jobs.config.job_files import how_to_train

    return ModelError(message, hint=how_to_train())


def _say_model(bundle: Bundle, say: Say) -> None:
    say(f"model: {bundle.place} ({bundle.info.origin})")
