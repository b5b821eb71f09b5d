"""Build on a base; oracles: Keras with the base's own file, TensorFlow's resizing, Keras' preprocess_input."""

import hashlib
from importlib.util import find_spec

import numpy as np
import pytest

from batchclf.errors import ModelError, UsageError
from batchclf.models.onnx_graph.bundle_graph import INPUT, OUTPUT
from batchclf.models.onnx_graph.export import write_graph
from batchclf.models.onnx_session import onnx_session
from batchclf.models.preprocessing import Preprocessing, prepare
from batchclf.models.sources.import_model import import_model
from batchclf.models.sources.infer_preprocessing import ImportOptions
from batchclf.training.finetune.applications import application_names, application_steps
from batchclf.training.finetune.base import BaseOptions, open_base
from batchclf.training.finetune.transfer import build_on, set_trainable

if find_spec("tensorflow") is None:
    pytest.skip("TensorFlow is not installed", allow_module_level=True)

from batchclf.models.sources.keras import load_keras

SHAPE = (12, 10, 3)
CLASSES = 4


def quiet(line):
    """Say nothing."""


def pixels(shape, count=6, seed=3):
    return np.random.default_rng(seed).integers(0, 256, (count, *shape), np.uint8)


def body(scaled=True):
    """Layers from images to features; batch normalisation that has seen other images."""
    import keras

    layers = keras.layers
    return [
        *([layers.Rescaling(1 / 127.5, offset=-1)] if scaled else []),
        layers.Conv2D(6, 3, strides=2, name="conv"),
        layers.BatchNormalization(name="norm"),
        layers.ReLU(),
    ]


def sequential(shape, *parts, dtype="float32"):
    """A Sequential model whose batch normalisation has the statistics of noise."""
    import keras

    keras.utils.set_random_seed(2)
    model = keras.Sequential([keras.Input(shape, dtype=dtype, name="photo"), *parts])
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.2
    model(pixels((*shape, 1)[:3] if len(shape) == 2 else shape, 32).reshape(32, *shape), training=True)
    return model


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Holds `rgb.keras`, `gray.h5` and `bytes.keras`, which scale pixels, and `bare.keras`, which does not."""
    import keras

    layers, made = keras.layers, tmp_path_factory.mktemp("bases")
    head = [layers.GlobalAveragePooling2D(), layers.Dropout(0.5), layers.Dense(7, name="scores"), layers.Softmax()]
    sequential(SHAPE, *body(), *head).save(made / "rgb.keras")
    flat = [layers.Flatten(), layers.Dense(5, activation="softmax", name="scores")]
    sequential((9, 9, 1), *body(), *flat).save(made / "gray.h5")
    sequential(SHAPE, *body(), layers.Dropout(0.2), dtype="uint8").save(made / "bytes.keras")
    bare = sequential(
        SHAPE, layers.Conv2D(3, 1, name="same"), layers.GlobalAveragePooling2D(), layers.Dense(2, name="scores")
    )
    bare.get_layer("same").set_weights([np.eye(3)[None, None], np.zeros(3)])
    bare.save(made / "bare.keras")
    return made


def features_of_file(path, inputs, layer):
    """What goes into a layer of a Keras file, computed by Keras."""
    import keras

    model = keras.models.load_model(path, compile=False)
    part = keras.Model(model.inputs[0], model.get_layer(layer).input if layer else model.outputs[0])
    features = np.asarray(part(inputs, training=False), np.float64)
    return features.mean(axis=(1, 2)) if features.ndim == 4 else features


def softmax(logits):
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    return shares / shares.sum(axis=1, keepdims=True)


def probabilities_after_export(model, shape, folder):
    """Save the model, load it in safe mode, turn it into a bundle's graph and score noise with ONNX Runtime."""
    model.save(folder / "model.keras")
    kept, images = load_keras(folder / "model.keras"), pixels(shape)
    steps = Preprocessing(shape, "grayscale" if shape[2] == 1 else "rgb")
    outputs = kept.run(prepare(images, steps))
    assert write_graph(kept.graph(steps.model_shape), steps, folder / "model.onnx", images, outputs) <= 1e-5
    return onnx_session(folder / "model.onnx").run([OUTPUT], {INPUT: images})[0]


def as_base_takes_it(images, size, channels):
    """Resize by TensorFlow, in float32; gray to three equal channels, or R, G and B weighed as in ITU-R BT.601."""
    import tensorflow as tf

    values = images.astype(np.float32)
    if channels < values.shape[3]:
        values = values @ np.array([[0.299], [0.587], [0.114]], np.float32)
    blocks = [max(1, have // want) for have, want in zip(values.shape[1:3], size, strict=True)]
    if blocks != [1, 1]:
        rows, columns = (count // block for count, block in zip(values.shape[1:3], blocks, strict=True))
        whole = values[:, : rows * blocks[0], : columns * blocks[1]]
        values = whole.reshape(len(values), rows, blocks[0], columns, blocks[1], -1).mean(axis=(2, 4))
    values = np.asarray(tf.image.resize(values, size))
    return np.repeat(values, 3, axis=3) if channels > values.shape[3] else values


@pytest.mark.parametrize(
    ("name", "layer", "shape"),
    [
        ("rgb.keras", "scores", SHAPE),
        ("rgb.keras", "scores", (8, 8, 1)),
        ("rgb.keras", "scores", (29, 13, 3)),
        ("gray.h5", "scores", (9, 9, 1)),
        ("gray.h5", "scores", (14, 12, 3)),
        ("bytes.keras", None, (7, 9, 3)),
    ],
)
def test_the_network_predicts_from_the_features_of_the_base(folder, tmp_path, name, layer, shape):
    base = open_base(BaseOptions(folder / name), say=quiet)
    assert base.digest == hashlib.sha256((folder / name).read_bytes()).hexdigest()
    model, _ = build_on(base, shape, CLASSES, dropout=0.3)
    height, width, channels = base.input_shape
    prepared = as_base_takes_it(pixels(shape), (height, width), channels)
    # In float32, whatever the file takes: bytes would be cut off to whole numbers.
    source = folder / name
    if name == "bytes.keras":
        import keras

        wider = sequential(SHAPE, *body(), keras.layers.Dropout(0.2))
        wider.set_weights(keras.models.load_model(source).get_weights())
        source = tmp_path / "float.keras"
        wider.save(source)
    kernel, bias = model.get_layer("logits").get_weights()
    kernel = kernel * 3  # so that the outputs are far apart
    model.get_layer("logits").set_weights([kernel, bias])
    expected = softmax(features_of_file(source, prepared, layer) @ kernel + bias)
    assert np.ptp(expected, axis=0).max() > 0.02
    np.testing.assert_allclose(probabilities_after_export(model, shape, tmp_path), expected, atol=2e-5)


@pytest.mark.parametrize(
    "options",
    [
        {"scale": "none"},
        {"scale": "minus1..1"},
        {"mean": (0.4, 0.5, 0.6), "std": (0.2, 0.3, 0.4)},
        {"scale": "none", "mean": (103.0, 116.0, 123.0), "channel_order": "bgr"},
    ],
)
def test_pixels_are_scaled_as_asked_for(folder, tmp_path, options):
    import keras

    base = open_base(BaseOptions(folder / "bare.keras", **options), say=quiet)
    model, _ = build_on(base, SHAPE, CLASSES)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras", safe_mode=True)
    features = np.asarray(keras.Model(loaded.inputs[0], loaded.get_layer("logits").input)(pixels(SHAPE)))
    scale = {"scale": "0..1"} | options
    expected = prepare(pixels(SHAPE), Preprocessing(SHAPE, "rgb", **scale)).mean(axis=(1, 2))
    np.testing.assert_allclose(features, expected, rtol=1e-5, atol=1e-5)
    probabilities_after_export(model, SHAPE, tmp_path)


def trained(model, steps=3):
    import keras

    model.compile(keras.optimizers.Adam(0.01), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    for seed in range(steps):
        model.train_on_batch(pixels(SHAPE, 16, seed), np.arange(16) % CLASSES)


def weights_by_layer(backbone):
    return {layer.name: layer.get_weights() for layer in backbone.layers if layer.weights}


def same(left, right):
    return all(np.array_equal(one, other) for one, other in zip(left, right, strict=True))


def test_frozen_then_unfrozen(folder):
    base = open_base(BaseOptions(folder / "rgb.keras"), say=quiet)
    model, backbone = build_on(base, SHAPE, CLASSES)
    start, head = weights_by_layer(backbone), model.get_layer("logits").get_weights()
    assert set(start) == {"conv", "norm"}
    trained(model)
    frozen = weights_by_layer(backbone)
    assert all(same(frozen[name], start[name]) for name in start)
    assert not same(model.get_layer("logits").get_weights(), head)

    set_trainable(backbone, True)
    trained(model)
    unfrozen = weights_by_layer(backbone)
    assert not same(unfrozen["conv"], start["conv"])
    assert same(unfrozen["norm"], start["norm"])  # mean and variance, gamma and beta

    _, again = build_on(base, SHAPE, CLASSES)
    assert all(same(weights_by_layer(again)[name], start[name]) for name in start)
    set_trainable(backbone, False)
    assert not backbone.trainable_variables


def test_batch_normalisation_inside_inner_models_stays_as_it_is(tmp_path):
    import keras

    layers = keras.layers
    inner = sequential(SHAPE, *body(), layers.GlobalAveragePooling2D(), layers.Dense(3, name="inner_answers"))
    model = keras.Sequential([keras.Input(SHAPE), inner, layers.Activation("softmax")])
    model.save(tmp_path / "base.keras")
    lines = []
    base = open_base(BaseOptions(tmp_path / "base.keras"), say=lines.append)
    assert lines[-1] == "features: the 6 values before layer 'inner_answers'"
    network, backbone = build_on(base, SHAPE, CLASSES)
    part = keras.Model(inner.inputs[0], inner.get_layer("inner_answers").input)
    features = keras.Model(network.inputs[0], network.get_layer("logits").input)
    np.testing.assert_allclose(features(pixels(SHAPE)), part(pixels(SHAPE)), atol=1e-5)
    set_trainable(backbone, True)
    trained(network)
    nested = next(layer for layer in backbone.layers if isinstance(layer, keras.Model))
    assert same(nested.get_layer("norm").get_weights(), inner.get_layer("norm").get_weights())
    assert not same(nested.get_layer("conv").get_weights(), inner.get_layer("conv").get_weights())


def heads():
    """Layers after a body of 5 x 4 x 6 features, and what is said of the features."""
    import keras

    layers = keras.layers
    pool = layers.GlobalAveragePooling2D
    yield [], "the 6 values at the end of the base, of which nothing is cut off, averaged over 5x4 places"
    yield [pool()], "the 6 values at the end of the base, of which nothing is cut off"
    yield [pool(), layers.Dense(1, "sigmoid", name="head")], "the 6 values before layer 'head'"
    yield (
        [pool(), layers.Dense(8, "relu"), layers.Dense(3, name="head"), layers.Activation("softmax")],
        "the 8 values before layer 'head'",
    )
    # As in MobileNet and MobileNetV3: a convolution is the last layer that was trained.
    yield (
        [pool(keepdims=True), layers.Dropout(0.1), layers.Conv2D(3, 1, name="head"), layers.Flatten()],
        "the 6 values before layer 'head', averaged over 1x1 places",
    )
    yield [layers.Dense(3, name="head"), layers.Flatten()], "the 6 values before layer 'head', averaged over 5x4 places"


@pytest.mark.parametrize("number", range(6))
def test_what_is_cut_off(tmp_path, number):
    head, sentence = list(heads())[number]
    sequential(SHAPE, *body(), *head).save(tmp_path / "base.keras")
    lines = []
    base = open_base(BaseOptions(tmp_path / "base.keras"), say=lines.append)
    assert lines[-1] == f"features: {sentence}"
    model, _ = build_on(base, SHAPE, CLASSES)
    assert model.output_shape == (None, CLASSES)
    assert model(pixels(SHAPE)).dtype == "float32"


def test_a_base_that_leaves_its_size_open(tmp_path):
    import keras

    layers = keras.layers
    model = keras.Sequential(
        [keras.Input((None, None, 3)), *body(), layers.GlobalAveragePooling2D(), layers.Dense(2, name="scores")]
    )
    model.save(tmp_path / "open.keras")
    assert open_base(BaseOptions(tmp_path / "open.keras"), say=quiet).input_shape == (96, 96, 3)
    asked = BaseOptions(tmp_path / "open.keras", input_size=(20, 24))
    assert open_base(asked, say=quiet).input_shape == (20, 24, 3)
    with pytest.raises(ModelError, match="cannot take images of 2x2x3"):
        open_base(BaseOptions(tmp_path / "open.keras", input_size=(2, 2)), say=quiet)


def test_images_without_channels(tmp_path):
    import keras

    layers = keras.layers
    parts = [layers.Rescaling(1 / 255), layers.Flatten(), layers.Dense(11, name="hidden"), layers.Dense(3, name="out")]
    sequential((8, 6), *parts).save(tmp_path / "base.keras")
    base = open_base(BaseOptions(tmp_path / "base.keras"), say=quiet)
    assert base.input_shape == (8, 6, 1)
    model, _ = build_on(base, (8, 6, 1), CLASSES)
    features = keras.Model(model.inputs[0], model.get_layer("logits").input)(pixels((8, 6, 1)))
    expected = features_of_file(tmp_path / "base.keras", pixels((8, 6, 1))[..., 0], "out")
    np.testing.assert_allclose(features, expected, atol=1e-5)
    probabilities_after_export(model, (8, 6, 1), tmp_path)


def test_a_bundle_knows_its_preprocessing(folder, tmp_path):
    import keras

    asked = ImportOptions(("a", "b"), scale="none", mean=(9.0, 8.0, 7.0), channel_order="bgr", output="logits")
    bundle = import_model(folder / "bare.keras", asked, tmp_path / "bundle", say=quiet)
    base = open_base(BaseOptions(bundle.path), say=quiet)
    assert (base.name, base.digest) == ("bundle", bundle.info.files["model.keras"])
    model, _ = build_on(base, SHAPE, CLASSES)
    features = np.asarray(keras.Model(model.inputs[0], model.get_layer("logits").input)(pixels(SHAPE)))
    expected = (pixels(SHAPE).astype(np.float64) - [9, 8, 7])[..., ::-1].mean(axis=(1, 2))
    np.testing.assert_allclose(features, expected, atol=1e-4)
    with pytest.raises(UsageError, match="says itself how pixels are scaled") as told:
        open_base(BaseOptions(bundle.path, scale="0..1", mean=(1.0, 1.0, 1.0)), say=quiet)
    assert told.value.hint == "leave out --scale, --mean"


@pytest.mark.parametrize("layout", ["flat", "channels-first"])
def test_a_bundle_knows_the_order_of_axes(tmp_path, layout):
    import keras

    layers, flat = keras.layers, layout == "flat"
    # Without the batch: 6 rows of 5 pixels of 3 channels.
    taken, move = ((90,), layers.Reshape((6, 5, 3))) if flat else ((3, 6, 5), layers.Permute((2, 3, 1)))
    parts = [move, layers.Flatten(), layers.Dense(9, name="hidden"), layers.Dense(2, name="scores")]
    sequential(taken, *parts).save(tmp_path / "base.keras")
    size = {"input_size": (6, 5)} if flat else {}
    asked = ImportOptions(("a", "b"), scale="0..1", output="logits", **size)
    bundle = import_model(tmp_path / "base.keras", asked, tmp_path / "bundle", say=quiet)
    base = open_base(BaseOptions(bundle.path), say=quiet)
    assert base.input_shape == (6, 5, 3)
    model, _ = build_on(base, (6, 5, 3), CLASSES)
    images = pixels((6, 5, 3))
    features = keras.Model(model.inputs[0], model.get_layer("logits").input)(images)
    inputs = (images / 255).reshape(6, 90) if flat else (images / 255).transpose(0, 3, 1, 2)
    expected = features_of_file(tmp_path / "base.keras", inputs.astype(np.float32), "scores")
    np.testing.assert_allclose(features, expected, atol=1e-5)
    probabilities_after_export(model, (6, 5, 3), tmp_path)


def test_a_bundle_of_an_onnx_graph_is_no_base(onnx_model, tmp_path):
    bundle = import_model(
        onnx_model().path, ImportOptions(("a", "b", "c"), scale="0..1", output="logits"), tmp_path / "bundle", say=quiet
    )
    with pytest.raises(ModelError, match="holds no Keras model that could be trained on: it was made of an ONNX graph"):
        open_base(BaseOptions(bundle.path), say=quiet)


def test_a_bundle_of_one_output_of_several_is_no_base(tmp_path):
    import keras

    image = keras.Input((4, 4, 3))
    flat = keras.layers.Flatten()(image)
    outputs = {name: keras.layers.Dense(3, name=name)(flat) for name in ("scores", "other")}
    keras.Model(image, outputs).save(tmp_path / "a.keras")
    options = ImportOptions(("a", "b", "c"), scale="0..1", output="logits", output_name="scores")
    bundle = import_model(tmp_path / "a.keras", options, tmp_path / "bundle", say=quiet)
    with pytest.raises(ModelError, match="was imported with one of several outputs of its Keras model"):
        open_base(BaseOptions(bundle.path), say=quiet)


def test_what_was_fine_tuned_can_be_a_base_again(folder, tmp_path):
    base = open_base(BaseOptions(folder / "rgb.keras"), say=quiet)
    build_on(base, (8, 8, 1), CLASSES)[0].save(tmp_path / "tuned.keras")
    lines = []
    second = open_base(BaseOptions(tmp_path / "tuned.keras"), say=lines.append)
    assert second.input_shape == (8, 8, 1)
    assert lines[-1] == "features: the 6 values before layer 'logits'"
    model, backbone = build_on(second, (8, 8, 1), 2)
    set_trainable(backbone, True)
    assert len(backbone.trainable_variables) == 2  # the convolution, not its batch normalisation
    probabilities_after_export(model, (8, 8, 1), tmp_path)


@pytest.fixture(scope="module")
def mobile(tmp_path_factory):
    """MobileNetV2 with statistics of noise, and files of its weights without (Keras 3) and with its top (legacy)."""
    import keras

    made = tmp_path_factory.mktemp("mobile")
    keras.utils.set_random_seed(4)
    whole = keras.applications.MobileNetV2(weights=None)
    for layer in whole.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0
    whole(pixels((224, 224, 3), 2) / np.float32(127.5) - 1, training=True)
    network = keras.applications.MobileNetV2(weights=None, include_top=False, input_shape=(32, 32, 3))
    network.set_weights(whole.get_weights()[:-2])
    network.save_weights(made / "notop.weights.h5")
    whole.save_weights(made / "top.weights.h5")
    whole.save(made / "top.h5")
    return network, made


@pytest.mark.slow
@pytest.mark.parametrize("file", ["notop.weights.h5", "top.weights.h5", "top.h5"])
def test_an_application_with_local_weights(mobile, tmp_path, file):
    import keras

    network, made = mobile
    lines = []
    options = BaseOptions(made / file, "MobileNetV2", input_size=(32, 32))
    base = open_base(options, say=lines.append)
    assert (base.name, base.input_shape) == ("MobileNetV2", (32, 32, 3))
    assert lines[-1].startswith("features: the 1280 values")
    model, _ = build_on(base, (32, 32, 3), CLASSES)
    images = pixels((32, 32, 3))
    inputs = keras.applications.mobilenet_v2.preprocess_input(images.astype(np.float32))
    features = np.asarray(network(inputs, training=False)).mean(axis=(1, 2))
    assert np.ptp(features) > 0.5
    found = keras.Model(model.inputs[0], model.get_layer("logits").input)(images)
    np.testing.assert_allclose(found, features, atol=1e-4)
    if file == "top.h5":
        kernel, bias = model.get_layer("logits").get_weights()
        expected = softmax(features.astype(np.float64) @ kernel + bias)
        np.testing.assert_allclose(probabilities_after_export(model, (32, 32, 3), tmp_path), expected, atol=1e-5)


@pytest.mark.slow
def test_the_scaling_that_keras_adds_where_it_downloads_efficientnet(tmp_path, monkeypatch):
    import keras
    from keras.src.applications import efficientnet

    network = keras.applications.EfficientNetB0(weights=None, include_top=False, input_shape=(32, 32, 3))
    normalization = next(layer for layer in network.layers if isinstance(layer, keras.layers.Normalization))
    normalization.set_weights([np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225]), np.int64(0)])
    path = tmp_path / "efficientnetb0_notop.weights.h5"
    network.save_weights(path)
    monkeypatch.setattr(efficientnet.file_utils, "get_file", lambda *args, **kwargs: str(path))
    downloaded = keras.applications.EfficientNetB0(weights="imagenet", include_top=False, input_shape=(32, 32, 3))
    stem = [keras.Model(each.inputs[0], each.get_layer("stem_conv").output) for each in (network, downloaded)]
    inputs = pixels((32, 32, 3)).astype(np.float32)
    assert not np.allclose(stem[0](inputs), stem[1](inputs), atol=1e-3)

    base = open_base(BaseOptions(path, "EfficientNetB0", input_size=(32, 32)), say=quiet)
    _, backbone = build_on(base, (32, 32, 3), CLASSES)
    found = keras.Model(backbone.inputs[0], backbone.get_layer("stem_conv").output)(inputs)
    np.testing.assert_allclose(found, stem[1](inputs), atol=1e-4)


def test_every_application_is_scaled_as_its_preprocess_input_does_it():
    import keras

    names = [each for each in vars(keras.applications) if each[0].isupper()]
    assert sorted(names) == application_names()
    images = pixels((4, 5, 3))
    for name in names:
        family = getattr(keras.applications, getattr(keras.applications, name).__module__.rpartition(".")[2])
        expected = family.preprocess_input(images.astype(np.float32))
        found = prepare(images, application_steps(name, (4, 5)))
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5, err_msg=name)


@pytest.fixture(scope="module")
def unfit(folder, tmp_path_factory):
    """Files that are no bases, by name."""
    import keras

    layers, made = keras.layers, tmp_path_factory.mktemp("unfit")
    image = keras.Input(SHAPE)
    pooled = layers.GlobalAveragePooling2D()(image)
    outputs = [layers.Dense(2, name="one")(pooled), layers.Dense(2, name="two")(pooled)]
    keras.Model(image, outputs).save(made / "two.keras")
    sequential(SHAPE, layers.Rescaling(1 / 255), layers.Flatten(), layers.Dense(3, name="all")).save(
        made / "linear.keras"
    )
    convolution = [*body(), layers.Conv2D(3, 1), layers.GlobalAveragePooling2D(), layers.Softmax(name="shares")]
    sequential(SHAPE, *convolution).save(made / "no-dense.keras")
    sequential((12,), layers.Dense(4), layers.Dense(2)).save(made / "rows.keras")
    whole = keras.models.load_model(folder / "rgb.keras")
    whole.save_weights(made / "other.weights.h5")
    (made / "damaged.keras").write_bytes(b"PK not a zip")
    (made / "damaged.h5").write_bytes(b"not HDF5")
    (made / "model.onnx").write_bytes(b"")
    (made / "saved").mkdir()
    (made / "saved" / "saved_model.pb").write_bytes(b"")
    return made


@pytest.mark.parametrize(
    ("name", "options", "message", "hint"),
    [
        ("none.keras", {}, "there is no base at", "--application"),
        ("model.onnx", {}, "an ONNX graph cannot be trained on", ".keras"),
        ("saved", {}, "a SavedModel cannot be trained on", ".keras"),
        ("damaged.keras", {}, r"damaged\.keras cannot be loaded", "whole"),
        ("damaged.h5", {}, r"damaged\.h5 cannot be loaded", "whole"),
        ("two.keras", {}, "has 2 outputs", "one output"),
        ("linear.keras", {}, "before its last layer 'all' there is nothing that was trained", "several layers"),
        ("no-dense.keras", {}, r"ends in the layer 'shares' \(Softmax\)", "Dense"),
        ("rows.keras", {}, "takes rows of 12 values", "--input-size"),
        ("other.weights.h5", {}, "holds weights only", "--application"),
        ("saved", {"application": "MobileNetV2"}, "is no file of the weights of MobileNetV2", "without --application"),
        ("other.weights.h5", {"application": "mobilenet2"}, "no network 'mobilenet2'", "did you mean MobileNetV2"),
        ("other.weights.h5", {"application": "AlexNet?"}, "no network 'AlexNet", "choose one of: ConvNeXtBase"),
        (
            "other.weights.h5",
            {"application": "MobileNetV2", "input_size": (16, 16)},
            "MobileNetV2 cannot take images of 16x16: Input size must be at least 32x32",
            "larger images",
        ),
        (
            "other.weights.h5",
            {"application": "MobileNetV2", "input_size": (32, 32)},
            "does not hold the weights of MobileNetV2",
            "no_top.h5",
        ),
        (
            "damaged.h5",
            {"application": "MobileNetV2", "input_size": (32, 32)},
            "does not hold the weights of MobileNetV2",
            "without --application",
        ),
    ],
)
def test_what_is_no_base_is_refused_with_what_to_do(unfit, name, options, message, hint):
    with pytest.raises((ModelError, UsageError), match=message) as told:
        open_base(BaseOptions(unfit / name, **options), say=quiet)
    assert hint in told.value.hint


@pytest.mark.parametrize(
    ("name", "options", "message", "hint"),
    [
        ("bare.keras", {}, "does not tell how the pixels it takes are scaled", "--scale 0..1"),
        ("bare.keras", {"mean": (0.5, 0.5)}, "mean needs 3 numbers", "--mean"),
        ("gray.h5", {"channel_order": "bgr"}, "bgr needs 3 channels", "--channel-order"),
        ("bytes.keras", {"scale": "0..1"}, "takes uint8 pixels", "--scale"),
    ],
)
def test_scaling_that_is_missing_or_does_not_fit(folder, name, options, message, hint):
    with pytest.raises(UsageError, match=message) as told:
        open_base(BaseOptions(folder / name, **options), say=quiet)
    assert hint in told.value.hint
