"""Reshapes that keep the batch, with a constant in place of nodes that compute their shape.

TensorFlow's optimizer puts a constant there or not as chance will have it, so that the same model would have one of two
graphs. A constant is faster, too.
"""

from typing import Any

import numpy as np

from batchclf.models.onnx_graph.read import constant_tensors

BATCH = "batch"
Sizes = list[int | str | None]
"""Sizes of axes as far as they are known: numbers, the batch, or neither (None)."""

_MOST_AXES = 8


def fix_reshapes(graph: Any) -> None:
    """Give each Reshape whose shape is computed as (batch, numbers…) the constant [-1, numbers…]; changes the graph.

    The batch is taken to be the first axis of any value whose shape is asked for; a bundle's graph is checked against
    the model itself. The nodes that computed the shape stay.
    """
    from onnx.numpy_helper import from_array, to_array

    constants = {name: to_array(tensor) for name, tensor in constant_tensors(graph).items()}
    makers = {name: node for node in graph.node for name in node.output}
    for number, node in enumerate(each for each in list(graph.node) if each.op_type == "Reshape"):
        if node.input[1] in constants:
            continue
        sizes = _sizes(node.input[1], makers, constants)
        if sizes is not None and sizes[:1] == [BATCH] and all(isinstance(size, int) for size in sizes[1:]):
            name = f"{node.input[1]}/constant{number}"
            graph.initializer.append(from_array(np.array([-1, *sizes[1:]], np.int64), name))
            node.input[1] = name


def _sizes(name: str, makers: dict[str, Any], constants: dict[str, Any]) -> Sizes | None:
    """Say what a value holds that is computed from shapes; None where that cannot be told."""
    if name in constants:
        value = constants[name]
        return [int(each) for each in value.ravel()] if value.dtype.kind == "i" and value.ndim < 2 else None
    node = makers.get(name)
    if node is None:
        return None
    if node.op_type == "Shape" and not node.attribute:
        return [BATCH, *[None] * (_MOST_AXES - 1)]
    taken = [_sizes(each, makers, constants) for each in node.input]
    if any(each is None for each in taken):
        return None
    first, *others = (each or [] for each in taken)
    if node.op_type in ("Cast", "Squeeze", "Unsqueeze", "Identity"):
        return first
    if node.op_type == "Concat":
        return [size for each in (first, *others) for size in each]
    if node.op_type == "Gather" and all(isinstance(each, int) and 0 <= each < len(first) for each in others[0]):
        return [first[each] for each in others[0] if isinstance(each, int)]
    if node.op_type == "Slice":
        return _slice(first, [each[0] for each in others if len(each) == 1])
    return None


def _slice(sizes: Sizes, places: Sizes) -> Sizes | None:
    """Cut from start to end; axes and steps may be given as 0 and 1."""
    start, end, *more = places
    simple = more in ([], [0], [0, 1])
    if not simple or not isinstance(start, int) or not isinstance(end, int) or not 0 <= start < end <= len(sizes):
        return None
    return sizes[start:end]
