"""Pixels to a PNG."""

import cv2
import numpy as np
from numpy.typing import NDArray


def encode_png(image: NDArray[np.uint8]) -> bytes:
    """Encode (height, width, 1 or 3) uint8, 3 channels in RGB order, as PNG; raises OSError where OpenCV refuses."""
    if image.shape[2] == 3:
        image = np.ascontiguousarray(image[..., ::-1])  # OpenCV takes blue first.
    encoded, buffer = cv2.imencode(".png", image)
    if not encoded:
        raise OSError(f"an image of shape {image.shape} cannot be written as PNG")
    return bytes(buffer)
