"""Run a job from data to published report."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from batchclf.core.progress import Watcher
from batchclf.core.records.run import DatasetRecord, RunRecord, main_of
from batchclf.core.text import counted
from batchclf.core.types import Dataset, Progress, Say, unseen
from batchclf.data.catalog import load_dataset
from batchclf.data.folders import load_class_folders
from batchclf.jobs.config.data_options import input_not_used, input_options, split_options, split_record, will_train
from batchclf.jobs.config.gate_rules import scoring_options
from batchclf.jobs.config.limits import NO_DEADLINE, Deadline
from batchclf.jobs.config.load import Job
from batchclf.jobs.config.settings import DirectorySubset, SplitSubset, open_bundle, score_settings
from batchclf.jobs.config.tables import PredictionsSpec, files_of, table_settings
from batchclf.jobs.evaluate.predictions import RunTally
from batchclf.jobs.evaluate.studies import Plan, plan_studies
from batchclf.jobs.run.inputs import Publication
from batchclf.jobs.run.provenance import scored_head
from batchclf.jobs.run.publish import finish
from batchclf.jobs.run.run_log import Steps, logging_to
from batchclf.jobs.run.table_run import table_run
from batchclf.jobs.run.train_model import open_job_base, settings_of, train_with_progress
from batchclf.jobs.score.run_files import journal_head
from batchclf.jobs.score.score_subsets import score_subsets
from batchclf.models.bundle import Bundle
from batchclf.models.runtime.registry import find_runtime
from batchclf.storage.predictions.write import check_formats
from batchclf.storage.run.journal import KilledRun
from batchclf.storage.run.published import CACHE, new_run_id
from batchclf.storage.run.resume import job_run_directory, take_up
from batchclf.training.finetune.base import Base
from batchclf.training.recipes.builtin import DEFAULT_RECIPE
from batchclf.training.train_bundle import forget_training


def run_job(job: Job, watcher: Watcher, command: list[str], deadline: Deadline = NO_DEADLINE) -> tuple[RunRecord, Path]:
    """Train or load, score, evaluate, report, publish; returns the record and its run directory.

    The caller holds the job's lock. Once the deadline has passed nothing more is scored, and what was is published as
    partial. Goes on with the scoring, and with the training, of a run that was killed. Raises what each step raises;
    then nothing is published, and the log of the failed run stays in the job's folder. The links to it and the history
    are the caller's.
    """
    target = job.folder / new_run_id(job.folder)
    if job.spec.predictions is not None:
        return _read(job, job.spec.predictions, target, watcher, command), target
    steps = Steps()
    with job_run_directory(target) as run, logging_to(run.folder, target, watcher) as logged:
        record = _fill(job, run, target.name, steps, logged, command, deadline)
    return record, target


def _read(job: Job, spec: PredictionsSpec, target: Path, watcher: Watcher, command: list[str]) -> RunRecord:
    """Evaluate the predictions that the job reads."""
    base = job.path.resolve().parent
    files = list(dict.fromkeys(path for pattern in spec.files for path in files_of(pattern, base)))
    return table_run(
        files,
        table_settings(spec, base),
        target,
        watcher,
        command,
        name=", ".join(str(base / pattern) for pattern in spec.files),
        plan_for=lambda class_names: _plan(job, class_names),
        to=_publication(job),
        job=job.name,
        run_date=job.run_date.isoformat(),
        main_subset=job.main_subset,
    )


def _publication(job: Job, plan: Plan | None = None) -> Publication:
    return Publication(
        job.folder,
        job.gate,
        job.baselines,
        formats=tuple(job.spec.report.format),
        templates=job.templates,
        pictures=job.spec.report.pictures,
        plan=plan,
    )


def load_data(job: Job, say: Say, base: Base | None = None, progress: Progress = unseen) -> Dataset | None:
    """Load the data set that the job names, if it names one; class folders as large as a base wants them.

    For class folders a model that will be loaded fixes shape, colour and classes; a line says if the job has others.
    """
    data = job.spec.data
    if data is None:
        return None
    if data.dataset is not None:
        return load_dataset(data.dataset, data_dir=job.data_dir, say=say)
    options = input_options(data, base)
    if not will_train(job):
        bundle = open_bundle(job.bundle)
        info = bundle.info
        for _, sentence in input_not_used(data, info.input_shape, info.color_mode, info.geometry):
            say(sentence)
        options = {"size": info.input_shape[:2], "color_mode": info.color_mode, "class_names": info.class_names}
        options |= {"learnt": bundle.learnt(), "geometry": info.geometry}
    split = split_record(job)
    how = {} if split is None else split_options(split)
    reading = scoring_options(job.spec)
    options |= {"limits": reading.limits, "resize": reading.resize}
    return load_class_folders(job.directory or Path(), say=say, store=data.store, progress=progress, **options, **how)


def _fill(
    job: Job, run: KilledRun, run_id: str, steps: Steps, watcher: Watcher, command: list[str], deadline: Deadline
) -> RunRecord:
    trains = will_train(job)
    settings = score_settings(scoring_options(job.spec), job.reports / CACHE)
    check_formats(settings.formats)
    runtime = find_runtime(settings.runtime or "onnx", settings.precision, settings.device)
    if runtime.graph:  # TensorFlow's devices are settled by its first use, which is the training's
        runtime.load().check(settings.device)
    with steps.step("load data"):
        base = open_job_base(job, watcher.say) if trains else None
        dataset = load_data(job, watcher.say, base, watcher.progress)
        if dataset is not None:
            watcher.say(f"data: {dataset.origin}")
    with steps.step("train model" if trains else "load model"):
        bundle = _bundle(job, base, dataset if trains else None, watcher, deadline)
    plan = _plan(job, bundle.info.class_names)
    with steps.step("score"):
        subsets = _subsets(job, dataset)
        head = journal_head(f"job {job.name}", _sources(subsets), bundle, settings)
        kept = take_up(run, head, watcher.say)
        tally = None if kept else RunTally(bundle.info, plan, main_of(job.main_subset, sorted(subsets) or [""]))
        scored, files = score_subsets(
            subsets,
            bundle,
            settings,
            run.folder,
            watcher,
            head=head,
            kept=kept,
            deadline=deadline,
            tally=tally,
        )
        scored = [job.budgets[each.split].held(each) if each.split in job.budgets else each for each in scored]
    of_data = (
        None
        if dataset is None
        else DatasetRecord(
            dataset.name, dataset.origin, len(dataset.train.images), len(dataset.test.images), split_record(job)
        )
    )
    of_run = scored_head(
        run_id, job.name, command, bundle, trains, settings, of_data, files, job.run_date.isoformat(), job.main_subset
    )
    splits = {} if dataset is None else dataset.splits
    record = finish(run.folder, of_run, scored, steps, watcher, splits, _publication(job, plan), tally)
    if trains:
        assert isinstance(job.bundle, Path)
        forget_training(settings_of(job, base), job.bundle)
    return record


def _plan(job: Job, class_names: Sequence[str]) -> Plan:
    """Check what is asked for of slices and thresholds, before the scoring."""
    return plan_studies(
        job.spec.slices,
        job.spec.thresholds,
        class_names,
        metadata=job.metadata,
        roots=job.roots,
        asked=[rule.slice for rule in job.spec.gate.rules],
    )


def _bundle(job: Job, base: Base | None, dataset: Dataset | None, watcher: Watcher, deadline: Deadline) -> Bundle:
    """Train on the data set; without one load."""
    say = watcher.say
    if dataset is None:
        bundle = open_bundle(job.bundle)
        say(f"loaded the model {bundle.place} of {bundle.info.created} (retrain = false)")
        return bundle
    assert isinstance(job.bundle, Path)
    settings = settings_of(job, base)
    what = f"recipe {settings.recipe or DEFAULT_RECIPE}" if base is None else f"{base.name}"
    say(f"training {what} on {counted(len(dataset.train.images), 'image')} of {dataset.name}")
    # With retrain the next run trains again whatever bundle is there; only the checkpoint says that this is done
    return train_with_progress(dataset, settings, job.bundle, watcher, deadline, keep_end=job.spec.model.retrain)


def _subsets(job: Job, dataset: Dataset | None) -> dict[str, SplitSubset | DirectorySubset]:
    subsets: dict[str, SplitSubset | DirectorySubset] = {**job.directories}
    if dataset is not None:
        source = dataset.name if job.directory is None else str(job.directory)
        for name in job.splits:
            subsets[name] = SplitSubset(source, dataset.class_names, dataset.splits[name])
    return subsets


def _sources(subsets: Mapping[str, SplitSubset | DirectorySubset]) -> dict[str, str]:
    """Name what is scored; what is chosen of it, and its labels, show in the digests of blocks."""
    return {
        f"source of '{name}'": f"split of {each.dataset}" if isinstance(each, SplitSubset) else each.source.address
        for name, each in subsets.items()
    }
