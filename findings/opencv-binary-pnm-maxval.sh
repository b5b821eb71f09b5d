#!/usr/bin/env bash
# OpenCV 5.0.0.93 (wheel opencv-python-headless) on CPython 3.11.
#
# Guess: a PGM or PPM whose largest value is 100 comes as 0 to 255, whether its numbers are text (P2, P3) or bytes (P5,
# P6): they are one format, with one header.
# Seen: text is scaled, 100 comes as 255; bytes are not, 100 comes as 100. If the largest value is 1,023,
# IMREAD_GRAYSCALE and IMREAD_COLOR give the upper of its two bytes: white comes as 3, nearly black. With 255 or 65,535
# as the largest value all is right. The files are made by hand, as Netpbm's pgm(5) and ppm(5) say; Pillow scales each
# of them.
# For batchclf: PNM is read by Pillow (batchclf/data/decoding/decode.py).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    opencv-python-headless==5.0.0.93 pillow==13.0.0 numpy==2.4.6
cat > "$folder/seen.py" <<'PYTHON'
import io

import cv2
import numpy as np
from PIL import Image


def pnm(kind, most, values):
    if kind in ("P2", "P3"):
        data = " ".join(map(str, values)).encode() + b"\n"
    else:
        data = np.array(values, ">u2" if most > 255 else "u1").tobytes()
    samples = 3 if kind in ("P3", "P6") else 1
    return f"{kind}\n{len(values) // samples} 1\n{most}\n".encode() + data


def white(content, flag):
    return int(cv2.imdecode(np.frombuffer(content, np.uint8), flag).ravel()[-1])


SEEN = {
    ("P2", 100): 255,
    ("P3", 100): 255,
    ("P5", 100): 100,
    ("P6", 100): 100,
    ("P5", 1023): 3,
    ("P6", 1023): 3,
    ("P5", 255): 255,
    ("P5", 65535): 255,
}
for (kind, most), wanted in SEEN.items():
    content = pnm(kind, most, [0] * 3 + [most] * 3)
    image = Image.open(io.BytesIO(content))
    last = image.getpixel((image.width - 1, 0))
    assert last in (255, 65535, (255, 255, 255)), last
    seen = [white(content, flag) for flag in (cv2.IMREAD_GRAYSCALE, cv2.IMREAD_COLOR)]
    print(f"{kind}, largest value {most}: white is read as {seen[0]}")
    assert seen == [wanted, wanted], seen
PYTHON
"$folder/venv/bin/python" "$folder/seen.py"
