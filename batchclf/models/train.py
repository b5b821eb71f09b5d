"""Train a recipe on a data set and keep the result as a bundle."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from batchclf import atomic
from batchclf.core.types import Dataset, Say, Split
from batchclf.errors import DataError, UsageError
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
)
from batchclf.models.epochs import OnEpoch, Plan, fit
from batchclf.models.preprocessing import Preprocessing, prepare
from batchclf.models.recipes import RECIPES
from batchclf.models.reference import training_reference
from batchclf.models.tensorflow_model import load_keras, tensorflow_or_error

CHECKED_IMAGES = 256


@dataclass(frozen=True)
class TrainSettings:
    """What a recipe is run with; epochs or batch size None take the recipe's own."""

    recipe: str = "mlp"
    epochs: int | None = None
    batch_size: int | None = None
    seed: int = 0


def train(dataset: Dataset, settings: TrainSettings, out: Path, *, say: Say, on_epoch: OnEpoch) -> Bundle:
    """Train on the train split and write the bundle to `out`, replacing a bundle there only when all is done.

    The test split is measured after each epoch for the learning curves; it chooses nothing. `on_epoch` gets the
    number of the finished epoch (from 1) and its metrics. Raises UsageError for an unknown recipe, DataError for
    a split without images or training images of one class only, ModelError where TensorFlow is missing, the memory
    does not suffice, training diverges or the ONNX graph differs.
    """
    if settings.recipe not in RECIPES:
        raise UsageError(f"there is no recipe '{settings.recipe}'", hint=f"choose one of: {', '.join(RECIPES)}")
    check_replaceable(out)
    for split in (dataset.train, dataset.test):
        if not len(split.images):
            raise DataError(f"the {split.name} split of {dataset.name} has no images")
    _check_classes(dataset)
    tensorflow_or_error()
    import keras

    from batchclf.models.onnx_export import write_graph

    recipe = RECIPES[settings.recipe]
    epochs = settings.epochs or recipe.epochs
    batch_size = settings.batch_size or recipe.batch_size
    keras.utils.set_random_seed(settings.seed)
    input_shape: tuple[int, int, int] = dataset.train.images.shape[1:]
    model = recipe.build(input_shape, len(dataset.class_names))
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    plan = Plan(epochs, batch_size, settings.seed, recipe.xla)
    history = fit(model, dataset, plan, say=say, on_epoch=on_epoch)
    with atomic.new_folder(out) as folder:
        model.save(folder / KERAS_FILE)
        # The recipe scales pixels itself, so nothing comes before the model.
        steps = Preprocessing(input_shape, "grayscale" if input_shape[2] == 1 else "rgb")
        kept = load_keras(folder / KERAS_FILE)
        sample = dataset.test.images[:CHECKED_IMAGES]
        answers = kept.run(prepare(sample, steps))
        difference = write_graph(kept.graph(steps.model_shape), steps, folder / ONNX_FILE, sample, answers)
        info = BundleInfo(
            format=BUNDLE_FORMAT,
            class_names=dataset.class_names,
            preprocessing=steps,
            recipe=settings.recipe,
            settings={"epochs": epochs, "batch_size": batch_size, "seed": settings.seed},
            parameters=int(model.count_params()),
            history=history,
            training_data=TrainingData(dataset.name, len(dataset.train.images), _fingerprint(dataset.train)),
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            versions={name: version(name) for name in ("tensorflow", "keras", "numpy", "onnx", "batchclf")},
            onnx_difference=difference,
            original=KERAS_FILE,
            files=file_digests(folder),
            reference=training_reference(dataset, folder / ONNX_FILE),
        )
        write_info(folder, info)
    say(f"wrote the model bundle {out} ({info.parameters:,} parameters; ONNX and Keras agree within {difference:.1e})")
    return load_bundle(out)


def _check_classes(dataset: Dataset) -> None:
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
