"""Train a recipe on a data set and keep the result as a bundle."""

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from batchclf import atomic
from batchclf.core.holdout import hold_out
from batchclf.core.text import scientific
from batchclf.core.training_record import Right, TemperatureRecord, TrainingRecord, Variant, temperature_of
from batchclf.core.types import Dataset, Say, Split
from batchclf.errors import DataError, ModelError
from batchclf.libraries import versions_of
from batchclf.models.bundle import (
    BUNDLE_FORMAT,
    KERAS_FILE,
    ONNX_FILE,
    Bundle,
    BundleInfo,
    TrainingData,
    check_replaceable,
    file_digests,
    load_bundle,
    write_info,
    write_learnt,
)
from batchclf.models.preprocessing import Preprocessing, prepare
from batchclf.models.sources.keras import load_keras, tensorflow_or_error
from batchclf.training.checkpoint import Checkpoint, checkpoint_path, remove_checkpoint, versions_key
from batchclf.training.epochs import Phase, Trained, Watch, fit
from batchclf.training.finetune.backbone import set_trainable
from batchclf.training.network import Network, build_network, fine_tuning, flip_tta
from batchclf.training.options import TrainSettings
from batchclf.training.plan import Plan, make_plan
from batchclf.training.recipes.builtin import DEFAULT_RECIPE, Recipe
from batchclf.training.recipes.custom import find_recipe
from batchclf.training.reference import training_reference
from batchclf.training.regularise import Remedy, remedies
from batchclf.training.step import Measurement, Samples
from batchclf.training.temperature import fit_temperature

CHECKED_IMAGES = 256
MEASURED_IMAGES = 10_000
"""So many training images are measured at the end, for the gap that `train` tells; a job scores them all."""


def recipe_and_plan(settings: TrainSettings) -> tuple[Recipe, Plan]:
    """Find the recipe and fill in its own values, before any data is read.

    Raises UsageError for an unknown recipe and for settings that do not go together.
    """
    if settings.opened_base is not None:
        recipe = fine_tuning(settings.opened_base)
        return recipe, make_plan(recipe, settings)
    recipe = find_recipe(settings.recipe or DEFAULT_RECIPE, [settings.recipe_folder] if settings.recipe_folder else [])
    return recipe, make_plan(recipe, settings)


def train(
    dataset: Dataset,
    settings: TrainSettings,
    out: Path,
    *,
    say: Say,
    on_epoch: Callable[[int, dict[str, float]], None],
    on_images: Callable[[int, int], None] = lambda more, left: None,
    keep_end: bool = False,
) -> Bundle:
    """Train on the train split and write the bundle to `out`, replacing one there only when all is done.

    A share of the training images may be held out for validation; only these choose anything. Without any the test
    split is measured after each epoch for the learning curves, and chooses nothing. A training of the same settings and
    data that was killed is gone on with, to the same weights; with `keep_end` one that came to its end is, too, until
    `forget_training`. `say`, `on_epoch` and `on_images` are those of `Watch`.
    Where remedies against overfitting are compared the bundle is that of the plan as it is, and keeps what came of the
    others. Raises UsageError as `recipe_and_plan` does and where something else than a bundle stands at `out`,
    DataError for a split without images or training images of one class only, ModelError where TensorFlow is missing,
    out of memory, training diverges or the ONNX graph differs.
    """
    recipe, plan = recipe_and_plan(settings)
    check_replaceable(out)
    _check_data(dataset)
    tensorflow_or_error()
    training = _Training(dataset, recipe, settings, out, Watch(say, on_epoch, on_images), keep_end)
    compared = _compared(settings, plan)
    with training.told_to_go_on():
        with _memory_told(plan):
            first, *others = (training.run(remedy) for remedy in compared)
        record = first.record
        if settings.compare_regularisation:
            records = [record, *(other.record for other in others)]
            record = replace(record, variants=tuple(map(_variant, compared, records)))
        bundle = _write(out, replace(first, record=record), compared[0].plan, dataset, training.fingerprint)
    if not keep_end:
        forget_training(settings, out)
    info = bundle.info
    say(
        f"wrote the model bundle {out} ({info.parameters:,} parameters; ONNX and Keras agree within "
        f"{scientific(info.onnx_difference)})"
    )
    return bundle


def forget_training(settings: TrainSettings, out: Path) -> None:
    """Remove what a training of these settings, for the bundle `out`, has left to be gone on with."""
    _, plan = recipe_and_plan(settings)
    for remedy in _compared(settings, plan):
        remove_checkpoint(_checkpoint_path(out, remedy))


def _compared(settings: TrainSettings, plan: Plan) -> tuple[Remedy, ...]:
    return remedies(plan) if settings.compare_regularisation else (Remedy("", plan, ""),)


def _checkpoint_path(out: Path, remedy: Remedy) -> Path:
    return checkpoint_path(out, remedy.name.replace(" ", "-"))


@contextmanager
def _memory_told(plan: Plan) -> Iterator[None]:
    """Tell a want of memory, of numpy or TensorFlow, as a ModelError."""
    tf = tensorflow_or_error()
    try:
        yield
    except (MemoryError, tf.errors.ResourceExhaustedError) as error:
        raise ModelError(
            f"out of memory: cannot train {plan.recipe} with {plan.batch_size} images a step",
            hint="use a smaller --batch-size, smaller images or a smaller network; no bundle was written",
        ) from error


@dataclass(frozen=True, eq=False)
class _Outcome:
    model: Any
    record: TrainingRecord
    history: dict[str, list[float]]


class _Training:
    """Trainings of one recipe on one data set, for the bundle `out`; `keep_end` keeps the end of each."""

    def __init__(
        self, dataset: Dataset, recipe: Recipe, settings: TrainSettings, out: Path, watch: Watch, keep_end: bool
    ) -> None:
        self._keep_end = keep_end
        self._dataset, self._recipe, self._out, self._watch = dataset, recipe, out, watch
        self._base, self._every = settings.opened_base, settings.checkpoint_every
        self.fingerprint = _fingerprint(dataset.train)
        self._checkpoints: list[Checkpoint] = []

    def run(self, remedy: Remedy) -> _Outcome:
        """Train the remedy's plan."""
        dataset, plan = self._dataset, remedy.plan
        if remedy.name:
            self._watch.say(f"training {plan.recipe} {'with ' if remedy.options else ''}{remedy.name}")
        train, held = _held_out(dataset, plan)
        if len(train) < plan.batch_size:
            self._watch.say(
                f"the {len(train)} training images are fewer than a batch of {plan.batch_size}: one step an epoch"
            )
        shape: tuple[int, int, int] = dataset.train.images.shape[1:]
        network = build_network(self._recipe, self._base, plan, shape, len(dataset.class_names))
        model = network.model
        keeps_end = self._keep_end or bool(remedy.name)
        key = self._key(plan, model)
        checkpoint = Checkpoint(_checkpoint_path(self._out, remedy), key, self._every, keeps_end=keeps_end)
        self._checkpoints.append(checkpoint)
        fitted = fit(network, train, held or _all(dataset.test), plan, _phases(plan, network), checkpoint, self._watch)
        measurement = fitted.measurement
        if plan.flip_tta:
            model = flip_tta(model, shape)
            measurement = Measurement(model, shape, plan.ensemble_size)
        return _Outcome(model, self._record(train, held, plan, fitted, measurement), fitted.history)

    @contextmanager
    def told_to_go_on(self) -> Iterator[None]:
        """Note on an OSError, as that of a full disk, what of these trainings is not lost."""
        try:
            yield
        except OSError as error:
            if any(checkpoint.kept for checkpoint in self._checkpoints):
                error.add_note("run it again: the training goes on from its last checkpoint")
            raise

    def _key(self, plan: Plan, model: Any) -> str:
        """Digest all that decides on the weights."""
        try:
            network = model.to_json()
        except (NotImplementedError, TypeError, ValueError):  # a class of the user's that does not tell its settings
            network = json.dumps([(each.path, list(each.shape)) for each in model.variables])
        network = re.sub(r"_\d+\b", "", network)  # Keras numbers layers over the whole process
        facts = [asdict(plan), network, self.fingerprint, len(self._dataset.test.images), versions_key()]
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()

    def _record(
        self, train: Samples, held: Samples | None, plan: Plan, fitted: Trained, measure: Measurement
    ) -> TrainingRecord:
        some = Samples(train.images, train.labels, np.sort(_some(train.chosen, plan.seed)))
        final = {"train": _right(measure, some)}
        temperature: TemperatureRecord | None = None
        if held is not None:
            final["validation"] = _right(measure, held)
            temperature = fit_temperature(measure.logits(held), held.chosen_labels())
        final["test"] = _right(measure, _all(self._dataset.test))
        return TrainingRecord(
            train_images=len(train),
            validation_images=0 if held is None else len(held),
            measured_on="test" if held is None else "validation",
            planned_epochs=plan.epochs,
            epochs=fitted.epochs,
            kept_epoch=fitted.kept_epoch,
            seconds=round(fitted.seconds, 3),
            final=final,
            temperature=temperature,
        )


def _phases(plan: Plan, network: Network) -> tuple[Phase, ...]:
    """Train all epochs alike; on a base first with it frozen, then with it unfrozen at a tenth of the learning rate."""
    if plan.base is None:
        return (Phase(plan.epochs, plan.learning_rate),)
    phases = (
        Phase(plan.base.frozen_epochs, plan.learning_rate, lambda: set_trainable(network.backbone, False)),
        Phase(plan.epochs, plan.learning_rate / 10, lambda: set_trainable(network.backbone, True)),
    )
    return phases if plan.base.frozen_epochs else phases[1:]


def _held_out(dataset: Dataset, plan: Plan) -> tuple[Samples, Samples | None]:
    """Split validation images from train, in each class by its share; None where the plan holds out none."""
    split = dataset.train
    if not plan.validation_split:
        return _all(split), None
    held = hold_out(split.labels, plan.validation_split, plan.seed, split.groups)
    if not held.any():
        raise DataError(
            f"the {len(held)} training images of {dataset.name} leave none for validation",
            hint="give more images, or validation_split = 0 (--validation-split 0)",
        )
    train, validation = (np.flatnonzero(chosen) for chosen in (~held, held))
    return Samples(split.images, split.labels, train), Samples(split.images, split.labels, validation)


def _all(split: Split) -> Samples:
    return Samples(split.images, split.labels, np.arange(len(split.labels)))


def _some(chosen: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    if len(chosen) <= MEASURED_IMAGES:
        return chosen
    return np.random.default_rng(seed).choice(chosen, MEASURED_IMAGES, replace=False)


def _right(measure: Measurement, samples: Samples) -> Right:
    return Right(measure.run(samples)[1], len(samples))


def _variant(remedy: Remedy, record: TrainingRecord) -> Variant:
    final = record.final
    return Variant(
        name=remedy.name,
        options=remedy.options,
        epochs=record.epochs,
        kept_epoch=record.kept_epoch,
        train=final["train"],
        validation=final["validation"],
        test=final["test"],
        seconds=record.seconds,
    )


def _write(out: Path, trained: _Outcome, plan: Plan, dataset: Dataset, fingerprint: str) -> Bundle:
    from batchclf.models.onnx_graph.export import write_graph

    input_shape: tuple[int, int, int] = dataset.train.images.shape[1:]
    model, record = trained.model, trained.record
    with atomic.new_folder(out) as folder:
        model.save(folder / KERAS_FILE)
        if dataset.by_chance:
            write_learnt(folder, (path.removeprefix(f"{dataset.train.name}/") for path in dataset.train.paths))
        # The recipe scales pixels itself, so nothing comes before the model.
        steps = Preprocessing(
            input_shape,
            "grayscale" if input_shape[2] == 1 else "rgb",
            temperature=temperature_of(record),
            geometry=dataset.geometry,
        )
        kept = load_keras(folder / KERAS_FILE)
        sample = dataset.test.images[:CHECKED_IMAGES]
        outputs = kept.run(prepare(sample, steps))
        difference = write_graph(kept.graph(steps.model_shape), steps, folder / ONNX_FILE, sample, outputs)
        info = BundleInfo(
            format=BUNDLE_FORMAT,
            class_names=dataset.class_names,
            preprocessing=steps,
            recipe=plan.recipe,
            settings=plan.as_settings(),
            parameters=int(model.count_params()),
            history=trained.history,
            training_data=TrainingData(dataset.name, len(dataset.train.images), fingerprint),
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            versions=versions_of("tensorflow", "keras", "numpy", "onnx", "batchclf"),
            onnx_difference=difference,
            original=KERAS_FILE,
            files=file_digests(folder),
            reference=training_reference(dataset, folder / ONNX_FILE),
            training=record,
        )
        write_info(folder, info)
    return load_bundle(out)


def _check_data(dataset: Dataset) -> None:
    for split in (dataset.train, dataset.test):
        if not len(split.images):
            raise DataError(f"the {split.name} split of {dataset.name} has no images")
    labels = dataset.train.labels
    if (labels == labels[0]).all():
        raise DataError(
            f"all training images of {dataset.name} are of the class '{dataset.class_names[labels[0]]}'",
            hint="a classifier needs images of two classes or more",
        )


def _fingerprint(split: Split) -> str:
    whole = hashlib.sha256()
    for path, image, label in sorted(zip(split.paths, split.images, split.labels, strict=True), key=lambda x: x[0]):
        whole.update(f"{path}\0{label}\0".encode() + hashlib.sha256(image.tobytes()).digest())
    return whole.hexdigest()
