"""Decode one image file into the pixels a model takes, for training and scoring alike."""

import struct
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from batchclf.core.choices import ColorMode, ResizeMode
from batchclf.data.decoding.fallback import decode_with_pillow
from batchclf.data.decoding.jpeg import SOI, jpeg_size
from batchclf.data.decoding.limits import DEFAULT_LIMITS, Limits
from batchclf.data.decoding.read import read_content
from batchclf.data.geometry.resize import fit, reduction
from batchclf.errors import UnreadableImageError
from batchclf.libraries import versions_of

DECODING_VERSION = 1
"""To be raised whenever the same file would give other pixels: scores in caches are told apart by it."""


def decoders() -> dict[str, str]:
    """Give the versions of the libraries that decode, by module."""
    found = versions_of("cv2", "PIL")
    # `__version__` lacks the last part, the number of the build, and another build may bring another libjpeg.
    found["cv2"] = getattr(getattr(cv2, "version", None), "opencv_version", found["cv2"])
    return found


# OpenCV's own log would reach cron's mail; what failed is told by the reason in skipped.csv.
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
# Images are decoded side by side by the scoring stream's workers.
cv2.setNumThreads(1)

# OpenCV refuses COLOR_RGB with REDUCED_COLOR, which would also say BGR. The reduction is a bit of its own, though,
# and where COLOR_RGB stands beside it, it decides on the colours.
_FLAGS: dict[tuple[ColorMode, int], int] = {
    ("grayscale", 1): cv2.IMREAD_GRAYSCALE,
    ("grayscale", 2): cv2.IMREAD_REDUCED_GRAYSCALE_2,
    ("grayscale", 4): cv2.IMREAD_REDUCED_GRAYSCALE_4,
    ("grayscale", 8): cv2.IMREAD_REDUCED_GRAYSCALE_8,
    ("rgb", 1): cv2.IMREAD_COLOR_RGB,
    ("rgb", 2): cv2.IMREAD_COLOR_RGB | cv2.IMREAD_REDUCED_GRAYSCALE_2,
    ("rgb", 4): cv2.IMREAD_COLOR_RGB | cv2.IMREAD_REDUCED_GRAYSCALE_4,
    ("rgb", 8): cv2.IMREAD_COLOR_RGB | cv2.IMREAD_REDUCED_GRAYSCALE_8,
}
_PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"


def read_image(
    path: Path | str,
    input_shape: tuple[int, int, int],
    color_mode: ColorMode,
    resize: ResizeMode = "fast",
    limits: Limits = DEFAULT_LIMITS,
) -> NDArray[np.uint8]:
    """Read an image file at the model's input shape: (height, width, channels) uint8.

    Raises UnreadableImageError with the reason where the file cannot be read or is damaged.
    """
    return to_pixels(read_content(path), input_shape, color_mode, resize, limits)


def to_pixels(
    content: bytes,
    input_shape: tuple[int, int, int],
    color_mode: ColorMode,
    resize: ResizeMode = "fast",
    limits: Limits = DEFAULT_LIMITS,
) -> NDArray[np.uint8]:
    """Decode a file's bytes at the model's input shape: (height, width, channels) uint8.

    `exact` decodes at full size and averages over areas. `fast` takes shorter ways where the image has at least
    1.5 times the input's size; docs/scoring.md, "Fast and exact", says how far the results lie apart.
    Raises UnreadableImageError with the reason where the content is damaged.
    """
    scale = 1
    if resize == "fast" and content.startswith(SOI) and (size := jpeg_size(content)) is not None:
        # libjpeg decodes fewer pixels; the size comes from the header in 2 µs (decision 048)
        scale = reduction(size, input_shape)
    return fit(decode(content, color_mode, scale, limits), input_shape, resize)


def decode(content: bytes, color_mode: ColorMode, scale: int = 1, limits: Limits = DEFAULT_LIMITS) -> NDArray[np.uint8]:
    """Decode a file's bytes at its own size: (height, width, channels) uint8, channels in RGB order.

    A JPEG may be decoded at one by `scale` (1, 2, 4 or 8) of its size, which is quicker: libjpeg computes fewer pixels
    from each block. Other formats are to be decoded at scale 1.

    The first frame of an animation, turned upright by its EXIF orientation; 16-bit values keep their upper 8 bits.
    Transparency is dropped: a pixel keeps the colour stored for it, except that a TIFF is laid over black and a
    GIF over its background colour. Raises UnreadableImageError where the content is no image, or one that breaks
    off.
    """
    if not content:
        raise UnreadableImageError("empty file (0 bytes)")
    gray = color_mode == "grayscale"
    _check_pixels(content, scale, limits)
    try:
        pixels = cv2.imdecode(np.frombuffer(content, np.uint8), _FLAGS[color_mode, scale])
    except cv2.error:
        pixels = None
    if pixels is None:
        # OpenCV reports only that it failed; Pillow reads the file or names the reason (decision 005)
        # What is slow or rare is decoded in a process of its own (decision 142)
        from batchclf.data.decoding.aside import call

        # Pillow would cut float values to 0 to 255 and give a black picture (decision 049)
        _refuse_unbounded_values(content)
        pixels = call(decode_with_pillow, content, "L" if gray else "RGB", limits, seconds=limits.seconds)
    return np.asarray(pixels[:, :, None] if gray else pixels, np.uint8)


def _check_pixels(content: bytes, scale: int, limits: Limits) -> None:
    size = struct.unpack_from(">II", content, 16) if content.startswith(_PNG) else jpeg_size(content)
    if size is not None and (count := size[0] * size[1] // scale**2) > limits.pixels:
        raise UnreadableImageError(
            f"too large: {count:,} pixels would be decoded, and at most {limits.pixels:,} are (--max-pixels)"
        )


def _refuse_unbounded_values(content: bytes) -> None:
    """Raise where a TIFF holds 32-bit integers or floats: Pillow would cut them to 0 to 255, or call it damaged."""
    try:
        stored = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        return
    if stored is not None and stored.dtype.itemsize > 2:
        kind = stored.dtype.name
        raise UnreadableImageError(f"holds {kind} values, whose black and white are unknown; save 8 or 16 bits instead")
