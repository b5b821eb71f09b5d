"""Small ONNX classifiers, built node by node."""

import numpy as np
import pytest


class Dense:
    """A linear classifier of `shape` images (without the batch), and the same in float64 numpy."""

    def __init__(self, path, shape, classes=3, *, seed=0):
        random = np.random.default_rng(seed)
        self.path, self.shape = path, shape
        self.weights = random.normal(size=(int(np.prod(shape)), classes)).astype(np.float32)
        self.weights /= np.float32(np.sqrt(len(self.weights)))
        self.bias = random.normal(size=classes).astype(np.float32)

    def logits(self, inputs):
        return np.asarray(inputs, np.float64).reshape(len(inputs), -1) @ self.weights + self.bias

    def probabilities(self, inputs):
        shares = np.exp(self.logits(inputs) - self.logits(inputs).max(axis=1, keepdims=True))
        return shares / shares.sum(axis=1, keepdims=True)


@pytest.fixture
def onnx_model(tmp_path):
    """Write a linear classifier as ONNX; `end` names an operation after it, `batch` and `dims` what the file says."""
    from onnx import TensorProto, helper, numpy_helper, save_model

    def make(
        shape=(3, 8, 6),
        *,
        classes=3,
        end="",
        batch="batch",
        dims=None,
        opset=17,
        ir=8,
        flatten="Flatten",
        kind=TensorProto.FLOAT,
        names=("pixels", "scores"),
        initializers_as_inputs=False,
        outputs=1,
        before=(),
        **saving,
    ):
        dense = Dense(tmp_path / "model.onnx", shape, classes)
        constants = [
            numpy_helper.from_array(dense.weights, "weights"),
            numpy_helper.from_array(dense.bias, "bias"),
            numpy_helper.from_array(np.array([1, -1]), "row"),
        ]
        nodes = list(before)
        value = nodes[-1].output[0] if nodes else names[0]
        if kind != TensorProto.FLOAT:
            nodes.append(helper.make_node("Cast", [value], ["as float"], to=TensorProto.FLOAT))
            value = "as float"
        reshape = flatten == "Reshape"
        nodes += [
            helper.make_node(flatten, [value, "row"] if reshape else [value], ["flat"]),
            helper.make_node("Gemm", ["flat", "weights", "bias"], ["logits" if end else names[1]]),
        ]
        if end:
            nodes.append(helper.make_node(end, ["logits"], [names[1]]))
        inputs = [helper.make_tensor_value_info(names[0], kind, [batch, *(dims or shape)])]
        if initializers_as_inputs:
            inputs += [helper.make_tensor_value_info(each.name, each.data_type, each.dims) for each in constants]
        given = [helper.make_tensor_value_info(names[1], TensorProto.FLOAT, [batch, classes])]
        if outputs == 2:
            given.append(helper.make_tensor_value_info("flat", TensorProto.FLOAT, [batch, len(dense.weights)]))
        graph = helper.make_graph(nodes, "classifier", inputs, given, constants)
        model = helper.make_model(graph, ir_version=ir, opset_imports=[helper.make_opsetid("", opset)])
        save_model(model, dense.path, **saving)
        return dense

    return make
