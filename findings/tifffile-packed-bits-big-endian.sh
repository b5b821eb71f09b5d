#!/usr/bin/env bash
# tifffile 2026.3.3 with imagecodecs 2026.3.6 on CPython 3.11, a little-endian processor.
#
# Guess: imread gives back what imwrite(..., bitspersample=12, byteorder=">") was given; the order of bytes means
# nothing to samples that are packed bit by bit.
# Seen: the values come back changed, silently: 0x123 as 0x301, with 14 bits as 0x2301. tifffile hands big-endian arrays
# to imagecodecs.packints_encode, which takes the bytes of each value as they lie in memory. With byteorder="<" the file
# is right. The writer is wrong, not the reader: the bytes are not those of TIFF 6.0, and OpenCV (libtiff) reads the
# same wrong values from them; if the right bytes are put in their place, both read 0x123.
# For batchclf: a TIFF that is to test packed samples of the other byte order is made of bytes by hand.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check tifffile==2026.3.3 imagecodecs==2026.3.6 \
    opencv-python-headless==5.0.0.93 numpy==2.4.6
cat > "$folder/seen.py" <<'PYTHON'
import io

import cv2
import imagecodecs
import numpy as np
import tifffile


def packed(values, bits):
    """Pack rows of values, the highest bit first (TIFF 6.0, section 3, BitsPerSample)."""
    single = values[..., None] >> np.arange(bits - 1, -1, -1) & 1
    return np.packbits(single.reshape(len(values), -1).astype(np.uint8), axis=1).tobytes()


def written(values, bits, order):
    stream = io.BytesIO()
    tifffile.imwrite(stream, values, photometric="minisblack", bitspersample=bits, byteorder=order, rowsperstrip=8)
    content = stream.getvalue()
    with tifffile.TiffFile(io.BytesIO(content)) as file:
        start, length = file.pages[0].dataoffsets[0], file.pages[0].databytecounts[0]
    return content, slice(start, start + length)


def read(content, bits):
    by_opencv = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    return tifffile.imread(io.BytesIO(content)), by_opencv >> (16 - bits)


for bits in (10, 12, 14):
    values = np.random.default_rng(0).integers(0, 1 << bits, (8, 16)).astype(np.uint16)
    values[0, 0] = 0x123
    content, data = written(values, bits, "<")
    assert content[data] == packed(values, bits)
    assert all((seen == values).all() for seen in read(content, bits))

    content, data = written(values, bits, ">")
    seen, by_opencv = read(content, bits)
    print(f'{bits} bits, byteorder=">": {values[0, 0]:#x} is read as {seen[0, 0]:#x}')
    assert content[data] == packed(values.byteswap() & ((1 << bits) - 1), bits), "the bytes of each value are swapped"
    assert (seen != values).any()
    assert (seen == by_opencv).all()
    by_hand = content[: data.start] + packed(values, bits) + content[data.stop :]
    assert all((seen == values).all() for seen in read(by_hand, bits))

values = np.array([0x123, 0x123], np.uint16)
assert imagecodecs.packints_encode(values, 12) == bytes.fromhex("123123")
assert imagecodecs.packints_encode(values.astype(">u2"), 12) == bytes.fromhex("301301")
PYTHON
"$folder/venv/bin/python" "$folder/seen.py"
