"""A number for each path, the same in every run: it says which half an image is in, and if it is in a sample."""

import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def path_digests(paths: Sequence[str]) -> NDArray[np.uint32]:
    """Give a number of 32 bits for each path, (n,) uint32, of which each bit is as good as drawn by chance."""
    sums = (zlib.crc32(path.encode("utf-8", "surrogatepass")) for path in paths)
    digests = np.fromiter(sums, np.uint32, len(paths))
    # CRC-32 alone is linear: paths that differ in their last digit would share whole bits. So its bits are mixed, by
    # the last steps of MurmurHash3 (A. Appleby)
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35), (16, 1)):
        digests ^= digests >> np.uint32(shift)
        digests *= np.uint32(factor)
    return digests


def in_second_half(digests: NDArray[np.uint32]) -> NDArray[np.bool_]:
    """Say which images are judged on, about half of them: (n,) bool."""
    return np.asarray(digests & np.uint32(1) == 1)


def in_sample(digests: NDArray[np.uint32], level: int) -> NDArray[np.bool_]:
    """Say which images are in a sample of 1 in 2**level, (n,) bool, whichever half they are in; level 0 has all."""
    return np.asarray(digests >> np.uint32(1) & np.uint32(2**level - 1) == 0)
