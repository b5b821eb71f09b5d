"""Run the model that a bundle keeps beside its graph in TensorFlow."""

import numpy as np
from numpy.typing import NDArray

from batchclf.errors import ModelError
from batchclf.models.bundle import Bundle
from batchclf.models.preprocessing import prepare, to_probabilities


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
