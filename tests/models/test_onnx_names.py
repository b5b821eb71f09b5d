"""The graph of a model is the same, byte for byte, whatever was made in the process before."""

import hashlib
from importlib.util import find_spec

import numpy as np
import pytest
from network_cases import CLASSES, bundle_of, convolutional, noise

from batchclf.core.types import Dataset, Split
from batchclf.models.bundle import load_bundle
from batchclf.models.onnx_graph.names import with_stable_names
from batchclf.models.onnx_graph.read import subgraphs
from batchclf.models.onnx_session import onnx_session
from batchclf.models.runtime.registry import open_runtime
from batchclf.training.train_bundle import TrainSettings, train

if find_spec("tensorflow") is None:
    pytest.skip("TensorFlow is not installed", allow_module_level=True)


def test_two_trainings_in_one_process_give_the_same_file(digits, tmp_path):
    def cut(split):
        return Split(split.name, split.images[:60], split.labels[:60], split.paths[:60])

    dataset = Dataset("few", digits.class_names, cut(digits.train), cut(digits.test), "made in a test")
    first, again, other = (
        train(dataset, TrainSettings(epochs=1, seed=seed), tmp_path / str(number), say=lambda _: None,
              on_epoch=lambda *_: None)
        for number, seed in enumerate([1, 1, 2])
    )  # fmt: skip
    assert first.digest == again.digest != other.digest
    assert first.onnx_path.read_bytes() == again.onnx_path.read_bytes()


def test_the_same_keras_file_is_imported_to_the_same_graph(tmp_path):
    """A network of many kinds of nodes, with a Normalization whose numbers are no weights."""
    import keras

    network = convolutional((20, 18, 1))
    layers = keras.layers
    network = keras.Sequential(
        [keras.Input((20, 18, 1)), layers.Normalization(mean=[3.0], variance=[4.0]), *network.layers[1:-1],
         layers.BatchNormalization(), layers.Dropout(0.2), layers.Dense(len(CLASSES))]
    )  # fmt: skip
    digests = []
    for number in range(2):
        (tmp_path / str(number)).mkdir()
        digests.append(bundle_of(network, tmp_path / str(number)).digest)
    assert digests[0] == digests[1]
    bundle, images = load_bundle(tmp_path / "0" / "bundle"), noise(9, (20, 18, 1))
    predictions = [open_runtime(bundle, name).probabilities(images) for name in ("onnx", "tensorflow")]
    np.testing.assert_allclose(*predictions, atol=1e-5)
    names = [node.name for node in _load(bundle.onnx_path).graph.node]
    assert len(set(names)) == len(names)
    assert not any("sequential" in name or "__" in name for name in names)


def _load(path):
    import onnx

    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    return model


# Graphs made by hand


def branching(prefix, *, turned=False):
    """Build: where x's sum is above 0 x + two, else -x; and a node and a constant that nothing uses.

    `prefix` goes before every name but those of input and output; `turned` writes what has no order the other way.
    """
    from onnx import TensorProto, helper, numpy_helper

    def value(name, shape=("n", 2)):
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, [f"{prefix}{each}" if each == "n" else each
                                                                       for each in shape])  # fmt: skip

    def p(name):
        return prefix + name

    plus = helper.make_graph(
        [helper.make_node("Add", ["x", p("two")], [p("inner")], name=p("a")),
         helper.make_node("Identity", [p("inner")], [p("then")], name=p("b"))],
        p("plus"), [], [value(p("then"))],
    )  # fmt: skip
    minus = helper.make_graph(
        [helper.make_node("Neg", ["x"], [p("else")], name=p("c"))], p("minus"), [], [value(p("else"))]
    )
    nodes = [
        helper.make_node("ReduceSum", ["x"], [p("sum")], name=p("s"), keepdims=0, domain=""),
        helper.make_node("Exp", ["x"], [p("unused")], name=p("u")),
        helper.make_node("Greater", [p("sum"), p("zero")], [p("above")], name=p("g")),
        helper.make_node("If", [p("above")], ["y"], name=p("i"), then_branch=plus, else_branch=minus),
    ]
    constants = [
        numpy_helper.from_array(np.float32(number), p(name)) for name, number in (("zero", 0), ("two", 2), ("odd", 5))
    ]
    if turned:
        nodes.insert(0, nodes.pop(1))
        constants.reverse()
        nodes[0].ClearField("domain")
    graph = helper.make_graph(nodes, p("graph"), [value("x")], [value("y")], constants, doc_string=p("made"))
    graph.value_info.append(value(p("sum"), ()))
    return helper.make_model(graph, ir_version=9, opset_imports=[helper.make_opsetid("", 18)])


def test_names_and_chance_order_make_no_difference(tmp_path):
    models = [with_stable_names(branching("one/")), with_stable_names(branching("Two__17:", turned=True))]
    digests = {hashlib.sha256(model.SerializeToString()).hexdigest() for model in models}
    assert len(digests) == 1
    graph = models[0].graph
    assert [node.op_type for node in graph.node] == ["ReduceSum", "Greater", "If"]
    assert [each.name for each in graph.initializer] == ["Constant_0", "Constant_1"]
    assert [len(each.node) for each in subgraphs(graph)] == [3, 1, 2]
    assert "one/" not in str(models[0])


@pytest.mark.parametrize("sign", [1, -1])
def test_it_computes_the_same(tmp_path, sign):
    import onnx

    given = sign * np.array([[1.0, 2.0], [3.0, -0.5]], np.float32)
    for name, model in (("before", branching("p/")), ("after", with_stable_names(branching("p/")))):
        onnx.checker.check_model(model, full_check=True)
        onnx.save(model, tmp_path / name)
        found = onnx_session(tmp_path / name).run(None, {"x": given})[0]
        np.testing.assert_array_equal(found, given + 2 if sign > 0 else -given)
