"""Run a bundle's model: ONNX Runtime by default, TensorFlow or OpenVINO on request."""

import os
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from batchclf.errors import ModelError, UsageError
from batchclf.models.bundle import Bundle
from batchclf.models.preprocessing import prepare, to_probabilities
from batchclf.models.runtime.memory_errors import is_out_of_memory

RuntimeName = Literal["onnx", "tensorflow"]
Precision = Literal["f32", "bf16"]


class Runtime(Protocol):
    """Something that turns images into probabilities."""

    def probabilities(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Score (n, height, width, channels) uint8 images, n >= 1: (n, classes) float32, rows sum to 1.

        Raises MemoryError where the memory does not suffice for so many, after which fewer can be scored; ModelError
        where the model fails.
        """


def open_runtime(bundle: Bundle, name: RuntimeName, *, precision: Precision = "f32") -> Runtime:
    """Load the bundle's model; with bf16 its graph is run in OpenVINO.

    Raises ModelError where it cannot be loaded, OpenVINO is missing or the processor has no bfloat16 arithmetic, and
    UsageError for bf16 with TensorFlow.
    """
    if precision == "bf16":
        if name != "onnx":
            raise UsageError("--precision bf16 does not go with --runtime tensorflow", hint="leave --runtime away")
        from batchclf.models.runtime.openvino import OpenvinoRuntime

        return OpenvinoRuntime(bundle)
    return OnnxRuntime(bundle) if name == "onnx" else TensorflowRuntime(bundle)


def onnx_session(path: Path) -> Any:
    """Open an ONNX graph on the CPU, on all cores that this process may use, with the runtime's own chatter off."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    # A number of one's own: by default threads are pinned to cores, and to as many as the machine has.
    options.intra_op_num_threads = _usable_cores()
    # Threads that wait by spinning take the cores from the decoding workers.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Its fallback tries the same again, and prints to standard output.
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"], enable_fallback=0)


def _usable_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class OnnxRuntime:
    """The bundle's model.onnx in ONNX Runtime; imports no TensorFlow."""

    def __init__(self, bundle: Bundle) -> None:
        self._path = bundle.onnx_path
        self._session = self._open()

    def probabilities(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Score (n, height, width, channels) uint8 images, n >= 1: (n, classes) float32, rows sum to 1.

        Raises MemoryError where the memory does not suffice for so many, ModelError where the model fails.
        """
        if self._session is None:
            self._session = self._open()
        try:
            scores: NDArray[np.float32] = self._session.run(["probabilities"], {"image": images})[0]
            return scores
        except Exception as error:  # ONNX Runtime raises a class of its own for each status code
            if not is_out_of_memory(error):
                raise ModelError(f"{self._path} fails on {len(images)} images: {error}") from error
            message = f"{self._path}: {error}"
        # A session keeps the memory that a failed run had got so far, and fewer images may not find room beside it.
        # Outside of the handler: the error's traceback holds the session.
        self._session = None
        raise MemoryError(message)

    def _open(self) -> Any:
        try:
            return onnx_session(self._path)
        except Exception as error:  # ONNX Runtime raises a class of its own for each status code
            hint = "free memory" if is_out_of_memory(error) else "train it again"
            raise ModelError(f"{self._path} cannot be loaded: {error}", hint=hint) from error


class TensorflowRuntime:
    """The model that the bundle keeps beside its graph, in TensorFlow; a Keras file is loaded in Keras' safe mode."""

    def __init__(self, bundle: Bundle) -> None:
        path, self._steps = bundle.original_path, bundle.info.preprocessing
        if path is None:
            raise ModelError(
                f"{bundle.path} came as an ONNX file, so there is no model in it that TensorFlow runs",
                hint="score with --runtime onnx",
            )
        from batchclf.models.sources.keras import load_keras, load_saved_model

        self._path = path
        self._model = load_saved_model(path) if path.is_dir() else load_keras(path)

    def probabilities(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Score (n, height, width, channels) uint8 images, n >= 1: (n, classes) float32, rows sum to 1.

        Raises MemoryError where TensorFlow says that the memory does not suffice for so many, ModelError where the
        model fails. Where a convolution finds no memory TensorFlow crashes instead, and the process with it.
        """
        try:
            outputs = self._model.run(prepare(images, self._steps))
        except MemoryError as error:
            raise MemoryError(f"{self._path}: {error}") from error
        except ModelError as error:
            raise ModelError(f"{self._path} fails on {len(images)} images: {error.message}") from error
        steps = self._steps
        return to_probabilities(outputs.reshape(len(images), -1), steps.output, steps.temperature)
