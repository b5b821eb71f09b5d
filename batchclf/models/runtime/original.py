"""Run the model that a bundle keeps as it came, with the preprocessing by numpy."""

from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from batchclf.errors import ModelError
from batchclf.models.preprocessing import Preprocessing, prepare, to_probabilities
from batchclf.models.runtime.memory_errors import is_out_of_memory


class Runner(Protocol):
    """A model that gives its outputs for inputs; it raises ModelError or MemoryError."""

    def run(self, inputs: NDArray[np.float32] | NDArray[np.uint8]) -> NDArray[np.floating]:
        """Predict (n, *shape) inputs: (n, units), or more axes."""


def original_probabilities(
    model: Runner, path: Path, steps: Preprocessing, images: NDArray[np.uint8]
) -> NDArray[np.float32]:
    """Score (n, height, width, channels) uint8 images by the model at `path`: (n, classes) float32, rows sum to 1.

    Raises MemoryError if the library says that the memory does not suffice for so many, ModelError if the model fails.
    """
    try:
        outputs = model.run(prepare(images, steps))
    except MemoryError as error:
        raise MemoryError(f"{path}: {error}") from error
    except ModelError as error:
        if error.__cause__ is not None and is_out_of_memory(error.__cause__):
            raise MemoryError(f"{path}: {error.message}") from error
        raise ModelError(f"{path} fails on {len(images)} images: {error.message}") from error
    rows = outputs.reshape(len(images), -1)
    return to_probabilities(rows, steps.output, steps.temperature, renormalize=steps.renormalize)
