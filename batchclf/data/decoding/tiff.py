"""What Pillow reads of TIFF, and how; what it does not read is unsupported, not damaged."""

import io
import lzma
import struct
import zlib
from collections.abc import Callable, Mapping
from typing import Any

from PIL import Image, ImagePalette, TiffImagePlugin

from batchclf.core.images.facts import Header
from batchclf.data.decoding.interface import check_pixels, unsupported
from batchclf.data.decoding.limits import Limits
from batchclf.errors import UnreadableImageError

# Tags, by TIFF 6.0, sections 8, 15, 18 and 19.
_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _FILL_ORDER = 256, 257, 258, 259, 262, 266
_STRIPS, _SAMPLES, _ROWS, _STRIP_BYTES, _PLANES = 273, 277, 278, 279, 284
_TILE_WIDTH, _TILE_HEIGHT, _TILES, _TILE_BYTES, _SAMPLE_FORMAT = 322, 323, 324, 325, 339
_COLOUR_MAP = 320
_SEPARATE, _WHITE_IS_ZERO, _YCBCR, _JPEG, _UNSIGNED, _UNDEFINED = 2, 0, 6, 7, 1, 4
_KINDS = {2: "int", 3: "float", 5: "complex int", 6: "complex"}
_PHOTOMETRICS = {0: "gray", 1: "gray", 2: "RGB", 3: "palette", 5: "CMYK", 6: "YCbCr", 8: "Lab"}
_COMPRESSIONS = {
    1: "none",
    5: "LZW",
    7: "JPEG",
    8: "deflate",
    32773: "PackBits",
    32946: "deflate",
    34925: "LZMA",
    50000: "Zstandard",
}
_UNREAD = {
    **dict.fromkeys((22610, 34934), "JPEG XR"),
    **dict.fromkeys((33003, 33005, 34712), "JPEG 2000"),
    **dict.fromkeys((34676, 34677), "LogLuv"),
    **dict.fromkeys((50002, 52546), "JPEG XL"),
    34887: "LERC",
    50001: "WebP",
}
"""Compressions that not every build of Pillow's libtiff reads, by their numbers in the tag."""

_CHECKED: Mapping[int, Callable[[], Any]] = {
    **dict.fromkeys((8, 32946), zlib.decompressobj),
    34925: lzma.LZMADecompressor,
}
"""Compressions whose data end in a checksum, and what checks it."""

_PACKBITS = 32773
_BIG_MOTOROLA = b"MM\0\x2b"
_AT_ONCE = 2**20
_FILE_HEADER = 8
Tags = Mapping[int, Any]


def check(image: Image.Image, header: Header, limits: Limits) -> tuple[Header, int]:
    """Raise UnreadableImageError if Pillow would read an opened TIFF wrong, or decode more than the limit.

    Returns the header as the file has it, and by how many bits gray of more than 8 bits is to be shifted.
    """
    tags = _tags(image)
    _check_values(tags)
    if tags.get(_PHOTOMETRIC) == _YCBCR and (tags.get(_COMPRESSION) != _JPEG or _separate(tags)):
        # libtiff brings these to RGB by a way that goes on after an error, with black (decision 140)
        raise unsupported(_kind(tags))
    if min(_places(tags), default=_FILE_HEADER) < _FILE_HEADER:
        raise UnreadableImageError("damaged: a strip or tile is said to lie in the header")
    # A tile is decoded as a whole, however little of it the image shows.
    check_pixels(tags.get(_TILE_WIDTH, 0) * tags.get(_TILE_HEIGHT, 0), limits)
    if image.mode == "P" and max(tags[_COLOUR_MAP]) < 256:
        # Some writers give 8 bits for the 16 of a colour; libtiff's tools take it so, Pillow for black.
        image.palette = ImagePalette.raw("RGB;L", bytes(tags[_COLOUR_MAP]))
    return header._replace(width=tags[_WIDTH], height=tags[_HEIGHT]), max(_bits(tags)) - 8


def white_is_zero(image: Image.Image) -> bool:
    """Whether 0 is white. Pillow turns gray of up to 8 bits, but not of 16."""
    return bool(_tags(image).get(_PHOTOMETRIC) == _WHITE_IS_ZERO)


def unbounded(kind: str) -> UnreadableImageError:
    """Make the error for values of which nothing says what is black and what is white."""
    return unsupported(f"holds {kind} values, whose black and white are unknown; save 8 or 16 bits without sign")


def explain(content: bytes, error: Exception, image: Image.Image | None) -> None:
    """Raise UnreadableImageError if an error of Pillow means that it does not read this kind of TIFF.

    `image` is None if the file could not even be opened.
    """
    if content.startswith(_BIG_MOTOROLA):
        raise unsupported("BigTIFF of the byte order MM") from error
    tags = _directory(content) if image is None else _tags(image)
    if not tags.keys() & {_STRIPS, _TILES} or not tags.keys() >= {_WIDTH, _HEIGHT}:
        return
    _check_values(tags)
    compression = tags.get(_COMPRESSION, 1)
    if image is None or compression in _UNREAD or (_separate(tags) and tags.get(_SAMPLES, 1) > 4):
        raise unsupported(_kind(tags)) from error


def check_data(content: bytes, image: Image.Image) -> None:
    """Raise UnreadableImageError if a strip or tile that libtiff has decoded is damaged all the same.

    libtiff stops as soon as it has all pixels, so it does not see a wrong checksum behind them, and cuts runs of
    PackBits that are too long.
    """
    tags = _tags(image)
    compression = tags.get(_COMPRESSION, 1)
    if (compression not in _CHECKED and compression != _PACKBITS) or tags.get(_FILL_ORDER, 1) != 1:
        return
    places = zip(
        _places(tags),
        _many(tags.get(_STRIP_BYTES) or tags.get(_TILE_BYTES) or ()),
        strict=False,
    )
    for number, (start, length) in enumerate(places):
        data = content[start : start + length]
        if compression == _PACKBITS:
            _check_runs(data, _unpacked_bytes(tags, number))
            continue
        try:
            _unpack(_CHECKED[compression](), data, _most_bytes(tags))
        except (zlib.error, lzma.LZMAError) as error:
            raise UnreadableImageError("damaged: the checksum of a strip or tile is wrong") from error


def _unpacked_bytes(tags: Tags, number: int) -> int:
    """Give the bytes that a strip or tile has once it is unpacked; the last strip of a plane may have fewer rows."""
    bits = _bits(tags)[0] * (1 if _separate(tags) else int(tags.get(_SAMPLES, 1)))
    if _TILES in tags:
        return int((tags[_TILE_WIDTH] * bits + 7) // 8 * tags[_TILE_HEIGHT])
    height = int(tags[_HEIGHT])
    rows = min(height, int(tags.get(_ROWS, height)))
    above = number % -(-height // rows) * rows
    return int((tags[_WIDTH] * bits + 7) // 8 * min(rows, height - above))


def _check_runs(data: bytes, wanted: int) -> None:
    """Walk the runs of PackBits (TIFF 6.0, section 9); what follows the last byte that is wanted does not matter."""
    place = filled = 0
    while place < len(data) and filled < wanted:
        head = data[place]
        if head < 128:
            filled, place = filled + head + 1, place + head + 2
        else:
            filled, place = filled + (257 - head if head > 128 else 0), place + (2 if head > 128 else 1)
    if filled > wanted:
        raise UnreadableImageError("damaged: a run of PackBits goes beyond its strip or tile")


def _unpack(decompressor: Any, data: bytes, most: int) -> None:
    """Let zlib or lzma unpack data to its end, or to about so many bytes, and drop what comes."""
    while most > 0 and not decompressor.eof:
        unpacked = decompressor.decompress(data, _AT_ONCE)
        data = getattr(decompressor, "unconsumed_tail", b"")
        most -= len(unpacked)
        if not unpacked and not data:
            return  # it breaks off, but all pixels were there


def _most_bytes(tags: Tags) -> int:
    """Give what a strip or tile may unpack to; more is not looked at."""
    pixels = max(tags[_WIDTH] * tags[_HEIGHT], tags.get(_TILE_WIDTH, 0) * tags.get(_TILE_HEIGHT, 0))
    return int(pixels * sum(_bits(tags)) // 8 + _AT_ONCE)


def _kind(tags: Tags) -> str:
    bits = "/".join(map(str, sorted(set(_bits(tags)))))
    colours = _PHOTOMETRICS.get(tags.get(_PHOTOMETRIC, 0), f"photometric {tags.get(_PHOTOMETRIC)}")
    compression = tags.get(_COMPRESSION, 1)
    packed = _UNREAD.get(compression) or _COMPRESSIONS.get(compression, compression)
    planes = ", in separate planes" if _separate(tags) else ""
    return f"a TIFF of {tags.get(_SAMPLES, 1)} x {bits} bits ({colours}), compression {packed}{planes}"


def _separate(tags: Tags) -> bool:
    return bool(tags.get(_PLANES, 1) == _SEPARATE)


def _check_values(tags: Tags) -> None:
    kinds, bits = set(_many(tags.get(_SAMPLE_FORMAT, _UNSIGNED))) - {_UNSIGNED, _UNDEFINED}, max(_bits(tags))
    if kinds:
        raise unbounded(f"{_KINDS.get(min(kinds), 'unknown')}{bits}")
    if bits > 16:
        raise unbounded(f"uint{bits}")


def _bits(tags: Tags) -> tuple[int, ...]:
    return _many(tags.get(_BITS, 1)) or (1,)


def _many(value: int | tuple[int, ...]) -> tuple[int, ...]:
    return value if isinstance(value, tuple) else (value,)


def _places(tags: Tags) -> tuple[int, ...]:
    """Give where the strips or tiles begin."""
    return _many(tags.get(_STRIPS) or tags.get(_TILES) or ())


def _tags(image: Image.Image) -> Tags:
    tags: Tags = getattr(image, "tag_v2", {})
    return tags


def _directory(content: bytes) -> Tags:
    """Read the first directory of a TIFF; nothing if that is damaged."""
    try:
        stream = io.BytesIO(content)
        big = b"\x2b" in content[2:4]
        directory = TiffImagePlugin.ImageFileDirectory_v2(stream.read(16 if big else 8))
        stream.seek(directory.next)
        directory.load(stream)
        return dict(directory)
    except (SyntaxError, LookupError, TypeError, ValueError, ArithmeticError, OSError, EOFError, struct.error):
        return {}
