"""A function of TensorFlow as an ONNX graph, made by tf2onnx with few copies of the weights (decision 211)."""

import gc
import logging
from functools import partial
from typing import Any

from batchclf.errors import ModelError
from batchclf.models.onnx_graph.names import with_stable_names
from batchclf.models.onnx_graph.operations import check_operations, replace_erfc
from batchclf.models.onnx_graph.reshape import fix_reshapes

OPSET = 18
_ASIDE = 65_536
"""Bytes from which on a constant is a weight that is kept aside; smaller ones may be sizes, axes and the like."""

_RESIZES = {
    "ResizeArea": 'Resizing(interpolation="area")',
    "ScaleAndTranslate": 'Resizing with antialias=True or interpolation="lanczos3" or "lanczos5"',
}
"""Operations of TensorFlow that resize as no operation of ONNX does, and the layers of Keras that use them."""


def onnx_graph_of(function: Any) -> Any:
    """Give the ModelProto of a tf.function of one tensor `input` that gives {"output": tensor}.

    It is the same for the same weights, byte for byte. Raises ModelError where tf2onnx cannot make it.
    """
    # It logs tracebacks of optimizations that it then leaves out; what fails is told here.
    logging.getLogger("tf2onnx").setLevel(logging.CRITICAL)
    concrete = function.get_concrete_function()
    _check_resizes(concrete.graph)
    try:
        model = _converted(concrete)
    except Exception as error:  # tf2onnx raises nearly anything for operations that it does not know
        raise ModelError(
            f"the model cannot be turned into an ONNX graph: {error}",
            hint="replace the layers named above by ones that ONNX knows, or import an ONNX export of the model",
        ) from error
    _keep_captured(model.graph, concrete.graph.captures)
    replace_erfc(model.graph)
    check_operations(model.graph)
    fix_reshapes(model.graph)
    return with_stable_names(model)


def _converted(concrete: Any) -> Any:
    """Do what `tf2onnx.convert.from_function` does, with fewer copies; raises what tf2onnx raises."""
    import tensorflow as tf
    import tf2onnx

    inputs = [each.name for each in concrete.inputs if each.dtype != tf.resource]
    outputs = [each.name for each in concrete.outputs]
    frozen = _frozen(concrete, inputs, outputs)
    with tf.device("/cpu:0"), tf.Graph().as_default() as graph:
        tf.import_graph_def(frozen, name="")
        del frozen
        made = partial(
            tf2onnx.tfonnx.process_tf_graph,
            graph,
            continue_on_error=True,
            opset=OPSET,
            input_names=inputs,
            output_names=outputs,
            tensors_to_rename={inputs[0]: "input", outputs[0]: "output"},
        )
        try:
            return _optimized(made(), leave_out=False).make_model("")
        except Exception:  # of any kind. That of transposes fails for the hard swish of MobileNetV3 (decision 211)
            return _optimized(made(), leave_out=True).make_model("")
        finally:
            gc.collect()  # tf2onnx leaves the weights in circles of references


def _optimized(graph: Any, *, leave_out: bool) -> Any:
    """Let tf2onnx optimize its graph; with `leave_out` without what fails, at the price of a copy for each step."""
    from tf2onnx import optimizer

    # After each optimization it would write all weights into the same protobuf messages again, whose memory only grows;
    # make_model writes them once (decision 211)
    graph.update_proto = lambda: None
    graph = optimizer.optimize_graph(graph, catch_errors=leave_out)
    del graph.update_proto
    return graph


def _frozen(concrete: Any, inputs: list[str], outputs: list[str]) -> Any:
    """Give the GraphDef of a concrete function with its variables as constants, optimized by TensorFlow's Grappler.

    As `large_model` the function is not made anew from the constants, and Grappler, which copies its graph some ten
    times, gets placeholders for the large ones (decision 211).
    """
    import tensorflow as tf
    from tf2onnx import tf_loader

    definition = tf_loader.from_function(concrete, inputs, outputs, large_model=True)
    definition = tf_loader.fix_freezing_errors_part2(tf_loader.fix_freezing_errors(definition))
    weights = {}
    for node in definition.node:
        if node.op == "Const" and len(node.attr["value"].tensor.tensor_content) >= _ASIDE:
            weights[node.name] = value = type(node.attr["value"])()
            value.CopyFrom(node.attr["value"])
            del node.attr["value"]
            node.op = "Placeholder"
            node.attr["shape"].shape.CopyFrom(value.tensor.tensor_shape)
    with tf.Graph().as_default():
        definition = tf_loader.tf_optimize(inputs, outputs, definition)
    for node in definition.node:
        if node.name in weights:
            node.op = "Const"
            del node.attr["shape"]
            node.attr["value"].CopyFrom(weights.pop(node.name))
    return definition


def _keep_captured(graph: Any, captures: Any) -> None:
    """Make constants of what tf2onnx takes for inputs: tensors of Python, such as those of Normalization(mean=…)."""
    from onnx.numpy_helper import from_array

    values = {inside.name: outside for outside, inside in captures}
    captured = [each for each in graph.input if each.name in values]
    for each in captured:
        graph.initializer.append(from_array(values[each.name].numpy(), each.name))
        graph.input.remove(each)


def _check_resizes(graph: Any) -> None:
    """Raise ModelError if a graph of TensorFlow resizes images as ONNX cannot.

    tf2onnx 1.17 writes other pixels for ResizeArea and says nothing. Made images need not show it: a model can be sure
    of all of them.
    """
    definition = graph.as_graph_def()
    functions = (node for each in definition.library.function for node in each.node_def)
    found = sorted({node.op for node in (*definition.node, *functions)} & set(_RESIZES))
    if found:
        raise ModelError(
            f"the model resizes its images as ONNX cannot: it has {' and '.join(_RESIZES[each] for each in found)}",
            hint="replace the layer by one with interpolation bilinear, nearest or bicubic without antialiasing, or "
            "save the model without it, so that batchclf resizes the images: see --like and --interpolation",
        )
