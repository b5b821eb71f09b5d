"""Run a bundle's graph in ONNX Runtime."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from batchclf.errors import ModelError
from batchclf.models.bundle import Bundle
from batchclf.models.onnx_session import onnx_session
from batchclf.models.runtime.memory_errors import is_out_of_memory


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
        # Outside of the handler: the error's traceback holds the session (decision 044)
        self._session = None
        raise MemoryError(message)

    def _open(self) -> Any:
        try:
            return onnx_session(self._path)
        except Exception as error:  # ONNX Runtime raises a class of its own for each status code
            hint = "free memory" if is_out_of_memory(error) else "train it again"
            raise ModelError(f"{self._path} cannot be loaded: {error}", hint=hint) from error
