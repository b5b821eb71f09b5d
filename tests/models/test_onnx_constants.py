"""Constants get shapes with which ONNX Runtime is fast; what is computed stays the same, bit by bit."""

from importlib.util import find_spec

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

if find_spec("onnx") is None:
    pytest.skip("onnx is not installed", allow_module_level=True)

from onnx import TensorProto, checker, helper, load, numpy_helper
from onnxruntime import InferenceSession

from batchclf.models.onnx_graph.constants import widen_constants

HEIGHT, WIDTH = 3, 5
OPERATIONS = ("Add", "Sub", "Mul", "Div")


def _graph(steps, channels, *, after=()):
    """Build `image` → Cast → one operation for each (name, constant, constant first, as a node) → `values`."""
    nodes, constants, name = [helper.make_node("Cast", ["image"], ["step"], to=TensorProto.FLOAT)], [], "step"
    for index, (operation, constant, first, as_node) in enumerate(steps):
        tensor = numpy_helper.from_array(constant, f"constant{index}")
        if as_node:
            nodes.insert(0, helper.make_node("Constant", [], [tensor.name], value=tensor))
        else:
            constants.append(tensor)
        inputs = [tensor.name, name] if first else [name, tensor.name]
        nodes.append(helper.make_node(operation, inputs, [f"value{index}"]))
        name = f"value{index}"
    nodes += [helper.make_node(operation, [name], [f"after {operation}"]) for operation in after]
    nodes.append(helper.make_node("Identity", [f"after {after[-1]}" if after else name], ["values"]))
    image = helper.make_tensor_value_info("image", TensorProto.UINT8, ["n", HEIGHT, WIDTH, channels])
    values = helper.make_tensor_value_info("values", TensorProto.FLOAT, ["n", None, None, None])
    graph = helper.make_graph(nodes, "steps", [image], [values], constants)
    return helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])


def _run(model, images):
    return InferenceSession(model.SerializeToString()).run(None, {"image": images})[0]


def _shapes(model):
    """The shapes of the constants that the operations use, in order."""
    constants = {each.name: tuple(each.dims) for each in model.graph.initializer}
    used = [name for node in model.graph.node if node.op_type in OPERATIONS for name in node.input]
    return [constants[name] for name in used if name in constants]


@st.composite
def _steps(draw, channels):
    shape = draw(st.sampled_from([(), (1,), (1, 1), (channels,), (1, 1, channels), (1, 1, 1, channels)]))
    size = int(np.prod(shape))
    values = draw(st.lists(st.floats(0.5, 300, width=32), min_size=size, max_size=size))
    constant = np.array(values, np.float32).reshape(shape)
    return draw(st.sampled_from(OPERATIONS)), constant, draw(st.booleans()), draw(st.booleans())


@given(st.data(), st.sampled_from([1, 3]), st.integers(0, 2**32 - 1))
def test_the_same_bits_come_out(data, channels, seed):
    steps = data.draw(st.lists(_steps(channels), min_size=1, max_size=4))
    images = np.random.default_rng(seed).integers(1, 256, (4, HEIGHT, WIDTH, channels), np.uint8)
    model = _graph(steps, channels)
    expected = _run(model, images)
    widen_constants(model)
    checker.check_model(model)
    np.testing.assert_array_equal(_run(model, images), expected)
    assert set(_shapes(model)) <= {(1, 1, 1, 1), (1, 1, WIDTH, channels)}


@pytest.mark.parametrize(
    ("constant", "channels", "shape"),
    [
        (np.float32(255), 1, (1, 1, 1, 1)),
        (np.float32(255), 3, (1, 1, 1, 1)),
        (np.ones(1, np.float32), 1, (1, 1, 1, 1)),
        (np.ones(3, np.float32), 3, (1, 1, WIDTH, 3)),
        (np.ones((1, 1, 1, 3), np.float32), 3, (1, 1, WIDTH, 3)),
        # One value a column, or a pixel: not what scales pixels, and fast as they are.
        (np.ones((WIDTH, 1), np.float32), 1, (WIDTH, 1)),
        (np.ones((HEIGHT, WIDTH, 3), np.float32), 3, (HEIGHT, WIDTH, 3)),
        (np.ones((1, 1, 1, 1, 1), np.float32), 3, (1, 1, 1, 1, 1)),
    ],
)
def test_which_shape_a_constant_gets(constant, channels, shape):
    model = _graph([("Mul", np.asarray(constant), False, False)], channels)
    widen_constants(model)
    assert _shapes(model) == [shape]


def test_only_the_first_steps_are_changed():
    """Deeper in a graph ONNX Runtime recognises patterns by constants without axes."""
    one = np.float32(1).reshape(())
    model = _graph([("Mul", one, False, False)], 1, after=("Relu",))
    model.graph.initializer.append(numpy_helper.from_array(one, "deep"))
    model.graph.node[-1].CopyFrom(helper.make_node("Add", ["after Relu", "deep"], ["values"]))
    widen_constants(model)
    assert _shapes(model) == [(1, 1, 1, 1), ()]


def test_the_graph_of_a_trained_bundle_has_them(digits_bundle):
    model = load(digits_bundle / "model.onnx")
    first = next(node for node in model.graph.node if node.op_type in OPERATIONS)
    constants = {each.name: tuple(each.dims) for each in model.graph.initializer}
    assert [constants[name] for name in first.input if name in constants] == [(1, 1, 1, 1)]
