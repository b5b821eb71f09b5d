"""Reads IDX files, the format of the MNIST family."""

import struct
from math import prod

import numpy as np
from isal import igzip, igzip_lib
from numpy.typing import NDArray

from batchclf.errors import DataError

_UNSIGNED_BYTE = 0x08


def parse_idx(content: bytes, name: str, dimensions: int) -> NDArray[np.uint8]:
    """Parse a gzipped IDX file of unsigned bytes into a read-only uint8 array of `dimensions` axes.

    The layout is LeCun's: two zero bytes, a type code, the number of axes, each axis' size as a big-endian
    32-bit integer, then the values in C order. Raises DataError, naming the file `name`, where `content` is
    not gzip, or its header or length is not what the format says.
    """
    try:
        # In a third of the time of zlib (decision 200); its stubs know neither the function nor the exception
        raw: bytes = igzip.decompress(content)  # type: ignore[no-untyped-call]
    except (OSError, EOFError, igzip_lib.IsalError) as error:  # type: ignore[misc]
        raise _damaged(name, f"it does not unpack as gzip ({error})") from error
    if len(raw) < 4:
        raise _damaged(name, f"it holds {len(raw)} bytes, which is less than an IDX header")
    if raw[:2] != b"\0\0":
        raise _damaged(name, f"it starts with the bytes {raw[:4].hex(' ')}, not with an IDX magic number")
    if raw[2] != _UNSIGNED_BYTE:
        raise _damaged(name, f"its values are of IDX type 0x{raw[2]:02x}, expected 0x08 (unsigned bytes)")
    if raw[3] != dimensions:
        raise _damaged(name, f"it has {raw[3]} dimensions, expected {dimensions}")
    start = 4 + 4 * dimensions
    if len(raw) < start:
        raise _damaged(name, f"it ends within its header, after {len(raw)} of {start} bytes")
    shape = struct.unpack(f">{dimensions}I", raw[4:start])
    if len(raw) - start != prod(shape):
        sizes = " x ".join(map(str, shape))
        raise _damaged(name, f"its header says {sizes} values, but {len(raw) - start} follow")
    return np.frombuffer(raw, np.uint8, offset=start).reshape(shape)


def _damaged(name: str, why: str) -> DataError:
    return DataError(f"{name} is not a sound IDX file: {why}", hint="get the file again and replace this one")
