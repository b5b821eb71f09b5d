"""JPEG, MPO's first image included."""

import struct
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from batchclf.core.images.facts import CMYK, GRAY, OTHER, RGB, Header
from batchclf.data.decoding import exif, opencv
from batchclf.data.decoding.interface import Decoded, Policy, Size, check_pixels, unsupported

SOI = b"\xff\xd8"
"""Start of image: how every JPEG begins."""

# Marker codes, by ITU-T T.81, table B.1; the last one by T.87.
_JPEG_LS = 0xF7
_FRAMES = frozenset({*range(0xC0, 0xD0), _JPEG_LS}) - {0xC4, 0xC8, 0xCC}
_PROGRESSIVE = frozenset({0xC2, 0xC6, 0xCA, 0xCE})
_UNSUPPORTED = {
    **dict.fromkeys((0xC3, 0xC7, 0xCB, 0xCF), "a lossless JPEG"),
    **dict.fromkeys((0xC5, 0xC6, 0xCD, 0xCE), "a hierarchical JPEG"),
    _JPEG_LS: "JPEG-LS",
}
_WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xD8)})
_ENDS = frozenset({0xD8, 0xD9, 0xDA})
_APP1 = 0xE1
_SEGMENT = struct.Struct(">BHHB")
_OF_CHANNELS = {1: GRAY, 3: RGB, 4: CMYK}


class Frame(NamedTuple):
    """A frame header (SOF): its marker, (height, width) before any turning, bits a sample, channels; the EXIF data."""

    marker: int
    size: Size
    depth: int
    channels: int
    exif: bytes


def decode(content: bytes, policy: Policy) -> Decoded | None:
    """Decode a JPEG (ITU-T T.81); None if OpenCV refuses it or its header is not understood."""
    frame = jpeg_frame(content)
    if frame is None:
        return None
    if frame.marker in _UNSUPPORTED:
        raise unsupported(_UNSUPPORTED[frame.marker])
    if frame.depth != 8:
        raise unsupported(f"a JPEG of {frame.depth} bits a sample")
    height, width = frame.size
    if policy.as_pillow and frame.channels == 4:
        return None
    scale = 1 if policy.scale_of is None else policy.scale_of(frame.size)
    # Of a progressive one all coefficients are kept in memory until the end.
    check_pixels(height * width // (1 if frame.marker in _PROGRESSIVE else scale * scale), policy.limits)
    stored_gray = frame.channels == 1 or (frame.channels == 3 and policy.stored_luma)
    if policy.fast_dct:
        from batchclf.data.decoding import fast_dct

        pixels: NDArray[np.uint8] | None = fast_dct.decoded(content, policy.color_mode, frame.channels)
    else:
        pixels = opencv.decoded(content, policy.color_mode, scale, stored_gray=stored_gray)
    if pixels is None:
        return None
    if frame.exif and policy.by_exif:
        pixels = exif.upright(pixels, exif.orientation(frame.exif))
    return pixels, Header(width, height, frame.depth, _OF_CHANNELS.get(frame.channels, OTHER)).packed


def jpeg_frame(content: bytes) -> Frame | None:
    """Read the frame header, and the EXIF data if it stands before that.

    Segments are stepped over by their lengths, so thumbnails inside them are not seen. None if the content is no
    JPEG or breaks off before the frame header.
    """
    if not content.startswith(SOI):
        return None
    place, found = 2, b""
    try:
        while True:
            # libjpeg, too, looks for the next marker if there is anything else between segments.
            place = content.index(b"\xff", place)
            code = content[place + 1]
            if code in _FRAMES:
                depth, height, width, channels = _SEGMENT.unpack_from(content, place + 4)
                return Frame(code, (height, width), depth, channels, found)
            if code == 0xFF:  # a fill byte
                place += 1
            elif code in _WITHOUT_LENGTH or not code:
                place += 2
            elif code in _ENDS:
                return None
            else:
                length = content[place + 2] << 8 | content[place + 3]
                if code == _APP1 and not found and content.startswith(exif.PREFIX, place + 4):
                    found = content[place + 4 : place + 2 + length]
                place += 2 + length
    except (IndexError, ValueError, struct.error):
        pass
    return None
