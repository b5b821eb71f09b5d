#!/usr/bin/env bash
# Pillow 13.0.0, OpenCV 5.0.0.93, imagecodecs 2026.3.6, pyvips 3.2.0 (pyvips-binary 8.18.7) and pillow-heif 1.8.1 on
# CPython 3.11.
#
# Guess: an AVIF with a clean aperture (clap, ISO/IEC 14496-12; what avifenc --crop writes) is read cropped. Like irot,
# it is one of the properties that a reader has to apply, or else refuse the file.
# Seen: pyvips and pillow-heif (libheif) crop it: 32x64. Pillow, OpenCV and imagecodecs (libavif) give all of it, 64x64,
# with the half that the writer cut away: libavif leaves cropping to its caller, and none of them does it. They are
# silent; of irot, Pillow at least makes an EXIF orientation. The same with a file by avifenc 0.11.1 (not in this
# script).
# For batchclf: AVIF is read by Pillow, so an AVIF with such a box is refused as unsupported. HEIC is cropped.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pillow==13.0.0 opencv-python-headless==5.0.0.93 \
    imagecodecs==2026.3.6 pillow-heif==1.8.1 pyvips-binary==8.18.7 pyvips==3.2.0 numpy==2.4.6
cat > "$folder/seen.py" <<'PYTHON'
import io
import struct

import cv2
import imagecodecs
import numpy as np
import pillow_heif
import pyvips
from PIL import Image


def boxes(content, start, end):
    while start < end:
        length, kind = struct.unpack_from(">I4s", content, start)
        yield kind, start, length
        start += length


def cropped(content):
    """Put a clean aperture in place of the ICC profile, whose box has the same length, and make it essential."""
    content = bytearray(content)
    profile = content.index(b"colrprof") - 4
    assert content[profile : profile + 4] == struct.pack(">I", 40)
    # 32 by 64 pixels; their centre lies 16 to the left of the image's.
    content[profile : profile + 40] = struct.pack(">I4s8i", 40, b"clap", 32, 1, 64, 1, -16, 1, 0, 1)
    properties = content.index(b"ipco") - 4
    length = struct.unpack_from(">I", content, properties)[0]
    places = [start for _, start, _ in boxes(content, properties + 8, properties + length)]
    links = content.index(b"ipma") + 4 + 4 + 4 + 2
    number = places.index(profile) + 1
    link = content.index(number, links + 1, links + 1 + content[links])
    content[link] |= 0x80
    return bytes(content)


def sizes(content):
    by_opencv = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    by_vips = pyvips.Image.new_from_buffer(content, "")
    return {
        "Pillow": Image.open(io.BytesIO(content)).size,
        "OpenCV": by_opencv.shape[1::-1],
        "imagecodecs": imagecodecs.avif_decode(content).shape[1::-1],
        "pyvips": (by_vips.width, by_vips.height),
        "pillow-heif": pillow_heif.open_heif(content).size,
    }


stream = io.BytesIO()
Image.new("RGB", (64, 64), (200, 30, 10)).save(stream, "AVIF", icc_profile=bytes(28))
plain = sizes(stream.getvalue())
assert set(plain.values()) == {(64, 64)}, plain
seen = sizes(cropped(stream.getvalue()))
print(seen)
whole = dict.fromkeys(("Pillow", "OpenCV", "imagecodecs"), (64, 64))
assert seen == whole | dict.fromkeys(("pyvips", "pillow-heif"), (32, 64)), seen
PYTHON
"$folder/venv/bin/python" "$folder/seen.py"
