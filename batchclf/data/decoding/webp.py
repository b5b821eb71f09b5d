"""WebP. Of an animation, its first frame."""

from batchclf.core.images.facts import RGB, RGBA, UNKNOWN, Header
from batchclf.data.decoding import exif, opencv
from batchclf.data.decoding.interface import Decoded, Policy, check_pixels
from batchclf.errors import UnreadableImageError

_ALPHA = 0x10


def decode(content: bytes, policy: Policy) -> Decoded | None:
    """Decode a WebP (RFC 9649) that is lossy; None if it is another, or OpenCV refuses it.

    OpenCV gives what there is of a lossless image that breaks off inside, and does not say so: Pillow does.
    """
    chunks = _chunks(content)
    header = _header(chunks)
    check_pixels(header.width * header.height, policy.limits)
    if b"VP8L" in chunks:
        return None
    pixels = opencv.decoded(content, policy.color_mode)
    if pixels is None:
        return None
    if b"EXIF" in chunks and policy.by_exif:
        pixels = exif.upright(pixels, exif.orientation(chunks[b"EXIF"]))
    return pixels, header.packed


def _chunks(content: bytes) -> dict[bytes, bytes]:
    """Take the chunks apart, the first of each kind; of image data only as much as a header takes.

    Raises UnreadableImageError if there is less than the chunks' lengths say: libwebp decodes what there is.
    """
    if content[8:12] != b"WEBP":
        raise UnreadableImageError("not an image: the content is of no known image format")
    found: dict[bytes, bytes] = {}
    place, end = 12, 8 + int.from_bytes(content[4:8], "little")
    while place + 8 <= end:
        kind, length = content[place : place + 4], int.from_bytes(content[place + 4 : place + 8], "little")
        if place + 8 + length > min(end, len(content)):
            raise UnreadableImageError("damaged: a chunk is longer than the file")
        found.setdefault(kind, content[place + 8 : place + 8 + (length if kind == b"EXIF" else min(length, 32))])
        place += 8 + length + length % 2
    return found


def _header(chunks: dict[bytes, bytes]) -> Header:
    """Read the size of the canvas and whether there is transparency (RFC 9649, 2.5 to 2.7; RFC 6386, 9.1)."""
    little = int.from_bytes
    try:
        if b"VP8X" in chunks:
            data = chunks[b"VP8X"]
            colour = RGBA if data[0] & _ALPHA else RGB
            return Header(1 + little(data[4:7], "little"), 1 + little(data[7:10], "little"), 8, colour)
        if b"VP8L" in chunks:
            bits = little(chunks[b"VP8L"][1:5], "little")
            return Header(1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF), 8, RGBA if bits >> 28 & 1 else RGB)
        data = chunks[b"VP8 "]
        return Header(little(data[6:8], "little") & 0x3FFF, little(data[8:10], "little") & 0x3FFF, 8, RGB)
    except (IndexError, KeyError):
        return UNKNOWN
