"""Let a graph that was exported for one image take any number of them."""

from typing import Any

from batchclf.models.onnx_graph.read import constant_tensors, dims, free_prefix, opset, real_inputs

LEAST_SCAN_OPSET = 9
"""From here on Scan has its form of today."""


def takes_one_image(model: Any) -> bool:
    """Say whether the graph's input has a batch of exactly 1."""
    return dims(real_inputs(model.graph)[0])[:1] == (1,)


def open_batch(model: Any) -> None:
    """Let reshapes to a batch of 1 keep the batch they get; whether that suffices, the check on samples shows."""
    from onnx.numpy_helper import from_array, to_array

    graph, prefix = model.graph, free_prefix(model.graph)
    constants = constant_tensors(graph)
    for node in [each for each in graph.node if each.op_type == "Reshape"]:
        shape = constants.get(node.input[1])
        if shape is None or node.input[0] in constants:
            continue
        values = to_array(shape).copy()
        if values.size > 1 and values[0] == 1 and (values != 0).all():
            values[0] = 0
            # PyTorch writes allowzero=1, with which 0 would mean no values instead of "as before".
            kept = [each for each in node.attribute if each.name != "allowzero"]
            del node.attribute[:]
            node.attribute.extend(kept)
            name = f"{prefix}reshape/constant{len(graph.initializer)}"
            graph.initializer.append(from_array(values, name))
            node.input[1] = name


def one_image_at_a_time(model: Any) -> Any:
    """Give a copy of a graph for one image that runs it on each image of a batch in turn; None below opset 9.

    The nodes become the body of a Scan, so that no shape in them changes: networks that mix the batch with another
    axis, as PyTorch's attention does, cannot be opened otherwise. The output of the copy is n x units.
    """
    import numpy as np
    from onnx import ModelProto, helper
    from onnx.numpy_helper import from_array

    if opset(model) < LEAST_SCAN_OPSET:
        return None
    several = ModelProto()
    several.CopyFrom(model)
    graph = several.graph
    prefix = free_prefix(graph) + "one/"
    source, result = real_inputs(graph)[0], graph.output[0]
    kind, shape = source.type.tensor_type.elem_type, dims(source)
    wanted = np.array([1, *(-1 if size is None else size for size in shape[1:])])
    graph.initializer.append(from_array(wanted, f"{prefix}image"))
    graph.initializer.append(from_array(np.array([-1]), f"{prefix}row"))
    inside = [
        helper.make_node("Reshape", [f"{prefix}in", f"{prefix}image"], [source.name], name=f"{prefix}batch"),
        *graph.node,
        helper.make_node("Reshape", [result.name, f"{prefix}row"], [f"{prefix}out"], name=f"{prefix}flat"),
    ]
    given = result.type.tensor_type.elem_type
    body = helper.make_graph(
        inside,
        f"{prefix}body",
        [helper.make_tensor_value_info(f"{prefix}in", kind, shape[1:])],
        [helper.make_tensor_value_info(f"{prefix}out", given, [None])],
    )
    names = [f"{prefix}images"], [f"{prefix}answers"]
    del graph.node[:], graph.value_info[:], graph.input[:], graph.output[:]
    # A Scan over the images: slow, but right for any graph (decision 050)
    graph.node.append(helper.make_node("Scan", *names, name=f"{prefix}scan", body=body, num_scan_inputs=1))
    graph.input.append(helper.make_tensor_value_info(names[0][0], kind, ["n", *shape[1:]]))
    graph.output.append(helper.make_tensor_value_info(names[1][0], given, ["n", None]))
    return several
