"""`batchclf model import` asks what a model gives if its outputs leave that open; the judge is the original file."""

import json
from pathlib import Path

import numpy as np
import onnx
import pandas as pd
import pytest
from onnx import helper, numpy_helper
from PIL import Image
from quantised_cases import CLASSES, SIZE, inputs, network, original, photos, quantise
from scipy.special import softmax

from batchclf.models.sources.import_model import sample_images

IMPORT = ("--classes", ",".join(CLASSES), "--scale", "0..1", "--out", "bundle")
COLUMNS = [f"prob:{name}" for name in CLASSES]
SOFTMAX = ("Softmax", (), {})


def of(name, *more, **attributes):
    return name, more, attributes


HAND_WRITTEN_SIGMOID = [of("Neg"), of("Exp"), of("Add", "one"), of("Reciprocal")]
SLICED = {"from": np.array([1]), "to": np.array([11]), "axis": np.array([1])}
UNPLAIN = {
    "background class cut off": ([SOFTMAX, of("Slice", "from", "to", "axis")], SLICED, {"units": 11}),
    # Its probability is below 1e-6: on no sample image do the sums show that it is missing.
    "background class of no probability cut off": (
        [of("Add", "bias"), SOFTMAX, of("Slice", "from", "to", "axis")],
        {**SLICED, "bias": [-60.0] + [0.0] * 10},
        {"units": 11},
    ),
    "classes picked": ([SOFTMAX, of("Gather", "places", axis=1)], {"places": np.arange(1, 11)}, {"units": 11}),
    "a sigmoid by hand": (HAND_WRITTEN_SIGMOID, {"one": 1.0}, {}),
    "a hard sigmoid": ([of("HardSigmoid")], {}, {}),
    "clipped": ([of("Clip", "zero", "one")], {"zero": 0.0, "one": 1.0}, {}),
    "ReLU of small numbers": ([of("Relu"), of("Div", "large")], {"large": 100.0}, {}),
}


def bounds(values):
    return f"{values.min():.6g} to {values.max():.6g}"


@pytest.mark.parametrize("case", UNPLAIN)
def test_outputs_within_0_and_1_are_asked_about(cli, case):
    end, constants, more = UNPLAIN[case]
    path = network("model.onnx", end, constants, **more)
    code, _, err = cli("model", "import", path, *IMPORT)
    assert code == 2
    outputs = original(path, sample_images((SIZE, SIZE, 1)))
    assert (
        f"they are {bounds(outputs)}, and those of an image add up to {bounds(outputs.sum(axis=1, dtype=float))}" in err
    )
    for option in ("--output probabilities", "--renormalize", "--output logits"):
        assert option in err
    assert not Path("bundle").exists()
    assert cli("model", "import", path, *IMPORT, "--output", "logits")[0] == 0
    assert json.loads(Path("bundle/model.json").read_text())["preprocessing"]["output"] == "logits"


@pytest.mark.parametrize("form", ["QDQ", "QOperator"])
def test_a_quantised_softmax_is_asked_about_and_can_be_divided_by_its_sums(cli, form):
    path = quantise(network("plain.onnx", [SOFTMAX]), "model.onnx", form)
    sample = original(path, sample_images((SIZE, SIZE, 1))).sum(axis=1, dtype=float)
    assert np.abs(sample - 1).max() > 0.01
    code, _, err = cli("model", "import", path, *IMPORT)
    assert code == 2
    assert "the model ends in a quantised softmax" in err
    assert f"add up to {bounds(sample)}" in err
    code, _, err = cli("model", "import", path, *IMPORT, "--output", "probabilities")
    assert code == 2
    assert f"add up to {bounds(sample)}" in err
    assert "add --renormalize" in err
    assert not Path("bundle").exists()
    code, out, err = cli("model", "import", path, *IMPORT, "--output", "probabilities", "--renormalize")
    assert (code, err) == (0, "")
    said = f"{bounds(sample)} on 29 sample images, and are divided by their sum"
    assert f"output: probabilities (as asked for); those of an image add up to {said}" in out
    assert said in cli("model", "show", "bundle")[1]
    pixels = photos("photos")
    assert cli("score", "photos", "--model", "bundle", "--probabilities", "--out", "run")[0] == 0
    expected = original(path, pixels)
    expected /= expected.sum(axis=1, keepdims=True)
    table = pd.read_csv("run/predictions.csv")
    np.testing.assert_allclose(table[COLUMNS], expected, atol=1e-6)
    np.testing.assert_allclose(table["confidence"], expected.max(axis=1), atol=1e-6)
    assert json.loads(Path("run/run.json").read_text())["model"]["settings"]["row sums"] == said
    assert said in Path("run/report.html").read_text()
    assert cli("evaluate", "run/predictions.csv", "--out", "again")[0] == 0


def test_a_quantised_softmax_whose_sums_are_1_is_taken_for_what_it_is(cli):
    """Two classes with 8 bits each: what one loses by rounding the other gains."""
    end = [SOFTMAX, of("QuantizeLinear", "step"), of("DequantizeLinear", "step")]
    path = network("model.onnx", end, {"step": 1 / 256}, units=2, gain=1.0)
    code, out, err = cli("model", "import", path, "--classes", "a,b", "--scale", "0..1", "--out", "bundle")
    assert (code, err) == (0, "")
    assert "output: probabilities (the model ends in a quantised softmax)" in out


@pytest.mark.parametrize(
    "end",
    [
        [of("Cast", to=10), of("Cast", to=1)],
        [of("Reshape", "shape")],
        [of("Identity"), of("Dropout")],
        [of("Unsqueeze", "last"), of("Squeeze", "last")],
        [of("Transpose", perm=[1, 0]), of("Transpose", perm=[1, 0])],
    ],
    ids=lambda end: end[0][0],
)
def test_what_changes_no_value_of_a_softmax_hides_nothing(cli, end):
    path = network("model.onnx", [SOFTMAX, *end], {"shape": np.array([-1, 10]), "last": np.array([2])})
    code, out, err = cli("model", "import", path, *IMPORT)
    assert (code, err) == (0, "")
    assert "output: probabilities (the model ends in a softmax)" in out


@pytest.mark.parametrize("end", [[of("LogSoftmax")], [SOFTMAX, of("Log")]], ids=["LogSoftmax", "Log"])
def test_logarithms_of_probabilities_are_logits_of_the_same(cli, end):
    path = network("model.onnx", end)
    code, out, _ = cli("model", "import", path, *IMPORT)
    assert code == 0
    assert "output: logits (logarithms of probabilities" in out
    pixels = photos("photos")
    assert cli("score", "photos", "--model", "bundle", "--probabilities", "--out", "run")[0] == 0
    logits = original(network("logits.onnx"), pixels)
    np.testing.assert_allclose(pd.read_csv("run/predictions.csv")[COLUMNS], softmax(logits, axis=1), atol=1e-5)


def test_probabilities_that_nearly_add_up_to_1_are_taken_as_they_are_if_asked(cli):
    path = network("model.onnx", [SOFTMAX, of("Mul", "more")], {"more": 1.005}, gain=1.0)
    assert cli("model", "import", path, *IMPORT)[0] == 2
    code, out, _ = cli("model", "import", path, *IMPORT, "--output", "probabilities")
    assert code == 0
    assert "output: probabilities (as asked for); those of an image add up to 1.005 to 1.005 on 29 sample images" in out
    assert "divided" not in out
    assert "probabilities; those of an image add up to 1.005 to 1.005" in cli("model", "show", "bundle")[1]
    pixels = photos("photos")
    assert cli("score", "photos", "--model", "bundle", "--probabilities", "--out", "run")[0] == 0
    np.testing.assert_allclose(pd.read_csv("run/predictions.csv")[COLUMNS], original(path, pixels), atol=1e-6)
    assert cli("evaluate", "run/predictions.csv", "--out", "again")[0] == 0


@pytest.mark.parametrize("options", [("--output", "logits"), ("--output", "probabilities")])
def test_what_cannot_be_divided_by_its_sum(cli, options):
    path = network("model.onnx")
    code, _, err = cli("model", "import", path, *IMPORT, *options, "--renormalize")
    assert code == (2 if options[1] == "logits" else 1)
    assert ("leave out --renormalize" if options[1] == "logits" else "are no probabilities") in err
    one = network("one.onnx", [of("Sigmoid")], units=1)
    names = ("--classes", "no,yes", "--scale", "0..1", "--out", "bundle")
    code, _, err = cli("model", "import", one, *names, *options, "--renormalize")
    assert code == 2
    assert "leave out --renormalize" in err
    assert not Path("bundle").exists()


def test_a_row_of_zeros_is_named_and_not_divided(cli):
    """Of the softmax all below 0.2 is taken to be 0: black has 0.1 for each class."""
    path = network("model.onnx", [SOFTMAX, of("Sub", "limit"), of("Relu")], {"limit": 0.2})
    outputs = original(path, sample_images((SIZE, SIZE, 1)))
    empty = int((outputs.sum(axis=1) == 0).sum())
    assert empty > 0
    code, _, err = cli("model", "import", path, *IMPORT, "--renormalize")
    assert code == 1
    assert f"the outputs of {empty} sample image{'s' if empty > 1 else ''} add up to 0" in err
    assert not Path("bundle").exists()


def test_a_row_of_zeros_ends_a_run_with_its_image(cli):
    """A white dot on black has the dot product 1 with a filter that all sample images have below 0."""
    dot = np.full((SIZE * SIZE, 1), -0.5, np.float32)
    dot[0] = 1
    path = network("plain.onnx", [SOFTMAX, of("Mul", "half")], {"half": 0.5})
    model = onnx.load(path)
    graph = model.graph
    graph.node[-1].output[0] = "probabilities of all"
    nodes = [
        helper.make_node("Flatten", ["input"], ["pixels"]),
        helper.make_node("MatMul", ["pixels", "dot"], ["seen"]),
        helper.make_node("Greater", ["seen", "threshold"], ["there"]),
        helper.make_node("Not", ["there"], ["not there"]),
        helper.make_node("Cast", ["not there"], ["kept"], to=1),
        helper.make_node("Mul", ["probabilities of all", "kept"], ["output"]),
    ]
    graph.node.extend(nodes)
    graph.initializer.append(numpy_helper.from_array(dot, "dot"))
    graph.initializer.append(numpy_helper.from_array(np.array(0.9, np.float32), "threshold"))
    onnx.save(model, "model.onnx")
    assert cli("model", "import", "model.onnx", *IMPORT, "--renormalize")[0] == 0
    pixels = photos("photos", 3)
    assert cli("score", "photos", "--model", "bundle", "--probabilities", "--out", "good")[0] == 0
    expected = original("model.onnx", pixels) * 2
    np.testing.assert_allclose(pd.read_csv("good/predictions.csv")[COLUMNS], expected, atol=1e-6)
    spot = np.zeros((SIZE, SIZE), np.uint8)
    spot[0, 0] = 255
    assert not original("model.onnx", spot[None, :, :, None]).any()
    Image.fromarray(spot).save("photos/dot.png")
    code, _, err = cli("score", "photos", "--model", "bundle", "--out", "bad")
    assert code == 1
    assert "the model's outputs for dot.png are no probabilities: they lie between 0 and 0 and sum to 0" in err
    assert "no class has a probability" in err
    assert not Path("bad").exists()


@pytest.mark.parametrize("opset", [9, 11, 13, 18])
def test_sums_are_divided_in_graphs_of_all_opsets(cli, opset):
    path = network("model.onnx", [of("Softmax", axis=1), of("Mul", "less")], {"less": 0.7}, opset=opset)
    assert cli("model", "import", path, *IMPORT, "--renormalize")[0] == 0
    pixels = photos("photos")
    assert cli("score", "photos", "--model", "bundle", "--probabilities", "--out", "run")[0] == 0
    np.testing.assert_allclose(
        pd.read_csv("run/predictions.csv")[COLUMNS], original(path, pixels) / np.float32(0.7), atol=1e-6
    )


def test_both_runtimes_divide_by_the_sum(cli):
    keras = pytest.importorskip("keras")
    layers = keras.layers
    keras.utils.set_random_seed(3)
    model = keras.Sequential(
        [
            keras.Input((SIZE, SIZE, 1)),
            layers.Flatten(),
            layers.Dense(len(CLASSES), activation="softmax"),
            layers.Rescaling(0.8),
        ]
    )
    model.save("model.keras")
    assert cli("model", "import", "model.keras", *IMPORT)[0] == 2
    assert cli("model", "import", "model.keras", *IMPORT, "--output", "probabilities", "--renormalize")[0] == 0
    pixels = photos("photos")
    expected = model.predict(inputs(pixels).transpose(0, 2, 3, 1), verbose=0) / np.float32(0.8)
    for runtime in ("onnx", "tensorflow"):
        options = ("--model", "bundle", "--probabilities", "--runtime", runtime, "--out", runtime)
        assert cli("score", "photos", *options)[0] == 0
        np.testing.assert_allclose(pd.read_csv(f"{runtime}/predictions.csv")[COLUMNS], expected, atol=1e-5)
