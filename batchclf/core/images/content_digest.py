"""One digest for the content of many images, whatever their names and order."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# The finalizer of SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014).
_MIX = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB))


@dataclass
class ContentDigest:
    """Takes the digests of images in pieces of any size; the same images give the same text in any pieces and order.

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
