"""How an image is stored, its size and mode, from the header of its file: nothing is decoded for that."""

import io
import struct
import warnings
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from batchclf.core.images.facts import MODES
from batchclf.data.decoding.fallback import WARNING_FILTERS
from batchclf.data.decoding.jpeg import SOI, jpeg_frame

# What is read of a PNG, and what the headers of other formats are brought to: its IHDR (ISO/IEC 15948, 11.2.2) up to
# the colour type, width and height being 4 bytes each, then bits a channel and colour type.
_PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"
_IHDR = struct.Struct(">IIBB")
_HEADER = np.dtype([("width", ">u4"), ("height", ">u4"), ("depth", "u1"), ("colour", "u1")])
_GRAY, _RGB, _PALETTE, _GRAY_ALPHA, _RGBA = 0, 2, 3, 4, 6
# Not among the PNG's.
_CMYK, _OTHER = 7, 8
UNKNOWN = _IHDR.pack(0, 0, 0, _OTHER)

_TIFF_WIDTH, _TIFF_HEIGHT = 256, 257

_OF_CHANNELS = {1: _GRAY, 3: _RGB, 4: _CMYK}
_OF_PILLOW = {
    "1": (1, _GRAY),
    "L": (8, _GRAY),
    "LA": (8, _GRAY_ALPHA),
    "La": (8, _GRAY_ALPHA),
    "P": (8, _PALETTE),
    "PA": (8, _PALETTE),
    "RGB": (8, _RGB),
    "RGBX": (8, _RGB),
    "YCbCr": (8, _RGB),
    "RGBA": (8, _RGBA),
    "RGBa": (8, _RGBA),
    "CMYK": (8, _CMYK),
    "I;16": (16, _GRAY),
    "I;16B": (16, _GRAY),
    "I;16L": (16, _GRAY),
}
_NAMES = {_GRAY: "grayscale", _RGB: "rgb", _PALETTE: "palette", _GRAY_ALPHA: "grayscale-alpha", _RGBA: "rgba"}


def image_header(content: bytes) -> bytes:
    """Take the size and mode of an image that can be decoded from its file's bytes: 10 bytes for `stored_as`."""
    if content.startswith(_PNG):
        return content[16:26]
    if content.startswith(SOI) and (frame := jpeg_frame(content)) is not None:
        height, width, channels = frame
        return _IHDR.pack(width, height, 8, _OF_CHANNELS.get(channels, _OTHER))
    return _header_with_pillow(content)


def stored_as(headers: Sequence[bytes], facts: NDArray[np.void]) -> None:
    """Set width, height and mode of n FACTS to what n headers say; before any turning by EXIF."""
    read = np.frombuffer(b"".join(headers), _HEADER)
    facts["width"], facts["height"] = read["width"], read["height"]
    facts["mode"] = _MODE_INDEX[np.minimum(read["colour"], _OTHER), np.minimum(read["depth"], 16)]


def _header_with_pillow(content: bytes) -> bytes:
    # A decoding process seldom needs it, and starts sooner without.
    from PIL import Image

    try:
        with WARNING_FILTERS, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(content)) as image:
                # The size of a TIFF is told as it is after turning; its tags have what is stored.
                stored = getattr(image, "tag_v2", {})
                size = stored.get(_TIFF_WIDTH, image.width), stored.get(_TIFF_HEIGHT, image.height)
                return _IHDR.pack(*size, *_OF_PILLOW.get(image.mode, (0, _OTHER)))
    except Exception:  # Pillow's plugins raise nearly anything, and not all that OpenCV decodes is known to Pillow
        return UNKNOWN


def _mode_indices() -> NDArray[np.uint8]:
    """Make the table of modes: colour type, then bits a channel (0 to 16) → index of MODES."""
    table = np.zeros((_OTHER + 1, 17), np.uint8)
    for colour, name in _NAMES.items():
        table[colour, 1:] = MODES.index(name)
        if f"{name}-16" in MODES:
            table[colour, 16] = MODES.index(f"{name}-16")
    table[_GRAY, 1] = MODES.index("bilevel")
    table[_CMYK, 1:] = MODES.index("cmyk")
    return table


_MODE_INDEX = _mode_indices()
