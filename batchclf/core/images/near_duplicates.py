"""Search for images that occur more than once, by digests and difference hashes, without comparing all with all."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MOST_BITS = 2
"""Bits of 128 in which the difference hashes of a duplicate and its original may differ."""

WINDOW = 4.0
"""Levels by which the brightness and the contrast of a duplicate and its original may differ."""

SAME_CORRELATION = 0.998
"""From this correlation of their pixels on two images are called nearly the same.

On Fashion MNIST pairs above it show the same article in the same picture; at 0.995 half of them are but two pairs of
trousers. Photographs that were saved again as JPEGs, some at half the size, stay above it.
"""

MOST_CANDIDATES = 20_000
_MOST_COMPARED = 6_000_000
_AT_ONCE = 250_000

# Hashes that differ in few bits agree in one of the bands, which are one more than those bits (decision 055)
_BANDS = MOST_BITS + 1
_MIX = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F))  # odd numbers: they spread the bits upwards
_PLACE_BITS = np.uint64(16)

Rows = NDArray[np.int64]
Pairs = tuple[Rows, Rows]
"""Rows of originals and of their duplicates."""


@dataclass(frozen=True, eq=False)
class Prints:
    """What near duplicates of n images are found by: hashes (n, 2) uint64, the rest (n,) float32."""

    dhash: NDArray[np.uint64]
    brightness: NDArray[np.float32]
    contrast: NDArray[np.float32]

    def __len__(self) -> int:
        """Count the images."""
        return len(self.brightness)


def exact_duplicates(
    digests: NDArray[np.uint64], candidates: range, originals: range | None = None, most: int | None = None
) -> tuple[Pairs, NDArray[np.bool_]]:
    """Find those of `candidates` whose digest one of `originals` has, too, each with the first such one.

    Both are ranges of rows of `digests`, (n,). Without `originals` an image is a duplicate of the first one among
    `candidates`. Gives the pairs, `most` of them at most, and for each candidate whether it is a duplicate. Beside
    the digests it takes 24 bytes an image at most (decision 197).

    The digests are 64 bits of longer ones. Among a million images the chance that any two are the same, although their
    images are not, is 1 in 37 million.
    """
    of = candidates if originals is None else originals
    known = digests[of.start : of.stop]
    order = np.argsort(known, kind="stable").astype(np.uint32)
    in_order = known[order]
    repeated = np.zeros(len(candidates), np.bool_)
    pairs: list[Pairs] = []
    found = 0
    for start in range(0, len(candidates) if len(of) else 0, _AT_ONCE):
        rows = np.arange(candidates.start + start, min(candidates.start + start + _AT_ONCE, candidates.stop))
        wanted = digests[rows]
        places = np.minimum(np.searchsorted(in_order, wanted), len(of) - 1)
        first = of.start + order[places].astype(np.int64)
        same = (in_order[places] == wanted) & (first != rows)
        repeated[start : start + _AT_ONCE] = same
        left = None if most is None else most - found
        pairs.append((first[same][:left], rows[same][:left]))
        found += len(pairs[-1][0])
    nothing = np.empty(0, np.int64)
    return (
        np.concatenate([nothing, *(a for a, _ in pairs)]),
        np.concatenate([nothing, *(b for _, b in pairs)]),
    ), repeated


def near_duplicates(prints: Prints, candidates: Rows, originals: Rows | None = None) -> Pairs:
    """Find pairs whose hash, brightness and contrast are nearly the same, the most alike first, up to MOST_CANDIDATES.

    Both are ascending rows of `prints`. Without `originals` an image may be a duplicate of any one before it among
    `candidates`. Images with an empty hash, such as plain ones, are left out. The time grows little faster than the
    number of images: where there are too many alike, only those of the nearest brightness are compared.
    """
    candidates = candidates[prints.dhash[candidates].any(axis=1)]
    if originals is not None:
        originals = originals[prints.dhash[originals].any(axis=1)]
    found = np.empty(0, np.int64)
    most = int(np.clip(_MOST_COMPARED // (_BANDS * max(1, len(candidates))), 8, 1024))
    for band in range(_BANDS):
        for first, second in _neighbours(prints, candidates, originals, band, most):
            bits = _different_bits(prints, first, second)
            alike = bits <= MOST_BITS
            first, second, bits = first[alike], second[alike], bits[alike]
            apart = [np.abs(values[first] - values[second]) for values in (prints.brightness, prints.contrast)]
            # One number for a pair, in whose order the most alike come first: below 2**63 for 50 million images.
            distance = np.rint(100 * (bits + apart[0] + apart[1])).astype(np.int64)
            pairs = (distance * len(prints) + second) * len(prints) + first
            # Not by `np.unique`, whose hashing takes ten times as long on such numbers.
            pairs = np.sort(np.append(found, pairs[apart[1] <= WINDOW]))
            found = pairs[np.diff(pairs, prepend=-1) > 0][:MOST_CANDIDATES]
    second, first = np.divmod(found % len(prints) ** 2, len(prints))
    return first, second


def _neighbours(prints: Prints, candidates: Rows, originals: Rows | None, band: int, most: int) -> Iterator[Pairs]:
    """Give the pairs that agree in a band and nearly in brightness; of each duplicate with `most` originals at most."""
    wanted, candidates = _sorted_by_key(prints, candidates, band)
    reach = np.uint64(round(100 * WINDOW))
    if originals is None:
        # Each pair once: an image with those that follow it in the order of the keys.
        keys, others, start = wanted, candidates, np.arange(1, len(candidates) + 1)
    else:
        keys, others = _sorted_by_key(prints, originals, band)
        start = np.searchsorted(keys, wanted - reach)
        start = np.maximum(start, np.searchsorted(keys, wanted) - most // 2)
    counts = np.minimum(np.searchsorted(keys, wanted + reach, side="right") - start, most)
    step = max(1, _AT_ONCE // most)
    for at in range(0, len(candidates), step):
        some = counts[at : at + step]
        second = np.repeat(candidates[at : at + step], some)
        within = np.arange(len(second)) - np.repeat(np.cumsum(some) - some, some)
        first = others[np.repeat(start[at : at + step], some) + within]
        yield (first, second) if originals is not None else (np.minimum(first, second), np.maximum(first, second))


def _sorted_by_key(prints: Prints, rows: Rows, band: int) -> tuple[NDArray[np.uint64], Rows]:
    """Sort rows by numbers in whose order images with the same band stand side by side, by brightness."""
    mixed = np.zeros(len(rows), np.uint64)
    for word, mix in enumerate(_MIX):
        mask = np.uint64(sum(1 << bit for bit in range(64) if (64 * word + bit) % _BANDS == band))
        mixed = (mixed ^ (prints.dhash[rows, word] & mask)) * mix
        mixed ^= mixed >> np.uint64(32)
    place = np.rint((prints.brightness[rows].astype(np.float64) + 2 * WINDOW) * 100).astype(np.uint64)
    keys = (mixed << _PLACE_BITS) | place
    order = np.argsort(keys)
    return keys[order], rows[order]


def _different_bits(prints: Prints, first: Rows, second: Rows) -> NDArray[np.uint8]:
    """Count the bits in which the hashes of each pair differ."""
    words = (prints.dhash[first, word] ^ prints.dhash[second, word] for word in range(2))
    bits: NDArray[np.uint8] = sum(map(np.bitwise_count, words), np.zeros(len(first), np.uint8))
    return bits
