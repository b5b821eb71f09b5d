"""How many parameters a graph has, quantised or not."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from batchclf.models.onnx_graph.read import onnx_or_error

_STEPS: dict[str, tuple[int, ...]] = {
    "QuantizeLinear": (1, 2),
    "DequantizeLinear": (1, 2),
    "ConvInteger": (2, 3),
    "MatMulInteger": (2, 3),
    "QLinearConv": (1, 2, 4, 5, 6, 7),
    "QLinearMatMul": (1, 2, 4, 5, 6, 7),
    "QLinearAdd": (1, 2, 4, 5, 6, 7),
    "QLinearMul": (1, 2, 4, 5, 6, 7),
    "QGemm": (1, 2, 4, 5, 7, 8),
    "QLinearSigmoid": (1, 2, 3, 4),
    "QLinearSoftmax": (1, 2, 3, 4),
    "QLinearLeakyRelu": (1, 2, 3, 4),
    "QLinearAveragePool": (1, 2, 3, 4),
    "QLinearGlobalAveragePool": (1, 2, 3, 4),
}
"""Places of the scales and zero points among the inputs of quantised operations, ONNX Runtime's own ones included."""


def parameter_count(graph: Any) -> int:
    """Count the numbers that a graph holds as weights: those with a fraction, and quantised ones.

    The scales and zero points by which these are rounded do not count, so that a graph has as many as before it was
    quantised.
    """
    kinds = onnx_or_error().TensorProto
    floats = {kinds.FLOAT, kinds.FLOAT16, kinds.DOUBLE, kinds.BFLOAT16}
    tables = {kinds.INT8, kinds.UINT8, kinds.INT4, kinds.UINT4}
    steps = set(_steps(graph))
    # A quantised bias is int32, or int8 of one axis
    rounded = {name for node in graph.node if node.op_type in _STEPS for name in node.input} - steps
    weights = [
        each
        for each in graph.initializer
        if each.name not in steps
        and (each.data_type in floats or each.name in rounded or (each.data_type in tables and len(each.dims) > 1))
    ]
    return sum(int(np.prod(each.dims, dtype=np.int64)) for each in weights)


def _steps(graph: Any) -> Iterator[str]:
    """Name the scales and zero points."""
    for node in graph.node:
        places = _STEPS.get(node.op_type, ())
        yield from (name for place, name in enumerate(node.input) if place in places)
    # Quantised dynamically: the scale of the image's values times that of the weights
    scales = {node.output[1] for node in graph.node if node.op_type == "DynamicQuantizeLinear"}
    for node in graph.node:
        if node.op_type == "Mul" and scales.intersection(node.input):
            yield from node.input
