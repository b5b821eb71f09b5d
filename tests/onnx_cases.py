"""Small ONNX files, imported through the command line: models for the ten digits."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from batchclf.cli.main import main


def import_rows(folder, seed, *, size, spread=1):
    """A model that looks at the mean of each row of size x size pixels; returns its bundle.

    With `spread` each image first becomes (spread x size)² float32 values.
    """
    rng = np.random.default_rng(seed)
    rows = size * spread
    constants = [
        numpy_helper.from_array(np.array([1, spread, spread, 1], np.int64), "times"),
        numpy_helper.from_array(np.array([2], np.int64), "axes"),
        numpy_helper.from_array(rng.normal(0, 0.3, (rows, 10)).astype(np.float32), "weights"),
        numpy_helper.from_array(rng.normal(0, 0.3, 10).astype(np.float32), "bias"),
    ]
    nodes = [
        helper.make_node("Tile", ["image", "times"], ["spread"]),
        helper.make_node("Exp", ["spread"], ["bent"]),
        helper.make_node("ReduceMean", ["bent", "axes"], ["means"], keepdims=0),
        helper.make_node("Flatten", ["means"], ["flat"]),
        helper.make_node("Gemm", ["flat", "weights", "bias"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["predictions"]),
    ]
    inputs = [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", size, size, 1])]
    outputs = [helper.make_tensor_value_info("predictions", TensorProto.FLOAT, ["n", 10])]
    graph = helper.make_graph(nodes, "rows", inputs, outputs, constants)
    path, out = folder / "rows.onnx", folder / "rows"
    onnx.save(helper.make_model(graph, ir_version=9, opset_imports=[helper.make_opsetid("", 18)]), path)
    how = ["--classes", ",".join(map(str, range(10))), "--scale", "0..1", "--like", "batchclf", "--out", str(out)]
    assert main(["model", "import", str(path), *how]) == 0
    return out
