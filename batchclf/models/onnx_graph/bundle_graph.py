"""Give any classifier's graph the one interface of a bundle.

The interface: input `image`, n x height x width x channels uint8; output `probabilities`, n x classes float32.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from batchclf.models.onnx_graph.read import dims, free_prefix, opset, real_inputs, subgraphs
from batchclf.models.preprocessing import SCALES, Preprocessing

INPUT, OUTPUT = "image", "probabilities"

_LEAST_IR = 4
"""From here on initializers need not be inputs as well."""


def with_interface(model: Any, steps: Preprocessing, output_rank: int) -> Any:
    """Give a classifier's graph the interface of a bundle: the steps before it and the probabilities after it.

    `model` is a ModelProto with one input and one output; it is changed and given back. `output_rank` is the
    number of axes of its output; all but the first two must have size 1. Raises ModelError where the opset is too old.
    """
    from onnx import TensorProto, helper

    opset(model)  # refuses one that is too old
    graph = model.graph
    source, result = real_inputs(graph)[0], graph.output[0]
    source_type, result_type = source.type.tensor_type.elem_type, result.type.tensor_type.elem_type
    prefix = free_prefix(graph)
    _rename(graph, {INPUT: prefix + INPUT, OUTPUT: prefix + OUTPUT})
    before, after = _Chain(graph, INPUT, f"{prefix}in/"), _Chain(graph, result.name, f"{prefix}out/")
    _add_steps(before, steps, source_type)
    before.end(source.name)
    _add_output(after, steps, result_type, output_rank)
    after.end(OUTPUT)
    height, width, channels = steps.input_shape
    classes = 2 if steps.output.startswith("binary") else dims(result)[1] if len(dims(result)) > 1 else None
    nodes = [*before.nodes, *graph.node, *after.nodes]
    del graph.node[:], graph.input[:], graph.output[:], graph.value_info[:]
    graph.node.extend(nodes)
    graph.input.append(helper.make_tensor_value_info(INPUT, TensorProto.UINT8, ["n", height, width, channels]))
    graph.output.append(helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["n", classes]))
    model.ir_version = max(model.ir_version, _LEAST_IR)
    return model


class _Chain:
    """Nodes one after the other, each fed by the one before; `name` is what the last one gives."""

    def __init__(self, graph: Any, name: str, prefix: str) -> None:
        self.graph, self.name, self.prefix = graph, name, prefix
        self.nodes: list[Any] = []

    def add(self, operation: str, *constants: NDArray[Any], **attributes: Any) -> None:
        """Append a node that takes the chain and constants."""
        self.nodes.append(self._node(operation, [self.name, *map(self.constant, constants)], **attributes))
        self.name = self.nodes[-1].output[0]

    def end(self, name: str) -> None:
        """Give the chain's last value another name."""
        self.nodes.append(self._node("Identity", [self.name]))
        self.nodes[-1].output[0] = self.name = name

    def constant(self, value: NDArray[Any]) -> str:
        """Add an initializer; returns its name."""
        from onnx.numpy_helper import from_array

        name = f"{self.prefix}constant{len(self.graph.initializer)}"
        self.graph.initializer.append(from_array(value, name))
        return name

    def _node(self, operation: str, inputs: list[str], **attributes: Any) -> Any:
        from onnx import helper

        name = f"{self.prefix}{operation}{len(self.nodes)}"
        return helper.make_node(operation, inputs, [name], name=name, **attributes)


def _add_steps(chain: _Chain, steps: Preprocessing, wanted: int) -> None:
    from onnx import TensorProto

    height, width, channels = steps.input_shape
    divisor, offset = SCALES[steps.scale]
    if wanted != TensorProto.UINT8:
        chain.add("Cast", to=TensorProto.FLOAT)
    if divisor != 1:
        chain.add("Div", np.array(divisor, np.float32))
    if offset:
        chain.add("Sub", np.array(offset, np.float32))
    if steps.mean is not None:
        chain.add("Sub", np.array(steps.mean, np.float32))
    if steps.std is not None:
        chain.add("Div", np.array(steps.std, np.float32))
    if steps.channel_order == "bgr":
        chain.add("Gather", np.array([2, 1, 0]), axis=3)
    if steps.layout == "channels-first":
        chain.add("Transpose", perm=[0, 3, 1, 2])
    elif steps.layout != "channels-last":
        shape = [0, height, width] if steps.layout == "no-channels" else [0, height * width * channels]
        chain.add("Reshape", np.array(shape))
    if wanted not in (TensorProto.UINT8, TensorProto.FLOAT):
        chain.add("Cast", to=wanted)


def _add_output(chain: _Chain, steps: Preprocessing, given: int, rank: int) -> None:
    from onnx import TensorProto

    kind = steps.output
    if given != TensorProto.FLOAT:
        chain.add("Cast", to=TensorProto.FLOAT)
    if rank != 2:
        chain.add("Flatten", axis=1)
    if steps.temperature != 1:
        # In the graph, so that whoever runs it gets calibrated probabilities (decision 114)
        chain.add("Div", np.array(steps.temperature, np.float32))
    if kind == "logits":
        chain.add("Softmax", axis=1)
    if kind == "binary-logit":
        chain.add("Sigmoid")
    if kind in ("binary-logit", "binary-probability"):
        # (n, 1) times [-1, 1] plus [1, 0] is (n, 2): 1 - p and p.
        chain.add("Mul", np.array([-1, 1], np.float32))
        chain.add("Add", np.array([1, 0], np.float32))
    if steps.renormalize:
        # One node, not a sum and a division: with two that take a quantised softmax, ONNX Runtime rounds it otherwise
        # (decision 161)
        chain.add("LpNormalization", axis=1, p=1)


def _rename(graph: Any, names: dict[str, str]) -> None:
    """Rename values wherever they stand; a name means the same in a graph and in its subgraphs."""
    for each in subgraphs(graph):
        for node in each.node:
            for values in (node.input, node.output):
                values[:] = [names.get(name, name) for name in values]
        for value in (*each.input, *each.output, *each.value_info, *each.initializer):
            value.name = names.get(value.name, value.name)
