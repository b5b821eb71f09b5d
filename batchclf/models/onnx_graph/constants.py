"""Give the constants that scale the pixels shapes with which ONNX Runtime is fast.

ONNX Runtime broadcasts a constant run by run, and a run is as long as the constant's last axes. For grayscale,
n x height x width x 1, a constant without axes makes each pixel a run; for colour one with a value a channel makes runs
of 3. A run costs 10 ns: 28x28 gray pixels took 7.8 µs, four times the whole dense network after them.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from batchclf.models.onnx_graph.read import constant_tensors, dims

_ARITHMETIC = {"Add", "Sub", "Mul", "Div"}
_UNCHANGED = {"Cast", "Identity"}


def widen_constants(model: Any) -> None:
    """Change the constants of the additions, subtractions, multiplications and divisions right after the input.

    `model` is a ModelProto whose first input is n x height x width x channels. A constant of one value gets four axes;
    one with a value a channel is repeated along the width. The graph computes the same values, bit by bit.
    """
    from onnx.numpy_helper import from_array, to_array

    graph = model.graph
    constants = constant_tensors(graph)
    _, _, width, channels = dims(graph.input[0])
    name = graph.input[0].name
    while len(users := [node for node in graph.node if name in node.input]) == 1:
        node = users[0]
        if node.op_type in _ARITHMETIC:
            place = 1 if node.input[0] == name else 0
            tensor = constants.get(node.input[place])
            wide = None if tensor is None else _widened(to_array(tensor), width or 1, channels)
            if wide is None:
                return
            constant = f"{node.input[place]}/wide{len(graph.initializer)}"
            graph.initializer.append(from_array(wide, constant))
            node.input[place] = constant
        elif node.op_type not in _UNCHANGED:
            return
        name = node.output[0]


def _widened(constant: NDArray[Any], width: int, channels: int | None) -> NDArray[Any] | None:
    """Give a constant of one value or of a value a channel its wide shape; None for another."""
    if constant.ndim > 4:
        return None
    if constant.size == 1:
        # Four axes instead of none: ONNX Runtime multiplies whole rows, not single pixels (decision 043)
        return constant.reshape(1, 1, 1, 1)
    if constant.size == channels == constant.shape[-1]:
        return np.tile(constant.reshape(1, 1, 1, -1), (1, 1, width, 1))
    return None
