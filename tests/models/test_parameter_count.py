"""A quantised graph has as many parameters as the graph that it was made of; ONNX Runtime quantises."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from quantised_cases import SIZE, quantise

from batchclf.models.onnx_graph.parameters import parameter_count

SHAPES = {"kernel": (6, 1, 3, 3), "bias": (6,), "second": (6, 6, 1, 1), "w": (6, 10), "b": (10,)}


def network(path):
    random = np.random.default_rng(3)
    nodes = [
        helper.make_node("Conv", ["input", "kernel", "bias"], ["seen"]),
        helper.make_node("Relu", ["seen"], ["bent"]),
        helper.make_node("Conv", ["bent", "second"], ["again"]),
        helper.make_node("Add", ["again", "bent"], ["sum"]),
        helper.make_node("GlobalAveragePool", ["sum"], ["means"]),
        helper.make_node("Flatten", ["means"], ["flat"]),
        helper.make_node("Gemm", ["flat", "w", "b"], ["raw"]),
        helper.make_node("Softmax", ["raw"], ["output"]),
    ]
    held = [numpy_helper.from_array(random.normal(size=size).astype(np.float32), name) for name, size in SHAPES.items()]
    source = helper.make_tensor_value_info("input", TensorProto.FLOAT, ["n", 1, SIZE, SIZE])
    result = helper.make_tensor_value_info("output", TensorProto.FLOAT, ["n", 10])
    graph = helper.make_graph(nodes, "network", [source], [result], held)
    model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])
    onnx.save(onnx.shape_inference.infer_shapes(model), path)
    return path


@pytest.mark.parametrize("form", ["dynamic", "QDQ", "QOperator"])
def test_quantising_changes_no_count(tmp_path, form):
    path = network(tmp_path / "a.onnx")
    weights = sum(int(np.prod(size)) for size in SHAPES.values())
    assert parameter_count(onnx.load(path).graph) == weights
    quantised = onnx.load(quantise(path, tmp_path / "b.onnx", form)).graph
    assert any("Quantize" in node.op_type for node in quantised.node)
    assert parameter_count(quantised) == weights
