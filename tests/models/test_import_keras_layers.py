"""Layers of Keras that ONNX, or Keras' own export to it, does otherwise; the oracle is Keras' `predict`."""

import zipfile
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


def quiet(line):
    """Say nothing."""


def _model(*first):
    """A classifier whose answers differ a lot from image to image."""
    import keras

    layers = keras.layers
    keras.utils.set_random_seed(3)
    last = [layers.GlobalAveragePooling2D(), layers.Rescaling(1 / 30), layers.Dense(3, activation="softmax")]
    return keras.Sequential([keras.Input((16, 16, 3), name="image"), *first, layers.Conv2D(6, 3), *last])


def _images(count=20):
    random = np.random.default_rng(5)
    return random.integers(0, 256, (count, 16, 16, 3), np.uint8) // random.integers(1, 9, (count, 1, 1, 1), np.uint8)


def _assert_as_predicted(model, path, out, images):
    model.save(path)
    bundle = import_model(path, ImportOptions(NAMES, scale="none"), out, say=quiet)
    expected = model.predict(images.astype(np.float32), verbose=0)
    assert np.ptp(expected, axis=0).max() > 0.05
    np.testing.assert_allclose(open_runtime(bundle, "onnx").probabilities(images), expected, atol=1e-5)


def test_gelu_convolutions_of_groups_and_layers_without_effect_give_what_keras_predicts(tmp_path):
    import keras

    keras.utils.set_random_seed(1)  # layers that are made take their seeds
    layers = keras.layers
    normal = layers.Normalization()
    normal.adapt(_images(40).astype(np.float32))
    padded = layers.Resizing(20, 18, pad_to_aspect_ratio=True)  # has functions inside: those of a condition
    random = [layers.RandomFlip(), layers.RandomRotation(0.2), layers.RandomContrast(0.3), layers.GaussianNoise(0.5)]
    gelu = [layers.Conv2D(6, 3, activation="gelu"), layers.Conv2D(6, 3, groups=3, activation="gelu")]
    _assert_as_predicted(
        _model(padded, *random, normal, *gelu, layers.Rescaling(60)), tmp_path / "a.keras", tmp_path / "out", _images()
    )


def test_an_optimization_of_tf2onnx_that_fails_is_left_out(tmp_path):
    import keras

    layers = keras.layers
    image = keras.Input((16, 16, 3))
    keras.utils.set_random_seed(3)
    convolution = layers.Conv2D(6, 3, use_bias=False)(layers.Rescaling(1 / 30)(image))
    hard_sigmoid = layers.ReLU(6)(convolution + 3)  # tf2onnx 1.17 fails on the sum
    last = [layers.GlobalAveragePooling2D(), layers.Dense(3, activation="softmax")]
    network = keras.Model(image, keras.Sequential(last)(hard_sigmoid))
    _assert_as_predicted(network, tmp_path / "a.keras", tmp_path / "out", _images())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"interpolation": "area"}, r'resizes its images as ONNX cannot: it has Resizing\(interpolation="area"\)'),
        ({"antialias": True}, "resizes its images as ONNX cannot: it has Resizing with antialias=True"),
    ],
)
def test_a_resize_that_onnx_does_not_have_is_refused(tmp_path, options, said):
    import keras

    _model(keras.layers.Resizing(7, 5, **options)).save(tmp_path / "a.keras")
    with pytest.raises(ModelError, match=said) as caught:
        import_model(tmp_path / "a.keras", ImportOptions(NAMES, scale="none"), tmp_path / "out", say=quiet)
    assert "without antialiasing" in caught.value.hint
    assert not (tmp_path / "out").exists()


def test_what_is_missing_in_an_onnx_export_of_keras_is_named(tmp_path):
    import onnx
    from onnx import TensorProto, helper

    value = helper.make_tensor_value_info
    shapes = {"image": ["n", 3], "normalization/Sub/y:0": [1, 3], "normalization/Sqrt/x:0": [1, 3]}
    inputs = [value(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()]
    output = [value("scores", TensorProto.FLOAT, ["n", 3])]
    nodes = [
        helper.make_node("Sub", ["image", "normalization/Sub/y:0"], ["around"]),
        helper.make_node("Div", ["around", "normalization/Sqrt/x:0"], ["scores"]),
    ]
    opsets = [helper.make_opsetid("", 15)]
    path = tmp_path / "a.onnx"
    onnx.save(
        helper.make_model(helper.make_graph(nodes, "g", inputs, output), opset_imports=opsets, ir_version=8), path
    )
    with pytest.raises(
        ModelError, match=r"lacks the values of normalization/Sub/y:0 \(1x3\), normalization/Sqrt"
    ) as caught:
        import_model(path, ImportOptions(NAMES), tmp_path / "out", say=quiet)
    assert "import the .keras file" in caught.value.hint
    for operation, said in (("Erfc", "does not have: Erfc"), ("StatelessRandomUniformV2", "draws random numbers")):
        nodes = [helper.make_node(operation, ["image"], ["scores"])]
        graph = helper.make_graph(nodes, "g", inputs[:1], output)
        onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
        with pytest.raises(ModelError, match=said):
            import_model(path, ImportOptions(NAMES), tmp_path / "out", say=quiet)


@pytest.mark.slow
def test_convnext_of_keras_gives_what_it_predicts(tmp_path):
    import keras

    keras.utils.set_random_seed(0)
    model = keras.applications.ConvNeXtTiny(weights=None, classes=3, input_shape=(64, 64, 3))
    # Fresh weights give one answer for all images: with larger ones they differ
    model.set_weights(
        [each * 8 if each.shape[-1:] == (3,) and each.ndim == 2 else each for each in model.get_weights()]
    )
    model.save(tmp_path / "a.keras")
    bundle = import_model(tmp_path / "a.keras", ImportOptions(NAMES, scale="none"), tmp_path / "out", say=quiet)
    images = np.random.default_rng(0).integers(0, 256, (4, 64, 64, 3), np.uint8)
    images[::2] //= 4
    expected = model.predict(images.astype(np.float32), verbose=0)
    assert np.ptp(expected, axis=0).max() > 0.01
    np.testing.assert_allclose(open_runtime(bundle, "onnx").probabilities(images), expected, atol=1e-5)


def test_the_error_of_a_file_that_keras_cannot_load_gives_the_cause(tmp_path):
    import keras

    _model(keras.layers.DepthwiseConv2D(3)).save(tmp_path / "a.keras")
    with zipfile.ZipFile(tmp_path / "a.keras") as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    # As a later version of Keras might write it
    parts["config.json"] = parts["config.json"].replace(b'"depth_multiplier": 1', b'"depth_multiplier": 1, "groups": 1')
    with zipfile.ZipFile(tmp_path / "b.keras", "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    with pytest.raises(ModelError) as caught:
        import_model(tmp_path / "b.keras", ImportOptions(NAMES, scale="none"), tmp_path / "out", say=quiet)
    assert str(caught.value) == (
        f"{tmp_path / 'b.keras'} cannot be loaded: Unrecognized keyword arguments passed to DepthwiseConv2D: "
        "{'groups': 1}"
    )
