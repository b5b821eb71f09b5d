"""BMP."""

import struct

from batchclf.core.images.facts import RGB, Header
from batchclf.data.decoding import opencv
from batchclf.data.decoding.interface import Decoded, Policy, check_pixels

_INFO = struct.Struct("<IiiHHI")
_INFO_SIZE = 40
_BITS = 24


def decode(content: bytes, policy: Policy) -> Decoded | None:
    """Decode a BMP of 24 bits; None if it is another, which Pillow reads, or OpenCV refuses it.

    OpenCV takes 16 bits as 5 a colour whatever the masks say, and ignores masks of 32 bits.
    """
    if len(content) < 14 + _INFO.size:
        return None
    size, width, height, _, bits, compression = _INFO.unpack_from(content, 14)
    if size < _INFO_SIZE or bits != _BITS or compression:
        return None
    height = abs(height)
    check_pixels(width * height, policy.limits)
    pixels = opencv.colours(content)
    if pixels is not None and policy.color_mode == "grayscale":
        pixels = opencv.gray_of(pixels)
    return None if pixels is None else (pixels, Header(width, height, 8, RGB))
