"""Write a Keras model's ONNX graph and check that both give the same probabilities."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from batchclf.errors import ModelError

OPSET = 18
TOLERANCE = 1e-5


def export_onnx(model: Any, path: Path, sample: NDArray[np.uint8]) -> float:
    """Write the graph from uint8 images to float32 probabilities; softmax is part of it.

    `model` gives logits; `sample` is (n, height, width, channels) uint8. Returns the largest difference of a
    probability between ONNX Runtime and Keras on the sample. Raises ModelError where it exceeds 1e-5 or an
    argmax differs.
    """
    import tensorflow as tf
    import tf2onnx

    from batchclf.models.runtimes import onnx_session

    shape = (None, *sample.shape[1:])

    @tf.function(input_signature=[tf.TensorSpec(shape, tf.uint8, name="image")])  # type: ignore[untyped-decorator]
    def probabilities(image: Any) -> dict[str, Any]:
        return {"probabilities": tf.nn.softmax(model(image, training=False))}

    tf2onnx.convert.from_function(
        probabilities, input_signature=probabilities.input_signature, opset=OPSET, output_path=str(path)
    )
    expected = probabilities(tf.constant(sample))["probabilities"].numpy()
    actual = onnx_session(path).run(["probabilities"], {"image": sample})[0]
    difference = float(np.abs(actual - expected).max())
    if difference > TOLERANCE or np.any(actual.argmax(axis=1) != expected.argmax(axis=1)):
        raise ModelError(
            f"the ONNX graph does not give the Keras model's answers: probabilities differ by up to {difference:.1e} "
            f"on {len(sample)} images, at most {TOLERANCE:.0e} is allowed",
            hint="score with --runtime tensorflow, and report this model",
        )
    return difference
