"""Import graphs with the shapes of what PyTorch and scikit-learn's exporters write; the oracle is numpy."""

import numpy as np
import pytest
from onnx import TensorProto, helper, load_model, numpy_helper, save_model

from batchclf.errors import ModelError
from batchclf.models.onnx_graph.export import write_graph
from batchclf.models.preprocessing import Preprocessing, prepare
from batchclf.models.runtime.registry import open_runtime
from batchclf.models.sources import import_model as importing
from batchclf.models.sources.import_model import import_model
from batchclf.models.sources.infer_preprocessing import ImportOptions

NAMES = ("cat", "dog", "eel")
SHAPE = (4, 4, 1)
WEIGHTS = np.random.default_rng(1).normal(size=(16, 3)).astype(np.float32)


def save(path, nodes, *, batch, constants=(), opset=17, result=TensorProto.FLOAT, domains=(), kind=TensorProto.FLOAT):
    source = helper.make_tensor_value_info("x", kind, [batch, 1, 4, 4])
    if isinstance(result, int):
        result = [helper.make_tensor_value_info("y", result, None)]
    constants = [numpy_helper.from_array(value, name) for name, value in constants]
    graph = helper.make_graph(nodes, "main_graph", [source], result, constants)
    opsets = [helper.make_opsetid("", opset), *(helper.make_opsetid(name, 3) for name in domains)]
    save_model(helper.make_model(graph, ir_version=8, opset_imports=opsets), path)
    return path


def import_(path, out, said=None, **options):
    options = ImportOptions(NAMES, **{"scale": "0..1", **options})
    return import_model(path, options, out, say=(said if said is not None else []).append)


def softmax(logits):
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    return shares / shares.sum(axis=1, keepdims=True)


@pytest.fixture(scope="module")
def pixels():
    return np.random.default_rng(2).integers(0, 256, (9, *SHAPE), np.uint8)


def test_a_batch_of_one_as_the_newer_pytorch_exporter_writes_it(tmp_path, pixels):
    """`allowzero=1` at each reshape, where 0 means no values."""
    nodes = [
        helper.make_node("Reshape", ["x", "row"], ["flat"], allowzero=1),
        helper.make_node("MatMul", ["flat", "w"], ["y"]),
    ]
    path = save(tmp_path / "a.onnx", nodes, batch=1, constants=[("row", np.array([1, -1])), ("w", WEIGHTS)])
    said = []
    bundle = import_(path, tmp_path / "out", said)
    expected = softmax(pixels.reshape(9, -1) / 255 @ WEIGHTS.astype(np.float64))
    np.testing.assert_allclose(open_runtime(bundle, "onnx").probabilities(pixels), expected, atol=1e-6)
    assert not any("one image at a time" in line for line in said)


def mixing(path, *, opset=17):
    """Rows first and then the batch, both made one axis: as attention does."""
    nodes = [
        helper.make_node("Transpose", ["x"], ["rows"], perm=[2, 0, 1, 3]),
        helper.make_node("Reshape", ["rows", "merged"], ["tokens"]),
        helper.make_node("MatMul", ["tokens", "w"], ["scores"]),
        helper.make_node("ReduceMax", ["scores"], ["y"], axes=[0], keepdims=1),
    ]
    return save(path, nodes, batch=1, opset=opset, constants=[("merged", np.array([4, 4])), ("w", WEIGHTS[:4])])


@pytest.mark.parametrize("opset", [9, 17])
def test_a_graph_that_cannot_be_opened_is_run_image_by_image(tmp_path, pixels, opset):
    said = []
    bundle = import_(mixing(tmp_path / "a.onnx", opset=opset), tmp_path / "out", said)
    expected = softmax((pixels[..., 0] / 255 @ WEIGHTS[:4].astype(np.float64)).max(axis=1))
    runtime = open_runtime(bundle, "onnx")
    for count in (1, 9):
        np.testing.assert_allclose(runtime.probabilities(pixels[:count]), expected[:count], atol=1e-6)
    note = next(line for line in said if "one image at a time" in line)
    assert "dynamic_shapes=({0: 'batch'},)" in note
    again = import_(bundle.onnx_path, tmp_path / "again", scale=None)
    np.testing.assert_array_equal(open_runtime(again, "onnx").probabilities(pixels), runtime.probabilities(pixels))


def test_a_graph_too_old_for_that_is_refused(tmp_path):
    with pytest.raises(ModelError, match=r"does not run on batches|outputs of shape") as caught:
        import_(mixing(tmp_path / "a.onnx", opset=8), tmp_path / "out")
    assert "dynamic" in caught.value.hint


def test_a_network_in_float16(tmp_path, pixels):
    """Rounding alone makes it differ from itself by more than float32 may."""
    random = np.random.default_rng(3)
    half = {
        "k": random.normal(size=(8, 1, 3, 3)).astype(np.float16),
        "ones": random.uniform(0.5, 2, 8).astype(np.float16),
        "w": random.normal(size=(8, 3)).astype(np.float16),
    }
    nodes = [
        helper.make_node("Conv", ["x", "k"], ["c"], pads=[1, 1, 1, 1]),
        helper.make_node("BatchNormalization", ["c", "ones", "ones", "ones", "ones"], ["n"]),
        helper.make_node("GlobalAveragePool", ["n"], ["p"]),
        helper.make_node("Flatten", ["p"], ["flat"]),
        helper.make_node("MatMul", ["flat", "w"], ["y"]),
    ]
    path = save(
        tmp_path / "a.onnx",
        nodes,
        batch="n",
        constants=half.items(),
        result=TensorProto.FLOAT16,
        kind=TensorProto.FLOAT16,
    )
    bundle = import_(path, tmp_path / "out")
    padded = np.pad(pixels[..., 0] / 255, ((0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))
    k, ones, w = (value.astype(np.float64) for value in half.values())
    filtered = np.einsum("nyxij,cij->ncyx", windows, k[:, 0])
    c = ones[:, None, None]
    normal = (filtered - c) / np.sqrt(c + 1e-5) * c + c
    expected = softmax(normal.mean(axis=(2, 3)) @ w)
    np.testing.assert_allclose(open_runtime(bundle, "onnx").probabilities(pixels), expected, atol=5e-3)
    assert bundle.info.onnx_difference < 5e-3


@pytest.mark.parametrize(("difference", "passes"), [(3e-5, True), (3e-4, False)])
def test_how_far_a_graph_may_be_from_its_model(tmp_path, pixels, difference, passes):
    nodes = [helper.make_node("Flatten", ["x"], ["flat"]), helper.make_node("Gemm", ["flat", "w"], ["y"])]
    path = save(tmp_path / "a.onnx", nodes, batch="n", constants=[("w", WEIGHTS)])
    steps = Preprocessing(SHAPE, "grayscale", layout="channels-first", scale="0..1", output="probabilities")
    outputs = softmax(prepare(pixels, steps).reshape(9, -1) @ WEIGHTS)
    moved = outputs + np.array([difference, 0, 0], np.float32)
    logits = load_model(path)
    logits.graph.node[-1].output[0] = "logits"
    logits.graph.node.append(helper.make_node("Softmax", ["logits"], ["y"]))
    if passes:
        found = write_graph(logits, steps, tmp_path / "b.onnx", pixels, moved, tolerance=importing.IMPORT_TOLERANCE)
        assert found == pytest.approx(difference, rel=0.1)
    else:
        with pytest.raises(ModelError, match=r"by up to 3\.0e-04 \(at most 0\.0001 is allowed\)"):
            write_graph(logits, steps, tmp_path / "b.onnx", pixels, moved, tolerance=importing.IMPORT_TOLERANCE)


def test_more_than_the_usual_difference_is_said(tmp_path, monkeypatch):
    """Forced, since only deep networks come so far."""
    nodes = [helper.make_node("Flatten", ["x"], ["flat"]), helper.make_node("Gemm", ["flat", "w"], ["y"])]
    path = save(tmp_path / "a.onnx", nodes, batch="n", constants=[("w", WEIGHTS)])
    said = []
    import_(path, tmp_path / "close", said=said)
    assert "more than" not in said[-2]
    monkeypatch.setattr(importing, "write_graph", lambda *arguments, **more: write_graph(*arguments, **more) + 3e-5)
    import_(path, tmp_path / "far", said=said)
    assert "agree within 3.0e-05; that is more than 1e-05, which most models keep to" in said[-2]
