"""PNG. Of an animation, the default image: what a reader without animation shows."""

import struct

from batchclf.core.images.facts import GRAY, GRAY_ALPHA
from batchclf.data.decoding import opencv
from batchclf.data.decoding.interface import Decoded, Policy, check_pixels
from batchclf.errors import UnreadableImageError

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_START = SIGNATURE + b"\0\0\0\rIHDR"
_SIZE = struct.Struct(">II")
_CHUNK = struct.Struct(">I4s")
_FIRST = 33
"""Where the first chunk after IHDR begins."""

_AROUND = _FIRST + 12 + 12
_RARE = frozenset({b"acTL", b"eXIf"})
_ANIMATION = frozenset({b"acTL", b"fcTL", b"fdAT"})
_DEEP_GRAY = bytes((16, GRAY))
_GRAYS = frozenset({GRAY, GRAY_ALPHA})


def decode(content: bytes, policy: Policy) -> Decoded | None:
    """Decode a PNG (ISO/IEC 15948); None if OpenCV refuses it."""
    if not content.startswith(_START) or len(content) < _AROUND:
        return None
    width, height = _SIZE.unpack_from(content, 16)
    # Compared here, too: a call for each of many small files is 0.2 µs of some 50.
    if width * height > policy.limits.pixels:
        check_pixels(width * height, policy.limits)
    # Small files have one chunk of data between IHDR and IEND: no need to walk.
    length, kind = _CHUNK.unpack_from(content, _FIRST)
    rare = {} if kind == b"IDAT" and length == len(content) - _AROUND else _rare_chunks(content)
    if b"acTL" in rare:
        content = _without_animation(content)
    if policy.as_pillow and content[24:26] == _DEEP_GRAY:
        pixels = opencv.clipped_gray(content, policy.color_mode)
    else:
        pixels = opencv.decoded(content, policy.color_mode, stored_gray=content[25] in _GRAYS)
    if pixels is None:
        return None
    if b"eXIf" in rare and policy.by_exif:
        from batchclf.data.decoding import exif

        pixels = exif.upright(pixels, exif.orientation(rare[b"eXIf"]))
    return pixels, content[16:26]


def _rare_chunks(content: bytes) -> dict[bytes, bytes]:
    """Walk the chunks up to IEND, and give the data of those that change what is shown.

    Raises UnreadableImageError if a chunk is longer than what is left: libpng would reserve memory for all of it.
    """
    found: dict[bytes, bytes] = {}
    place, whole, unpack = _FIRST, len(content), _CHUNK.unpack_from
    try:
        while True:
            length, kind = unpack(content, place)
            if kind == b"IEND":
                return found
            if kind in _RARE:
                found[kind] = content[place + 8 : place + 8 + length]
            place += 12 + length
    except struct.error:
        where = "it has no end" if place == whole else "a chunk is longer than the file"
        raise UnreadableImageError(f"damaged: {where}") from None


def _without_animation(content: bytes) -> bytes:
    # OpenCV decodes the first frame of the animation; Pillow, TensorFlow and libvips the default image (decision 140)
    pieces, place = [SIGNATURE], len(SIGNATURE)
    while place + _CHUNK.size <= len(content):
        length, kind = _CHUNK.unpack_from(content, place)
        if kind not in _ANIMATION:
            pieces.append(content[place : place + 12 + length])
        place += 12 + length
    return b"".join(pieces)
