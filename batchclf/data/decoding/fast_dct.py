"""JPEG by libjpeg's fast inverse DCT, as TensorFlow decodes it; OpenCV does not offer that."""

import numpy as np
import simplejpeg
from numpy.typing import NDArray

from batchclf.core.choices import ColorMode
from batchclf.errors import UnreadableImageError

_ADOBE = b"\xff\xee\x00\x0eAdobe"
"""The marker segment APP14, by which CMYK is stored inverted."""


def decoded(content: bytes, color_mode: ColorMode, channels: int) -> NDArray[np.uint8]:
    """Decode as (height, width, 3) in RGB order or, for grayscale, (height, width); `channels` is what is stored.

    Gray is the stored luma, as TensorFlow's `decode_jpeg(channels=1)` gives it. Raises UnreadableImageError if libjpeg
    refuses the file or warns of damage.
    """
    colors = "CMYK" if channels == 4 else "GRAY" if color_mode == "grayscale" else "RGB"
    try:
        pixels = np.asarray(simplejpeg.decode_jpeg(content, colors, fastdct=True, fastupsample=False))
    except ValueError as error:
        raise UnreadableImageError(f"damaged: {error}") from error
    if channels == 4:
        pixels = _rgb(pixels, inverted=_ADOBE in content)
        if color_mode == "grayscale":
            import cv2

            return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), np.uint8)
    return pixels[..., 0] if pixels.shape[2] == 1 else pixels


def _rgb(cmyk: NDArray[np.uint8], *, inverted: bool) -> NDArray[np.uint8]:
    """Make RGB of CMYK in TensorFlow's way: products that are truncated, not rounded."""
    values = (cmyk if inverted else 255 - cmyk).astype(np.uint16)
    return np.asarray(values[..., :3] * values[..., 3:] // 255, np.uint8)
