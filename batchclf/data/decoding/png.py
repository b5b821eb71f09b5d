"""PNG. Of an animation, the default image: what a reader without animation shows."""

import struct

import numpy as np
from numpy.typing import NDArray

from batchclf.core.images.facts import GRAY, GRAY_ALPHA, Header
from batchclf.data.decoding import opencv
from batchclf.data.decoding.interface import Decoded, Policy, check_pixels

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_START = SIGNATURE + b"\0\0\0\rIHDR"
_IHDR = struct.Struct(">IIBB")
_CHUNK = struct.Struct(">I4s")
_ANIMATION = frozenset({b"acTL", b"fcTL", b"fdAT"})
_GRAYS = frozenset({GRAY, GRAY_ALPHA})


def decode(content: bytes, policy: Policy) -> Decoded | None:
    """Decode a PNG (ISO/IEC 15948); None if OpenCV refuses it."""
    if len(content) < 33 or not content.startswith(_START):
        return None
    header = Header._make(_IHDR.unpack_from(content, 16))
    check_pixels(header.width * header.height, policy.limits)
    if b"acTL" in content:
        content = _without_animation(content)
    pixels = _pixels(content, policy, header)
    if pixels is None:
        return None
    if b"eXIf" in content:
        from batchclf.data.decoding import exif

        pixels = exif.upright(pixels, exif.orientation(_chunk(content, b"eXIf")))
    return pixels, header


def _pixels(content: bytes, policy: Policy, header: Header) -> NDArray[np.uint8] | None:
    if policy.color_mode == "rgb":
        return opencv.colours(content)
    if header.colour in _GRAYS:
        return opencv.stored_gray(content)
    return opencv.gray_of(opencv.colours(content))


def _chunks(content: bytes) -> "list[tuple[bytes, int, int]]":
    """List the chunks: type, first byte, the byte after the last; the last one may break off."""
    found, place = [], len(SIGNATURE)
    while place + _CHUNK.size <= len(content):
        length, kind = _CHUNK.unpack_from(content, place)
        found.append((kind, place, place + 12 + length))
        place += 12 + length
    return found


def _chunk(content: bytes, wanted: bytes) -> bytes:
    for kind, start, end in _chunks(content):
        if kind == wanted:
            return content[start + 8 : end - 4]
    return b""


def _without_animation(content: bytes) -> bytes:
    # OpenCV decodes the first frame of the animation; Pillow, TensorFlow and libvips the default image (decision 140)
    pieces = [content[start:end] for kind, start, end in _chunks(content) if kind not in _ANIMATION]
    return b"".join([SIGNATURE, *pieces])
