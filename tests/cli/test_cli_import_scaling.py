"""A graph that normalises the pixels itself: found behind a resize, and warned of if options do it once more."""

import json
from pathlib import Path

import numpy as np
import onnx
import pandas as pd
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

NAMES = ("--classes", "a,b,c", "--out", "bundle")
SIZE = 12


def graph_of(path, nodes, constants):
    """Write nodes from `input` to `scaled`, then a linear classifier of 12x12 colour pixels, channels first."""
    random = np.random.default_rng(2)
    held = {"weights": random.normal(size=(3 * SIZE * SIZE, 3)) / 20, **constants}
    tensors = [
        numpy_helper.from_array(np.asarray(value, None if np.asarray(value).dtype.kind == "i" else np.float32), name)
        for name, value in held.items()
    ]
    end = [
        helper.make_node("Flatten", ["scaled"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weights"], ["output"]),
    ]
    source = helper.make_tensor_value_info("input", TensorProto.FLOAT, ["n", 3, SIZE, SIZE])
    result = helper.make_tensor_value_info("output", TensorProto.FLOAT, ["n", 3])
    graph = helper.make_graph([*nodes, *end], "network", [source], [result], tensors)
    onnx.save(helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)]), path)
    return path


def node(operation, *names, **attributes):
    return helper.make_node(operation, list(names[:-1]), [names[-1]], **attributes)


RESIZE = node("Resize", "input", "", "scales", "resized", mode="linear")
BEFORE = {
    "Resize": ([RESIZE], {"scales": [1.0, 1.0, 1.0, 1.0]}),
    "Cast": ([node("Cast", "input", "half", to=10), node("Cast", "half", "resized", to=1)], {}),
    "Pad": (
        [node("Pad", "input", "around", "padded"), node("Slice", "padded", "from", "to", "axes", "resized")],
        {
            "around": np.array([0, 0, 1, 1, 0, 0, 1, 1]),
            "from": np.array([1, 1]),
            "to": np.array([SIZE + 1] * 2),
            "axes": np.array([2, 3]),
        },
    ),
    "Transpose": (
        [
            node("Transpose", "input", "moved", perm=[0, 2, 3, 1]),
            node("Transpose", "moved", "resized", perm=[0, 3, 1, 2]),
        ],
        {},
    ),
    "Identity": ([node("Identity", "input", "same"), node("MaxPool", "same", "resized", kernel_shape=[1, 1])], {}),
    "channels turned round": ([node("Gather", "input", "order", "resized", axis=1)], {"order": np.array([2, 1, 0])}),
    "its shape looked at": (
        [node("Shape", "input", "shape"), node("Reshape", "input", "shape", "resized")],
        {},
    ),
}


@pytest.mark.parametrize("case", BEFORE)
def test_what_moves_pixels_before_they_are_scaled_hides_nothing(cli, case):
    nodes, constants = BEFORE[case]
    path = graph_of("model.onnx", [*nodes, node("Div", "resized", "by", "scaled")], {**constants, "by": 255.0})
    code, out, err = cli("model", "import", path, *NAMES)
    assert (code, err) == (0, "")
    assert "pixels: not scaled before the model, which itself takes 0..255 to 0..1 (divided by 255)" in out
    code, _, err = cli("model", "import", path, *NAMES, "--scale", "0..1", "--quiet")
    assert code == 0
    assert "begins with divided by 255, which takes 0..255 to 0..1" in err
    assert "--scale 0..1 comes before that" in err


IMAGENET = ("--mean", "0.485,0.456,0.406", "--std", "0.229,0.224,0.225")
MEANS, STDS = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
AXES = (3, 1, 1)
OWN = {
    "mean and std": (
        [node("Sub", "input", "mean", "moved"), node("Div", "moved", "std", "scaled")],
        {"mean": np.reshape(MEANS, AXES), "std": np.reshape(STDS, AXES)},
        "minus 0.485, 0.456, 0.406, divided by 0.229, 0.224, 0.225",
    ),
    "batch normalisation": (
        [node("BatchNormalization", "input", "one", "zero", "mean", "variance", "scaled")],
        {"one": np.ones(3), "zero": np.zeros(3), "mean": MEANS, "variance": np.square(STDS)},
        "a batch normalisation",
    ),
    "all of it": (
        [node("Mul", "input", "by", "small"), node("Sub", "small", "mean", "scaled")],
        {"by": 1 / 255, "mean": np.reshape(MEANS, AXES)},
        "times 0.00392157, minus 0.485, 0.456, 0.406",
    ),
}


@pytest.mark.parametrize("case", OWN)
def test_options_that_normalise_what_the_graph_normalises_are_warned_of(cli, case):
    nodes, constants, words = OWN[case]
    path = graph_of("model.onnx", nodes, constants)
    code, out, err = cli("model", "import", path, *NAMES, *IMAGENET, "--quiet")
    assert (code, out) == (0, "")
    assert "warning" in err
    assert "the pixels may be normalised twice" in err
    assert f"begins with {words}, which takes 0..255 to " in err
    assert "--scale 0..1, --mean 0.485,0.456,0.406, --std 0.229,0.224,0.225 comes before that" in err
    # Both are done, as asked.
    assert json.loads(Path("bundle/model.json").read_text())["preprocessing"]["std"] == STDS


def test_a_graph_that_wants_pixels_of_0_to_1_and_normalises_those_is_none_to_warn_of(cli):
    nodes, constants, _ = OWN["mean and std"]
    path = graph_of("model.onnx", nodes, constants)
    assert cli("model", "import", path, *NAMES)[0] == 2
    code, _, err = cli("model", "import", path, *NAMES, "--scale", "0..1")
    assert (code, err) == (0, "")
    assert (
        cli("model", "import", graph_of("plain.onnx", [node("Identity", "input", "scaled")], {}), *NAMES, *IMAGENET)[2]
        == ""
    )


def test_a_quantised_graph_that_scales_pixels_is_found_out(cli):
    """ONNX Runtime's tools put a QuantizeLinear before the first step, and quantise its constant."""
    from onnxruntime.quantization import CalibrationDataReader, quantize_static

    path = graph_of("plain.onnx", [node("Mul", "input", "by", "scaled")], {"by": 1 / 255})

    class Samples(CalibrationDataReader):
        def __init__(self):
            noise = np.random.default_rng(1).integers(0, 256, (16, 3, SIZE, SIZE)).astype(np.float32)
            noise[0], noise[1] = 0, 255
            self.left = iter([{"input": noise}])

        def get_next(self):
            return next(self.left, None)

    quantize_static(path, "model.onnx", Samples())
    assert onnx.load("model.onnx").graph.node[0].op_type in ("QuantizeLinear", "DequantizeLinear")
    code, out, err = cli("model", "import", "model.onnx", *NAMES)
    assert (code, err) == (0, "")
    assert "which itself takes 0..255 to 0..1" in out


@pytest.mark.parametrize("interpolation", ["bilinear", "nearest"])
def test_keras_resizing_before_rescaling_hides_nothing(cli, interpolation):
    keras = pytest.importorskip("keras")
    layers = keras.layers
    keras.utils.set_random_seed(2)
    model = keras.Sequential(
        [
            keras.Input((SIZE, SIZE, 3)),
            layers.Resizing(8, 8, interpolation=interpolation),
            layers.Rescaling(1 / 127.5, offset=-1),
            layers.Flatten(),
            layers.Dense(3),
        ]
    )
    model.save("model.keras")
    code, out, err = cli("model", "import", "model.keras", *NAMES)
    assert (code, err) == (0, "")
    assert "takes 0..255 to -1..1" in out
    code, _, err = cli("model", "import", "model.keras", *NAMES, *IMAGENET, "--quiet")
    assert code == 0
    assert "normalised twice" in err
    assert "takes 0..255 to -1..1" in err
    assert cli("model", "import", "model.keras", *NAMES)[0] == 0
    Path("photos").mkdir()
    pixels = np.random.default_rng(3).integers(0, 256, (4, SIZE, SIZE, 3), np.uint8)
    for number, image in enumerate(pixels):
        Image.fromarray(image).save(f"photos/{number}.png")
    assert cli("score", "photos", "--model", "bundle", "--probabilities", "--out", "run")[0] == 0
    expected = keras.ops.softmax(model.predict(pixels.astype(np.float32), verbose=0)).numpy()
    rows = pd.read_csv("run/predictions.csv")[["prob:a", "prob:b", "prob:c"]]
    np.testing.assert_allclose(rows, expected, atol=1e-4)


def test_keras_normalization_is_found(cli):
    keras = pytest.importorskip("keras")
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((SIZE, SIZE, 3)),
            layers.Rescaling(1 / 255),
            layers.Normalization(mean=MEANS, variance=[value**2 for value in STDS]),
            layers.Flatten(),
            layers.Dense(3),
        ]
    )
    model.save("model.keras")
    code, _, err = cli("model", "import", "model.keras", *NAMES, *IMAGENET, "--quiet")
    assert code == 0
    assert "begins with times 0.00392157, minus 0.485, 0.456, 0.406, " in err
    assert "normalised twice" in err
