"""Read an ONNX graph, and give any classifier's graph the one interface of a bundle.

The interface: input `image`, n x height x width x channels uint8; output `probabilities`, n x classes float32.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from batchclf.errors import ModelError
from batchclf.models.preprocessing import SCALES, Preprocessing

INPUT, OUTPUT = "image", "probabilities"
LEAST_OPSET = 7
"""The oldest that ONNX Runtime promises to run; from here on arithmetic broadcasts as numpy does."""

_LEAST_IR = 4
"""From here on initializers need not be inputs as well."""

_SHAPE_ONLY = {"Identity", "Cast", "Transpose", "Reshape", "Squeeze", "Unsqueeze", "Flatten"}


def onnx_or_error() -> Any:
    """Import onnx; raises ModelError where it is not installed."""
    try:
        import onnx
    except ImportError as error:
        raise ModelError(
            f"the package onnx is needed for this and cannot be imported ({error})",
            hint="install it with: pip install 'batchclf[import]' (or 'batchclf[train]' for Keras and SavedModel)",
        ) from error
    return onnx


def real_inputs(graph: Any) -> list[Any]:
    """Give the inputs that a caller feeds: old graphs list their initializers among the inputs, too."""
    constants = {each.name for each in graph.initializer}
    return [each for each in graph.input if each.name not in constants]


def dims(value: Any) -> tuple[int | None, ...]:
    """Give the shape of a graph's input or output; None where a size is open."""
    sizes = value.type.tensor_type.shape.dim
    return tuple(size.dim_value if size.HasField("dim_value") and size.dim_value > 0 else None for size in sizes)


def parameter_count(graph: Any) -> int:
    """Count the floating-point numbers that a graph holds."""
    onnx = onnx_or_error()
    kinds = {onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.DOUBLE, onnx.TensorProto.BFLOAT16}
    constants = [each for each in graph.initializer if each.data_type in kinds]
    return sum(int(np.prod(each.dims, dtype=np.int64)) for each in constants)


def computes_in_half(graph: Any) -> bool:
    """Tell whether a graph holds numbers of 16 bits, or makes some by a Cast."""
    onnx = onnx_or_error()
    half = {onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16}
    casts = (node for each in subgraphs(graph) for node in each.node if node.op_type == "Cast")
    return any(each.data_type in half for each in constant_tensors(graph).values()) or any(
        attribute.name == "to" and attribute.i in half for node in casts for attribute in node.attribute
    )


def last_operation(graph: Any) -> str:
    """Name the operation that gives the first output's values; what only moves or casts them is passed over."""
    makers = {output: node for node in graph.node for output in node.output}
    node = makers.get(graph.output[0].name)
    while node is not None and node.op_type in _SHAPE_ONLY:
        node = makers.get(node.input[0])
    return "" if node is None else str(node.op_type)


def own_range(graph: Any) -> tuple[float, float] | None:
    """Tell what the graph's first steps make of the values 0 and 255: (lowest, highest).

    The steps are additions, subtractions, multiplications and divisions by constants, right after the input. None
    where there are none.
    """
    constants = _constants(graph)
    name, found = real_inputs(graph)[0].name, False
    ends = (np.zeros(1), np.full(1, 255.0))
    while True:
        users = [node for node in graph.node if name in node.input]
        if len(users) != 1:
            break
        node = users[0]
        if node.op_type not in _SHAPE_ONLY:
            step = _affine(node, name, constants)
            if step is None:
                break
            ends, found = (step(ends[0]), step(ends[1])), True
        name = node.output[0]
    both = np.concatenate([end.ravel() for end in ends])
    return (float(both.min()), float(both.max())) if found else None


def _affine(
    node: Any, name: str, constants: dict[str, NDArray[Any]]
) -> Callable[[NDArray[np.float64]], NDArray[np.float64]] | None:
    if node.op_type not in ("Add", "Sub", "Mul", "Div") or len(node.input) != 2:
        return None
    left = node.input[0] == name
    constant = constants.get(node.input[1 if left else 0])
    if constant is None or constant.size not in (1, 3) or (not left and node.op_type in ("Sub", "Div")):
        return None
    # Flat, so that constants of (3, 1, 1) and of (1, 1, 3) go together.
    values = np.asarray(constant, np.float64).ravel()
    operation = {"Add": np.add, "Sub": np.subtract, "Mul": np.multiply, "Div": np.divide}[node.op_type]
    return lambda end: operation(end, values)


def _constants(graph: Any) -> dict[str, NDArray[Any]]:
    from onnx.numpy_helper import to_array

    return {
        name: to_array(tensor)
        for name, tensor in constant_tensors(graph).items()
        if np.prod(tensor.dims, dtype=np.int64) <= 3
    }


def constant_tensors(graph: Any) -> dict[str, Any]:
    """Give the constants of a graph by name, as TensorProtos: its initializers and what its Constant nodes hold."""
    from onnx.helper import get_attribute_value
    from onnx.numpy_helper import from_array

    found = {each.name: each for each in graph.initializer}
    for node in [each for each in graph.node if each.op_type == "Constant" and len(each.attribute) == 1]:
        value = get_attribute_value(node.attribute[0])
        if node.attribute[0].name == "value":
            found[node.output[0]] = value
        elif node.attribute[0].name in ("value_float", "value_floats", "value_int", "value_ints"):
            found[node.output[0]] = from_array(np.array(value), node.output[0])
    return found


def opset(model: Any) -> int:
    """Give the version of the standard operators that a model uses. Raises ModelError below 7."""
    versions = [each.version for each in model.opset_import if each.domain in ("", "ai.onnx")]
    if not versions or versions[0] < LEAST_OPSET:
        raise ModelError(
            f"the graph uses ONNX opset {versions[0] if versions else 'none'}; at least {LEAST_OPSET} is needed",
            hint="export the model again with opset 13 or newer",
        )
    return int(versions[0])


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
        chain.add("Div", np.array(steps.temperature, np.float32))
    if kind == "logits":
        chain.add("Softmax", axis=1)
    if kind == "binary-logit":
        chain.add("Sigmoid")
    if kind in ("binary-logit", "binary-probability"):
        # (n, 1) times [-1, 1] plus [1, 0] is (n, 2): 1 - p and p.
        chain.add("Mul", np.array([-1, 1], np.float32))
        chain.add("Add", np.array([1, 0], np.float32))


def subgraphs(graph: Any) -> Iterator[Any]:
    """Give the graph, and the graphs inside its nodes."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            for inner in [attribute.g] if attribute.HasField("g") else attribute.graphs:
                yield from subgraphs(inner)


def _rename(graph: Any, names: dict[str, str]) -> None:
    """Rename values wherever they stand; a name means the same in a graph and in its subgraphs."""
    for each in subgraphs(graph):
        for node in each.node:
            for values in (node.input, node.output):
                values[:] = [names.get(name, name) for name in values]
        for value in (*each.input, *each.output, *each.value_info, *each.initializer):
            value.name = names.get(value.name, value.name)


def free_prefix(graph: Any) -> str:
    """Give a prefix that no name in the graph has; one that was made here before has the first."""
    names = {name for each in subgraphs(graph) for node in each.node for name in (node.name, *node.input, *node.output)}
    number = 1
    while any(name.startswith(f"batchclf{number}/") for name in names):
        number += 1
    return f"batchclf{number}/"
