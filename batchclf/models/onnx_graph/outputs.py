"""The outputs of an ONNX graph: described, and all but one cut away."""

from collections.abc import Sequence
from typing import Any

from batchclf.models.onnx_graph.read import attributes_of, dims, onnx_or_error, taken

Labels = list[int] | list[str]


def described(value: Any) -> str:
    """Describe an input or output of a graph for a person: `p (float32, n x 3)`, `maps (a sequence of maps)`."""
    kind = value.type.WhichOneof("value")
    if kind != "tensor_type":
        return f"{value.name} ({'a sequence of maps' if kind == 'sequence_type' else 'no tensor'})"
    dtype = onnx_or_error().helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type).name
    return words_of_tensor(value.name, "text" if dtype == "object" else dtype, dims(value))


def words_of_tensor(name: str, dtype: str, sizes: Sequence[int | None]) -> str:
    """Describe a tensor for a person: `p (float32, n x 3)`; of sizes the open first one is n, others are ?."""
    shape = " x ".join(str(size or ("?" if place else "n")) for place, size in enumerate(sizes))
    return f"{name} ({dtype}{', ' if shape else ''}{shape})"


def zipped_labels(graph: Any, name: str) -> Labels | None:
    """Give the labels of the maps that a ZipMap of ONNX-ML makes of the output `name`, in order; None for others."""
    node = next((each for each in graph.node if name in each.output), None)
    if node is None or node.op_type != "ZipMap":
        return None
    attributes = attributes_of(node)
    texts = attributes.get("classlabels_strings")
    return (
        [text.decode() for text in texts] if texts else [int(each) for each in attributes.get("classlabels_int64s", ())]
    )


def keep_output(graph: Any, name: str) -> None:
    """Cut away what the output `name` does not need; of one that is maps the tensor before its ZipMap stays.

    Changes the graph: its nodes, initializers, inputs and outputs.
    """
    from onnx import TensorProto, helper

    output = next(each for each in graph.output if each.name == name)
    labels = zipped_labels(graph, name)
    if labels is not None:
        # A bundle's graph gives no maps (decision 202)
        node = next(each for each in graph.node if name in each.output)
        output = helper.make_tensor_value_info(node.input[0], TensorProto.FLOAT, [None, len(labels)])
    needed, nodes = {output.name}, []
    for node in reversed(graph.node):
        if needed.intersection(node.output):
            needed.update(taken(node))
            nodes.append(node)
    constants = [each for each in graph.initializer if each.name in needed]
    # Old graphs list their initializers among the inputs, too
    stale = {each.name for each in graph.initializer} - needed
    inputs = [each for each in graph.input if each.name not in stale]
    del graph.node[:], graph.initializer[:], graph.input[:], graph.output[:]
    graph.node.extend(reversed(nodes))
    graph.initializer.extend(constants)
    graph.input.extend(inputs)
    graph.output.append(output)
