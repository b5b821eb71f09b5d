#!/usr/bin/env bash
# pillow-jxl-plugin 1.3.8 with Pillow 13.0.0 on CPython 3.11.
#
# Guess: JPEG XL of gray and alpha with 16 bits comes as LA with the upper 8 bits, as RGB and RGBA of 16 bits do.
# Seen: it comes as LA, of the right size, with the bytes of the first half of the image: the lower byte of a gray value
# as gray, its upper byte as alpha, then the two bytes of the alpha as the next pixel. Gray 0x1234 with alpha 0xffff
# comes as (52, 18), (255, 255). No error. Gray and alpha of 8 bits are right, and so are gray, RGB and RGBA of 16 bits.
# Written by imagecodecs, and by cjxl 0.7.0 (not in this script); imagecodecs reads both right.
# For batchclf: JPEG XL of gray and alpha is refused as unsupported (batchclf/data/decoding/pillow.py), of 8 bits, too:
# the plugin does not say how many there are.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pillow-jxl-plugin==1.3.8 pillow==13.0.0 \
    imagecodecs==2026.3.6 numpy==2.4.6
cat > "$folder/seen.py" <<'PYTHON'
import io

import imagecodecs
import numpy as np
import pillow_jxl  # noqa: F401
from PIL import Image


def read(pixels):
    content = imagecodecs.jpegxl_encode(pixels, lossless=True)
    assert (imagecodecs.jpegxl_decode(content) == pixels).all()
    image = Image.open(io.BytesIO(content))
    return image.mode, np.asarray(image)


gray = np.linspace(0, 65535, 64 * 64).astype(np.uint16).reshape(64, 64)
gray[0, 0] = 0x1234
opaque = np.full_like(gray, 0xFFFF)

for mode, pixels in {"RGB": np.dstack([gray] * 3), "RGBA": np.dstack([gray] * 3 + [opaque])}.items():
    seen = read(pixels)
    assert seen[0] == mode
    assert (seen[1] == pixels >> 8).all()
seen = read(gray)
assert seen[0] == "I;16"
assert (seen[1] == gray).all()

pixels = np.dstack([gray, opaque])
seen = read((pixels >> 8).astype(np.uint8))
assert seen[0] == "LA"
assert (seen[1] == pixels >> 8).all()

mode, seen = read(pixels)
print(f"{mode}: gray 0x1234, alpha 0xffff is read as {seen[0, :2].tolist()}")
assert mode == "LA"
assert (seen.ravel() == pixels.astype("<u2").view(np.uint8).ravel()[: seen.size]).all()
PYTHON
"$folder/venv/bin/python" "$folder/seen.py"
