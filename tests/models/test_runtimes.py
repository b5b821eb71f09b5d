import hashlib
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from batchclf.errors import ModelError
from batchclf.models.bundle import load_bundle
from batchclf.models.runtime.registry import ENTRIES, open_runtime

RUNTIMES = tuple(
    entry.name for entry in ENTRIES if entry.precision == "f32" and "cpu" in entry.devices and entry.runs != "tflite"
)


@pytest.fixture(scope="module")
def runtimes(digits_bundle):
    bundle = load_bundle(digits_bundle)
    return {name: open_runtime(bundle, name) for name in RUNTIMES}


def _by_hand(bundle, images):
    """The network in float64: pixels / 255, a hidden layer of rectified units, a softmax over the logits."""
    import keras

    weights = [np.asarray(w, np.float64) for w in keras.models.load_model(bundle / "model.keras").get_weights()]
    hidden_weights, hidden_bias, out_weights, out_bias = weights
    hidden = np.maximum(images.reshape(len(images), -1) / 255 @ hidden_weights + hidden_bias, 0)
    logits = hidden @ out_weights + out_bias
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    return shares / shares.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("name", RUNTIMES)
def test_raw_pixels_go_in_and_the_networks_probabilities_come_out(digits_bundle, digits, runtimes, name):
    images = digits.test.images
    assert images.dtype == np.uint8
    assert images.max() == 255
    probabilities = runtimes[name].probabilities(images)
    assert probabilities.dtype == np.float32
    assert probabilities.shape == (len(images), 10)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(probabilities, _by_hand(digits_bundle, images), atol=1e-5)


def test_all_runtimes_give_the_same_predictions(digits, runtimes):
    onnx, *others = (runtimes[name].probabilities(digits.train.images) for name in RUNTIMES)
    assert others
    for other in others:
        assert np.abs(onnx - other).max() < 1e-5
        np.testing.assert_array_equal(onnx.argmax(axis=1), other.argmax(axis=1))


@pytest.mark.parametrize("name", RUNTIMES)
def test_the_model_knows_the_digits(digits, runtimes, name):
    assert (runtimes[name].probabilities(digits.test.images).argmax(axis=1) == digits.test.labels).mean() > 0.85


@pytest.mark.parametrize("name", RUNTIMES)
def test_an_image_alone_scores_as_it_does_among_others(digits, runtimes, name):
    together = runtimes[name].probabilities(digits.test.images[:40])
    alone = np.concatenate([runtimes[name].probabilities(digits.test.images[i : i + 1]) for i in range(40)])
    np.testing.assert_allclose(alone, together, atol=1e-6)


@pytest.mark.parametrize("name", RUNTIMES)
@pytest.mark.parametrize("value", [0, 255])
def test_blank_images_have_a_prediction_too(runtimes, name, value):
    probabilities = runtimes[name].probabilities(np.full((1, 8, 8, 1), value, np.uint8))
    assert np.isfinite(probabilities).all()
    assert probabilities.sum() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(("name", "file"), [("onnx", "model.onnx"), ("tensorflow", "model.keras")])
def test_a_model_that_cannot_be_loaded_is_named(digits_bundle, tmp_path, name, file):
    copy = shutil.copytree(digits_bundle, tmp_path / "bundle")
    (copy / file).write_bytes(b"no model")
    document = json.loads((copy / "model.json").read_text())
    document["files"][file] = hashlib.sha256(b"no model").hexdigest()
    (copy / "model.json").write_text(json.dumps(document))
    bundle = load_bundle(copy)
    with pytest.raises(ModelError) as caught:
        open_runtime(bundle, name)
    assert f"{copy / file} cannot be loaded" in caught.value.message


def test_keras_runs_no_code_out_of_a_bundle(digits_bundle, tmp_path):
    """A lambda layer would run whatever the one who made the file wrote into it."""
    import keras

    model = keras.Sequential(
        [keras.Input((8, 8, 1), dtype="uint8"), keras.layers.Lambda(lambda x: x), keras.layers.Flatten()]
    )
    model.save(tmp_path / "model.keras")
    bundle = replace(load_bundle(digits_bundle), path=tmp_path)
    with pytest.raises(ModelError, match=r"model\.keras cannot be loaded"):
        open_runtime(bundle, "tensorflow")
