"""Containers put together by hand: chunks of PNG and WebP, segments of JPEG, an EXIF payload, a GIF."""

import struct
import zlib

import numpy as np

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
EXIF_PREFIX = b"Exif\0\0"
GRAY, RGB, PALETTE, GRAY_ALPHA, RGBA = 0, 2, 3, 4, 6


def exif_payload(orientation, order="<"):
    """A TIFF header with one directory that holds the orientation (Exif 2.32, 4.6)."""
    mark = b"II" if order == "<" else b"MM"
    return struct.pack(f"{order}2sHIHHHIHHI", mark, 42, 8, 1, 0x112, 3, 1, orientation, 0, 0)


def chunk(kind, data):
    """A chunk of a PNG with its checksum."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def scanlines(values, bits):
    """(height, width, samples) to filtered rows, compressed; filter None."""
    rows = values.reshape(len(values), -1)
    if bits == 16:
        packed = rows.astype(">u2").view(np.uint8)
    else:
        shifts = np.arange(bits - 1, -1, -1)
        packed = np.packbits((rows[:, :, None] >> shifts & 1).astype(np.uint8).reshape(len(rows), -1), axis=1)
    return zlib.compress(np.pad(packed, ((0, 0), (1, 0))).tobytes())


def png_header(width, height, bits, colour):
    return PNG_SIGNATURE + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0))


def write_png(values, bits=8, colour=RGB, *, before=(), after=(), data=None):
    """(height, width[, samples]) values to a PNG; `before` and `after` its data are chunks as (kind, data)."""
    extra = [b"".join(chunk(*each) for each in chunks) for chunks in (before, after)]
    data = chunk(b"IDAT", scanlines(values, bits) if data is None else data)
    return png_header(values.shape[1], len(values), bits, colour) + extra[0] + data + extra[1] + chunk(b"IEND", b"")


ADAM7 = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))
"""First row, first column and steps of the passes of an interlaced PNG (ISO/IEC 15948, 8.2)."""


def write_interlaced_png(values, bits=8, colour=RGB):
    passes = [values[top::down, left::right] for top, left, down, right in ADAM7]
    data = b"".join(zlib.decompress(scanlines(each, bits)) for each in passes if each.size)
    content = bytearray(write_png(values, bits, colour, data=zlib.compress(data)))
    content[28] = 1
    content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    return bytes(content)


def write_filtered_png(pixels):
    """(height, width, 3) uint8; the rows are filtered by each of the five types in turn (ISO/IEC 15948, 9.2)."""
    rows = pixels.reshape(len(pixels), -1).astype(int)
    above = np.vstack([np.zeros_like(rows[:1]), rows[:-1]])
    left, corner = (np.pad(each, ((0, 0), (3, 0)))[:, :-3] for each in (rows, above))
    from_left, from_above, from_corner = (abs(left + above - corner - each) for each in (left, above, corner))
    upper = np.where(from_above <= from_corner, above, corner)
    paeth = np.where((from_left <= from_above) & (from_left <= from_corner), left, upper)
    kinds = np.arange(len(rows)) % 5
    predicted = np.stack([np.zeros_like(rows), left, above, (left + above) // 2, paeth])[kinds, np.arange(len(rows))]
    data = np.hstack([kinds[:, None], (rows - predicted) % 256]).astype(np.uint8).tobytes()
    return write_png(pixels, data=zlib.compress(data))


def write_apng(frames, *, stand_in=None):
    """Frames of (height, width, 3) at their places (left, top) on a canvas of the size of the first picture.

    With `stand_in` that picture is shown by viewers without animation and is no frame.
    """
    first = frames[0][0] if stand_in is None else stand_in
    number = 0
    chunks = [chunk(b"acTL", struct.pack(">II", len(frames), 0))]
    if stand_in is not None:
        chunks.append(chunk(b"IDAT", scanlines(stand_in, 8)))
    for pixels, (left, top) in frames:
        control = struct.pack(">IIIIIHHBB", number, pixels.shape[1], len(pixels), left, top, 1, 10, 0, 0)
        number += 1
        chunks.append(chunk(b"fcTL", control))
        data = scanlines(pixels, 8)
        if stand_in is None and number == 1:
            chunks.append(chunk(b"IDAT", data))
        else:
            chunks.append(chunk(b"fdAT", struct.pack(">I", number) + data))
            number += 1
    return png_header(first.shape[1], len(first), 8, RGB) + b"".join(chunks) + chunk(b"IEND", b"")


def riff(*chunks):
    """A WebP of (kind, data) chunks, each filled up to an even length."""
    body = b"".join(kind + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2) for kind, data in chunks)
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def webp_with_exif(simple, size, exif, *, alpha=False):
    """Put a simple WebP, as encoders write it, into an extended one (VP8X) with an EXIF chunk."""
    width, height = size
    flags = 8 | 16 * alpha
    head = struct.pack("<I", flags) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    length = int.from_bytes(simple[16:20], "little")
    return riff((b"VP8X", head), (simple[12:16], simple[20 : 20 + length]), (b"EXIF", exif))


def jpeg_segment(code, data):
    return struct.pack(">BBH", 0xFF, code, len(data) + 2) + data


def jpeg_with(plain, *segments):
    """Put (code, data) segments behind the start of a JPEG."""
    return plain[:2] + b"".join(jpeg_segment(*each) for each in segments) + plain[2:]


def write_gif(indices, palette, *, transparent=None, background=0, place=(0, 0), canvas=None, second=None, local=False):
    """(height, width) indices and (256, 3) colours to a GIF89a; LZW with 9-bit codes that never grow.

    With `local` the colours are the frame's own, and the file's are others.
    """
    width, height = canvas or indices.shape[::-1]
    parts = [struct.pack("<6sHHBBB", b"GIF89a", width, height, 0xF7, background, 0)]
    parts.append((palette[::-1] if local else palette).tobytes())
    for picture in [indices] if second is None else [indices, second]:
        if transparent is not None:
            parts.append(struct.pack("<BBBBHBB", 0x21, 0xF9, 4, 1, 0, transparent, 0))
        parts.append(struct.pack("<BHHHHB", 0x2C, *place, *picture.shape[::-1], 0x87 if local else 0))
        parts.append((palette.tobytes() if local else b"") + b"\x08")
        codes = []
        for number, index in enumerate(picture.ravel().tolist()):
            # A clear code before the table would make the codes longer.
            codes += [256, index] if number % 250 == 0 else [index]
        bits = (np.array([*codes, 257])[:, None] >> np.arange(9) & 1).astype(np.uint8).ravel()
        data = np.packbits(bits, bitorder="little").tobytes()
        parts += [bytes([len(data[at : at + 255])]) + data[at : at + 255] for at in range(0, len(data), 255)]
        parts.append(b"\0")
    return b"".join([*parts, b";"])
