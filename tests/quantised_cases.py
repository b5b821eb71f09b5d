"""Small ONNX classifiers of 8x8 gray pixels, scaled to 0..1, with any nodes at their end; and quantised ones."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from batchclf.models.sources.import_model import sample_images

SIZE = 8
CLASSES = tuple("abcdefghij")


def network(path, end=(), constants=None, *, units=10, opset=17, gain=4.0):
    """Write Flatten, MatMul, Relu, MatMul and the nodes of `end`, (operation, further inputs, attributes) in a row."""
    random = np.random.default_rng(0)
    held = {
        "first": random.normal(size=(SIZE * SIZE, 32)) / 8,
        "second": random.normal(size=(32, units)) * gain / 6,
        **(constants or {}),
    }
    tensors = [
        numpy_helper.from_array(np.asarray(value, None if np.asarray(value).dtype.kind == "i" else np.float32), name)
        for name, value in held.items()
    ]
    chain = [("Flatten", (), {}), ("MatMul", ("first",), {}), ("Relu", (), {}), ("MatMul", ("second",), {}), *end]
    nodes = []
    for number, (operation, more, attributes) in enumerate(chain):
        given = "output" if number == len(chain) - 1 else f"v{number}"
        nodes.append(
            helper.make_node(operation, [f"v{number - 1}" if number else "input", *more], [given], **attributes)
        )
    source = helper.make_tensor_value_info("input", TensorProto.FLOAT, ["n", 1, SIZE, SIZE])
    result = helper.make_tensor_value_info("output", TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, "network", [source], [result], tensors)
    model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", opset)])
    onnx.save(onnx.shape_inference.infer_shapes(model), path)
    return path


def quantise(path, out, form):
    """Quantise a model by ONNX Runtime: `dynamic`, or static in its form `QDQ` or `QOperator`."""
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, quantize_dynamic, quantize_static

    if form == "dynamic":
        quantize_dynamic(path, out)
        return out

    class Samples(CalibrationDataReader):
        def __init__(self):
            self._left = iter([inputs(sample_images((SIZE, SIZE, 1)))])

        def get_next(self):
            images = next(self._left, None)
            return None if images is None else {"input": images}

    quantize_static(path, out, Samples(), quant_format=QuantFormat[form])
    return out


def inputs(images):
    """Give (n, height, width, 1) uint8 images as the models take them."""
    return (images.astype(np.float32) / 255).transpose(0, 3, 1, 2)


def original(path, images, *, alone=False):
    """What ONNX Runtime gives for the file as it was made, in one batch or image by image: (n, units)."""
    session = onnxruntime.InferenceSession(str(path))
    values = inputs(images)
    parts = np.split(values, len(values)) if alone else [values]
    return np.concatenate([session.run(None, {"input": part})[0].reshape(len(part), -1) for part in parts])


def photos(folder, count=20):
    """Write dark and bright noise as PNG; gives their pixels in path order: (n, 8, 8, 1) uint8."""
    random = np.random.default_rng(7)
    folder = Path(folder)
    folder.mkdir()
    pixels = random.integers(0, 256, (count, SIZE, SIZE, 1))
    pixels = (pixels * random.random((count, 1, 1, 1))).astype(np.uint8)
    for number, image in enumerate(pixels):
        Image.fromarray(image[..., 0]).save(folder / f"{number:03}.png")
    return pixels
