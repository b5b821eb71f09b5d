"""Turn an image upright by the orientation that its EXIF data gives: one rule for all formats."""

import struct

import cv2
import numpy as np
from numpy.typing import NDArray

PREFIX = b"Exif\0\0"
"""What JPEG puts before EXIF data (CIPA DC-008, 4.7.2); some writers of WebP and PNG do, too."""

_ORIENTATION, _SHORT = 0x0112, 3
_ORDERS = {b"II*\0": "<", b"MM\0*": ">"}
_ROTATIONS = {6: cv2.ROTATE_90_CLOCKWISE, 3: cv2.ROTATE_180, 8: cv2.ROTATE_90_COUNTERCLOCKWISE}
# What is left to turn once the image is mirrored from left to right.
_MIRRORED = {2: 1, 4: 3, 5: 8, 7: 6}


def orientation(exif: bytes) -> int:
    """Read the orientation, 1 to 8, from EXIF data (a TIFF header and its first directory, CIPA DC-008, 4.6).

    `Exif\\0\\0` may stand before it. 1, upright, if the data has none or is damaged.
    """
    exif = exif.removeprefix(PREFIX)
    order = _ORDERS.get(exif[:4])
    if order is None:
        return 1
    try:
        (start,) = struct.unpack_from(order + "I", exif, 4)
        (count,) = struct.unpack_from(order + "H", exif, start)
        for place in range(start + 2, start + 2 + 12 * count, 12):
            tag, kind, values, value = struct.unpack_from(order + "HHIH", exif, place)
            if tag == _ORIENTATION:
                return value if kind == _SHORT and values == 1 and 1 <= value <= 8 else 1
    except struct.error:
        pass
    return 1


def upright(pixels: NDArray[np.uint8], turned: int) -> NDArray[np.uint8]:
    """Undo an EXIF orientation, 1 to 8, of (height, width) or (height, width, channels)."""
    if turned in _MIRRORED:
        pixels, turned = np.asarray(cv2.flip(pixels, 1), np.uint8), _MIRRORED[turned]
    if turned in _ROTATIONS:
        pixels = np.asarray(cv2.rotate(pixels, _ROTATIONS[turned]), np.uint8)
    return pixels
