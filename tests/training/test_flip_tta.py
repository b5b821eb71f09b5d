"""Flip TTA; the oracle is the network by itself, on images that numpy mirrors."""

from importlib.util import find_spec

import numpy as np
import pytest
from average_cases import coloured_noise, keras_model, logits, trained

from batchclf.models.bundle import load_bundle
from batchclf.models.runtime.registry import open_runtime
from batchclf.training.finetune.base import BaseOptions, open_base
from batchclf.training.finetune.transfer import build_on
from batchclf.training.recipes.builtin import RECIPES
from batchclf.training.train_bundle import TrainSettings, recipe_and_plan

if find_spec("tensorflow") is None:
    pytest.skip("TensorFlow is not installed", allow_module_level=True)


@pytest.fixture(scope="module")
def bundles(digits, tmp_path_factory):
    """The same training twice: with flip TTA, and without."""
    folder = tmp_path_factory.mktemp("flip_tta")
    settings = {"augment": "flip", "validation_split": 0.2, "flip_tta": True}
    averaged = trained(digits, folder / "averaged", **settings)
    return averaged, trained(digits, folder / "alone", **{**settings, "flip_tta": False})


def _logits(bundle, images):
    return logits(keras_model(bundle), images)


def test_logits_are_the_mean_of_an_image_and_its_mirror_image(digits, bundles):
    averaged, alone = bundles
    images = digits.test.images
    expected = (_logits(alone, images) + _logits(alone, images[:, :, ::-1])) / 2
    assert np.abs(expected - _logits(alone, images)).max() > 0.1
    np.testing.assert_allclose(_logits(averaged, images), expected, atol=1e-5)


def test_each_runtime_averages(digits, bundles):
    from scipy.special import softmax

    averaged, _ = bundles
    images = digits.test.images
    expected = softmax(_logits(averaged, images) / averaged.info.training.temperature.temperature, axis=1)
    for name in ("onnx", "tensorflow"):
        predictions = open_runtime(averaged, name).probabilities
        np.testing.assert_allclose(predictions(images), expected, atol=1e-5)
        np.testing.assert_allclose(predictions(images[:, :, ::-1]), expected, atol=1e-5)


def test_the_training_is_the_same_and_what_is_measured_at_its_end_is_the_average(digits, bundles):
    averaged, alone = (bundle.info for bundle in bundles)
    assert averaged.history == alone.history
    assert averaged.parameters == alone.parameters
    assert (averaged.settings["flip_tta"], alone.settings["flip_tta"]) == (True, False)
    right = _logits(bundles[0], digits.test.images).argmax(axis=1) == digits.test.labels
    assert averaged.training.final["test"].correct == right.sum()
    assert averaged.training.final["test"] != alone.training.final["test"]
    assert alone.history["val_accuracy"][-1] == pytest.approx(alone.training.final["validation"].accuracy)
    assert averaged.training.temperature != alone.training.temperature


def test_the_graph_holds_the_weights_once(bundles):
    averaged, alone = (load_bundle(bundle.path).onnx_path.stat().st_size for bundle in bundles)
    assert averaged < 1.2 * alone


def test_it_can_be_fine_tuned_from_its_network(digits, bundles):
    import keras

    lines = []
    base = open_base(BaseOptions(bundles[0].path), say=lines.append)
    assert lines[-1] == "features: the 128 values before layer 'logits'"
    model, _ = build_on(base, (8, 8, 1), 3)
    of_new = keras.Model(model.inputs[0], model.get_layer("logits").input)(digits.test.images)
    network = keras_model(bundles[1])
    of_network = keras.Model(network.inputs[0], network.get_layer("logits").input)(digits.test.images)
    np.testing.assert_allclose(of_new, of_network, atol=1e-5)


@pytest.mark.parametrize(
    ("settings", "averages"),
    [
        ({"recipe": "cnn"}, True),
        ({"recipe": "cnn-large"}, True),
        ({"recipe": "cnn", "augment": "flip,shift"}, True),
        ({"recipe": "cnn", "augment": "shift"}, False),  # as for letters and digits
        ({"recipe": "cnn", "augment": "none"}, False),
        ({"recipe": "cnn", "flip_tta": False}, False),
        ({"recipe": "mlp", "augment": "flip"}, False),
        ({"recipe": "mlp", "flip_tta": True}, True),
    ],
)
def test_when_a_recipe_averages(settings, averages):
    _, plan = recipe_and_plan(TrainSettings(**settings))
    assert plan.flip_tta is averages
    assert plan.as_settings()["flip_tta"] is averages


@pytest.mark.slow
def test_a_convolutional_recipe_averages_in_colour(tmp_path):
    dataset = coloured_noise()
    bundle = trained(dataset, tmp_path / "cnn", recipe="cnn", epochs=1)
    assert bundle.info.settings["flip_tta"] is RECIPES["cnn"].flip_tta is True
    predictions, images = open_runtime(bundle, "onnx").probabilities, dataset.test.images
    np.testing.assert_allclose(predictions(images), predictions(images[:, :, ::-1]), rtol=1e-3)
    assert not np.allclose(predictions(images), predictions(images[:, ::-1]), rtol=0.01, atol=0)  # upside down
