"""Decode one image file into the pixels a model takes; training and scoring share this, so they cannot differ."""

import io
import threading
import warnings
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from batchclf.core.types import ColorMode, ResizeMode
from batchclf.errors import UnreadableImageError

# OpenCV's own log would reach cron's mail; what failed is told by the reason in skipped.csv.
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
# Images are decoded side by side by the scoring stream's workers.
cv2.setNumThreads(1)

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff"})
_SIGNATURES = (b"\x89PNG", b"\xff\xd8\xff", b"BM", b"GIF8", b"RIFF", b"II*\0", b"MM\0*")
# Pillow warns of what here becomes a reason, and Python's warning filters are the process's, not a thread's.
_WARNING_FILTERS = threading.Lock()


def read_image(
    path: Path | str, input_shape: tuple[int, int, int], color_mode: ColorMode, resize: ResizeMode = "fast"
) -> NDArray[np.uint8]:
    """Read an image file at the model's input shape: (height, width, channels) uint8.

    Raises UnreadableImageError with the reason where the file cannot be read or is damaged.
    """
    return to_pixels(read_content(path), input_shape, color_mode, resize)


def read_content(path: Path | str) -> bytes:
    """Read a whole file; raises UnreadableImageError with the reason where that fails."""
    try:
        with open(path, "rb", buffering=0) as handle:  # noqa: PTH123 (a Path per file is slow)
            return handle.read()
    except OSError as error:
        raise UnreadableImageError(f"cannot be read: {error.strerror}") from error


def to_pixels(
    content: bytes, input_shape: tuple[int, int, int], color_mode: ColorMode, resize: ResizeMode = "fast"
) -> NDArray[np.uint8]:
    """Decode a file's bytes at the model's input shape: (height, width, channels) uint8.

    Raises UnreadableImageError with the reason where the content is damaged.
    """
    return fit(decode(content, color_mode), input_shape)


def decode(content: bytes, color_mode: ColorMode) -> NDArray[np.uint8]:
    """Decode a file's bytes at its own size: (height, width, channels) uint8, channels in RGB order.

    The first frame of an animation, turned upright by its EXIF orientation; 16-bit values keep their upper 8 bits.
    Transparency is dropped: a pixel keeps the colour stored for it, except that a TIFF is laid over black and a
    GIF over its background colour. Raises UnreadableImageError where the content is no image, or one that breaks
    off.
    """
    if not content:
        raise UnreadableImageError("empty file (0 bytes)")
    gray = color_mode == "grayscale"
    try:
        pixels = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_GRAYSCALE if gray else cv2.IMREAD_COLOR_RGB)
    except cv2.error:
        pixels = None
    if pixels is None:
        pixels = _decode_with_pillow(content, "L" if gray else "RGB")
    return np.asarray(pixels[:, :, None] if gray else pixels, np.uint8)


def _decode_with_pillow(content: bytes, mode: str) -> NDArray[np.uint8]:
    """Decode what OpenCV refuses: either a kind that only Pillow knows, or the reason why it is broken."""
    try:
        with _WARNING_FILTERS, warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            warnings.simplefilter("ignore", UserWarning)
            with Image.open(io.BytesIO(content)) as image:
                return np.asarray(ImageOps.exif_transpose(image).convert(mode))
    except UnidentifiedImageError:
        if content.startswith(_SIGNATURES):
            reason = "damaged: it begins like an image, but nothing after that can be decoded"
        else:
            reason = "not an image: the content is of no known image format"
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        reason = f"too large to decode: {error}"
    except Exception as error:  # Pillow's plugins raise nearly anything on damaged files
        reason = f"damaged: {error or type(error).__name__}"
    raise UnreadableImageError(reason)


def fit(pixels: NDArray[np.uint8], input_shape: tuple[int, int, int]) -> NDArray[np.uint8]:
    """Resize (h, w, channels) uint8 to (height, width, channels) without keeping the aspect ratio.

    Averages over areas where the image shrinks and interpolates linearly where it grows; an image that has the
    size already keeps its pixels.
    """
    height, width, channels = input_shape
    if pixels.shape[:2] == (height, width):
        return pixels
    shrinks = pixels.shape[0] >= height and pixels.shape[1] >= width
    resized = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    return np.asarray(resized, np.uint8).reshape(height, width, channels)
