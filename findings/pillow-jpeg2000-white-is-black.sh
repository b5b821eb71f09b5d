#!/usr/bin/env bash
# Pillow 13.0.0 on CPython 3.11.
#
# Guess: JPEG 2000 of 10, 12 or 16 bits a channel in colours comes as RGB of 8 bits, off by one level at most.
# Seen: Pillow rounds to 8 bits without a limit, so values of about 255.5/256 of the maximum and more wrap around to 0:
# white is black, silently. Of 16 bits 65,535 comes as 0 while 65,407 (0xff7f) comes as 255; so do 1,023 of 10 bits and
# 4,095 of 12. The same for RGBA and for gray with alpha; gray alone and 8 bits are right. Written by OpenJPEG
# (imagecodecs) and by FFmpeg's own encoder (av); imagecodecs reads both right.
# For batchclf: colours of more than 8 bits are read by OpenCV (batchclf/data/decoding/jpeg2000.py), gray with alpha is
# refused as unsupported.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pillow==13.0.0 \
    imagecodecs==2026.3.6 av==18.1.0 numpy==2.4.6
cat > "$folder/seen.py" <<'PYTHON'
import io

import av
import imagecodecs
import numpy as np
from PIL import Image

av.logging.set_level(av.logging.PANIC)


def by_ffmpeg(pixels):
    encoder = av.CodecContext.create("jpeg2000", "w")
    encoder.height, encoder.width, encoder.pix_fmt, encoder.time_base = *pixels.shape[:2], "rgb48le", 1
    frame = av.VideoFrame.from_ndarray(pixels, format="rgb48le")
    return b"".join(bytes(packet) for packet in encoder.encode(frame) + encoder.encode(None))


def by_openjpeg(pixels, bits):
    return imagecodecs.jpeg2k_encode(pixels, bitspersample=bits, reversible=True, level=0, codecformat="jp2")


def first_and_last(content):
    pixels = np.asarray(Image.open(io.BytesIO(content)))
    return int(pixels[0, 0, 0]), int(pixels[-1, -1, 0])


for bits in (10, 12, 16):
    below, white = (0xFF7F >> (16 - bits)), (1 << bits) - 1
    for channels in (2, 3, 4):
        pixels = np.full((32, 32, channels), white, np.uint16)
        pixels[:16] = below
        content = by_openjpeg(pixels, bits)
        assert (imagecodecs.jpeg2k_decode(content) == pixels).all()
        seen = first_and_last(content)
        print(f"{channels} channels of {bits} bits: {below} is read as {seen[0]}, {white} as {seen[1]}")
        assert seen == (255, 0), seen

assert first_and_last(by_openjpeg(np.full((32, 32, 3), 255, np.uint8), 8)) == (255, 255)
assert Image.open(io.BytesIO(by_openjpeg(np.full((32, 32), 65535, np.uint16), 16))).getpixel((0, 0)) == 65535

pixels = np.full((32, 32, 3), 65535, np.uint16)
pixels[:16] = 0xFF7F
content = by_ffmpeg(pixels)
assert np.abs(imagecodecs.jpeg2k_decode(content).astype(int) - pixels).max() < 100
assert first_and_last(content)[1] == 0, first_and_last(content)
PYTHON
"$folder/venv/bin/python" "$folder/seen.py"
