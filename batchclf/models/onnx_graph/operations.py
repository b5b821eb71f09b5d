"""Operations that ONNX does not have: replaced by ones that it has, or refused."""

from typing import Any

import numpy as np

from batchclf.errors import ModelError
from batchclf.models.onnx_graph.read import free_prefix, subgraphs


def replace_erfc(graph: Any) -> None:
    """Replace each Erfc, which tf2onnx leaves of Keras' `gelu`, by 1 - Erf; changes the graph.

    Close to 0 that keeps 6e-8 of Erfc's range, 0 to 2, in float32: less than the rounding of the layer after it.
    """
    from onnx import helper
    from onnx.numpy_helper import from_array

    one = f"{free_prefix(graph)}one"
    found = False
    for each in subgraphs(graph):
        nodes = []
        for node in each.node:
            if node.op_type != "Erfc" or node.domain:
                nodes.append(node)
                continue
            found = True
            result = node.output[0]
            nodes += [
                helper.make_node("Erf", list(node.input), [f"{result}/erf"]),
                # The 1 as float16 or float64 if the model computes with those
                helper.make_node("CastLike", [one, f"{result}/erf"], [f"{result}/one"]),
                helper.make_node("Sub", [f"{result}/one", f"{result}/erf"], [result]),
            ]
        if len(nodes) != len(each.node):
            del each.node[:]
            each.node.extend(nodes)
    if found:
        graph.initializer.append(from_array(np.array(1, np.float32), one))


def check_operations(graph: Any) -> None:
    """Raise ModelError if tf2onnx has left operations of TensorFlow in a graph."""
    from onnx import defs

    nodes = [node for each in subgraphs(graph) for node in each.node]
    unknown = sorted({node.op_type for node in nodes if not node.domain and not defs.has(node.op_type)})
    if any("Random" in name for name in unknown):
        raise ModelError(
            f"the model draws random numbers ({', '.join(unknown)}): it was exported as it is while it is trained",
            hint="import the .keras file, or export the model without its layers for augmentation",
        )
    if unknown:
        raise ModelError(
            f"the model uses operations of TensorFlow that ONNX does not have: {', '.join(unknown)}",
            hint="import the .keras file if this is an export of it; replace the layers that use them otherwise",
        )
