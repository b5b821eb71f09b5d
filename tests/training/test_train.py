import hashlib
import sys
from dataclasses import replace
from datetime import datetime
from importlib.metadata import version
from importlib.util import find_spec

import numpy as np
import pytest

from batchclf.core.types import Dataset, Split
from batchclf.errors import DataError, ModelError, UsageError
from batchclf.models.bundle import BUNDLE_FORMAT, load_bundle
from batchclf.models.preprocessing import Preprocessing
from batchclf.models.runtime.registry import open_runtime
from batchclf.training.recipes.builtin import RECIPES, Recipe
from batchclf.training.train_bundle import TrainSettings, train

if find_spec("tensorflow") is None:
    pytest.skip("TensorFlow is not installed", allow_module_level=True)


def _train(dataset, out, **settings):
    said, epochs = [], []
    settings = TrainSettings(**{"epochs": 1, "batch_size": 256, **settings})
    bundle = train(dataset, settings, out, say=said.append, on_epoch=lambda *epoch: epochs.append(epoch))
    return bundle, said, epochs


@pytest.fixture(scope="module")
def small(digits):
    """A few digits of three classes."""

    def cut(split, count):
        chosen = np.flatnonzero(split.labels < 3)[:count]
        paths = tuple(split.paths[i] for i in chosen)
        return Split(split.name, split.images[chosen], split.labels[chosen], paths)

    return Dataset("small digits", ("0", "1", "2"), cut(digits.train, 90), cut(digits.test, 30), "made in a test")


def test_the_bundle_records_how_it_came_about(digits, digits_bundle):
    info = load_bundle(digits_bundle).info
    assert info.format == BUNDLE_FORMAT == 4
    assert info.preprocessing == Preprocessing((8, 8, 1), "grayscale", scale="none", output="logits")
    assert info.original == "model.keras"
    assert info.origin == "mlp, trained on digits"
    assert info.class_names == digits.class_names
    assert info.input_shape == (8, 8, 1)
    assert info.color_mode == "grayscale"
    assert info.recipe == "mlp"
    assert info.settings == {
        "epochs": 8,
        "batch_size": 32,
        "seed": 7,
        "validation_split": 0.0,
        "optimizer": "adam",
        "learning_rate": 0.001,
        "learning_rate_schedule": "constant",
        "patience": 0,
        "dropout": 0.0,
        "weight_decay": 0.0,
        "label_smoothing": 0.0,
        "augment": "none",
        "flip_tta": False,
        "ensemble_size": 1,
        "class_weights": "none",
    }
    assert info.parameters == 64 * 128 + 128 + 128 * 10 + 10
    assert (info.training_data.name, info.training_data.images) == ("digits", 1_442)
    assert datetime.fromisoformat(info.created).utcoffset().total_seconds() == 0
    assert info.versions["tensorflow"] == version("tensorflow")
    assert set(info.versions) >= {"keras", "numpy", "onnx", "batchclf"}
    assert 0 <= info.onnx_difference <= 1e-5


def test_the_bundle_keeps_what_later_images_are_held_against(digits, digits_bundle):
    bundle = load_bundle(digits_bundle)
    reference = bundle.info.reference
    assert (reference.trained, reference.held_out) == (1_442, 355)
    brightness, _ = np.histogram(digits.train.images.mean(axis=(1, 2, 3)), 51, (0, 255))
    contrast, _ = np.histogram(digits.train.images.std(axis=(1, 2, 3)), 32, (0, 128))
    assert reference.brightness.counts == tuple(brightness)
    assert reference.contrast.counts == tuple(contrast)
    predictions = open_runtime(bundle, "onnx").probabilities(digits.test.images)
    assert reference.confidence.counts == tuple(np.histogram(predictions.max(axis=1), 20, (0, 1))[0])
    assert reference.predicted == tuple(np.bincount(predictions.argmax(axis=1), minlength=10))


def test_the_history_has_a_value_an_epoch_and_gets_better(digits, digits_bundle):
    bundle = load_bundle(digits_bundle)
    history = bundle.info.history
    assert set(history) == {"loss", "accuracy", "val_loss", "val_accuracy"}
    assert {len(values) for values in history.values()} == {8}
    assert history["loss"][-1] < history["loss"][0] / 3
    predictions = open_runtime(bundle, "onnx").probabilities(digits.test.images).argmax(axis=1)
    assert history["val_accuracy"][-1] == pytest.approx((predictions == digits.test.labels).mean(), abs=1e-6)


def test_every_epoch_is_told_as_it_ends(small, tmp_path):
    bundle, said, epochs = _train(small, tmp_path / "out", epochs=3)
    assert [number for number, _ in epochs] == [1, 2, 3]
    for number, metrics in epochs:
        assert metrics == pytest.approx({name: values[number - 1] for name, values in bundle.info.history.items()})
    assert len(said) == 2
    assert said[0].startswith("the 90 training images are fewer than a batch of 256")
    assert f"wrote the model bundle {tmp_path / 'out'}" in said[1]
    assert f"{bundle.info.parameters:,} parameters" in said[1]


def test_what_is_left_open_comes_from_the_recipe(small, tmp_path):
    bundle, _, epochs = _train(small, tmp_path / "out", epochs=None, batch_size=None)
    recipe = RECIPES["mlp"]
    assert bundle.info.settings.items() >= {"epochs": recipe.epochs, "batch_size": recipe.batch_size, "seed": 0}.items()
    assert len(epochs) == recipe.epochs


def test_the_same_seed_gives_the_same_model(small, tmp_path):
    (first, *_), (again, *_), (other, *_) = (_train(small, tmp_path / str(i), seed=s) for i, s in enumerate([1, 1, 2]))
    assert first.info.history == again.info.history
    assert first.info.history != other.info.history
    scores = [open_runtime(bundle, "onnx").probabilities(small.test.images) for bundle in (first, again, other)]
    np.testing.assert_array_equal(scores[0], scores[1])
    assert np.abs(scores[0] - scores[2]).max() > 1e-3


def test_the_fingerprint_follows_what_was_trained_on(small, tmp_path):
    def fingerprint(split):
        dataset = replace(small, train=split)
        return _train(dataset, tmp_path / "out")[0].info.training_data.fingerprint

    split = small.train
    whole = hashlib.sha256()
    for path, image, label in sorted(zip(split.paths, split.images, split.labels, strict=True), key=lambda row: row[0]):
        whole.update(f"{path}\0{label}\0".encode() + hashlib.sha256(bytes(image.ravel())).digest())
    of_all = fingerprint(split)
    assert of_all == whole.hexdigest()
    backwards = Split("train", split.images[::-1], split.labels[::-1], split.paths[::-1])
    assert fingerprint(backwards) == of_all
    images, labels = split.images.copy(), split.labels.copy()
    images[5, 0, 0] ^= 1
    labels[5] = (labels[5] + 1) % 3
    others = {fingerprint(replace(split, images=images)), fingerprint(replace(split, labels=labels))}
    assert len(others | {of_all}) == 3


def test_images_in_colour(small, tmp_path):
    def colour(split):
        return replace(split, images=np.repeat(split.images, 3, axis=3))

    dataset = replace(small, train=colour(small.train), test=colour(small.test))
    bundle, *_ = _train(dataset, tmp_path / "out")
    assert bundle.info.color_mode == "rgb"
    assert bundle.info.input_shape == (8, 8, 3)
    assert open_runtime(bundle, "onnx").probabilities(dataset.test.images).shape == (30, 3)


# Where the bundle goes


def test_training_again_replaces_the_bundle_as_a_whole(small, tmp_path):
    first, *_ = _train(small, tmp_path / "models" / "out", seed=1)
    (first.path / "left over.txt").write_text("of the first")
    second, *_ = _train(small, first.path, seed=2)
    assert load_bundle(first.path).info == second.info
    assert second.info.settings["seed"] == 2
    assert second.digest != first.digest
    assert sorted(path.name for path in first.path.iterdir()) == ["model.json", "model.keras", "model.onnx"]
    assert [path.name for path in first.path.parent.iterdir()] == ["out"]


def test_an_empty_folder_is_taken(small, tmp_path):
    (tmp_path / "out").mkdir()
    assert _train(small, tmp_path / "out")[0].path == tmp_path / "out"


@pytest.mark.parametrize("content", ["a folder", "a file"])
def test_what_is_no_bundle_is_not_replaced(small, tmp_path, content):
    out = tmp_path / "out"
    precious = out / "thesis.txt" if content == "a folder" else out
    precious.parent.mkdir(exist_ok=True)
    precious.write_text("precious")
    with pytest.raises(UsageError, match="is there already and is not a model bundle"):
        _train(small, out)
    assert precious.read_text() == "precious"


def test_a_run_that_stops_half_way_leaves_the_old_bundle(small, tmp_path):
    old, *_ = _train(small, tmp_path / "out")

    def stop(number, metrics):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(small, TrainSettings(epochs=1, seed=9), old.path, say=lambda line: None, on_epoch=stop)
    assert load_bundle(old.path) == old
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


# What cannot be trained


def test_an_unknown_recipe_is_met_with_the_known_ones(small, tmp_path):
    with pytest.raises(UsageError, match="there is no recipe 'cnn9'") as caught:
        _train(small, tmp_path / "out", recipe="cnn9")
    assert "mlp" in caught.value.hint


@pytest.mark.parametrize("name", ["train", "test"])
def test_an_empty_split_is_told(small, tmp_path, name):
    empty = Split(name, np.empty((0, 8, 8, 1), np.uint8), np.empty(0, np.int64), ())
    with pytest.raises(DataError, match=f"the {name} split of small digits has no images"):
        _train(replace(small, **{name: empty}), tmp_path / "out")


def test_a_training_that_diverges_writes_no_bundle(small, tmp_path, monkeypatch):
    def exploding(input_shape, classes):
        import keras

        layers = keras.layers
        return keras.Sequential(
            [keras.Input(input_shape, dtype="uint8"), layers.Rescaling(1e38), layers.Flatten(), layers.Dense(classes)]
        )

    monkeypatch.setitem(RECIPES, "exploding", Recipe(exploding, 2, 32, "overflows float32"))
    with pytest.raises(ModelError, match="training diverged in epoch 1") as caught:
        _train(small, tmp_path / "out", recipe="exploding")
    assert "no bundle was written" in caught.value.hint
    assert list(tmp_path.iterdir()) == []


def test_without_tensorflow_the_way_to_get_it_is_told(small, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    with pytest.raises(ModelError, match="TensorFlow is needed") as caught:
        _train(small, tmp_path / "out")
    assert "batchclf[train]" in caught.value.hint
    assert list(tmp_path.iterdir()) == []


def test_learning_curves_are_of_images_that_chose_nothing(small, tmp_path):
    """Other test images, the same model: the test split is measured and nothing else."""
    dark = replace(small.test, images=np.zeros_like(small.test.images))
    (first, *_), (second, *_) = (
        _train(dataset, tmp_path / str(number), epochs=2)
        for number, dataset in enumerate([small, replace(small, test=dark)])
    )
    assert first.info.history["loss"] == second.info.history["loss"]
    assert first.info.history["val_loss"] != second.info.history["val_loss"]
    weights = [_weights(bundle) for bundle in (first, second)]
    for one, other in zip(*weights, strict=True):
        np.testing.assert_array_equal(one, other)


def _weights(bundle):
    import keras

    return keras.models.load_model(bundle.original_path).get_weights()
