"""Bring decoded pixels to the model's input size."""

import cv2
import numpy as np
from numpy.typing import NDArray

from batchclf.core.types import ResizeMode


def fit(
    pixels: NDArray[np.uint8], input_shape: tuple[int, int, int], resize: ResizeMode = "exact"
) -> NDArray[np.uint8]:
    """Resize (h, w, channels) uint8 to (height, width, channels) without keeping the aspect ratio.

    An image that has the size already keeps its pixels. `exact` averages over areas where both sides shrink (or
    stay) and interpolates linearly otherwise. `fast` first halves the image, by averages of 2x2 pixels, as long as
    it keeps at least the size asked for and its sides are even. What it has halved to less than twice that size,
    it then interpolates linearly; all else it does as `exact`.
    """
    height, width, channels = input_shape
    rows, columns = pixels.shape[:2]
    if (rows, columns) == (height, width):
        return pixels
    method = cv2.INTER_AREA if rows >= height and columns >= width else cv2.INTER_LINEAR
    if resize == "fast":
        while rows >= 2 * height and columns >= 2 * width and not (rows | columns) & 1:
            rows, columns = rows // 2, columns // 2
            pixels = np.asarray(cv2.resize(pixels, (columns, rows), interpolation=cv2.INTER_AREA), np.uint8)
            if rows < 2 * height and columns < 2 * width:
                method = cv2.INTER_LINEAR
    resized = cv2.resize(pixels, (width, height), interpolation=method)
    return np.asarray(resized, np.uint8).reshape(height, width, channels)


def reduction(size: tuple[int, int], input_shape: tuple[int, int, int]) -> int:
    """Say at what part of its size, one by 1, 2, 4 or 8, an image of (h, w) pixels may be decoded for `fast`.

    At least twice the input is left in both directions, whichever way up EXIF turns the image, and both sides
    divide without a rest, so that the reduced pixels cover just what the whole ones do.
    """
    needed = 2 * max(input_shape[:2])
    for scale in (8, 4, 2):
        if min(size) >= scale * needed and size[0] % scale == 0 and size[1] % scale == 0:
            return scale
    return 1
