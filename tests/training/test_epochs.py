"""The training loop, seen through `train`; Keras' own `train_on_batch` is the oracle."""

import gc
import hashlib
import signal
import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pytest

from batchclf.core.types import Dataset, Split
from batchclf.errors import DataError, ModelError
from batchclf.models.bundle import load_bundle
from batchclf.models.sources.keras import tensorflow_or_error
from batchclf.training import epochs as loop
from batchclf.training.recipes.builtin import RECIPES, Recipe
from batchclf.training.train_bundle import TrainSettings, train

if find_spec("tensorflow") is None:
    pytest.skip("TensorFlow is not installed", allow_module_level=True)


def _few(digits, images=90, tests=30, classes=3):
    def cut(split, count):
        chosen = np.flatnonzero(split.labels < classes)[:count]
        paths = tuple(split.paths[i] for i in chosen)
        return Split(split.name, split.images[chosen], split.labels[chosen], paths)

    names = tuple(str(each) for each in range(classes))
    return Dataset("few digits", names, cut(digits.train, images), cut(digits.test, tests), "made in a test")


def _train(dataset, out, said=None, **settings):
    settings = TrainSettings(**{"epochs": 2, "batch_size": 32, "seed": 3, **settings})
    said = [] if said is None else said
    return train(dataset, settings, out, say=said.append, on_epoch=lambda number, metrics: None)


def _weights(bundle):
    import keras

    return keras.models.load_model(bundle.original_path).get_weights()


def _digest(bundle):
    return hashlib.sha256(b"".join(each.tobytes() for each in _weights(bundle))).hexdigest()


def _by_keras(dataset, settings):
    """Train the same model on the same batches with `train_on_batch`; give its weights and history."""
    import keras

    train, test = dataset.train, dataset.test
    keras.utils.set_random_seed(settings["seed"])
    model = RECIPES[settings["recipe"]].build(train.images.shape[1:], len(dataset.class_names))
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    orders, size = np.random.default_rng(settings["seed"]), settings["batch_size"]
    history = {name: [] for name in ("loss", "accuracy", "val_loss", "val_accuracy")}
    for _ in range(settings["epochs"]):
        order = orders.permutation(len(train.images))
        batches = [order[start : start + size] for start in range(0, len(order), size)]
        of_batches = [model.train_on_batch(train.images[each], train.labels[each]) for each in batches]
        loss, accuracy = np.average(of_batches, axis=0, weights=[len(each) for each in batches])
        of_test = model.evaluate(test.images, test.labels, verbose=0, return_dict=True)
        metrics = {"loss": loss, "accuracy": accuracy} | {f"val_{name}": value for name, value in of_test.items()}
        for name, values in history.items():
            values.append(metrics[name])
    return model.get_weights(), history


def _agree(bundle, dataset, **settings):
    weights, history = _by_keras(dataset, settings)
    assert set(bundle.info.history) == set(history)
    for name, values in history.items():
        np.testing.assert_allclose(bundle.info.history[name], values, rtol=1e-4, atol=1e-6, err_msg=name)
    for ours, theirs in zip(_weights(bundle), weights, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-4)


def _normalised(input_shape, classes):
    import keras

    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input(input_shape, dtype="uint8", name="image"),
            layers.Rescaling(1 / 255),
            layers.Conv2D(4, 3, use_bias=False, kernel_regularizer=keras.regularizers.L2(0.01)),
            layers.BatchNormalization(momentum=0.9),
            layers.ReLU(),
            layers.Flatten(),
            layers.Dense(classes),
        ]
    )


def _turned(input_shape, classes):
    """XLA has no operation for turning images."""
    import keras

    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input(input_shape, dtype="uint8", name="image"),
            layers.Rescaling(1 / 255),
            layers.RandomRotation(0.1, seed=5),
            layers.Flatten(),
            layers.Dense(classes),
        ]
    )


@pytest.mark.parametrize("from_steps", [1, 10**9], ids=["XLA", "no XLA"])
def test_training_is_that_of_keras(digits, tmp_path, monkeypatch, caplog, from_steps):
    """The same start and batches: the last and smaller one of 26 images is there, and each epoch has its own order."""
    monkeypatch.setattr(loop, "XLA_STEPS", from_steps)
    dataset, said = _few(digits), []
    settings = {"recipe": "mlp", "epochs": 3, "batch_size": 32, "seed": 3}
    bundle = _train(dataset, tmp_path / "out", said, **settings)
    assert len(said) == 1  # nothing but where the bundle is
    # TensorFlow counts traces over the whole process, so other tests' models may make it speak of them.
    assert [record for record in caplog.records if "retracing" not in record.getMessage()] == []
    _agree(bundle, dataset, **settings)


@pytest.mark.parametrize("xla", [pytest.param(True, marks=pytest.mark.slow), False], ids=["XLA", "no XLA"])
def test_moving_averages_and_weight_decay_are_those_of_keras(digits, tmp_path, monkeypatch, xla):
    monkeypatch.setattr(loop, "XLA_STEPS", 1)
    monkeypatch.setitem(RECIPES, "normalised", Recipe(_normalised, 2, 32, "", xla=xla))
    dataset = _few(digits)
    settings = {"recipe": "normalised", "epochs": 3, "batch_size": 32, "seed": 3}
    _agree(_train(dataset, tmp_path / "out", **settings), dataset, **settings)


@pytest.mark.parametrize(
    ("images", "batch_size"),
    [
        pytest.param(2, 32, marks=pytest.mark.slow, id="less than a batch"),
        pytest.param(32, 32, marks=pytest.mark.slow, id="one batch"),
        pytest.param(33, 32, id="one too many"),
        pytest.param(5, 1, marks=pytest.mark.slow, id="batches of one"),
    ],
)
def test_any_number_of_images(digits, tmp_path, images, batch_size):
    dataset = _few(digits, images, tests=1)
    settings = {"recipe": "mlp", "epochs": 2, "batch_size": batch_size, "seed": 1}
    _agree(_train(dataset, tmp_path / "out", **settings), dataset, **settings)


def test_colour_and_images_that_are_not_square(tmp_path):
    random = np.random.default_rng(0)

    def split(name, count):
        paths = tuple(f"{name}/{each:03}" for each in range(count))
        return Split(name, random.integers(0, 256, (count, 5, 7, 3), np.uint8), np.arange(count) % 2, paths)

    dataset = Dataset("noise", ("a", "b"), split("train", 20), split("test", 4), "made in a test")
    settings = {"recipe": "mlp", "epochs": 2, "batch_size": 8, "seed": 1}
    _agree(_train(dataset, tmp_path / "out", **settings), dataset, **settings)


# The same model again


SCRIPT = """
import sys
from pathlib import Path
from batchclf.data.catalog import load_dataset
from batchclf.training.train_bundle import TrainSettings, train
digits = load_dataset("digits", data_dir=None, say=lambda line: None)
for epochs in (1, 12):
    settings = TrainSettings(epochs=epochs, batch_size=8, seed=11)
    out = Path(sys.argv[1]) / str(epochs)
    train(digits, settings, out, say=lambda line: None, on_epoch=lambda number, metrics: None)
"""


@pytest.mark.slow
def test_another_process_makes_the_same_model(digits, tmp_path):
    """An epoch has 180 steps, so 12 epochs are compiled by XLA and one is not."""
    command = [sys.executable, "-c", SCRIPT, tmp_path / "there"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as other:
        here = [_train(digits, tmp_path / str(number), epochs=number, batch_size=8, seed=11) for number in (1, 12)]
        _, errors = other.communicate()
    assert other.returncode == 0, errors
    for one in here:
        two = load_bundle(tmp_path / "there" / one.path.name)
        assert _digest(one) == _digest(two)
        assert one.info.history == two.info.history


@pytest.mark.slow
@pytest.mark.parametrize("from_steps", [1, 10**9], ids=["XLA", "no XLA"])
def test_how_long_a_call_takes_changes_nothing(digits, tmp_path, monkeypatch, from_steps):
    monkeypatch.setattr(loop, "XLA_STEPS", from_steps)
    dataset, bundles = _few(digits, 300), []
    for seconds in (0.0, 60.0):
        monkeypatch.setattr("batchclf.training.step.CALL_SECONDS", seconds)
        bundles.append(_train(dataset, tmp_path / str(seconds), batch_size=4))
    assert _digest(bundles[0]) == _digest(bundles[1])
    assert bundles[0].info.history == bundles[1].info.history


# What does not go well


@pytest.mark.slow
def test_where_xla_cannot_compile_it_is_said_and_nothing_else_changes(digits, tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "XLA_STEPS", 1)
    monkeypatch.setattr(loop, "_draws", lambda model: False)  # the layers of Keras that XLA cannot compile all do
    bundles, dataset = [], _few(digits)
    for xla in (True, False):
        said = []
        monkeypatch.setitem(RECIPES, "turned", Recipe(_turned, 2, 32, "", xla=xla))
        bundles.append(_train(dataset, tmp_path / str(xla), said, recipe="turned"))
        assert [line.startswith("XLA cannot compile this recipe") for line in said] == ([True] if xla else []) + [False]
    assert _digest(bundles[0]) == _digest(bundles[1])


def test_a_network_that_draws_random_numbers_is_not_given_to_xla(digits, tmp_path, monkeypatch):
    """Else it would be said that XLA cannot turn images; dropout it could compile, and takes four times as long."""
    monkeypatch.setattr(loop, "XLA_STEPS", 1)
    monkeypatch.setitem(RECIPES, "turned", Recipe(_turned, 2, 32, "", xla=True))
    said = []
    _train(_few(digits), tmp_path / "out", said, recipe="turned")
    assert [line.startswith("wrote the model bundle") for line in said] == [True]


def test_a_signal_ends_training_within_an_epoch(digits, tmp_path):
    few = _few(digits)
    often = np.tile(np.arange(len(few.train.images)), 6000)  # more than a minute of steps
    paths = tuple(f"train/{number:06}" for number in range(len(often)))
    long = replace(few.train, images=few.train.images[often], labels=few.train.labels[often], paths=paths)
    ended = []

    def interrupt(number, frame):
        raise KeyboardInterrupt

    tensorflow_or_error()  # a signal while it is imported would show nothing
    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 1)
    settings = TrainSettings(epochs=1, batch_size=1)
    # Hypothesis times collections by a callback, and an exception in one is ignored.
    callbacks, gc.callbacks[:] = list(gc.callbacks), []
    try:
        with pytest.raises(KeyboardInterrupt):
            train(
                replace(few, train=long),
                settings,
                tmp_path / "out",
                say=lambda line: None,
                on_epoch=lambda *epoch: ended.append(epoch),
            )
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        gc.callbacks[:] = callbacks
    assert ended == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("from_steps", [pytest.param(1, marks=pytest.mark.slow), 10**9], ids=["XLA", "no XLA"])
def test_a_loss_that_is_no_number_is_told(digits, tmp_path, monkeypatch, from_steps):
    def exploding(input_shape, classes):
        import keras

        layers = keras.layers
        return keras.Sequential(
            [keras.Input(input_shape, dtype="uint8"), layers.Rescaling(1e38), layers.Flatten(), layers.Dense(classes)]
        )

    monkeypatch.setattr(loop, "XLA_STEPS", from_steps)
    monkeypatch.setitem(RECIPES, "exploding", Recipe(exploding, 2, 32, "overflows float32", xla=True))
    dataset = _few(digits)
    dark = replace(dataset.train, images=np.zeros_like(dataset.train.images))
    for each in (dataset, replace(dataset, train=dark)):  # in a step, or only when the test images are measured
        with pytest.raises(ModelError, match="training diverged in epoch 1: the loss is not a number"):
            _train(each, tmp_path / "out", recipe="exploding")
    assert list(tmp_path.iterdir()) == []


def test_images_of_one_class_only_are_refused(digits, tmp_path):
    dataset = _few(digits)
    zeros = np.flatnonzero(dataset.train.labels == 0)
    paths = tuple(dataset.train.paths[i] for i in zeros)
    only = Split("train", dataset.train.images[zeros], dataset.train.labels[zeros], paths)
    with pytest.raises(DataError, match="all training images of few digits are of the class '0'") as caught:
        _train(replace(dataset, train=only), tmp_path / "out")
    assert "two classes" in caught.value.hint
    assert list(tmp_path.iterdir()) == []
