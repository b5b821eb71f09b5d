"""BMP."""

import struct

from batchclf.core.images.facts import RGB, Header
from batchclf.data.decoding import opencv
from batchclf.data.decoding.interface import Decoded, Policy, check_pixels
from batchclf.errors import UnreadableImageError

_INFO = struct.Struct("<IiiHHI")
_MASKS = struct.Struct("<III")
_CORE, _INFO_SIZES = 12, frozenset({12, 40, 52, 56, 64, 108, 124})
_FILE_HEADER, _MASKS_AT = 14, 54
_PLAIN, _BITFIELDS = 0, 3


def decode(content: bytes, policy: Policy) -> Decoded | None:
    """Decode a BMP of 24 bits; None if it is another, which Pillow reads, or OpenCV refuses it.

    OpenCV takes 16 bits as 5 a colour whatever the masks say, and ignores masks of 32 bits.
    """
    size = int.from_bytes(content[_FILE_HEADER : _FILE_HEADER + 4], "little")
    if size not in _INFO_SIZES:
        raise UnreadableImageError(f"damaged: a header of {size:,} bytes is of no known kind of BMP")
    if len(content) < _MASKS_AT + _MASKS.size:
        return None
    if int.from_bytes(content[10:_FILE_HEADER], "little") < _FILE_HEADER + size:
        raise UnreadableImageError("damaged: the pixels are said to lie in the header")
    if size == _CORE:
        return None
    _, width, height, _, bits, compression = _INFO.unpack_from(content, _FILE_HEADER)
    if compression == _BITFIELDS and not all(_MASKS.unpack_from(content, _MASKS_AT)):
        raise UnreadableImageError("damaged: a mask that takes a colour from the pixels is 0")
    if bits != 24 or compression != _PLAIN:
        return None
    height = abs(height)
    check_pixels(width * height, policy.limits)
    pixels = opencv.decoded(content, policy.color_mode)
    return None if pixels is None else (pixels, Header(width, height, 8, RGB).packed)
