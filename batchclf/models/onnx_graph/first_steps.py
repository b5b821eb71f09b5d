"""What a graph itself does to the pixels: additions, multiplications and normalisations by constants, at its start."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from batchclf.core.text import significant
from batchclf.models.onnx_graph.read import (
    MOVING,
    attributes_of,
    constant_tensors,
    real_inputs,
)

Numbers = NDArray[np.float64]
Constants = dict[str, NDArray[Any]]

_WORDS = {"Add": "plus", "Sub": "minus", "Mul": "times", "Div": "divided by"}
_OPERATIONS = {"Add": np.add, "Sub": np.subtract, "Mul": np.multiply, "Div": np.divide}
_SAME_RANGE = MOVING | {
    *("Cast", "Round", "Resize", "Upsample", "Slice", "Gather", "Pad", "MaxPool", "AveragePool"),
    *("QuantizeLinear", "DequantizeLinear"),
}
"""What gives values between those that it takes; a cubic Resize may go a little beyond them."""


@dataclass(frozen=True)
class FirstSteps:
    """What a graph's first steps make of the pixels: of 0 to 255 `low` to `high`; `words` names them for a person."""

    low: float
    high: float
    words: str

    @property
    def largest(self) -> float:
        """The largest size of a value after them."""
        return max(abs(self.low), abs(self.high))

    @property
    def range(self) -> str:
        """Where the pixels go, for a person."""
        return f"{significant(self.low)}..{significant(self.high)}"


def first_steps(graph: Any) -> FirstSteps | None:
    """Say what the first steps of a graph do to its input; None if they change no value.

    The steps are additions, subtractions, multiplications and divisions by constants, and batch normalisations, of
    one value or one a channel. What only moves or resizes the image is passed over.
    """
    constants = _constants(graph)
    name, words = real_inputs(graph)[0].name, []
    ends = np.array([[0.0], [255.0]])
    while len(node := _users(graph, name)) == 1:
        step = _step(node[0], name, constants)
        if step is not None:
            ends, said = step[0](ends), step[1]
            words.append(said)
        elif node[0].op_type not in _SAME_RANGE or node[0].input[0] != name:
            break
        elif node[0].op_type == "Pad":
            ends = _padded(node[0], ends, constants)
        name = node[0].output[0]
    low, high = float(ends.min()), float(ends.max())
    return FirstSteps(low, high, ", ".join(words)) if words and (low, high) != (0, 255) else None


def _users(graph: Any, name: str) -> list[Any]:
    """Give the nodes that take a value, but for those that only look at its shape."""
    return [node for node in graph.node if name in node.input and node.op_type != "Shape"]


def _step(node: Any, name: str, constants: Constants) -> tuple[Callable[[Numbers], Numbers], str] | None:
    if node.op_type == "BatchNormalization":
        return _batch_normalisation(node, constants)
    if node.op_type not in _OPERATIONS or len(node.input) != 2:
        return None
    left = node.input[0] == name
    constant = constants.get(node.input[1 if left else 0])
    if constant is None or constant.size not in (1, 3) or (not left and node.op_type in ("Sub", "Div")):
        return None
    # Flat, so that constants of (3, 1, 1) and of (1, 1, 3) go together.
    values = np.asarray(constant, np.float64).ravel()
    return lambda ends: _OPERATIONS[node.op_type](ends, values), _said(node.op_type, values)


def _said(operation: str, values: Numbers) -> str:
    if operation == "Add" and values.max() < 0:
        operation, values = "Sub", -values
    numbers = ", ".join(significant(value, 6) for value in (values[:1] if np.ptp(values) == 0 else values))
    return f"{_WORDS[operation]} {numbers}"


def _batch_normalisation(node: Any, constants: Constants) -> tuple[Callable[[Numbers], Numbers], str] | None:
    if attributes_of(node).get("training_mode") or not all(each in constants for each in node.input[1:5]):
        return None
    scale, bias, mean, variance = (np.asarray(constants[each], np.float64).ravel() for each in node.input[1:5])
    if scale.size not in (1, 3):
        return None
    factor = scale / np.sqrt(variance + attributes_of(node).get("epsilon", 1e-5))
    return lambda ends: (ends - mean) * factor + bias, "a batch normalisation"


def _padded(node: Any, ends: Numbers, constants: Constants) -> Numbers:
    """Add the value that a Pad puts around the image."""
    attributes = attributes_of(node)
    if attributes.get("mode", b"constant") != b"constant":
        return ends
    given = constants.get(node.input[2]) if len(node.input) > 2 else None
    value = attributes.get("value", 0.0) if given is None else float(given.ravel()[0])
    return np.concatenate([ends, np.full((1, ends.shape[1]), value)])


def _constants(graph: Any) -> Constants:
    """Give the constants of up to three values, also those that a quantised graph keeps as whole numbers."""
    from onnx.numpy_helper import to_array

    found = {
        name: to_array(tensor)
        for name, tensor in constant_tensors(graph).items()
        if np.prod(tensor.dims, dtype=np.int64) <= 3
    }
    for node in graph.node:
        if node.op_type == "DequantizeLinear" and all(each in found for each in node.input if each):
            value, scale, *zero = (found[each].astype(np.float64) for each in node.input if each)
            found[node.output[0]] = (value - (zero[0] if zero else 0)) * scale
    return found
