"""Run the TFLite file of a bundle in LiteRT, on the CPU."""

import numpy as np
from numpy.typing import NDArray

from batchclf.libraries import versions_of
from batchclf.models.bundle import Bundle
from batchclf.models.runtime.original import original_probabilities
from batchclf.models.runtime.registry import Device
from batchclf.models.sources.tflite import TfliteModel


class LitertRuntime:
    """The bundle's model.tflite in LiteRT; imports no TensorFlow."""

    def __init__(self, bundle: Bundle, device: Device, cores: int | None = None) -> None:
        assert bundle.original_path is not None, bundle.path
        self._path, self._steps = bundle.original_path, bundle.info.preprocessing
        self._model = TfliteModel(self._path, bundle.output_name, cores)

    @staticmethod
    def versions() -> dict[str, str]:
        """Give the version of LiteRT."""
        return versions_of("ai_edge_litert")

    @staticmethod
    def check(device: Device) -> None:
        """Do nothing: it runs on every CPU."""

    def probabilities(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Score (n, height, width, channels) uint8 images, n >= 1: (n, classes) float32, rows sum to 1.

        Raises MemoryError where the memory does not suffice for so many, ModelError where the model fails.
        """
        return original_probabilities(self._model, self._path, self._steps, images)
