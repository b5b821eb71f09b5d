"""Bundles with a temperature: each runtime divides the logits by it, and bundles without one score as before."""

import json
import shutil
from dataclasses import replace

import msgspec
import numpy as np
import pytest
from scipy.special import softmax

from batchclf.core.training_record import TemperatureRecord, TrainingRecord
from batchclf.models.bundle import ONNX_FILE, file_digests, load_bundle, write_info
from batchclf.models.describe import as_dict, as_lines
from batchclf.models.onnx_graph.bundle_graph import with_interface
from batchclf.models.onnx_graph.export import write_graph
from batchclf.models.onnx_session import onnx_session
from batchclf.models.preprocessing import Preprocessing, prepare, to_probabilities
from batchclf.models.runtime.registry import open_runtime
from batchclf.models.sources.keras import load_keras

TEMPERATURE = 1.7
RECORD = TemperatureRecord(TEMPERATURE, 288, (0.31, 0.25), (0.06, 0.02))


@pytest.fixture(scope="module")
def tempered(digits, digits_bundle, tmp_path_factory):
    """The digits' bundle with a temperature, made as `train` makes one; also the logits of the test images."""
    folder = tmp_path_factory.mktemp("tempered") / "bundle"
    shutil.copytree(digits_bundle, folder)
    (folder / "model.json").unlink()
    info = load_bundle(digits_bundle).info
    steps = replace(info.preprocessing, temperature=TEMPERATURE)
    model = load_keras(folder / "model.keras")
    images = digits.test.images
    logits = model.run(prepare(images, steps))
    difference = write_graph(model.graph(steps.model_shape), steps, folder / ONNX_FILE, images, logits)
    training = TrainingRecord(1_154, 288, "validation", 8, 8, 8, 1.0, temperature=RECORD)
    made = replace(info, preprocessing=steps, onnx_difference=difference, files=file_digests(folder), training=training)
    write_info(folder, made)
    return load_bundle(folder), logits


@pytest.mark.parametrize("runtime", ["onnx", "tensorflow"])
def test_every_runtime_divides_the_logits(digits, digits_bundle, tempered, runtime):
    bundle, logits = tempered
    found = open_runtime(bundle, runtime).probabilities(digits.test.images)
    np.testing.assert_allclose(found, softmax(logits.astype(np.float64) / TEMPERATURE, axis=1), atol=1e-5)
    without = open_runtime(load_bundle(digits_bundle), runtime).probabilities(digits.test.images)
    np.testing.assert_array_equal(found.argmax(axis=1), without.argmax(axis=1))
    assert (found.max(axis=1) < without.max(axis=1)).all()
    assert bundle.digest != load_bundle(digits_bundle).digest


def test_show_tells_of_it(tempered, digits_bundle):
    text = "\n".join(as_lines(tempered[0], ["onnx"]))
    assert "logits are divided by 1.7000, fitted to 288 validation images" in text
    assert "log loss 0.3100 without it and 0.2500 with it, ECE 0.0600 and 0.0200" in text
    assert as_dict(tempered[0])["preprocessing"]["temperature"] == TEMPERATURE
    assert "temperature" not in "\n".join(as_lines(load_bundle(digits_bundle), ["onnx"]))


def test_bundles_of_before_have_none(digits_bundle, tmp_path):
    copy = shutil.copytree(digits_bundle, tmp_path / "bundle")
    document = json.loads((copy / "model.json").read_text())
    document["preprocessing"].pop("temperature")
    (copy / "model.json").write_text(json.dumps(document))
    assert load_bundle(copy).info.preprocessing.temperature == 1


@pytest.mark.parametrize("kind", ["logits", "binary-logit"])
@pytest.mark.parametrize("temperature", [0.05, 1.0, 3.0])
def test_graph_and_numpy_divide_alike(onnx_model, kind, temperature):
    import onnx

    units = 3 if kind == "logits" else 1
    dense = onnx_model((3, 4, 4), classes=units)
    steps = Preprocessing((4, 4, 3), "rgb", layout="channels-first", output=kind, temperature=temperature)
    graph = with_interface(onnx.load(dense.path), steps, 2)
    assert [node.op_type for node in graph.graph.node].count("Div") == (temperature != 1)
    onnx.save(graph, dense.path)
    images = np.random.default_rng(1).integers(0, 256, (20, 4, 4, 3), np.uint8)
    found = onnx_session(dense.path).run(None, {"image": images})[0]
    logits = dense.logits(prepare(images, steps))
    both = logits if kind == "logits" else np.concatenate([np.zeros_like(logits), logits], axis=1)
    expected = softmax(both / temperature, axis=1)
    np.testing.assert_allclose(found, expected, atol=2e-5)
    np.testing.assert_allclose(to_probabilities(logits, kind, temperature), expected, atol=1e-6)


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan"), float("inf")])
def test_what_is_no_temperature(temperature):
    with pytest.raises(ValueError, match="must be a number above 0"):
        Preprocessing((8, 8, 1), "grayscale", temperature=temperature)


@pytest.mark.parametrize("output", ["probabilities", "binary-probability"])
def test_probabilities_have_none(output):
    with pytest.raises(ValueError, match=f"needs logits; the model gives {output}"):
        Preprocessing((8, 8, 1), "grayscale", output=output, temperature=2.0)
    steps = Preprocessing((8, 8, 1), "grayscale", output=output)
    assert msgspec.json.decode(msgspec.json.encode(steps), type=Preprocessing) == steps
