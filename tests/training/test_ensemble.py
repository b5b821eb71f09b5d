"""A model that averages several networks; the oracles are its members by themselves, and Keras' own training."""

from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pytest
from average_cases import coloured_noise, keras_model, logits, trained

from batchclf.errors import ModelError, UsageError
from batchclf.models.runtime.registry import open_runtime
from batchclf.training.augmentation import augment, parse_augmentation
from batchclf.training.finetune.base import BaseOptions, open_base
from batchclf.training.finetune.transfer import build_on
from batchclf.training.recipes.builtin import RECIPES
from batchclf.training.train_bundle import TrainSettings, recipe_and_plan, train

if find_spec("tensorflow") is None:
    pytest.skip("TensorFlow is not installed", allow_module_level=True)


@pytest.fixture(scope="module")
def ensemble(digits, tmp_path_factory):
    """Three ensemble members, each with flip TTA as well."""
    folder = tmp_path_factory.mktemp("ensemble_size")
    return trained(digits, folder / "model", ensemble_size=3, augment="flip", flip_tta=True, validation_split=0.2)


def _members(model):
    """List the networks in it, by name."""
    import keras

    inner = [layer for layer in model.layers if isinstance(layer, keras.Model)]
    deeper = [each for layer in inner for each in _members(layer)]
    return deeper or sorted(inner, key=lambda layer: layer.name)


def test_logits_are_the_mean_of_the_members(digits, ensemble):
    model, images = keras_model(ensemble), digits.test.images
    members = _members(model)
    assert [member.name for member in members] == ["mlp_1", "mlp_2", "mlp_3"]
    views = (images, images[:, :, ::-1])
    of_each = [np.mean([logits(member, each) for each in views], axis=0) for member in members]
    assert np.abs(of_each[0] - of_each[1]).max() > 0.5
    np.testing.assert_allclose(logits(model, images), np.mean(of_each, axis=0), atol=1e-5)


def test_each_runtime_averages_and_what_is_measured_is_the_mean(digits, ensemble):
    from scipy.special import softmax

    record, images = ensemble.info.training, digits.test.images
    of_mean = logits(keras_model(ensemble), images)
    for name in ("onnx", "tensorflow"):
        predictions = open_runtime(ensemble, name).probabilities(images)
        np.testing.assert_allclose(predictions, softmax(of_mean / record.temperature.temperature, axis=1), atol=1e-5)
    assert record.final["test"].correct == (of_mean.argmax(axis=1) == digits.test.labels).sum()
    assert ensemble.info.settings["ensemble_size"] == 3
    assert ensemble.info.parameters == 3 * ((64 + 1) * 128 + (128 + 1) * 10)


@pytest.mark.parametrize("augmentation", [pytest.param("none", marks=pytest.mark.slow), "shift/erase"])
def test_each_member_is_trained_as_keras_trains_it_alone(digits, tmp_path, augmentation):
    """Their starts are drawn one after the other; the batches are the same for all, changed for each by itself."""
    import keras

    bundle = trained(digits, tmp_path / "model", ensemble_size=2, batch_size=32, augment=augmentation)
    train, test = digits.train, digits.test
    keras.utils.set_random_seed(3)
    alone = [RECIPES["mlp"].build(train.images.shape[1:], 10) for _ in range(2)]
    losses = []
    for member, network in enumerate(alone):
        network.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        orders = np.random.default_rng(3)
        for _ in range(2):
            order = orders.permutation(len(train.images))
            batches = [order[start : start + 32] for start in range(0, len(order), 32)]
            of_batches = []
            for each in batches:
                changes = parse_augmentation(augmentation), 3, network.optimizer.iterations.value, member
                images = augment(keras.ops.convert_to_tensor(train.images[each]), *changes)
                of_batches.append(network.train_on_batch(images, train.labels[each]))
            losses.append(np.average(of_batches, weights=[len(each) for each in batches]))
    for member, network in zip(_members(keras_model(bundle)), alone, strict=True):
        np.testing.assert_allclose(logits(member, test.images), logits(network, test.images), rtol=1e-3, atol=2e-3)
    history = bundle.info.history
    np.testing.assert_allclose(history["loss"], np.mean(np.reshape(losses, (2, 2)), axis=0), rtol=1e-4)
    mean = np.mean([logits(network, test.images) for network in alone], axis=0)
    assert history["val_accuracy"][-1] == pytest.approx(np.mean(mean.argmax(axis=1) == test.labels), abs=0.002)


@pytest.mark.slow
def test_the_same_seed_gives_the_same_members_also_from_a_checkpoint(digits, tmp_path):
    settings = {"ensemble_size": 2, "recipe": "mlp", "epochs": 1, "dropout": 0.3, "augment": "flip"}
    whole = trained(digits, tmp_path / "whole", **settings)

    class Killed(BaseException):
        pass

    def kill(more, left):
        raise Killed

    again = tmp_path / "again"
    asked = TrainSettings(seed=3, checkpoint_every=0, **settings)
    for _ in range(2):
        with pytest.raises(Killed):
            train(digits, asked, again, say=lambda line: None, on_epoch=lambda *_: None, on_images=kill)
    said = []
    ended = train(digits, asked, again, say=said.append, on_epoch=lambda *_: None)
    assert said[0].startswith("going on with the training")
    assert ended.onnx_path.read_bytes() == whole.onnx_path.read_bytes()


def test_fine_tuning_begins_with_the_features_of_all_members(digits, ensemble):
    import keras

    lines = []
    base = open_base(BaseOptions(ensemble.path), say=lines.append)
    assert lines[-1] == "features: the 384 values before layer 'logits'"
    model, _ = build_on(base, (8, 8, 1), 3)
    images = digits.test.images
    of_new = keras.Model(model.inputs[0], model.get_layer("logits").input)(images)
    of_members = [
        keras.Model(member.inputs[0], member.get_layer("logits").input)(images)
        for member in _members(keras_model(ensemble))
    ]
    np.testing.assert_allclose(of_new, np.concatenate(of_members, axis=1), atol=1e-5)


def test_dropout_comes_into_each_member(digits, tmp_path):
    bundle = trained(digits, tmp_path / "model", ensemble_size=2, dropout=0.5, epochs=1)
    kinds = [type(member.layers[-2]).__name__ for member in _members(keras_model(bundle))]
    assert kinds == ["Dropout", "Dropout"]


def test_the_ensemble_size_counts_from_one_and_not_for_a_base(digits, ensemble):
    with pytest.raises(UsageError, match="ensemble_size is 0"):
        recipe_and_plan(TrainSettings(ensemble_size=0))
    base = open_base(BaseOptions(ensemble.path), say=lambda line: None)
    with pytest.raises(UsageError, match="a base that is fine-tuned has one"):
        recipe_and_plan(TrainSettings(opened_base=base, ensemble_size=2))
    assert recipe_and_plan(TrainSettings(opened_base=base))[1].ensemble_size == 1


@pytest.mark.parametrize(
    ("settings", "augmentation", "flip_tta"),
    [
        ({}, "flip,shift/flip", True),
        ({"ensemble_size": 1}, "flip,shift", True),
        ({"ensemble_size": 3}, "flip,shift/flip", True),
        ({"augment": "flip/shift"}, "flip/shift", False),  # one member may have letters or digits
        ({"augment": "flip"}, "flip", True),
    ],
)
def test_what_the_images_of_members_are_changed_by(monkeypatch, settings, augmentation, flip_tta):
    monkeypatch.setitem(RECIPES, "pair", replace(RECIPES["cnn"], ensemble_size=2, augment="flip,shift/flip"))
    plan = recipe_and_plan(TrainSettings(recipe="pair", **settings))[1]
    assert (plan.as_settings()["augment"], plan.flip_tta) == (augmentation, flip_tta)


def test_kinds_for_more_members_than_there_are(ensemble):
    with pytest.raises(UsageError, match="is for 2 ensemble members; ensemble_size is 1") as caught:
        recipe_and_plan(TrainSettings(augment="flip,shift/flip"))
    assert "--ensemble-size 2" in caught.value.hint
    base = open_base(BaseOptions(ensemble.path), say=lambda line: None)
    with pytest.raises(UsageError, match="is for 2 ensemble members; a base") as caught:
        recipe_and_plan(TrainSettings(opened_base=base, augment="flip,shift/flip"))
    assert "--ensemble-size" not in caught.value.hint


def test_members_that_are_the_same_network(digits, tmp_path, monkeypatch):
    network = RECIPES["mlp"].build((8, 8, 1), 10)
    monkeypatch.setitem(RECIPES, "once", replace(RECIPES["mlp"], build=lambda input_shape, classes: network))
    with pytest.raises(ModelError, match="once gives the same model again; each of the 2 ensemble members"):
        trained(digits, tmp_path / "model", recipe="once", ensemble_size=2)


@pytest.mark.slow
def test_a_recipe_may_have_members_of_its_own_also_in_colour(tmp_path, monkeypatch):
    monkeypatch.setitem(RECIPES, "pair", replace(RECIPES["cnn"], ensemble_size=2))
    dataset = coloured_noise()
    bundle = trained(dataset, tmp_path / "pair", recipe="pair", epochs=1)
    assert [member.name for member in _members(keras_model(bundle))] == ["cnn_1", "cnn_2"]
    predictions, images = open_runtime(bundle, "onnx").probabilities, dataset.test.images
    np.testing.assert_allclose(predictions(images), predictions(images[:, :, ::-1]), rtol=1e-3)
