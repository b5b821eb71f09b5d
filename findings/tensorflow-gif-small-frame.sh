#!/usr/bin/env bash
# TensorFlow 2.21.0 on CPython 3.11.
#
# Guess: tf.io.decode_gif of a GIF whose only frame is smaller than its screen gives the screen, with the frame in its
# place.
# Seen: it gives an image of the frame's size, in which the frame is shifted by its place on the screen: a green frame
# of 1x1 at (1, 1) comes as one black pixel; of one of 2x2 at (1, 1) the first pixel comes in the lower right corner,
# the other three are black. No error. tf.io.decode_image gives the same. If a second frame has the screen's size, the
# first one is right. Written by hand and by parts of Pillow; Pillow reads both right.
# For batchclf: GIF is read by Pillow, for training as for scoring (batchclf/data/decoding/decode.py).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check tensorflow-cpu==2.21.0 pillow==13.0.0 numpy==2.4.6
cat > "$folder/seen.py" <<'PYTHON'
import io
import struct

import numpy as np
import tensorflow as tf
from PIL import GifImagePlugin, Image

PALETTE = bytes([0, 0, 0, 0, 255, 0, 255, 0, 0, 255, 255, 255])
GREEN, SCREEN = 1, (4, 3)


def frame(left, top, width, height):
    """A green frame (GIF89a, 20 and 22, and appendix F); a clear code before each pixel keeps codes at 3 bits."""
    codes = [4, GREEN] * (width * height) + [5]
    data = sum(code << 3 * place for place, code in enumerate(codes)).to_bytes(-(-3 * len(codes) // 8), "little")
    return b"," + struct.pack("<HHHHBBB", left, top, width, height, 0, 2, len(data)) + data + b"\0"


def gif(*frames):
    return b"GIF89a" + struct.pack("<HHBBB", *SCREEN, 0xF1, 0, 0) + PALETTE + b"".join(frames) + b";"


def by_pillow(left, top, width, height):
    screen, part = Image.new("P", SCREEN), Image.new("P", (width, height), GREEN)
    for image in (screen, part):
        image.putpalette(PALETTE)
    start = b"".join(GifImagePlugin._get_global_header(screen, {}))
    return start + b"".join(GifImagePlugin.getdata(part, offset=(left, top))) + b";"


def green(pixels):
    return (np.asarray(pixels)[..., 1] > 0).astype(int).tolist()


IN_PLACE = [[0, 0, 0, 0], [0, 1, 1, 0], [0, 1, 1, 0]]
for content in (gif(frame(1, 1, 2, 2)), by_pillow(1, 1, 2, 2)):
    assert green(Image.open(io.BytesIO(content)).convert("RGB")) == IN_PLACE
    for seen in (tf.io.decode_gif(content), tf.io.decode_image(content)):
        print(f"frame of 2x2 at (1, 1) on {SCREEN}: shape {seen.shape[1:3]}, green {green(seen[0])}")
        assert green(seen[0]) == [[0, 0], [0, 1]]
for content in (gif(frame(1, 1, 1, 1)), by_pillow(1, 1, 1, 1)):
    assert tf.io.decode_gif(content).numpy().tolist() == [[[[0, 0, 0]]]]
two = gif(frame(1, 1, 2, 2), frame(0, 0, *SCREEN))
assert green(tf.io.decode_gif(two)[0]) == IN_PLACE
PYTHON
"$folder/venv/bin/python" "$folder/seen.py"
