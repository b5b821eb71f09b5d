"""Bring decoded pixels to the model's input size."""

import cv2
import numpy as np
from numpy.typing import NDArray

from batchclf.core.choices import ResizeMode


def fit(
    pixels: NDArray[np.uint8], input_shape: tuple[int, int, int], resize: ResizeMode = "exact"
) -> NDArray[np.uint8]:
    """Resize (h, w, channels) uint8 to (height, width, channels) without keeping the aspect ratio.

    An image that has the size already keeps its pixels. `exact` averages over areas where both sides shrink (or
    stay) and interpolates linearly otherwise. `fast` differs where both sides have at least 1.5 times the size: see
    `_nearer`.
    """
    height, width, channels = input_shape
    rows, columns = pixels.shape[:2]
    if (rows, columns) == (height, width):
        return pixels
    if resize == "fast" and 2 * rows >= 3 * height and 2 * columns >= 3 * width:
        pixels = _nearer(pixels, height, width)
    shrinks = rows >= height and columns >= width
    resized = _resized(pixels, height, width, cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    return resized.reshape(height, width, channels)


def _nearer(pixels: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """Bring an image of at least 1.5 times the size nearer to it by quick steps; what is left is averaged over areas.

    OpenCV averages 2x2 pixels six times as fast as areas that are no whole number of pixels. So the image is halved
    that way while its sides are even and it keeps twice the size. Unless each pixel then stands for a whole number of
    pixels, it is interpolated linearly to a size from which halving leads to the end.
    """
    pixels = halved(pixels, 2 * height, 2 * width)
    rows, columns = pixels.shape[:2]
    if rows % height == 0 and columns % width == 0:
        return pixels
    # Linear to a multiple of the size, then halved: averages of 2x2 are six times as fast as areas (decision 047)
    pixels = _resized(pixels, _start(rows, height), _start(columns, width), cv2.INTER_LINEAR)
    return halved(pixels, height, width)


def _start(side: int, wanted: int) -> int:
    """Give the least of `wanted` times 2, 4, 8, ... to which `side` shrinks, if at all, by no more than 1.75.

    Linear interpolation looks at the two nearest pixels. The more it shrinks, the less weight it gives to some pixels;
    at 2 it would miss them. 1.75 balances that against the time that a larger start takes.
    """
    start = 2 * wanted
    while 7 * start < 4 * side:
        start *= 2
    return start


def halved(pixels: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """Halve the image while its sides are even and it keeps at least (height, width)."""
    rows, columns = pixels.shape[:2]
    while rows >= 2 * height and columns >= 2 * width and not (rows | columns) & 1:
        rows, columns = rows // 2, columns // 2
        pixels = _resized(pixels, rows, columns, cv2.INTER_AREA)
    return pixels


def _resized(pixels: NDArray[np.uint8], height: int, width: int, method: int) -> NDArray[np.uint8]:
    return np.asarray(cv2.resize(pixels, (width, height), interpolation=method), np.uint8)


def reduction(size: tuple[int, int], input_shape: tuple[int, int, int]) -> int:
    """Say at what part of its size, one by 1, 2, 4 or 8, an image of (h, w) pixels may be decoded for `fast`.

    At least twice the input is left in both directions, whichever way up EXIF turns the image, and both sides
    divide without a rest, so that the reduced pixels cover just what the whole ones do.
    """
    # Twice the input, as in Pillow's reducing_gap=2; less would be four times as far from exact (decision 048)
    needed = 2 * max(input_shape[:2])
    for scale in (8, 4, 2):
        if min(size) >= scale * needed and size[0] % scale == 0 and size[1] % scale == 0:
            return scale
    return 1
