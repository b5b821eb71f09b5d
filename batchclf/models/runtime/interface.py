"""What every runtime offers: images to probabilities."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Runtime(Protocol):
    """Something that turns images into probabilities."""

    def probabilities(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Score (n, height, width, channels) uint8 images, n >= 1: (n, classes) float32, rows sum to 1.

        Raises MemoryError where out of memory for so many, after which fewer can be scored; ModelError
        where the model fails.
        """
