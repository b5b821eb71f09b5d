"""Facts of single images: how each is stored, how bright it is, and a hash by which similar ones are found."""

import hashlib
import struct
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

MODES = (
    "unknown",
    "bilevel",
    "grayscale",
    "grayscale-alpha",
    "rgb",
    "rgba",
    "palette",
    "cmyk",
    "grayscale-16",
    "grayscale-alpha-16",
    "rgb-16",
    "rgba-16",
)
"""What an image may be stored as; `-16` has 16 bits a channel."""

# The colour types of PNG's IHDR (ISO/IEC 15948, 11.2.2), and two that PNG lacks.
GRAY, RGB, PALETTE, GRAY_ALPHA, RGBA = 0, 2, 3, 4, 6
CMYK, OTHER = 7, 8


_IHDR = struct.Struct(">IIBB")


class Header(NamedTuple):
    """How an image is stored: width and height in pixels before any turning, bits a channel, and its colour type."""

    width: int
    height: int
    depth: int
    colour: int

    @property
    def packed(self) -> bytes:
        """The same in 10 bytes, as PNG's IHDR begins: there are millions of them."""
        return _IHDR.pack(*self)


UNKNOWN = Header(0, 0, 0, OTHER)

FACTS = np.dtype(
    [
        ("width", "<u4"),
        ("height", "<u4"),
        ("mode", "u1"),
        ("brightness", "<f4"),
        ("contrast", "<f4"),
        ("dhash", "u1", (16,)),
    ]
)
"""One image: its size in pixels (0 where unknown) and mode (an index of MODES) as stored; what `FactMeter` measures."""

# 128 bits: of the usual 64 too many pairs of different images share all but one (decision 055)
HASH_ROWS, HASH_COLUMNS = 8, 17
HASH_STEP = 8
"""Levels (of 0 to 255) by which a cell must be brighter than the one to its left.

Without a step the noise of a JPEG decides on the bits of a plain background. Of duplicates that were saved as JPEG
again or at half their size 96% are within 2 bits; with a step of 2 it was 55%.
"""

_NAMES = {GRAY: "grayscale", RGB: "rgb", PALETTE: "palette", GRAY_ALPHA: "grayscale-alpha", RGBA: "rgba"}
_HEADER = np.dtype([("width", ">u4"), ("height", ">u4"), ("depth", "u1"), ("colour", "u1")])
_MIDDLE = 128
# Sums of squares of so many values around the middle are exact in float32: 1024 * 128**2 = 2**24 (decision 054)
_EXACT = 1024
_AT_ONCE = 2**17
_SMALL = 2**14


class FactMeter:
    """Measures images of one shape, (height, width, channels); keeps its scratch arrays, so it is for one thread."""

    def __init__(self, shape: tuple[int, int, int]) -> None:
        height, width, channels = shape
        self._size = height * width * channels
        self._step = max(1, _AT_ONCE // max(1, self._size))
        # The rows of pixels in each row of cells, then all of them; the values of a row of pixels in each cell.
        self._rows = np.concatenate([_cells(height, HASH_ROWS), np.ones((1, height), np.float32)])
        self._columns = np.repeat(_cells(width, HASH_COLUMNS).T, channels, axis=0)
        self._values_a_cell = np.outer(self._rows.sum(axis=1), self._columns.sum(axis=0))
        self._values = np.empty((self._step, *shape), np.float32)
        self._of_rows = np.empty((self._step, HASH_ROWS + 1, width * channels), np.float32)

    def measure(self, images: NDArray[np.uint8]) -> NDArray[np.void]:
        """Measure (n, height, width, channels) uint8 images: n FACTS, of which width, height and mode are left 0.

        `brightness` is the mean and `contrast` the standard deviation of all values, 0 to 255 and 0 to 127.5. `dhash`
        is a difference hash (N. Krawetz, "Kind of like that", 2013) of 8 rows of 17 cells: a bit says whether a cell
        is more than HASH_STEP levels brighter than the one to its left. All sums are exact, so an image gets the same
        facts on any machine and among any others.
        """
        facts = np.zeros(len(images), FACTS)
        if self._size:
            for start in range(0, len(images), self._step):
                self._measure(images[start : start + self._step], facts[start : start + self._step])
        return facts

    def _measure(self, images: NDArray[np.uint8], facts: NDArray[np.void]) -> None:
        count, height = images.shape[:2]
        values, of_rows = self._values[:count], self._of_rows[:count]
        np.copyto(values, images)
        values -= _MIDDLE
        squares = _squares(values.reshape(count, 1 if self._size <= _EXACT else height, -1))
        self._sum_rows(values.reshape(count, height, -1), of_rows)
        mean = of_rows[:, HASH_ROWS].sum(axis=1, dtype=np.float64) / self._size
        cells = of_rows @ self._columns
        cells /= self._values_a_cell
        bits = cells[:, :HASH_ROWS, 1:] - cells[:, :HASH_ROWS, :-1] > HASH_STEP
        facts["brightness"] = mean + _MIDDLE
        facts["contrast"] = np.sqrt(np.maximum(squares / self._size - mean * mean, 0))
        facts["dhash"] = np.packbits(bits).reshape(count, -1)

    def _sum_rows(self, values: NDArray[np.float32], out: NDArray[np.float32]) -> None:
        """Sum the rows of pixels in each row of cells, and all of them."""
        if self._size <= _SMALL:
            np.matmul(self._rows, values, out=out)
            return
        # A product of such size would be shared among threads, which takes longer than the sums themselves.
        for cell, places in enumerate(self._rows):
            first, last = np.flatnonzero(places)[[0, -1]]
            np.einsum("nhw->nw", values[:, first : last + 1], out=out[:, cell])


def _squares(lines: NDArray[np.float32]) -> NDArray[np.float64]:
    """Sum the squares of each image, which comes in lines: (n, lines, values) → (n,)."""
    whole = np.zeros(len(lines))
    for start in range(0, lines.shape[2], _EXACT):
        part = lines[:, :, start : start + _EXACT]
        whole += np.einsum("ijk,ijk->ij", part, part).sum(axis=1, dtype=np.float64)
    return whole


def array_facts(images: NDArray[np.uint8]) -> NDArray[np.void]:
    """Give the FACTS of images that are stored as arrays, (n, height, width, channels) uint8, 1 or 3 channels."""
    facts = FactMeter(images.shape[1:]).measure(images)
    facts["height"], facts["width"] = images.shape[1:3]
    facts["mode"] = MODES.index("grayscale" if images.shape[3] == 1 else "rgb")
    return facts


def _cells(size: int, count: int) -> NDArray[np.float32]:
    """Which of `size` pixels in a line belong to which cell, (count, size), 0 or 1; few pixels belong to several."""
    starts = [cell * size // count for cell in range(count)]
    ends = [max(start + 1, (cell + 1) * size // count) for cell, start in enumerate(starts)]
    places = np.arange(size)
    return np.array([(places >= start) & (places < end) for start, end in zip(starts, ends, strict=True)], np.float32)


def stored_as(headers: Sequence[bytes], facts: NDArray[np.void]) -> None:
    """Set width, height and mode of n FACTS to what n packed headers say; before any turning by EXIF."""
    read = np.frombuffer(b"".join(headers), _HEADER)
    facts["width"], facts["height"] = read["width"], read["height"]
    facts["mode"] = _MODE_INDEX[np.minimum(read["colour"], OTHER), np.minimum(read["depth"], 16)]


def _mode_indices() -> NDArray[np.uint8]:
    """Make the table of modes: colour type, then bits a channel (0 to 16) → index of MODES."""
    table = np.zeros((OTHER + 1, 17), np.uint8)
    for colour, name in _NAMES.items():
        table[colour, 1:] = MODES.index(name)
        if f"{name}-16" in MODES:
            table[colour, 16] = MODES.index(f"{name}-16")
    table[GRAY, 1] = MODES.index("bilevel")
    table[CMYK, 1:] = MODES.index("cmyk")
    return table


_MODE_INDEX = _mode_indices()


def content_digest(content: bytes | memoryview) -> bytes:
    """The BLAKE2b digest of an image's content: 16 bytes."""
    return hashlib.blake2b(content, digest_size=16).digest()
