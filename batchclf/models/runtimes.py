"""Run a bundle's model: ONNX Runtime by default, TensorFlow on request."""

from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from batchclf.errors import ModelError
from batchclf.models.bundle import Bundle
from batchclf.models.preprocessing import prepare, to_probabilities

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
    """The model that the bundle keeps beside its graph, in TensorFlow; a Keras file is loaded in Keras' safe mode."""

    def __init__(self, bundle: Bundle) -> None:
        path, self._steps = bundle.original_path, bundle.info.preprocessing
        if path is None:
            raise ModelError(
                f"{bundle.path} came as an ONNX file, so there is no model in it that TensorFlow runs",
                hint="score with --runtime onnx",
            )
        from batchclf.models.tensorflow_model import load_keras, load_saved_model

        self._model = load_saved_model(path) if path.is_dir() else load_keras(path)

    def probabilities(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Score (n, height, width, channels) uint8 images: (n, classes) float32, rows sum to 1."""
        outputs = self._model.run(prepare(images, self._steps))
        return to_probabilities(outputs.reshape(len(images), -1), self._steps.output)
