#!/usr/bin/env bash
# Pillow 13.0.0 on CPython 3.11.
#
# Guess: convert("RGBA") of a PNG with a colour key (tRNS) makes the pixels of that colour transparent, whatever the
# depth of the PNG.
# Seen: only for 1 and 8 bits. Pillow brings 2, 4 and 16 bits to 8 and leaves the key as it was. In gray of 2 or 4 bits
# the key is never met, unless it is black. In RGB of 16 bits a key of values over 255 is never met, and one of values
# up to 255 is met by another colour: with the key 0x0012 the pixels of 0x12ff become transparent, not those of 0x0012.
# The files are made by hand, as ISO/IEC 15948 says; pyvips makes the right pixels transparent in each.
# For batchclf: a PNG's transparency is dropped, and OpenCV reads it (batchclf/data/decoding/png.py).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    pillow==13.0.0 pyvips-binary==8.18.7 pyvips==3.2.0 numpy==2.4.6
cat > "$folder/seen.py" <<'PYTHON'
import io
import struct
import zlib

import numpy as np
import pyvips
from PIL import Image

GRAY, RGB = 0, 2


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(bits, colour, row, key):
    """One row of two pixels (ISO/IEC 15948, 11.2.2 and 11.3.2.1)."""
    head = struct.pack(">IIBBBBB", 2, 1, bits, colour, 0, 0, 0)
    chunks = chunk(b"IHDR", head), chunk(b"tRNS", key), chunk(b"IDAT", zlib.compress(b"\0" + row)), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def gray(bits, first, second, key):
    return png(bits, GRAY, bytes([first << 8 - bits | second << 8 - 2 * bits]), struct.pack(">H", key))


def transparent(content):
    image = Image.open(io.BytesIO(content)).convert("RGBA")
    by_pillow = [image.getpixel((x, 0))[3] == 0 for x in (0, 1)]
    by_vips = pyvips.Image.new_from_buffer(content, "").numpy()[0, :, -1] == 0
    return by_pillow, by_vips.tolist()


first = [True, False]
assert transparent(gray(1, 1, 0, key=1)) == (first, first)
assert transparent(png(8, GRAY, bytes([7, 8]), struct.pack(">H", 7))) == (first, first)
assert transparent(png(8, RGB, bytes([7, 8, 9, 7, 8, 8]), struct.pack(">3H", 7, 8, 9))) == (first, first)
for bits in (2, 4):
    for key in range(1, 1 << bits):
        seen = transparent(gray(bits, key, 0, key))
        assert seen == ([False, False], first), (bits, key, seen)
    print(f"gray, {bits} bits, key {key}: transparent by Pillow {seen[0]}, by pyvips {seen[1]}")

for key, other, wanted in ((0x1234, 0x12FF, [False, False]), (0x0012, 0x12FF, [False, True])):
    row = struct.pack(">6H", key, key, key, other, other, other)
    seen = transparent(png(16, RGB, row, struct.pack(">3H", key, key, key)))
    print(f"RGB, 16 bits, {key:#06x} and {other:#06x}, key {key:#06x}: by Pillow {seen[0]}, by pyvips {seen[1]}")
    assert seen == (wanted, first), seen
PYTHON
"$folder/venv/bin/python" "$folder/seen.py"
