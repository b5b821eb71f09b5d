"""Import SavedModels of kinds that Keras' own export does not write, or tf2onnx does not read; Keras is the oracle."""

from importlib.util import find_spec

import numpy as np
import pytest

from batchclf.errors import ModelError
from batchclf.models.runtime.registry import open_runtime
from batchclf.models.sources.import_model import import_model
from batchclf.models.sources.infer_preprocessing import ImportOptions

if find_spec("tensorflow") is None:
    pytest.skip("TensorFlow is not installed", allow_module_level=True)

NAMES = ("dark", "gray", "bright")
SHAPE = (12, 16, 3)


def quiet(line):
    """Say nothing."""


@pytest.fixture(scope="module")
def pixels():
    random = np.random.default_rng(5)
    return random.integers(0, 256, (9, *SHAPE), np.uint8) // random.integers(1, 9, (9, 1, 1, 1), np.uint8)


@pytest.fixture(scope="module")
def model():
    import keras

    keras.utils.set_random_seed(8)
    layers = keras.layers
    ends = [layers.GlobalAveragePooling2D(), layers.Rescaling(9), layers.Dense(3, activation="softmax")]
    body = [layers.Rescaling(1 / 255), layers.Conv2D(8, 3), layers.Conv2D(8, 3, groups=4)]
    return keras.Sequential([keras.Input(SHAPE), *body, *ends])


def saved(folder, model, signatures):
    """Save a module with signatures, each as (function, TensorSpec)."""
    import tensorflow as tf

    module = tf.Module()
    module.model = model
    module.functions = {
        name: tf.function(function, input_signature=[spec], autograph=False)
        for name, (function, spec) in signatures.items()
    }
    tf.saved_model.save(module, str(folder), signatures=dict(module.functions))
    return folder


def test_convolutions_of_groups_give_what_keras_predicts(model, tmp_path, pixels):
    model.export(tmp_path / "exported", verbose=False)
    assert_as_predicted(tmp_path / "exported", model, tmp_path / "bundle", pixels)


def test_a_batch_of_one_is_run_image_by_image_or_opened(model, tmp_path, pixels):
    import tensorflow as tf

    # A reshape to 1 x classes holds for one image alone
    one = {
        "serving_default": (
            lambda image: {"p": tf.reshape(model(image), (1, 3))},
            tf.TensorSpec((1, *SHAPE), name="image"),
        )
    }
    module = saved(tmp_path / "one", model, one)
    assert_as_predicted(module, model, tmp_path / "bundle", pixels)


def assert_as_predicted(path, model, out, pixels):
    bundle = import_model(path, ImportOptions(NAMES), out, say=quiet)
    expected = model.predict(pixels.astype(np.float32), verbose=0)
    assert np.ptp(expected, axis=0).max() > 0.05
    for runtime in ("onnx", "tensorflow"):
        np.testing.assert_allclose(open_runtime(bundle, runtime).probabilities(pixels), expected, atol=1e-5)


def test_encoded_images_are_refused_with_the_signature_that_takes_pixels(model, tmp_path, pixels):
    import tensorflow as tf

    def of_bytes(files):
        images = tf.map_fn(lambda each: tf.io.decode_png(each, 3), files, fn_output_signature=tf.uint8)
        return {"p": model(tf.image.resize(images, SHAPE[:2]))}

    strings = of_bytes, tf.TensorSpec((None,), tf.string, name="image_bytes")
    numbers = (lambda image: {"p": model(image)}), tf.TensorSpec((None, *SHAPE), name="image")
    alone, both = saved(tmp_path / "alone", model, {"serving_default": strings}), tmp_path / "both"
    saved(both, model, {"serving_default": strings, "raw": numbers})
    with pytest.raises(ModelError, match="alone takes text, 'image_bytes': encoded images, which it decodes") as caught:
        import_model(alone, ImportOptions(NAMES), tmp_path / "bundle", say=quiet)
    assert caught.value.hint == "export the network behind its decoding, with an input of pixels"
    with pytest.raises(ModelError) as caught:
        import_model(both, ImportOptions(NAMES), tmp_path / "bundle", say=quiet)
    advice, _, code = caught.value.hint.partition(": ")
    assert advice == "its signature 'raw' takes numbers; save that one"
    exec(code.replace('"pixels"', f'"{tmp_path / "pixels"}"'), {"tf": tf})
    assert_as_predicted(tmp_path / "pixels", model, tmp_path / "bundle", pixels)
