"""Run a job from data to published report."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from batchclf import atomic
from batchclf.core.run_record import DatasetRecord, RunRecord
from batchclf.core.types import Dataset, Say
from batchclf.data.catalog import load_dataset
from batchclf.data.folders import load_class_folders
from batchclf.errors import AlreadyRunningError
from batchclf.jobs.finish import Logged, RunHead, Steps, finish
from batchclf.jobs.index import renew_index
from batchclf.jobs.score import score_splits
from batchclf.jobs.spec import Job
from batchclf.jobs.targets import ScoreSettings, SplitTarget
from batchclf.jobs.watcher import Watcher
from batchclf.models.bundle import Bundle, is_bundle, load_bundle
from batchclf.models.recipes import RECIPES
from batchclf.models.train import TrainSettings, train
from batchclf.storage.prediction_files import check_formats
from batchclf.storage.published import CACHE, new_run_id, publish_latest
from batchclf.storage.run_directory import (
    LOG_FILE,
    RunLog,
    new_run_directory,
)

LOCK_FILE = ".lock"


def run_job(job: Job, watcher: Watcher, command: list[str]) -> tuple[RunRecord, Path]:
    """Train or load, score the splits, evaluate, report, publish; returns the record and its run directory.

    Raises AlreadyRunningError while another run of the job goes on, and what each step raises; then nothing is
    published, and the log of the failed run stays in the job's reports folder.
    """
    with job_lock(job.folder), _index_afterwards(job.folder.parent, watcher.say):
        for leftover in atomic.remove_leftovers(job.folder):
            watcher.say(f"removed {leftover.name}, left by a run that was killed")
        steps = Steps()
        target = job.folder / new_run_id(job.folder)
        with new_run_directory(target) as folder:
            log = RunLog(folder / LOG_FILE)
            try:
                record = _fill(job, folder, target.name, steps, Logged(watcher, log), command)
            except BaseException as error:
                log.failure(error)
                raise
            finally:
                log.close()
        publish_latest(target)
    return record, target


@contextmanager
def _index_afterwards(reports: Path, say: Say) -> Iterator[None]:
    """Write the page of all runs when this one has ended, well or not; whoever interrupts it does not wait for that."""
    try:
        yield
    except Exception:
        renew_index(reports, say=say)
        raise
    renew_index(reports, say=say)


@contextmanager
def job_lock(folder: Path) -> Iterator[None]:
    """Hold the job's lock; raises AlreadyRunningError, naming the holder, where another process has it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / LOCK_FILE
    holder = path.with_suffix(".holder")
    try:
        with FileLock(path, timeout=0):
            holder.write_text(f"process {os.getpid()} since {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC\n")
            try:
                yield
            finally:
                holder.unlink(missing_ok=True)
    except Timeout as error:
        try:
            who = holder.read_text().strip()
        except OSError:  # it has not written it yet, or has just ended
            who = "another process"
        raise AlreadyRunningError(
            f"another run of this job is under way ({who}; lock {path})",
            hint="wait for it; the lock ends with the process, so there is nothing to remove",
        ) from error


def load_data(job: Job, say: Say) -> Dataset:
    """Load the data set that the job names; for class folders a model that will be loaded fixes shape and classes."""
    data = job.spec.data
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
    return job.spec.model.retrain or not is_bundle(job.bundle)


def train_with_progress(dataset: Dataset, settings: TrainSettings, out: Path, watcher: Watcher) -> Bundle:
    """Train a bundle, with a line and a step of progress for each epoch."""
    recipe = RECIPES.get(settings.recipe)
    epochs = settings.epochs or (recipe.epochs if recipe else None)
    with watcher.progress(f"training {settings.recipe}", epochs) as advance:

        def on_epoch(epoch: int, metrics: dict[str, float]) -> None:
            advance(1)
            watcher.say(
                f"epoch {epoch}: loss {metrics['loss']:.4f}, accuracy {metrics['accuracy']:.4f}; "
                f"test loss {metrics['val_loss']:.4f}, accuracy {metrics['val_accuracy']:.4f}"
            )

        return train(dataset, settings, out, say=watcher.say, on_epoch=on_epoch)


def _fill(job: Job, folder: Path, run_id: str, steps: Steps, watcher: Watcher, command: list[str]) -> RunRecord:
    say = watcher.say
    spec = job.spec
    trains = will_train(job)
    check_formats(tuple(spec.scoring.format))
    with steps.step("load data"):
        dataset = load_data(job, say)
        say(f"data: {dataset.origin}")
    with steps.step("train model" if trains else "load model"):
        bundle = _bundle(job, dataset, trains, watcher)
    source = dataset.name if job.directory is None else str(job.directory)
    targets = [SplitTarget(source, dataset.class_names, dataset.splits[name]) for name in sorted(spec.scoring.splits)]
    scoring = spec.scoring
    settings = ScoreSettings(
        runtime=scoring.runtime,
        batch_size=scoring.batch_size,
        workers=1,
        topk=scoring.topk,
        probabilities=scoring.probabilities,
        formats=tuple(scoring.format),
        precision=scoring.precision,
        cache=job.folder.parent / CACHE if scoring.cache else None,
    )
    with steps.step("score"):
        scored = score_splits(targets, bundle, settings, folder, watcher)
    of_data = DatasetRecord(dataset.name, dataset.origin, len(dataset.train.images), len(dataset.test.images))
    head = RunHead(run_id, job.name, command, bundle, trains, settings, of_data)
    return finish(folder, head, scored, steps, say, dataset.splits, beside=job.folder, gate=job.gate)


def _bundle(job: Job, dataset: Dataset, trains: bool, watcher: Watcher) -> Bundle:
    say = watcher.say
    if not trains:
        bundle = load_bundle(job.bundle)
        say(f"loaded the model {bundle.path} of {bundle.info.created} (retrain = false)")
        return bundle
    model = job.spec.model
    say(f"training recipe {model.recipe} on {len(dataset.train.images):,} images of {dataset.name}")
    settings = TrainSettings(model.recipe, model.epochs, model.batch_size, model.seed)
    return train_with_progress(dataset, settings, job.bundle, watcher)
