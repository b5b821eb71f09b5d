#!/usr/bin/env bash
# OpenCV 5.0.0.93 (wheel opencv-python-headless) on CPython 3.11.
#
# Guess: IMREAD_COLOR_RGB gives what IMREAD_COLOR gives, red first, for every format that OpenCV reads.
# Seen: of an AVIF with alpha, it gives blue first, at 8 and at 10 bits: (200, 30, 10) comes as [10 31 200], the same as
# from IMREAD_COLOR. Without alpha, both are right. So a folder of AVIFs comes with red and blue swapped in those files
# that have transparency, and only there. Written by Pillow, by OpenCV itself and, at 10 bits, by imagecodecs; Pillow
# (libavif) and pyvips (libheif) read red first.
# For batchclf: AVIF is read by Pillow (batchclf/data/decoding/decode.py).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check opencv-python-headless==5.0.0.93 pillow==13.0.0 \
    imagecodecs==2026.3.6 pyvips-binary==8.18.7 pyvips==3.2.0 numpy==2.4.6
cat > "$folder/seen.py" <<'PYTHON'
import io

import cv2
import imagecodecs
import numpy as np
import pyvips
from PIL import Image

RED = (200, 30, 10)


def by_opencv(content, flag):
    return cv2.imdecode(np.frombuffer(content, np.uint8), flag)[32, 32].astype(int)


def by_pillow(pixels):
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "AVIF", quality=95)
    return stream.getvalue()


def close(pixel, wanted):
    return np.abs(np.subtract(pixel, wanted)).max() <= 3


colours = np.full((64, 64, 3), RED, np.uint8)
with_alpha = np.dstack([colours, np.full((64, 64), 128, np.uint8)])
deep = np.dstack([(colours.astype(int) * 1023 // 255).astype(np.uint16), np.full((64, 64), 512, np.uint16)])

plain = by_pillow(colours)
assert close(by_opencv(plain, cv2.IMREAD_COLOR_RGB), RED)
assert close(by_opencv(plain, cv2.IMREAD_COLOR), RED[::-1])

files = {
    "Pillow": by_pillow(with_alpha),
    "OpenCV": cv2.imencode(".avif", cv2.cvtColor(with_alpha, cv2.COLOR_RGBA2BGRA))[1].tobytes(),
    "imagecodecs, 10 bits": imagecodecs.avif_encode(deep, level=95, bitspersample=10),
}
for writer, content in files.items():
    libheif = np.asarray(pyvips.Image.new_from_buffer(content, "")(32, 32))
    assert close(libheif[:3] / (256 if libheif.max() > 255 else 1), RED), libheif
    if "bits" not in writer:
        assert close(Image.open(io.BytesIO(content)).convert("RGB").getpixel((32, 32)), RED)
    assert close(by_opencv(content, cv2.IMREAD_COLOR), RED[::-1])
    seen = by_opencv(content, cv2.IMREAD_COLOR_RGB)
    print(f"written by {writer}: {RED} read with IMREAD_COLOR_RGB is {seen}")
    assert close(seen, RED[::-1]), "red comes first"
PYTHON
"$folder/venv/bin/python" "$folder/seen.py"
