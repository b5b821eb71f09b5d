"""The structure of a GIF up to the end of its first frame, which Pillow does not check."""

from batchclf.data.decoding.limits import Limits
from batchclf.errors import UnreadableImageError

_HEADER, _DESCRIPTOR = 13, 10
_EXTENSION, _IMAGE, _TRAILER = 0x21, 0x2C, 0x3B
_TABLE, _LONGEST_CODE = 0x80, 8


def check(content: bytes, limits: Limits) -> None:
    """Walk the blocks of a GIF (GIF89a, 15 to 26); raises UnreadableImageError if there is anything between them.

    Pillow passes over that, and takes the rest for the picture.
    """
    try:
        place = _HEADER + _table(content[10])
        while (kind := content[place]) == _EXTENSION:
            place = _after_data(content, place + 2)
        if kind == _TRAILER:
            raise UnreadableImageError("damaged: it has no frame")
        if kind != _IMAGE:
            raise UnreadableImageError("damaged: there is no block where one must begin")
        _check_frame(content, place)
        place += _DESCRIPTOR + _table(content[place + 9])
        if not 1 <= content[place] <= _LONGEST_CODE:
            raise UnreadableImageError("damaged: the first codes of the frame are too long")
        _after_data(content, place + 1)
    except IndexError:
        raise UnreadableImageError("damaged: it breaks off within the first frame") from None


def _check_frame(content: bytes, place: int) -> None:
    def number(at: int) -> int:
        return content[at] | content[at + 1] << 8

    width, height = number(6), number(8)
    if number(place + 1) + number(place + 5) > width or number(place + 3) + number(place + 7) > height:
        raise UnreadableImageError("damaged: the first frame lies outside of the image")


def _table(flags: int) -> int:
    """Give the bytes of the colour table that follows."""
    return 3 << (flags & 7) + 1 if flags & _TABLE else 0


def _after_data(content: bytes, place: int) -> int:
    """Step over blocks of data, each with its length before it, up to the one of length 0."""
    while length := content[place]:
        place += 1 + length
    return place + 1
