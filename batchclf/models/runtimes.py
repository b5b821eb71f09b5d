"""Run a bundle's model: ONNX Runtime by default, TensorFlow on request."""

from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from batchclf.errors import ModelError
from batchclf.models.bundle import Bundle

RuntimeName = Literal["onnx", "tensorflow"]


class Runtime(Protocol):
    """Something that turns images into probabilities."""

    def probabilities(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Score (n, height, width, channels) uint8 images: (n, classes) float32, rows sum to 1."""


def open_runtime(bundle: Bundle, name: RuntimeName) -> Runtime:
    """Load the bundle's model; raises ModelError where it cannot be loaded."""
    return OnnxRuntime(bundle) if name == "onnx" else TensorflowRuntime(bundle)


def onnx_session(path: Path) -> Any:
    """Open an ONNX graph on the CPU, with the runtime's own chatter off."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    # Threads that wait by spinning take the cores from the decoding workers.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


class OnnxRuntime:
    """The bundle's model.onnx in ONNX Runtime; imports no TensorFlow."""

    def __init__(self, bundle: Bundle) -> None:
        try:
            self._session = onnx_session(bundle.onnx_path)
        except Exception as error:  # ONNX Runtime raises a class of its own for each status code
            raise ModelError(f"{bundle.onnx_path} cannot be loaded: {error}", hint="train it again") from error

    def probabilities(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Score (n, height, width, channels) uint8 images: (n, classes) float32, rows sum to 1."""
        scores: NDArray[np.float32] = self._session.run(["probabilities"], {"image": images})[0]
        return scores


class TensorflowRuntime:
    """The bundle's model.keras in TensorFlow, loaded in Keras' safe mode."""

    def __init__(self, bundle: Bundle) -> None:
        from batchclf.models.train import tensorflow_or_error

        self._tf = tensorflow_or_error()
        import keras

        try:
            self._model = keras.models.load_model(bundle.keras_path, compile=False, safe_mode=True)
        except (OSError, ValueError, TypeError) as error:
            raise ModelError(f"{bundle.keras_path} cannot be loaded: {error}", hint="train it again") from error

    def probabilities(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Score (n, height, width, channels) uint8 images: (n, classes) float32, rows sum to 1."""
        logits = self._model(self._tf.constant(images), training=False)
        scores: NDArray[np.float32] = self._tf.nn.softmax(logits).numpy()
        return scores
