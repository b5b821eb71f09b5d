"""A model that is quantised dynamically: what it says of an image depends on its batch, so it gets one at a time."""

import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pandas as pd
import pytest
from onnx import TensorProto, helper, numpy_helper
from quantised_cases import CLASSES, SIZE, network, original, photos, quantise

from batchclf.models.sources.import_model import sample_images

IMPORT = ("--classes", ",".join(CLASSES), "--scale", "0..1", "--out", "bundle")
COLUMNS = [f"prob:{name}" for name in CLASSES]


def convolution(path):
    """Write a convolution, a mean over the pixels and a softmax."""
    random = np.random.default_rng(1)
    tensors = {"kernel": random.normal(size=(10, 1, 3, 3)), "bias": random.normal(size=10)}
    nodes = [
        helper.make_node("Conv", ["input", "kernel", "bias"], ["seen"]),
        helper.make_node("Relu", ["seen"], ["bent"]),
        helper.make_node("GlobalAveragePool", ["bent"], ["means"]),
        helper.make_node("Flatten", ["means"], ["flat"]),
        helper.make_node("Softmax", ["flat"], ["output"]),
    ]
    source = helper.make_tensor_value_info("input", TensorProto.FLOAT, ["n", 1, SIZE, SIZE])
    result = helper.make_tensor_value_info("output", TensorProto.FLOAT, ["n", 10])
    held = [numpy_helper.from_array(value.astype(np.float32), name) for name, value in tensors.items()]
    graph = helper.make_graph(nodes, "convolution", [source], [result], held)
    onnx.save(helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)]), path)
    return path


@pytest.mark.parametrize("kind", ["dense", "convolution"])
def test_an_image_gets_the_same_row_in_any_batch(cli, kind):
    plain = network("plain.onnx", [("Softmax", (), {})]) if kind == "dense" else convolution("plain.onnx")
    path = quantise(plain, "model.onnx", "dynamic")
    whole = {"dense": "MatMulInteger", "convolution": "ConvInteger"}[kind]
    assert whole in {node.op_type for node in onnx.load(path).graph.node}
    sample = sample_images((SIZE, SIZE, 1))
    alone, together = original(path, sample, alone=True), original(path, sample)
    assert np.abs(alone - together).max() > 1e-4
    code, out, err = cli("model", "import", path, *IMPORT)
    assert (code, err) == (0, "")
    changed = int((alone.argmax(axis=1) != together.argmax(axis=1)).sum())
    reason = (
        "it is quantised dynamically: the values of all images of a batch decide how each is rounded; in batches of "
        f"29 {changed} of 29 sample images had another class, and probabilities differed by up to "
    )
    assert f"one image at a time, whatever the batch size: {reason}" in out
    assert json.loads(Path("bundle/model.json").read_text())["batch_size"] == 1
    assert f"batch size     1: {reason}" in cli("model", "show", "bundle")[1]
    pixels = photos("photos")
    tables = set()
    for size in (1, 7, 64):
        code, out, _ = cli(
            *("score", "photos", "--model", "bundle", "--batch-size", size, "--probabilities", "--out", f"run{size}")
        )
        assert code == 0
        assert f"the model is given 1 image at a time, whatever the batch size: {reason}" in out
        tables.add(Path(f"run{size}/predictions.csv").read_bytes())
        record = json.loads(Path(f"run{size}/run.json").read_text())
        assert record["batch_size"] == 1
        assert record["model"]["settings"]["one image at a time"].startswith(reason)
        assert "one image at a time" in Path(f"run{size}/report.html").read_text().lower()
    assert len(tables) == 1
    rows = pd.read_csv("run64/predictions.csv")[COLUMNS]
    np.testing.assert_allclose(rows, original(path, pixels, alone=True), atol=1e-6)
    assert np.abs(rows.to_numpy() - original(path, pixels)).max() > 1e-4


def test_rows_of_an_older_bundle_in_the_cache_are_not_taken(cli, monkeypatch, tmp_path):
    """One of before there was a batch size in it has the same graph, and rows that depend on their batch."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = quantise(network("plain.onnx", [("Softmax", (), {})]), "model.onnx", "dynamic")
    assert cli("model", "import", path, *IMPORT)[0] == 0
    shutil.copytree("bundle", "old")
    document = json.loads(Path("old/model.json").read_text())
    del document["batch_size"], document["settings"]["one image at a time"]
    Path("old/model.json").write_text(json.dumps(document | {"format": 3}))
    pixels = photos("photos")
    for bundle, alone in (("old", False), ("bundle", True)):
        assert cli("score", "photos", "--model", bundle, "--cache", "--probabilities", "--out", f"run-{bundle}")[0] == 0
        rows = pd.read_csv(f"run-{bundle}/predictions.csv")[COLUMNS]
        np.testing.assert_allclose(rows, original(path, pixels, alone=alone), atol=1e-6)


def test_a_model_that_is_quantised_beforehand_may_have_any_batch(cli):
    path = quantise(network("plain.onnx", [("Softmax", (), {})]), "model.onnx", "QDQ")
    assert cli("model", "import", path, *IMPORT, "--renormalize")[0] == 0
    assert json.loads(Path("bundle/model.json").read_text())["batch_size"] is None
    photos("photos")
    tables = set()
    for size in (1, 7, 64):
        code, out, _ = cli("score", "photos", "--model", "bundle", "--batch-size", size, "--out", f"run{size}")
        assert code == 0
        assert "at a time" not in out
        assert json.loads(Path(f"run{size}/run.json").read_text())["batch_size"] == size
        tables.add(Path(f"run{size}/predictions.csv").read_bytes())
    assert len(tables) == 1


def test_one_for_exactly_one_image_that_is_quantised_dynamically(cli):
    """Its reshape to 1 x 64 is opened, and it is given one image at a time all the same."""
    path = quantise(network("plain.onnx", [("Softmax", (), {})]), "model.onnx", "dynamic")
    model = onnx.load(path)
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    onnx.save(model, path)
    assert cli("model", "import", path, *IMPORT)[0] == 0
    pixels = photos("photos")
    assert cli("score", "photos", "--model", "bundle", "--probabilities", "--out", "run")[0] == 0
    expected = original(path, pixels, alone=True)
    np.testing.assert_allclose(pd.read_csv("run/predictions.csv")[COLUMNS], expected, atol=1e-6)


def test_a_model_whose_answers_depend_on_the_batch_otherwise_is_refused(cli):
    """A graph that takes the mean of its batch away."""
    path = network("plain.onnx", [("ReduceMean", (), {"axes": [0], "keepdims": 1})])
    model = onnx.load(path)
    model.graph.node[-1].output[0] = "mean"
    before = model.graph.node[-1].input[0]
    model.graph.node.append(helper.make_node("Sub", [before, "mean"], ["output"]))
    onnx.save(model, "model.onnx")
    code, _, err = cli("model", "import", "model.onnx", *IMPORT)
    assert code == 1
    assert "the model's outputs for an image depend on the other images of its batch" in err
    assert "model.eval()" in err
    assert not Path("bundle").exists()


def test_one_that_was_exported_as_it_is_while_it_is_trained_is_refused(cli):
    """A SavedModel whose batch normalisation takes mean and variance of the batch that it is given."""
    tensorflow = pytest.importorskip("tensorflow")
    keras = pytest.importorskip("keras")
    layers = keras.layers
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [
            keras.Input((SIZE, SIZE, 1)),
            layers.Conv2D(4, 3),
            layers.BatchNormalization(),
            layers.Flatten(),
            layers.Dense(10),
        ]
    )
    images = tensorflow.TensorSpec((None, SIZE, SIZE, 1), name="image")
    for training, expected in ((True, 1), (False, 0)):
        serve = tensorflow.function(lambda image, how=training: model(image, training=how)).get_concrete_function(
            images
        )
        tensorflow.saved_model.save(model, "exported", signatures=serve)
        code, _, err = cli("model", "import", "exported", *IMPORT)
        assert code == expected
        if training:
            assert "depend on the other images of its batch" in err
            assert "training=False" in err
            assert not Path("bundle").exists()
