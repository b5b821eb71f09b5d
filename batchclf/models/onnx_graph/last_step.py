"""What a graph's outputs are by the operation that gives them, and by what was done to them after it."""

from dataclasses import dataclass
from typing import Any

from batchclf.models.onnx_graph.read import MOVING, attributes_of

_PARTS = {"Slice", "Gather", "GatherElements", "GatherND", "Split", "Compress"}
_QUANTISED = {"QLinearSoftmax": "Softmax", "QLinearSigmoid": "Sigmoid"}


@dataclass(frozen=True)
class LastStep:
    """The operation that gives the output's values, "" if there is none.

    After it they may have been rounded to whole numbers (`quantised`), or some been left out (`cut`).
    """

    operation: str
    quantised: bool = False
    cut: bool = False

    @property
    def words(self) -> str:
        """Name it for a person: `a quantised softmax of which some values are cut off`."""
        known = {"LogSoftmax": "log-softmax"}.get(self.operation, self.operation.lower())
        part = " of which some values are cut off" if self.cut else ""
        return f"a {'quantised ' if self.quantised else ''}{known}{part}"


def last_step(graph: Any) -> LastStep:
    """Find the operation that gives the first output's values, past what moves, casts, rounds or leaves out some."""
    makers = {output: node for node in graph.node for output in node.output}
    node, quantised, cut = makers.get(graph.output[0].name), False, False
    while node is not None and (node.op_type in MOVING or _casts_to_float(node) or node.op_type in _STEPS):
        quantised |= node.op_type in ("QuantizeLinear", "DequantizeLinear")
        cut |= node.op_type in _PARTS
        node = makers.get(node.input[0])
    name = "" if node is None else str(node.op_type)
    return LastStep(_QUANTISED.get(name, name), quantised or name in _QUANTISED, cut)


_STEPS = {*_PARTS, "QuantizeLinear", "DequantizeLinear"}


def _casts_to_float(node: Any) -> bool:
    from onnx import TensorProto

    floats = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.DOUBLE)
    return node.op_type == "Cast" and attributes_of(node).get("to") in floats
