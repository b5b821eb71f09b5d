"""What the images themselves are like: sizes, modes, brightness, contrast; and one digest for the content of all."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SHOWN_SIZES = 10
BRIGHTNESS_BINS, BRIGHTNESS_HIGH = 51, 255.0
"""Bins of 5 levels."""

CONTRAST_BINS, CONTRAST_HIGH = 32, 128.0
"""Bins of 4 levels."""

# The finalizer of SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014).
_MIX = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB))


@dataclass(frozen=True, slots=True)
class Histogram:
    """Counts in equal bins from `low` to `high`; the upper edge belongs to the last bin."""

    low: float
    high: float
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ImageStatistics:
    """The images of one split (or directory) that were scored.

    `sizes` counts (width, height) in pixels as stored, the most frequent first, at most 10; `other_sizes` is the number
    of further ones and of unknown ones. `modes` counts what is stored: grayscale, rgb, rgba, palette, cmyk, …
    `brightness` (mean) and `contrast` (standard deviation) are those of the pixels that the model was given, 0 to 255
    and 0 to 128.
    """

    split: str
    images: int
    sizes: tuple[tuple[int, int, int], ...]
    other_sizes: int
    modes: tuple[tuple[str, int], ...]
    brightness: Histogram
    contrast: Histogram


@dataclass(frozen=True, eq=False)
class ImageRows:
    """Some rows of images.csv, n of one split.

    `stored` has `WIDTH,HEIGHT,MODE` of each as they stand there, width and height empty where unknown. `brightness` and
    `contrast` are (n,) float32, `dhash` is (n, 2) uint64 and `digest` (n,) uint64, its first 64 bits.
    """

    split: str
    stored: Sequence[str]
    brightness: NDArray[np.float32]
    contrast: NDArray[np.float32]
    dhash: NDArray[np.uint64]
    digest: NDArray[np.uint64]

    def __len__(self) -> int:
        """Count the rows."""
        return len(self.stored)


class StatisticsTally:
    """Takes the rows of one split in pieces of any size and gives the same statistics however they were cut."""

    def __init__(self, split: str) -> None:
        self.split = split
        self._stored: Counter[str] = Counter()
        self._brightness = np.zeros(BRIGHTNESS_BINS, np.int64)
        self._contrast = np.zeros(CONTRAST_BINS, np.int64)

    def update(self, rows: ImageRows) -> None:
        """Add rows of this split."""
        self._stored.update(rows.stored)
        self._brightness += bin_counts(rows.brightness, BRIGHTNESS_HIGH, BRIGHTNESS_BINS)
        self._contrast += bin_counts(rows.contrast, CONTRAST_HIGH, CONTRAST_BINS)

    def statistics(self) -> ImageStatistics:
        """Sum up what has been counted so far."""
        sizes: Counter[tuple[int, int]] = Counter()
        modes: Counter[str] = Counter()
        for stored, count in self._stored.items():
            width, height, mode = stored.split(",")
            modes[mode] += count
            if width and height:
                sizes[int(width), int(height)] += count
        images = self._stored.total()
        # Ties in the order of the sizes, so that the order of the rows does not show.
        shown = sorted(sizes.items(), key=lambda item: (-item[1], item[0]))[:SHOWN_SIZES]
        return ImageStatistics(
            self.split,
            images,
            tuple((*size, count) for size, count in shown),
            images - sum(count for _, count in shown),
            tuple(sorted(modes.items(), key=lambda item: (-item[1], item[0]))),
            Histogram(0.0, BRIGHTNESS_HIGH, tuple(self._brightness.tolist())),
            Histogram(0.0, CONTRAST_HIGH, tuple(self._contrast.tolist())),
        )


def bin_counts(values: NDArray[np.floating], high: float, bins: int) -> NDArray[np.int64]:
    """Count (n,) values of 0 to `high` in equal bins: (bins,) int64; `high` itself goes to the last."""
    places = (values.astype(np.float64) * (bins / high)).astype(np.int64)
    return np.bincount(np.clip(places, 0, bins - 1), minlength=bins)


@dataclass
class ContentDigest:
    """One digest for the content of many images, whatever their names and order.

    Takes the digests of images in pieces of any size; the same images give the same text in any pieces and order.

    It is a sum over the images, each as often as it occurs, modulo 2^64 (MSet-Add-Hash of Clarke and others,
    "Incremental multiset hash functions", 2003), beside their number. Other images have the same one with a chance of
    1 in 2^64; it is no defence against somebody who wants that.
    """

    images: int = 0
    total: int = 0

    def update(self, digests: NDArray[np.uint64]) -> None:
        """Add (n,) uint64 digests, one an image."""
        mixed = digests.astype(np.uint64)
        for shift, factor in _MIX:
            mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
        mixed ^= mixed >> np.uint64(31)
        self.images += len(digests)
        # A sum, so that names and order do not matter and run.json needs one number (decision 101)
        self.total = (self.total + int(mixed.sum(dtype=np.uint64))) % 2**64

    @property
    def text(self) -> str:
        """The number of images and 16 hexadecimal digits, as `SubsetRecord.content` has it."""
        return f"{self.images}-{self.total:016x}"
