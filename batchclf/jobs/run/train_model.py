"""Train a bundle while someone watches: lines and progress on the way, a summary at the end."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from batchclf import atomic
from batchclf.core.class_names import look_alike_warning
from batchclf.core.progress import Advance, Watcher
from batchclf.core.records.regularisation import compare_variants
from batchclf.core.text import counted, decimal, duration, percent, points
from batchclf.core.training_record import Right, TrainingRecord
from batchclf.core.types import Dataset, Say
from batchclf.errors import DeadlineError
from batchclf.jobs.config.limits import NO_DEADLINE, Deadline
from batchclf.jobs.config.load import Job
from batchclf.jobs.run.provenance import model_record
from batchclf.models.bundle import Bundle
from batchclf.training.finetune.base import Base, open_base
from batchclf.training.options import TrainSettings, base_options, train_settings
from batchclf.training.plan import Plan
from batchclf.training.regularise import remedies
from batchclf.training.train_bundle import recipe_and_plan, train

TRAINING_PAGE = "training.html"


def settings_of(job: Job, base: Base | None) -> TrainSettings:
    """Give the settings that a job's [model] asks for; a custom recipe is looked for beside the job file."""
    return train_settings(job.spec.model, job.path.resolve().parent, base)


def open_job_base(job: Job, say: Say) -> Base | None:
    """Open the base that a job fine-tunes, if it does. Raises as `open_base` does."""
    if job.base is None:
        return None
    size = job.spec.data.input_size if job.spec.data else None
    return open_base(base_options(job.spec.model, job.base, size), say=say)


def train_with_progress(
    dataset: Dataset,
    settings: TrainSettings,
    out: Path,
    watcher: Watcher,
    deadline: Deadline = NO_DEADLINE,
    *,
    keep_end: bool = False,
) -> Bundle:
    """Train a bundle, with a line for each epoch, progress in between, and a summary; `keep_end` is that of `train`.

    Raises DeadlineError if the deadline passes before the last epoch: half a training is no model, but the next one
    with the same settings goes on with it.
    """
    _, plan = recipe_and_plan(settings)
    if warning := look_alike_warning(dataset.class_names):
        watcher.warn(warning)
    trainings = 1
    if settings.compare_regularisation:
        compared = remedies(plan)
        plan, trainings = compared[0].plan, len(compared)
    images = round(len(dataset.train.images) * (1 - plan.validation_split)) * plan.epochs * trainings
    with watcher.progress(f"training {plan.recipe}, images", images) as advance:
        follower = _Follower(plan, watcher, advance, deadline)
        bundle = train(
            dataset,
            settings,
            out,
            say=watcher.say,
            on_epoch=follower.on_epoch,
            on_images=follower.on_images,
            keep_end=keep_end,
        )
    if bundle.info.training is not None:
        for line in summary_lines(bundle.info.training):
            watcher.say(line)
    watcher.say(f"learning curves: {write_training_page(bundle)}")
    return bundle


@dataclass
class _Follower:
    plan: Plan
    watcher: Watcher
    advance: Advance
    deadline: Deadline
    epoch: int = field(default=1)

    def on_epoch(self, epoch: int, metrics: dict[str, float]) -> None:
        held = "validation" if self.plan.validation_split else "test"
        self.watcher.say(
            f"epoch {epoch}: loss {decimal(metrics['loss'])}, accuracy {percent(metrics['accuracy'])}; "
            f"{held} loss {decimal(metrics['val_loss'])}, accuracy {percent(metrics['val_accuracy'])}"
        )
        self.epoch = epoch % self.plan.epochs + 1

    def on_images(self, more: int, left: int) -> None:
        self.advance(more)
        if self.deadline.passed and left:
            raise DeadlineError(
                f"the deadline passed in epoch {self.epoch} of {self.plan.epochs}; a model that is not trained to its "
                "end is not kept, but the next training of the same settings and data goes on from here",
                hint="run it again, give a later --deadline, or fewer epochs",
            )


def summary_lines(record: TrainingRecord) -> list[str]:
    """Say in a few lines how a training went."""
    return [_course(record), *_accuracies(record.final), *_temperature(record), *_variants(record)]


def _course(record: TrainingRecord) -> str:
    line = (
        f"trained {counted(record.epochs, 'epoch')} on {counted(record.train_images, 'image')} "
        f"in {duration(record.seconds)}"
    )
    if record.epochs < record.planned_epochs:
        line += f", stopped early of {record.planned_epochs}"
    if record.kept_epoch != record.epochs:
        line += f"; the weights kept are those after epoch {record.kept_epoch}, with the lowest validation loss"
    if record.validation_images:
        return f"{line}; {counted(record.validation_images, 'image')} were split from train for validation"
    return line


def _accuracies(final: dict[str, Right]) -> list[str]:
    if "train" not in final or "test" not in final:
        return []
    shown = ", ".join(f"{name} {percent(right.accuracy)}" for name, right in final.items())
    gap = points(final["train"].accuracy - final["test"].accuracy)
    return [f"accuracy: {shown}; the overfitting gap, train minus test, is {gap} points"]


def _temperature(record: TrainingRecord) -> list[str]:
    found = record.temperature
    if found is None:
        return []
    (loss, loss_with), (ece, ece_with) = map(decimal, found.log_loss), map(decimal, found.ece)
    return [
        f"temperature {decimal(found.temperature)}: on validation the log loss is {loss_with} with it and "
        f"{loss} without, the calibration error (ECE) {ece_with} and {ece}"
    ]


def _variants(record: TrainingRecord) -> list[str]:
    comparison = compare_variants(record.variants)
    if comparison is None:
        return []
    rows = [
        (each.name, percent(each.train.accuracy), percent(each.validation.accuracy), percent(each.test.accuracy),
         points(each.train.accuracy - each.test.accuracy), each.options)
        for each in record.variants
    ]  # fmt: skip
    rows.insert(0, ("regularisation", "train", "validation", "test", "gap", "options"))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    table = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return [*table, comparison.sentence]


def write_training_page(bundle: Bundle) -> Path:
    """Write training.html into the folder of a trained bundle, in one step; returns its path.

    It is no file that the bundle needs, so model.json has no digest of it. Raises OSError if it cannot be written,
    and ValueError for a model that batchclf has not trained.
    """
    from batchclf.report.pages.training import TrainedModel, render_training, training_view

    info, data = bundle.info, bundle.info.training_data
    if data is None:
        raise ValueError(f"the model in {bundle.path} was not trained by batchclf")
    model = TrainedModel(
        model_record(bundle, trained=True),
        data=data.name,
        train_images=data.images,
        fingerprint=data.fingerprint,
        onnx_difference=info.onnx_difference,
        versions=info.versions,
    )
    out = bundle.path / TRAINING_PAGE
    atomic.write_text(out, render_training(training_view(model, generated=datetime.now(UTC))))
    return out
