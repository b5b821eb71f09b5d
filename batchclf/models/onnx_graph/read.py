"""Read an ONNX graph: its inputs, shapes, constants and operations."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from batchclf.errors import ModelError

LEAST_OPSET = 7
"""The oldest that ONNX Runtime promises to run; from here on arithmetic broadcasts as numpy does."""

MOVING = {"Identity", "Transpose", "Reshape", "Squeeze", "Unsqueeze", "Flatten", "Dropout"}
"""Operations that change no value, a Dropout outside of a training among them."""


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


def load(path: Path, *, weights: bool = True) -> Any:
    """Load an ONNX file as a ModelProto; without `weights` its files of external data are not read.

    Raises ModelError if it cannot be read or holds no graph.
    """
    onnx = onnx_or_error()
    again = "export the model again, and copy it with its files of external data, if it has any"
    try:
        model = onnx.load(path, load_external_data=weights)
    except Exception as error:  # protobuf's, the checker's and the system's
        raise ModelError(f"{path} cannot be read as an ONNX model: {error}", hint=again) from error
    if not model.graph.node or not model.graph.output:
        raise ModelError(f"{path} holds no ONNX graph", hint=again)
    return model


def real_inputs(graph: Any) -> list[Any]:
    """Give the inputs that a caller feeds: old graphs list their initializers among the inputs, too."""
    constants = {each.name for each in graph.initializer}
    return [each for each in graph.input if each.name not in constants]


def dims(value: Any) -> tuple[int | None, ...]:
    """Give the shape of a graph's input or output; None where a size is open."""
    sizes = value.type.tensor_type.shape.dim
    return tuple(size.dim_value if size.HasField("dim_value") and size.dim_value > 0 else None for size in sizes)


def computes_in_half(graph: Any) -> bool:
    """Say whether a graph holds numbers of 16 bits, or makes some by a Cast."""
    onnx = onnx_or_error()
    half = {onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16}
    casts = (node for each in subgraphs(graph) for node in each.node if node.op_type == "Cast")
    return any(each.data_type in half for each in constant_tensors(graph).values()) or any(
        attribute.name == "to" and attribute.i in half for node in casts for attribute in node.attribute
    )


_DYNAMIC = {"DynamicQuantizeLinear", "DynamicQuantizeMatMul", "DynamicQuantizeLSTM"}


def quantises_dynamically(graph: Any) -> bool:
    """Say whether a graph rounds to whole numbers by a scale that it takes from the values of the whole batch."""
    return any(node.op_type in _DYNAMIC for each in subgraphs(graph) for node in each.node)


def attributes_of(node: Any) -> dict[str, Any]:
    """Give a node's attributes by name; texts are bytes."""
    from onnx.helper import get_attribute_value

    return {each.name: get_attribute_value(each) for each in node.attribute}


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


def subgraphs(graph: Any) -> Iterator[Any]:
    """Give the graph, and the graphs inside its nodes."""
    yield graph
    for node in graph.node:
        for inner in inner_graphs(node):
            yield from subgraphs(inner)


def inner_graphs(node: Any) -> Iterator[Any]:
    """Give the graphs inside a node, without those inside their nodes."""
    for attribute in node.attribute:
        yield from [attribute.g] if attribute.HasField("g") else attribute.graphs


def taken(node: Any) -> Iterator[str]:
    """Name what a node takes: its inputs, and all that the graphs inside it use, whether from outside or their own."""
    yield from node.input
    for graph in (each for inner in inner_graphs(node) for each in subgraphs(inner)):
        yield from (name for each in graph.node for name in each.input)
        yield from (each.name for each in graph.output)


def free_prefix(graph: Any) -> str:
    """Give a prefix that no name in the graph has; one that was made here before has the first."""
    names = {name for each in subgraphs(graph) for node in each.node for name in (node.name, *node.input, *node.output)}
    number = 1
    while any(name.startswith(f"batchclf{number}/") for name in names):
        number += 1
    return f"batchclf{number}/"
