"""Run a job from data to published report."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from batchclf.core.run_record import DatasetRecord, RunRecord
from batchclf.core.types import Dataset, Say
from batchclf.data.catalog import load_dataset
from batchclf.data.folders import load_class_folders
from batchclf.errors import DeadlineError, note_published
from batchclf.jobs.deadline import NO_DEADLINE, Deadline
from batchclf.jobs.finish import Publication, RunHead, Steps, finish, logging_to
from batchclf.jobs.job_file import Job
from batchclf.jobs.score import score_targets
from batchclf.jobs.targets import DirectoryTarget, ScoreSettings, SplitTarget
from batchclf.jobs.watcher import Watcher
from batchclf.models.bundle import Bundle, is_bundle, load_bundle
from batchclf.models.recipes import RECIPES
from batchclf.models.train import TrainSettings, train
from batchclf.storage.prediction_files import check_formats
from batchclf.storage.published import CACHE, new_run_id, publish_latest
from batchclf.storage.run_directory import (
    new_run_directory,
)


def run_job(job: Job, watcher: Watcher, command: list[str], deadline: Deadline = NO_DEADLINE) -> tuple[RunRecord, Path]:
    """Train or load, score, evaluate, report, publish; returns the record and its run directory.

    The caller holds the job's lock. Once the deadline has passed nothing more is scored, and what was is published as
    partial. Raises what each step raises; then nothing is published, and the log of the failed run stays in the job's
    folder.
    """
    steps = Steps()
    target = job.folder / new_run_id(job.folder)
    with new_run_directory(target) as folder, logging_to(folder, target, watcher) as logged:
        record = _fill(job, folder, target.name, steps, logged, command, deadline)
    with noted_as_published(target):
        publish_latest(target, good=record.status == "ok")
    return record, target


@contextmanager
def noted_as_published(run: Path) -> Iterator[None]:
    """Note in whatever ends the block that the run is published all the same."""
    try:
        yield
    except BaseException as error:
        note_published(error, run)
        raise


def load_data(job: Job, say: Say) -> Dataset | None:
    """Load the data set that the job names, if it names one.

    For class folders a model that will be loaded fixes shape and classes.
    """
    data = job.spec.data
    if data is None:
        return None
    if data.dataset is not None:
        return load_dataset(data.dataset, data_dir=job.data_dir, say=say)
    root = job.directory or Path()
    seed = job.spec.model.seed
    if will_train(job):
        return load_class_folders(root, say=say, seed=seed)
    info = load_bundle(job.bundle).info
    return load_class_folders(
        root,
        say=say,
        input_shape=info.input_shape,
        color_mode=info.color_mode,
        class_names=info.class_names,
        seed=seed,
    )


def will_train(job: Job) -> bool:
    """Whether the job trains (`retrain = true`, or there is no bundle yet) rather than loads."""
    return job.spec.data is not None and (job.spec.model.retrain or not is_bundle(job.bundle))


def train_with_progress(
    dataset: Dataset, settings: TrainSettings, out: Path, watcher: Watcher, deadline: Deadline = NO_DEADLINE
) -> Bundle:
    """Train a bundle, with a line and a step of progress for each epoch.

    Raises DeadlineError where the deadline passes before the last epoch: half a training is no model.
    """
    recipe = RECIPES.get(settings.recipe)
    epochs = settings.epochs or (recipe.epochs if recipe else None)
    with watcher.progress(f"training {settings.recipe}", epochs) as advance:

        def on_epoch(epoch: int, metrics: dict[str, float]) -> None:
            advance(1)
            watcher.say(
                f"epoch {epoch}: loss {metrics['loss']:.4f}, accuracy {metrics['accuracy']:.4f}; "
                f"test loss {metrics['val_loss']:.4f}, accuracy {metrics['val_accuracy']:.4f}"
            )
            if deadline.passed and epoch != epochs:
                raise DeadlineError(
                    f"the deadline passed after epoch {epoch} of {epochs}; a model that is not trained to its end is "
                    "not kept",
                    hint="give a later --deadline, or fewer epochs",
                )

        return train(dataset, settings, out, say=watcher.say, on_epoch=on_epoch)


def _fill(
    job: Job, folder: Path, run_id: str, steps: Steps, watcher: Watcher, command: list[str], deadline: Deadline
) -> RunRecord:
    trains = will_train(job)
    check_formats(tuple(job.spec.scoring.format))
    with steps.step("load data"):
        dataset = load_data(job, watcher.say)
        if dataset is not None:
            watcher.say(f"data: {dataset.origin}")
    with steps.step("train model" if trains else "load model"):
        bundle = _bundle(job, dataset if trains else None, watcher, deadline)
    settings = _settings(job)
    with steps.step("score"):
        targets = _targets(job, dataset)
        scored = score_targets(targets, bundle, settings, folder, watcher, deadline=deadline)
        scored = [job.budgets[each.split].held(each) if each.split in job.budgets else each for each in scored]
    of_data = (
        None
        if dataset is None
        else DatasetRecord(dataset.name, dataset.origin, len(dataset.train.images), len(dataset.test.images))
    )
    head = RunHead(run_id, job.name, command, bundle, trains, settings, of_data, job.night.isoformat(), job.main_target)
    to = Publication(
        job.folder,
        job.gate,
        job.baselines,
        formats=tuple(job.spec.report.format),
        templates=job.templates,
    )
    return finish(folder, head, scored, steps, watcher.say, {} if dataset is None else dataset.splits, to)


def _bundle(job: Job, dataset: Dataset | None, watcher: Watcher, deadline: Deadline) -> Bundle:
    """Train on the data set; without one load."""
    say = watcher.say
    if dataset is None:
        bundle = load_bundle(job.bundle)
        say(f"loaded the model {bundle.path} of {bundle.info.created} (retrain = false)")
        return bundle
    model = job.spec.model
    say(f"training recipe {model.recipe} on {len(dataset.train.images):,} images of {dataset.name}")
    settings = TrainSettings(model.recipe, model.epochs, model.batch_size, model.seed)
    return train_with_progress(dataset, settings, job.bundle, watcher, deadline)


def _targets(job: Job, dataset: Dataset | None) -> dict[str, SplitTarget | DirectoryTarget]:
    targets: dict[str, SplitTarget | DirectoryTarget] = {**job.directories}
    if dataset is not None:
        source = dataset.name if job.directory is None else str(job.directory)
        for name in job.splits:
            targets[name] = SplitTarget(source, dataset.class_names, dataset.splits[name])
    return targets


def _settings(job: Job) -> ScoreSettings:
    scoring = job.spec.scoring
    return ScoreSettings(
        runtime=scoring.runtime,
        batch_size=scoring.batch_size,
        workers=scoring.workers or os.cpu_count() or 1,
        topk=scoring.topk,
        probabilities=scoring.probabilities,
        formats=tuple(scoring.format),
        precision=scoring.precision,
        resize=scoring.resize,
        cache=job.reports / CACHE if scoring.cache else None,
    )
