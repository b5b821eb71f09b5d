#!/usr/bin/env bash
# OpenCV 5.0.0.93 (wheel opencv-python-headless) on CPython 3.11.
#
# Guess: a tiled TIFF gives the same pixels as one in strips, whatever its width: TIFF 6.0, section 15, has the last
# tiles filled up beyond the edge of the image.
# Seen: if the width is no multiple of the tile's, the last column of tiles is wrong, silently: OpenCV takes their rows
# to be shorter than they are (of 16 bits 19 values in place of 32, if 6 are left), so they are sheared and drawn out.
# It is so for 16 bits of gray with IMREAD_GRAYSCALE and IMREAD_COLOR, and for 8 bits of gray and alpha with
# IMREAD_UNCHANGED, too. 16 bits of gray with IMREAD_UNCHANGED, 8 bits of gray, and widths that are a multiple are
# right. Written by tifffile and by pyvips (libtiff); tifffile reads all of them right.
# For batchclf: TIFF is read by Pillow (batchclf/data/decoding/decode.py).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check opencv-python-headless==5.0.0.93 tifffile==2026.3.3 \
    pyvips-binary==8.18.7 pyvips==3.2.0 numpy==2.4.6
cat > "$folder/seen.py" <<'PYTHON'
import io

import cv2
import numpy as np
import pyvips
import tifffile

TILE = 32


def by_tifffile(pixels):
    stream = io.BytesIO()
    alpha = {"extrasamples": ["unassalpha"], "planarconfig": "contig"} if pixels.ndim == 3 else {}
    tifffile.imwrite(stream, pixels, tile=(TILE, TILE), photometric="minisblack", **alpha)
    return stream.getvalue()


def by_libvips(pixels):
    interpretation = "grey16" if pixels.dtype == np.uint16 else "b-w"
    image = pyvips.Image.new_from_array(pixels, interpretation=interpretation)
    return image.tiffsave_buffer(tile=True, tile_width=TILE, tile_height=TILE)


def wrong_columns(pixels, writer, flag):
    content = writer(pixels)
    assert (tifffile.imread(io.BytesIO(content)) == pixels).all()
    read = cv2.imdecode(np.frombuffer(content, np.uint8), flag)
    read = read if read.ndim == 2 else read[..., 0]
    gray = pixels if pixels.ndim == 2 else pixels[..., 0]
    if read.dtype == np.uint8 and gray.dtype == np.uint16:
        gray = gray >> 8
    return np.flatnonzero((np.abs(read.astype(int) - gray) > 1).any(axis=0)).tolist()


random = np.random.default_rng(0)
for width in (64, 70):
    deep = random.integers(0, 65536, (48, width)).astype(np.uint16)
    transparent = random.integers(0, 256, (48, width, 2)).astype(np.uint8)
    sheared = list(range(64, width))
    for writer in (by_tifffile, by_libvips):
        for pixels in (deep, transparent):
            for flag in ("IMREAD_GRAYSCALE", "IMREAD_COLOR", "IMREAD_UNCHANGED"):
                seen = wrong_columns(pixels, writer, getattr(cv2, flag))
                right = pixels is deep and flag == "IMREAD_UNCHANGED"
                print(f"{writer.__name__}, {pixels.dtype} {pixels.shape}, {flag}: wrong columns {seen}")
                assert seen == ([] if right else sheared), seen
        assert wrong_columns(transparent[..., 0].copy(), writer, cv2.IMREAD_GRAYSCALE) == []

content = by_tifffile(deep)
read = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_GRAYSCALE)
tile = np.zeros((TILE, TILE), np.uint8)
tile[:, :6] = deep[:TILE, 64:] >> 8
short = tile.ravel()[19 * np.arange(TILE)[:, None] + np.arange(6)]
assert np.abs(read[:TILE, 64:].astype(int) - short).max() <= 1, "other pixels than these"
PYTHON
"$folder/venv/bin/python" "$folder/seen.py"
