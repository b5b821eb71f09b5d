"""Compare the pixels of images that look alike by their hashes."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from batchclf.core.images.near_duplicates import Pairs
from batchclf.core.types import Split
from batchclf.data.decoding.decode import to_pixels
from batchclf.data.decoding.limits import SCORED_BEFORE
from batchclf.data.geometry.resize import fit
from batchclf.errors import StoreError, UnreadableImageError

if TYPE_CHECKING:
    from batchclf.data.sources.interface import ImageSource

SIDE = 32
"""Pixels are compared at 32x32 in gray: what a duplicate of another size or quality lacks is not seen there."""

READERS = 2
"""Threads that read and decode files: OpenCV lets go of Python's lock. Each may hold a large image."""

_AT_ONCE = 32
Pixels = NDArray[np.float32]
Look = Callable[[int], Pixels | None]
"""Gives the pixels of the image in a row of the run, (SIDE, SIDE) float32; None if it is not there any more."""


def look_at_files(sources: Mapping[str, "ImageSource"], image_of: Mapping[int, Sequence[str]]) -> Look:
    """Read images from the sources of their splits; `image_of` gives split and path by row, before the first look."""

    @cache
    def places(split: str) -> Mapping[str, str]:
        return sources[split].find({path for of, path, *_ in image_of.values() if of == split})

    def look(row: int) -> Pixels | None:
        split, path = image_of[row][:2]
        try:
            at = places(split).get(path)
            if at is None:
                return None
            content = sources[split].read(at)
            pixels = to_pixels(content, (SIDE, SIDE, 1), "grayscale", limits=SCORED_BEFORE)
            return pixels.astype(np.float32)[..., 0]
        except (OSError, KeyError, StoreError, UnreadableImageError):
            return None

    return look


def look_at_splits(splits: Callable[[], Mapping[str, Split]], first_rows: Mapping[str, int]) -> Look:
    """Take images from splits in memory, whose rows begin at `first_rows`; they stand there in the splits' order."""
    load = cache(splits)

    def look(row: int) -> Pixels | None:
        name = max((name for name in first_rows if first_rows[name] <= row), key=first_rows.__getitem__)
        split = load().get(name)
        if split is None or row - first_rows[name] >= len(split.images):
            return None
        image = split.images[row - first_rows[name]]
        small = fit(image, (SIDE, SIDE, image.shape[2]))
        pixels: Pixels = small.mean(axis=2, dtype=np.float32)
        return pixels

    return look


def correlations(pairs: Pairs, look: Look) -> NDArray[np.float64]:
    """Give Pearson's correlation of the pixels of each pair, (n,), -1 to 1.

    0 if one of the two is plain, which says nothing; nan if it is not there any more.
    """
    rows = np.unique(np.concatenate(pairs))
    there = np.zeros(len(rows), np.bool_)
    table = np.zeros((len(rows), SIDE * SIDE), np.float32)

    def fill(start: int) -> None:
        places = range(start, min(start + _AT_ONCE, len(rows)))
        seen = {place: pixels for place in places if (pixels := look(int(rows[place]))) is not None}
        there[list(seen)] = True
        table[list(seen)] = _normalised(list(seen.values()))

    with ThreadPoolExecutor(READERS, "near-duplicates") as pool:
        for _ in pool.map(fill, range(0, len(rows), _AT_ONCE)):
            pass
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
