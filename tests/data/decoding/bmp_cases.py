"""BMPs by hand: headers, masks, palettes and run lengths as Microsoft's pages on BITMAPINFOHEADER have them."""

import struct
from functools import partial

import numpy as np
from decoding_cases import Case, image_with, noise

CORE, INFO, V2, V3, OS2, V4, V5 = 12, 40, 52, 56, 64, 108, 124
PLAIN, RLE8, RLE4, BITFIELDS, JPEG, PNG = range(6)
SRGB = 0x73524742


def write_bmp(rows, size, bits, *, header=INFO, compression=PLAIN, palette=(), masks=(), top_down=False):
    """Put header, palette (n, 3) of RGB and packed rows, which are in the file's order, together."""
    width, height = size
    colours = b"".join(bytes(colour[::-1]) + (b"" if header == CORE else b"\0") for colour in palette)
    if header == CORE:
        head = struct.pack("<IHHHH", CORE, width, height, 1, bits)
    else:
        signed = -height if top_down else height
        fields = (width, signed, 1, bits, compression, len(rows), 2835, 2835, len(palette), 0)
        head = struct.pack("<IiiHHIIiiII", header, *fields)
        channels = struct.pack(f"<{len(masks)}I", *masks)
        if header > INFO:
            head += channels.ljust(16, b"\0")[: header - INFO]
            head += (struct.pack("<I", SRGB) if header >= V4 else b"").ljust(header - len(head), b"\0")
        else:
            head += channels
    start = 14 + len(head) + len(colours)
    return struct.pack("<2sIHHI", b"BM", start + len(rows), 0, 0, start) + head + colours + rows


def padded(rows):
    """Rows of (height, bytes), each filled up to a multiple of 4 bytes, the last row first."""
    return np.pad(rows, ((0, 0), (0, -rows.shape[1] % 4)))[::-1].tobytes()


def _indexed(bits, **options):
    indices, palette = noise(12, 17, 1, bits=bits), noise(1, 2**bits, 3, seed=1)[0]
    shifts = np.arange(bits - 1, -1, -1)
    rows = np.packbits((indices[:, :, None] >> shifts & 1).reshape(12, -1).astype(np.uint8), axis=1)
    return Case(write_bmp(padded(rows), (17, 12), bits, palette=palette, **options), palette[indices])


def _rle8():
    """Runs, literal rows (an odd number of bytes is filled up) and the ends of lines and of the bitmap."""
    palette = noise(1, 256, 3, seed=1)[0]
    indices = np.repeat(noise(12, 1, 1), 17, 1)
    indices[::2] = noise(6, 17, 1, seed=2)
    rows = b""
    for row in indices[::-1]:
        same = (row == row[0]).all()
        rows += bytes([17, row[0]]) if same else bytes([0, 17, *row.tolist(), 0])
        rows += b"\0\0"
    return Case(write_bmp(rows + b"\0\1", (17, 12), 8, compression=RLE8, palette=palette), palette[indices])


def _rle4():
    palette = noise(1, 16, 3, seed=1)[0]
    indices = np.tile(noise(12, 2, 1, bits=4), (1, 9))[:, :17]
    rows = b"".join(bytes([17, int(row[0]) << 4 | int(row[1])]) + b"\0\0" for row in indices[::-1])
    return Case(write_bmp(rows + b"\0\1", (17, 12), 4, compression=RLE4, palette=palette), palette[indices])


def _masked(bits, masks, *, alpha=0, header=INFO, compression=BITFIELDS, top_down=False):
    """Values of as many bits as the masks have; 8-bit channels are exact, others within 1 of v * 255 / max."""
    widths = [mask.bit_count() for mask in masks]
    stored = [noise(12, 17, 1, bits=width, seed=width * 9 + number) for number, width in enumerate(widths)]
    for values, width in zip(stored, widths, strict=True):
        values[0, :2] = 0, 2**width - 1
    words = np.zeros((12, 17), np.uint32)
    for values, mask in zip(stored, masks, strict=True):
        words |= values.astype(np.uint32) << ((mask & -mask).bit_length() - 1)
    if alpha:
        words |= noise(12, 17, 1, seed=5).astype(np.uint32) << 24 & alpha
    rows = words.astype(f"<u{bits // 8}").view(np.uint8).reshape(12, -1)
    right = [np.rint(values * 255.0 / (2**width - 1)) for values, width in zip(stored, widths, strict=True)]
    content = write_bmp(
        padded(rows[::-1] if top_down else rows),
        (17, 12),
        bits,
        header=header,
        compression=compression,
        masks=(*masks, alpha) if header > V2 else masks if compression == BITFIELDS else (),
        top_down=top_down,
    )
    return Case(content, np.dstack(right).astype(np.uint8), 0 if set(widths) == {8} else 1)


def _colours(**options):
    pixels = noise()
    rows = pixels[..., ::-1].reshape(12, -1)
    return Case(write_bmp(padded(rows[::-1] if options.get("top_down") else rows), (17, 12), 24, **options), pixels)


BGR = (0xFF0000, 0xFF00, 0xFF)
CASES = {
    **{f"bmp-{bits}-palette": partial(_indexed, bits) for bits in (1, 4, 8)},
    **{f"bmp-{bits}-palette-os2": partial(_indexed, bits, header=CORE) for bits in (1, 4, 8)},
    **{f"bmp-{bits}-palette-v5": partial(_indexed, bits, header=V5) for bits in (1, 8)},
    "bmp-8-palette-rle": _rle8,
    "bmp-4-palette-rle": _rle4,
    "bmp-16-plain-555": partial(_masked, 16, (0x7C00, 0x3E0, 0x1F), compression=PLAIN),
    "bmp-16-555": partial(_masked, 16, (0x7C00, 0x3E0, 0x1F)),
    "bmp-16-565": partial(_masked, 16, (0xF800, 0x7E0, 0x1F)),
    "bmp-16-bgr565": partial(_masked, 16, (0x1F, 0x7E0, 0xF800)),
    "bmp-16-565-v4": partial(_masked, 16, (0xF800, 0x7E0, 0x1F), header=V4),
    "bmp-16-444": partial(_masked, 16, (0xF00, 0xF0, 0xF)),
    "bmp-24": _colours,
    "bmp-24-top-down": partial(_colours, top_down=True),
    "bmp-24-os2": partial(_colours, header=CORE),
    "bmp-24-os2-2": partial(_colours, header=OS2),
    "bmp-24-v4": partial(_colours, header=V4),
    "bmp-24-v5": partial(_colours, header=V5),
    "bmp-32-plain": partial(_masked, 32, BGR, compression=PLAIN),
    "bmp-32-plain-top-down": partial(_masked, 32, BGR, compression=PLAIN, top_down=True),
    "bmp-32-masks": partial(_masked, 32, BGR),
    "bmp-32-masks-v3-alpha": partial(_masked, 32, BGR, header=V3, alpha=0xFF000000),
    "bmp-32-masks-v4-alpha": partial(_masked, 32, BGR, header=V4, alpha=0xFF000000),
    "bmp-32-masks-v5-alpha": partial(_masked, 32, BGR, header=V5, alpha=0xFF000000),
    "bmp-32-masks-v5-top-down": partial(_masked, 32, BGR, header=V5, alpha=0xFF000000, top_down=True),
    "bmp-32-masks-rgb": partial(_masked, 32, BGR[::-1]),
    "bmp-32-masks-shifted": partial(_masked, 32, (0xFF000000, 0xFF0000, 0xFF00)),
    "bmp-32-masks-10-10-10": partial(_masked, 32, (0x3FF00000, 0xFFC00, 0x3FF)),
    "bmp-24-pillow": lambda: Case(image_with(noise(), "BMP"), noise()),
    "bmp-8-gray-pillow": lambda: Case(image_with(noise(channels=1), "BMP"), noise(channels=1)),
    "bmp-1-gray-pillow": lambda: Case(
        image_with(noise(channels=1) > 127, "BMP"), (noise(channels=1) > 127) * np.uint8(255)
    ),
    "bmp-32-pillow": lambda: Case(image_with(noise(channels=4), "BMP"), noise(channels=4)[..., :3]),
}
UNSUPPORTED = {"bmp-16-bgr565", "bmp-16-444", "bmp-32-masks-rgb", "bmp-32-masks-10-10-10"}
"""Whole, and yet not read: Pillow knows a few layouts of masks."""
