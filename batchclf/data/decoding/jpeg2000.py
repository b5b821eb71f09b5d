"""JPEG 2000: JP2 files and bare codestreams."""

import struct

from batchclf.core.images.facts import GRAY_ALPHA, OTHER, RGB, RGBA, Header
from batchclf.data.decoding import opencv
from batchclf.data.decoding.interface import Decoded, Policy, check_pixels, unsupported

_SIZE = b"\xff\x4f\xff\x51"
# Length, capabilities, then width and height of the grid and where the image begins on it, tiles, components and the
# bits of the first one less 1, the sign in its upper bit (ITU-T T.800, A.5.1).
_FIELDS = struct.Struct(">HHIIIIIIIIHB")
_SIGNED = 0x80
_OF_COMPONENTS = {2: GRAY_ALPHA, 3: RGB, 4: RGBA}


def decode(content: bytes, policy: Policy) -> Decoded | None:
    """Decode colours of more than 8 bits; None if the file has none, or OpenCV refuses it.

    Pillow reads the others. Of these it rounds without a limit, so that white becomes black (decision 140).
    """
    start = content.find(_SIZE)
    if start < 0 or len(content) < start + 4 + _FIELDS.size:
        return None
    fields = _FIELDS.unpack_from(content, start + 4)
    width, height, components, bits = fields[2] - fields[4], fields[3] - fields[5], fields[10], fields[11]
    if bits & _SIGNED:
        raise unsupported("JPEG 2000 of values with a sign")
    # OpenJPEG keeps 32 bits of each value; measured: 19 bytes a pixel, others take at most 10.
    check_pixels(width * height, policy.limits, part=2)
    bits += 1
    if bits <= 8 or components == 1:
        return None
    if components == 2:
        raise unsupported(f"JPEG 2000 of gray and transparency with {bits} bits")
    pixels = opencv.colours(content)
    if pixels is not None and policy.color_mode == "grayscale":
        pixels = opencv.gray_of(pixels)
    return (
        None if pixels is None else (pixels, Header(width, height, bits, _OF_COMPONENTS.get(components, OTHER)).packed)
    )
