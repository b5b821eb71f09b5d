#!/usr/bin/env bash
# Pillow 13.0.0 on CPython 3.11.
#
# Guess: a TIFF of 16-bit RGB in separate planes gives the upper 8 bits of each value, or is refused, whatever the
# compression.
# Seen: it does if the TIFF is compressed. If it is not, Pillow's own reader takes each plane for one of 8 bits: the
# lower byte of the first value is the first pixel, its upper byte the second (in a big-endian file the other way
# round), and the lower half of the picture is never read. Red 0x0011, 0x2233 comes as 17, 0, 51, 34. No error, and the
# size is right. PIL.TiffImagePlugin.READ_LIBTIFF = True makes the pixels right, too. Written by tifffile and by hand;
# tifffile and pyvips read both right.
# For batchclf: every TIFF is read through libtiff (`_settings` in batchclf/data/decoding/pillow.py).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pillow==13.0.0 tifffile==2026.3.3 \
    imagecodecs==2026.3.6 pyvips-binary==8.18.7 pyvips==3.2.0 numpy==2.4.6
cat > "$folder/seen.py" <<'PYTHON'
import io
import struct

import numpy as np
import pyvips
import tifffile
from PIL import Image, TiffImagePlugin

SHORT, LONG = 3, 4


def by_tifffile(pixels, order, compression=None):
    stream = io.BytesIO()
    tifffile.imwrite(
        stream,
        np.moveaxis(pixels, 2, 0),
        photometric="rgb",
        planarconfig="separate",
        byteorder=order,
        compression=compression,
    )
    return stream.getvalue()


def by_hand(pixels, order):
    """TIFF 6.0, sections 2 and 6: one strip a plane, values of more than 4 bytes behind the directory."""
    height, width, _ = pixels.shape
    length = 2 * height * width
    data = 8 + 2 + 10 * 12 + 4 + 6 + 12 + 12
    tags = {
        256: (LONG, [width]),
        257: (LONG, [height]),
        258: (SHORT, [16, 16, 16]),
        259: (SHORT, [1]),
        262: (SHORT, [2]),
        273: (LONG, [data, data + length, data + 2 * length]),
        277: (SHORT, [3]),
        278: (LONG, [height]),
        279: (LONG, [length] * 3),
        284: (SHORT, [2]),
    }
    directory, behind = struct.pack(order + "H", len(tags)), b""
    for tag, (kind, values) in tags.items():
        packed = struct.pack(order + {SHORT: "H", LONG: "I"}[kind] * len(values), *values)
        if len(packed) > 4:
            place = 8 + 2 + 10 * 12 + 4 + len(behind)
            behind += packed
            packed = struct.pack(order + "I", place)
        directory += struct.pack(order + "HHI", tag, kind, len(values)) + packed.ljust(4, b"\0")
    start = (b"II" if order == "<" else b"MM") + struct.pack(order + "HI", 42, 8)
    planes = np.moveaxis(pixels, 2, 0).astype(order + "u2").tobytes()
    return start + directory + bytes(4) + behind + planes


def by_pillow(content, libtiff=False):
    TiffImagePlugin.READ_LIBTIFF = libtiff
    return np.asarray(Image.open(io.BytesIO(content)))


pixels = np.random.default_rng(0).integers(0, 65536, (8, 16, 3)).astype(np.uint16)
pixels[0, :2, 0] = 0x0011, 0x2233
for order in "<>":
    for writer in (by_tifffile, by_hand):
        content = writer(pixels, order)
        assert (np.moveaxis(tifffile.imread(io.BytesIO(content)), 0, 2) == pixels).all()
        assert (pyvips.Image.new_from_buffer(content, "").numpy() == pixels).all()
        assert (by_pillow(content, libtiff=True) == pixels >> 8).all()
        seen = by_pillow(content)
        print(f"{writer.__name__}, {order}: red of the first pixels {pixels[0, :2, 0] >> 8} comes as {seen[0, :4, 0]}")
        planes = np.moveaxis(pixels, 2, 0).ravel().astype(order + "u2").view(np.uint8).reshape(3, -1)
        assert (np.moveaxis(seen, 2, 0) == planes[:, : 8 * 16].reshape(3, 8, 16)).all()
    assert (by_pillow(by_tifffile(pixels, order, "zlib")) == pixels >> 8).all()
PYTHON
"$folder/venv/bin/python" "$folder/seen.py"
