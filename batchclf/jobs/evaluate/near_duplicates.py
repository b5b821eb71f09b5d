"""Compare the pixels of images that look alike by their hashes."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from batchclf.core.images.near_duplicates import Pairs
from batchclf.core.types import Split
from batchclf.data.decoding.decode import to_pixels
from batchclf.data.decoding.limits import SCORED_BEFORE
from batchclf.data.geometry.resize import fit
from batchclf.data.sources.registry import source_again
from batchclf.errors import DataError, StoreError, UnreadableImageError

if TYPE_CHECKING:
    from batchclf.data.sources.interface import ImageSource

SIDE = 32
"""Pixels are compared at 32x32 in gray: what a duplicate of another size or quality lacks is not seen there."""

READERS = 2
"""Threads that read and decode files: OpenCV lets go of Python's lock. Each may hold a large image."""

_AT_ONCE = 32
Pixels = NDArray[np.float32]
Look = Callable[[Sequence[int]], Sequence[Pixels | None]]
"""Gives the pixels of the images in some rows of the run, (SIDE, SIDE) float32; None if one is not there any more."""


def look_at_files(addresses: Mapping[str, str], image_of: Mapping[int, Sequence[str]]) -> Look:
    """Read images from the sources at the addresses of their splits; `image_of` gives split and path by row, before the
    first look.
    """

    @cache
    def opened(split: str) -> "tuple[ImageSource, Mapping[str, str]] | None":
        try:
            source = source_again(addresses[split])
            return source, source.find({path for of, path, *_ in image_of.values() if of == split})
        except (KeyError, DataError, StoreError):
            return None

    def look(rows: Sequence[int]) -> list[Pixels | None]:
        seen: dict[int, Pixels] = {}
        for split, of_split in groupby(rows, lambda row: image_of[row][0]):
            if (found := opened(split)) is None:
                continue
            source, places = found
            at = {row: places[image_of[row][1]] for row in of_split if image_of[row][1] in places}
            with suppress(OSError, StoreError):
                for row, content in zip(at, source.read_many([*at.values()]), strict=True):
                    if isinstance(content, bytes) and (pixels := _gray(content)) is not None:
                        seen[row] = pixels
        return [seen.get(row) for row in rows]

    return look


def _gray(content: bytes) -> Pixels | None:
    try:
        pixels = to_pixels(content, (SIDE, SIDE, 1), "grayscale", limits=SCORED_BEFORE)
    except UnreadableImageError:
        return None
    return pixels.astype(np.float32)[..., 0]


def look_at_splits(splits: Callable[[], Mapping[str, Split]], first_rows: Mapping[str, int]) -> Look:
    """Take images from splits in memory, whose rows begin at `first_rows`; they stand there in the splits' order."""
    load = cache(splits)

    def one(row: int) -> Pixels | None:
        name = max((name for name in first_rows if first_rows[name] <= row), key=first_rows.__getitem__)
        split = load().get(name)
        if split is None or row - first_rows[name] >= len(split.images):
            return None
        image = split.images[row - first_rows[name]]
        small = fit(image, (SIDE, SIDE, image.shape[2]))
        pixels: Pixels = small.mean(axis=2, dtype=np.float32)
        return pixels

    return lambda rows: [one(row) for row in rows]


def correlations(pairs: Pairs, look: Look) -> NDArray[np.float64]:
    """Give Pearson's correlation of the pixels of each pair, (n,), -1 to 1.

    0 if one of the two is plain, which says nothing; nan if it is not there any more.
    """
    rows = np.unique(np.concatenate(pairs))
    there = np.zeros(len(rows), np.bool_)
    table = np.zeros((len(rows), SIDE * SIDE), np.float32)

    def fill(start: int) -> None:
        places = range(start, min(start + _AT_ONCE, len(rows)))
        pixels = zip(places, look(rows[places.start : places.stop].tolist()), strict=True)
        seen = {place: each for place, each in pixels if each is not None}
        there[list(seen)] = True
        table[list(seen)] = _normalised(list(seen.values()))

    pool = ThreadPoolExecutor(READERS, "near-duplicates")
    try:
        for _ in pool.map(fill, range(0, len(rows), _AT_ONCE)):
            pass
    finally:
        pool.shutdown(wait=False, cancel_futures=True)  # Ctrl-C does not wait for a store (decision 194)
    first, second = (np.searchsorted(rows, side) for side in pairs)
    found: NDArray[np.float64] = np.einsum("ij,ij->i", table[first], table[second], dtype=np.float64)
    found[~(there[first] & there[second])] = np.nan
    return found


def _normalised(images: Sequence[Pixels]) -> Pixels:
    """Bring images to mean 0 and length 1, one a row; plain ones to 0."""
    table: Pixels = np.array(images, np.float32).reshape(len(images), SIDE * SIDE)
    table -= table.mean(axis=1, keepdims=True)
    lengths = np.linalg.norm(table, axis=1, keepdims=True)
    table /= np.where(lengths > 0, lengths, 1)
    return table
