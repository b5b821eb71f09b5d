"""OpenCV: files to colours or to gray, and pixels to a PNG."""

import cv2
import numpy as np
from numpy.typing import NDArray

from batchclf.core.choices import ColorMode

# OpenCV's own log would reach cron's mail; skipped.csv has the reasons.
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
# Images are decoded side by side by the scoring stream's workers.
cv2.setNumThreads(1)

# Turning is ours, by one rule for all formats.
_STORED = cv2.IMREAD_IGNORE_ORIENTATION
# OpenCV refuses COLOR_RGB with REDUCED_COLOR, which would also say BGR. The reduction is a bit of its own, though,
# and beside COLOR_RGB that one decides on the colours.
_REDUCED = {2: cv2.IMREAD_REDUCED_GRAYSCALE_2, 4: cv2.IMREAD_REDUCED_GRAYSCALE_4, 8: cv2.IMREAD_REDUCED_GRAYSCALE_8}
_GRAY = {1: cv2.IMREAD_GRAYSCALE | _STORED} | {scale: flag | _STORED for scale, flag in _REDUCED.items()}
_COLOR = {scale: flag | cv2.IMREAD_COLOR_RGB for scale, flag in _GRAY.items()}


def decoded(
    content: bytes, color_mode: ColorMode, scale: int = 1, *, stored_gray: bool = False
) -> NDArray[np.uint8] | None:
    """Decode as (height, width, 3) in RGB order or, for grayscale, (height, width). None if OpenCV refuses the file.

    A JPEG may be decoded at one by `scale` of its size. Gray is made of the colours: 0.299 R + 0.587 G + 0.114 B
    (ITU-R BT.601-7, 2.5.1). With `stored_gray` it is what a file without colours stores, or a JPEG's luma; not for
    colours in other formats, which libpng would convert in linear light if the file has a gamma.
    """
    if stored_gray and color_mode == "grayscale":
        return _decoded(content, _GRAY[scale])
    pixels = _decoded(content, _COLOR[scale])
    if pixels is None or color_mode == "rgb":
        return pixels
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), np.uint8)


def clipped_gray(content: bytes, color_mode: ColorMode) -> NDArray[np.uint8] | None:
    """Decode gray of 16 bits, with what is above 255 cut to that, in the shapes of `decoded`."""
    deep = _decoded(content, cv2.IMREAD_ANYDEPTH | _STORED)
    if deep is None:
        return None
    gray = np.minimum(deep, 255).astype(np.uint8)
    return gray if color_mode == "grayscale" else np.asarray(cv2.cvtColor(gray, cv2.COLOR_GRAY2RGB), np.uint8)


def _decoded(content: bytes, flags: int) -> NDArray[np.uint8] | None:
    try:
        # Typed as if it could give other than uint8; with these flags it does not.
        pixels: NDArray[np.uint8] | None = cv2.imdecode(np.frombuffer(content, np.uint8), flags)  # type: ignore[assignment]
    except cv2.error:
        return None
    return pixels


def encode_png(image: NDArray[np.uint8]) -> bytes:
    """Encode (height, width, 1 or 3) uint8, 3 channels in RGB order, as PNG; raises OSError where OpenCV refuses."""
    if image.shape[2] == 3:
        image = np.ascontiguousarray(image[..., ::-1])  # OpenCV takes blue first.
    encoded, buffer = cv2.imencode(".png", image)
    if not encoded:
        raise OSError(f"an image of shape {image.shape} cannot be written as PNG")
    return bytes(buffer)
