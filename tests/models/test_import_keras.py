"""Import Keras files and SavedModels; the oracles are the network in float64 and Keras itself."""

import sys
from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pytest

from batchclf.core.geometry import UNKNOWN
from batchclf.errors import ModelError, UsageError
from batchclf.models.bundle import load_bundle
from batchclf.models.preprocessing import Preprocessing
from batchclf.models.runtime.registry import open_runtime
from batchclf.models.sources.import_model import import_model
from batchclf.models.sources.infer_preprocessing import ImportOptions

if find_spec("tensorflow") is None:
    pytest.skip("TensorFlow is not installed", allow_module_level=True)

NAMES = ("dark", "gray", "bright")
SHAPE = (10, 8, 3)


def quiet(line):
    """Say nothing."""


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A trained network with batch normalisation as `.keras`, `.h5` and SavedModel, and one that ends in logits."""
    import keras

    folder, layers = tmp_path_factory.mktemp("models"), keras.layers
    keras.utils.set_random_seed(1)
    random = np.random.default_rng(0)
    labels = random.integers(0, 3, 192)
    pixels = random.random((192, *SHAPE), np.float32) * 0.4 + labels[:, None, None, None] * np.float32(0.3)
    body = [
        layers.Conv2D(6, 3),
        layers.BatchNormalization(momentum=0.5),
        layers.ReLU(),
        layers.GlobalAveragePooling2D(),
    ]
    logits = keras.Sequential([keras.Input(SHAPE, name="photo"), *body, layers.Dense(3)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    logits.compile(keras.optimizers.Adam(0.03), loss)
    logits.fit(pixels, labels, epochs=6, verbose=0)
    softmax = keras.Sequential([*logits.layers, layers.Softmax()])
    softmax.build((None, *SHAPE))
    softmax.save(folder / "softmax.keras")
    softmax.export(folder / "softmax", verbose=False)
    logits.save(folder / "logits.keras")
    logits.save(folder / "logits.h5")
    return folder


@pytest.fixture(scope="module")
def pixels():
    """Noise around 40 grays from black to white."""
    random = np.random.default_rng(9)
    grays = np.linspace(0, 255, 40)[:, None, None, None]
    return np.clip(grays + random.normal(0, 30, (40, *SHAPE)), 0, 255).astype(np.uint8)


def of_keras(path, inputs):
    import keras

    outputs = np.asarray(keras.models.load_model(path, compile=False)(inputs.astype(np.float32)), np.float64)
    if "logits" in path.name:
        shares = np.exp(outputs - outputs.max(axis=1, keepdims=True))
        outputs = shares / shares.sum(axis=1, keepdims=True)
    return outputs


@pytest.mark.parametrize(
    ("name", "options", "kept"),
    [
        ("softmax.keras", {"scale": "0..1"}, ["model.keras"]),
        ("softmax", {"scale": "minus1..1"}, None),
        ("logits.keras", {"mean": (0.4, 0.5, 0.6), "std": (0.2, 0.3, 0.4), "channel_order": "bgr"}, ["model.keras"]),
        ("logits.h5", {"scale": "0..1"}, ["model.h5"]),
    ],
)
def test_both_runtimes_give_the_outputs_of_the_model(models, tmp_path, pixels, name, options, kept):
    bundle = import_model(models / name, ImportOptions(NAMES, **options), tmp_path / "out", say=quiet)
    inputs = {
        "softmax.keras": pixels / 255,
        "softmax": pixels / 127.5 - 1,
        "logits.keras": ((pixels / 255 - [0.4, 0.5, 0.6]) / [0.2, 0.3, 0.4])[..., ::-1],
        "logits.h5": pixels / 255,
    }[name]
    expected = of_keras(models / ("softmax.keras" if name == "softmax" else name), inputs)
    assert np.ptp(expected, axis=0).max() > 0.3
    assert bundle.info.preprocessing.output == ("logits" if "logits" in name else "probabilities")
    assert bundle.info.onnx_difference <= 1e-5
    assert set(bundle.info.versions) >= {"tensorflow", "keras", "tf2onnx", "onnx", "batchclf"}
    for runtime in ("onnx", "tensorflow"):
        probabilities = open_runtime(load_bundle(bundle.path), runtime).probabilities(pixels)
        assert probabilities.dtype == np.float32
        np.testing.assert_allclose(probabilities, expected, atol=1e-5)
    files = sorted(file for file in bundle.info.files if file != "model.onnx")
    if kept is None:
        assert {"saved_model/saved_model.pb", "saved_model/variables/variables.index"} <= set(files)
        for file in files:
            of_model = models / name / file.removeprefix("saved_model/")
            assert (bundle.path / file).read_bytes() == of_model.read_bytes()
        (bundle.path / "saved_model" / "variables" / "variables.index").write_bytes(b"")
        with pytest.raises(ModelError, match=r"variables\.index is not the file"):
            load_bundle(bundle.path)
    else:
        assert files == kept
        assert (bundle.path / kept[0]).read_bytes() == (models / name).read_bytes()


@pytest.mark.parametrize("nchw", [False, True])
def test_a_graph_that_tf2onnx_made(models, tmp_path, pixels, nchw):
    import keras
    import tensorflow as tf
    import tf2onnx

    model = keras.models.load_model(models / "softmax.keras")

    @tf.function(input_signature=[tf.TensorSpec((None, *SHAPE), tf.float32, name="image")])
    def output(image):
        return {"probabilities": model(image, training=False)}

    path = tmp_path / "model.onnx"
    tf2onnx.convert.from_function(
        output,
        input_signature=output.input_signature,
        opset=13,
        inputs_as_nchw=["image"] if nchw else None,
        output_path=str(path),
    )
    bundle = import_model(path, ImportOptions(NAMES, scale="0..1"), tmp_path / "out", say=quiet)
    assert bundle.info.preprocessing == Preprocessing(
        SHAPE,
        "rgb",
        layout="channels-first" if nchw else "channels-last",
        scale="0..1",
        output="probabilities",
        geometry=UNKNOWN,
    )
    probabilities = open_runtime(bundle, "onnx").probabilities(pixels)
    np.testing.assert_allclose(probabilities, of_keras(models / "softmax.keras", pixels / 255), atol=1e-5)


def _save(path, *layers, shape=SHAPE, **options):
    import keras

    keras.Sequential([keras.Input(shape, **options), *layers]).save(path)
    return path


def test_the_tutorials_model_and_layers_that_scale(tmp_path):
    import keras

    layers, said = keras.layers, []
    path = _save(tmp_path / "a.keras", layers.Rescaling(1 / 255), layers.Flatten(), layers.Dense(3), shape=(28, 28))
    bundle = import_model(path, ImportOptions(NAMES), tmp_path / "out", say=said.append)
    assert bundle.info.preprocessing == Preprocessing(
        (28, 28, 1), "grayscale", layout="no-channels", output="logits", geometry=UNKNOWN
    )
    assert any("which itself takes 0..255 to 0..1" in line for line in said)
    images = np.random.default_rng(0).integers(0, 256, (9, 28, 28, 1), np.uint8)
    kernel, bias = keras.models.load_model(path).get_weights()
    logits = images.reshape(9, -1) / 255 @ kernel.astype(np.float64) + bias
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    for runtime in ("onnx", "tensorflow"):
        np.testing.assert_allclose(open_runtime(bundle, runtime).probabilities(images), expected, atol=1e-5)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_models_of_mixed_precision_compute_in_float32(tmp_path, pixels, policy):
    import keras

    layers = keras.layers
    keras.utils.set_random_seed(2)
    mixed = keras.Sequential(
        [
            keras.Input(SHAPE),
            layers.Rescaling(1 / 255, dtype=policy),
            layers.Conv2D(6, 3, dtype=policy),
            layers.Flatten(dtype=policy),
            layers.Dense(3, dtype=policy),
        ]
    )
    mixed.save(tmp_path / "a.keras")
    bundle = import_model(tmp_path / "a.keras", ImportOptions(NAMES, scale="none"), tmp_path / "out", say=quiet)
    plain = keras.Sequential(
        [keras.Input(SHAPE), layers.Rescaling(1 / 255), layers.Conv2D(6, 3), layers.Flatten(), layers.Dense(3)]
    )
    plain.set_weights(mixed.get_weights())
    plain.save(tmp_path / "logits.keras")
    expected = of_keras(tmp_path / "logits.keras", pixels)
    for runtime in ("onnx", "tensorflow"):
        np.testing.assert_allclose(open_runtime(bundle, runtime).probabilities(pixels), expected, atol=1e-5)


def test_constants_of_a_normalization_layer_and_an_input_in_a_dictionary(tmp_path, pixels):
    import keras

    layers, said = keras.layers, []
    source = keras.Input(SHAPE, name="photo")
    mean, variance = np.array([120.0, 110, 100]), np.array([50.0, 60, 70]) ** 2
    normal = layers.Normalization(mean=mean, variance=variance)(source)
    model = keras.Model({"photo": source}, {"scores": layers.Dense(3)(layers.Flatten()(normal))})
    model.save(tmp_path / "a.keras")
    bundle = import_model(tmp_path / "a.keras", ImportOptions(NAMES), tmp_path / "out", say=said.append)
    assert any("not scaled before the model, which itself takes 0..255 to -2.4" in line for line in said)
    kernel, bias = model.get_weights()[-2:]
    logits = ((pixels - mean) / np.sqrt(variance)).reshape(len(pixels), -1) @ kernel.astype(np.float64) + bias
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    for runtime in ("onnx", "tensorflow"):
        probabilities = open_runtime(bundle, runtime).probabilities(pixels)
        np.testing.assert_allclose(probabilities, shares / shares.sum(axis=1, keepdims=True), atol=1e-5)


def test_a_saved_model_that_augments_its_images_is_refused(tmp_path, caplog):
    import keras

    layers = keras.layers
    model = keras.Sequential([keras.Input(SHAPE), layers.RandomFlip(), layers.Flatten(), layers.Dense(3)])
    model.export(tmp_path / "model", verbose=False)
    caplog.clear()
    with pytest.raises(ModelError, match="draws random numbers") as caught:
        import_model(tmp_path / "model", ImportOptions(NAMES, scale="0..1"), tmp_path / "out", say=quiet)
    assert "import the .keras file" in caught.value.hint
    assert not [record for record in caplog.records if record.name.startswith("tf2onnx")]
    model.save(tmp_path / "model.keras")
    import_model(tmp_path / "model.keras", ImportOptions(NAMES, scale="0..1"), tmp_path / "out", say=quiet)


def test_models_that_keras_cannot_load_are_explained(tmp_path):
    import keras

    layers = keras.layers

    @keras.saving.register_keras_serializable("mine")
    class Mine(layers.Layer):
        pass

    custom = _save(tmp_path / "custom.keras", Mine(), layers.Flatten(), layers.Dense(3))
    keras.saving.get_custom_objects().clear()
    unsafe = _save(tmp_path / "lambda.keras", layers.Lambda(lambda x: x), layers.Flatten(), layers.Dense(3))
    damaged = tmp_path / "damaged.keras"
    damaged.write_bytes(custom.read_bytes()[:2000])
    source = keras.Input(SHAPE)
    flat = layers.Flatten()(source)
    weights, two = tmp_path / "model.weights.h5", tmp_path / "two.keras"
    keras.Model(source, layers.Dense(3)(flat)).save_weights(weights)
    keras.Model(source, [layers.Dense(3)(flat), layers.Dense(2)(flat)]).save(two)
    for path, message, hint in [
        (unsafe, "has a Lambda layer, whose Python code would have to be run", "model.export(FOLDER)"),
        (custom, "needs the class Mine, which is no part of Keras", "model.export(FOLDER)"),
        (damaged, "cannot be loaded", "check that the file is whole"),
        (weights, "holds weights only", 'model.save("model.keras")'),
        (two, "has 2 outputs: dense", "--output-name NAME"),
    ]:
        with pytest.raises(ModelError) as caught:
            import_model(path, ImportOptions(NAMES, scale="0..1"), tmp_path / "out", say=quiet)
        assert str(path) in caught.value.message
        assert message in caught.value.message
        assert hint in caught.value.hint
    assert not (tmp_path / "out").exists()


def test_saved_models_without_an_open_batch_or_a_signature(tmp_path):
    import tensorflow as tf

    module = tf.Module()
    module.output = tf.function(lambda image: {"scores": tf.reduce_mean(image, axis=(1, 2))})
    fixed = module.output.get_concrete_function(tf.TensorSpec((4, 8, 8, 3), tf.float32))
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "saved_model.pb").write_bytes(b"no model")
    tf.saved_model.save(module, tmp_path / "none")
    tf.saved_model.save(module, tmp_path / "fixed", signatures=fixed)
    for name, message in [
        ("damaged", "cannot be loaded as a SavedModel"),
        ("none", "has no signature serving_default"),
        ("fixed", "the first axis must be the batch"),
    ]:
        with pytest.raises(ModelError, match=message):
            import_model(tmp_path / name, ImportOptions(NAMES, scale="0..1"), tmp_path / "out", say=quiet)


def test_a_saved_model_of_plain_tensorflow(tmp_path):
    import tensorflow as tf

    module = tf.Module()
    module.weights = tf.Variable(np.eye(3, dtype=np.float32) * 5)
    module.output = tf.function(
        lambda image: {"scores": tf.nn.softmax(tf.reduce_mean(image, axis=(1, 2)) @ module.weights)}
    )
    signature = module.output.get_concrete_function(tf.TensorSpec((None, None, None, 3), tf.float32, name="image"))
    tf.saved_model.save(module, tmp_path / "model", signatures=signature)
    options = ImportOptions(("red", "green", "blue"), scale="0..1")
    with pytest.raises(UsageError, match="leaves the height"):
        import_model(tmp_path / "model", options, tmp_path / "out", say=quiet)
    bundle = import_model(tmp_path / "model", replace(options, input_size=(6, 5)), tmp_path / "out", say=quiet)
    assert bundle.info.parameters == 9
    images = np.zeros((3, 6, 5, 3), np.uint8)
    images[[0, 1, 2], :, :, [0, 1, 2]] = 255
    for runtime in ("onnx", "tensorflow"):
        probabilities = open_runtime(bundle, runtime).probabilities(images)
        assert probabilities.argmax(axis=1).tolist() == [0, 1, 2]
        assert probabilities[0, 0] == pytest.approx(np.exp(5) / (np.exp(5) + 2), abs=1e-5)


def test_without_tensorflow_the_way_to_get_it_is_told(models, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    for name in ("softmax.keras", "softmax"):
        with pytest.raises(ModelError, match="TensorFlow is needed") as caught:
            import_model(models / name, ImportOptions(NAMES, scale="0..1"), tmp_path / "out", say=quiet)
        assert "batchclf[train]" in caught.value.hint
