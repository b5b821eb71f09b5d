"""JPEG by libjpeg's fast inverse DCT, as TensorFlow decodes it; OpenCV does not offer that."""

import numpy as np
import simplejpeg
from numpy.typing import NDArray

from batchclf.core.choices import ColorMode
from batchclf.errors import UnreadableImageError


def decoded(content: bytes, color_mode: ColorMode) -> NDArray[np.uint8]:
    """Decode as (height, width, 3) in RGB order or, for grayscale, (height, width).

    Gray is the stored luma, as TensorFlow's `decode_jpeg(channels=1)` gives it. Raises UnreadableImageError if libjpeg
    refuses the file or warns of damage.
    """
    gray = color_mode == "grayscale"
    try:
        pixels = simplejpeg.decode_jpeg(content, "GRAY" if gray else "RGB", fastdct=True, fastupsample=False)
    except ValueError as error:
        raise UnreadableImageError(f"damaged: {error}") from error
    return np.asarray(pixels[..., 0] if gray else pixels, np.uint8)
