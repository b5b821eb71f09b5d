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
_ENUMERATED, _SPACES = 1, frozenset({12, 16, 17, 18})
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
    if bits < 8:
        raise unsupported(f"JPEG 2000 of {bits} bits")
    _check_boxes(content[:start])
    if bits == 8 or components == 1:
        return None
    if components == 2:
        raise unsupported(f"JPEG 2000 of gray and transparency with {bits} bits")
    pixels = opencv.decoded(content, policy.color_mode)
    return (
        None if pixels is None else (pixels, Header(width, height, bits, _OF_COMPONENTS.get(components, OTHER)).packed)
    )


def _check_boxes(head: bytes) -> None:
    """Raise UnreadableImageError for boxes before the codestream that Pillow passes over (ITU-T T.800, I.5.3)."""
    colour = head.find(b"colr") + 4
    if colour > 3 and head[colour] == _ENUMERATED and int.from_bytes(head[colour + 3 : colour + 7]) not in _SPACES:
        raise unsupported("JPEG 2000 in a colour space other than gray, RGB, YCC or CMYK")
    for name, size, counted in ((b"cdef", 6, 2), (b"cmap", 4, 0)):
        box = head.find(name)
        if box < 0:
            continue
        data = head[box + 4 + counted : box - 4 + int.from_bytes(head[box - 4 : box])]
        entries = [data[place : place + size] for place in range(0, len(data), size)]
        if not all(_in_order(name, number, entry) for number, entry in enumerate(entries)):
            raise unsupported("JPEG 2000 with channels in another order")


def _in_order(name: bytes, number: int, entry: bytes) -> bool:
    """Whether a channel is what its place says: a colour by its number, or transparency behind the colours."""
    if name == b"cmap":
        return entry[3:] == bytes([number])
    channel, kind, of_colour = (int.from_bytes(entry[place : place + 2]) for place in (0, 2, 4))
    return channel == number and (kind > 0 or of_colour == number + 1)
