"""What every format's decoder takes and gives."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from batchclf.core.choices import ColorMode
from batchclf.data.decoding.limits import DEFAULT_LIMITS, Limits
from batchclf.errors import UnreadableImageError

Size = tuple[int, int]
"""(height, width) in pixels, as stored: before any turning."""


@dataclass(frozen=True, slots=True)
class Policy:
    """How a file's content becomes pixels.

    `stored_luma` allows for the brightness that a JPEG holds in place of one made from the decoded colour.
    `scale_of` gives, for (height, width), at which part of its size (one by 1, 2, 4 or 8) a JPEG is decoded.
    `finish` is done with the pixels, (height, width, channels) uint8, in the process that has decoded them, so that
    whole pictures are not handed from process to process; both must be known by name there. `by_exif` turns the image
    as its EXIF data says, `as_pillow` makes colours of gray of 16 bits and of CMYK
    as Pillow does, and `fast_dct` decodes JPEG with libjpeg's fast
    DCT: see `core.geometry.Geometry`.
    """

    color_mode: ColorMode
    stored_luma: bool = False
    scale_of: Callable[[Size], int] | None = None
    finish: Callable[[NDArray[np.uint8]], NDArray[np.uint8]] | None = None
    limits: Limits = DEFAULT_LIMITS
    by_exif: bool = True
    as_pillow: bool = False
    fast_dct: bool = False


Decoded = tuple[NDArray[np.uint8], bytes]
"""Pixels, upright, (height, width, 3) in RGB order or (height, width) gray, and the packed header they came from."""


def unsupported(what: str) -> UnreadableImageError:
    """Make the error for a file that may well be whole, but is of a kind that nothing here reads."""
    return UnreadableImageError(f"unsupported: {what}")


def check_pixels(pixels: int, limits: Limits, part: int = 1) -> None:
    """Raise UnreadableImageError if so many pixels are more than are decoded of one image.

    Of a format whose decoder takes `part` times the memory of others it is one by `part` of that.
    """
    most = limits.pixels // part
    if pixels > most:
        of_format = f", 1 by {part} of --max-pixels for this format" if part > 1 else ", see --max-pixels"
        raise UnreadableImageError(
            f"too large: {pixels:,} pixels would be decoded, and at most {most:,} are{of_format}"
        )
