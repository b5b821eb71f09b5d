"""A TIFF writer by hand (TIFF 6.0 and BigTIFF): any bits, layout and byte order, so that no library judges itself."""

import struct
import zlib

import numpy as np

SHORT, LONG, UNDEFINED, LONG8 = 3, 4, 7, 16
SIZES = {SHORT: ("H", 2), LONG: ("I", 4), UNDEFINED: ("B", 1), LONG8: ("Q", 8)}

MINISWHITE, MINISBLACK, RGB, PALETTE, MASK, CMYK, YCBCR = range(7)
NONE, LZW, JPEG, DEFLATE, PACKBITS, LZMA, ZSTD = 1, 5, 7, 8, 32773, 34925, 50000


def encode(data, compression):
    """Compress one strip or tile."""
    import imagecodecs

    if compression == DEFLATE:
        return zlib.compress(data)
    writers = {
        NONE: bytes,
        LZW: imagecodecs.lzw_encode,
        PACKBITS: imagecodecs.packbits_encode,
        LZMA: imagecodecs.lzma_encode,
        ZSTD: imagecodecs.zstd_encode,
    }
    return bytes(writers[compression](data))


def pack(values, bits, order):
    """(rows, columns, samples) to bytes: rows begin at a byte, the first value in the highest bits (TIFF 6.0)."""
    rows = values.reshape(len(values), -1)
    if bits in (8, 16, 32, 64):
        return rows.astype(np.dtype(f"{order}{rows.dtype.kind}{bits // 8}")).tobytes()
    shifts = np.arange(bits - 1, -1, -1)
    return np.packbits((rows[:, :, None] >> shifts & 1).astype(np.uint8).reshape(len(rows), -1), axis=1).tobytes()


def predict(values):
    """Horizontal differencing (Predictor 2): each sample less the one to its left."""
    values = values.copy()
    values[:, 1:] -= values[:, :-1].copy()
    return values


def pieces_of(values, tile, rows_per_strip):
    """Cut (rows, columns, samples) into tiles, filled up with zeros, or into strips."""
    height, width, samples = values.shape
    if tile is None:
        return [values[top : top + rows_per_strip] for top in range(0, height, rows_per_strip)]
    pieces = []
    for top in range(0, height, tile):
        for left in range(0, width, tile):
            piece = np.zeros((tile, tile, samples), values.dtype)
            part = values[top : top + tile, left : left + tile]
            piece[: part.shape[0], : part.shape[1]] = part
            pieces.append(piece)
    return pieces


def write_tiff(
    values,
    bits=8,
    photometric=MINISBLACK,
    *,
    extra=(),
    order="<",
    big=False,
    tile=None,
    rows_per_strip=None,
    separate=False,
    compression=NONE,
    predictor=1,
    colour_map=None,
    sample_format=None,
    orientation=None,
    spoil=bytes,
    more=(),
):
    """(height, width[, samples]) integers or floats to a file of one page.

    `extra` are the kinds of the samples beyond the photometric's, `more` further (tag, type, values) entries, and
    `spoil` changes the last strip or tile after it is compressed.
    """
    values = values.reshape(*values.shape[:2], -1)
    height, width, samples = values.shape
    planes = np.split(values, samples, 2) if separate else [values]
    data = []
    for plane in planes:
        for piece in pieces_of(plane, tile, rows_per_strip or height):
            data.append(encode(pack(predict(piece) if predictor == 2 else piece, bits, order), compression))
    data[-1] = spoil(data[-1])
    entries = [
        (256, LONG, [width]),
        (257, LONG, [height]),
        (258, SHORT, [bits] * samples),
        (259, SHORT, [compression]),
        (262, SHORT, [photometric]),
        (277, SHORT, [samples]),
        (284, SHORT, [2 if separate else 1]),
        *([(274, SHORT, [orientation])] if orientation else []),
        *([(317, SHORT, [predictor])] if predictor != 1 else []),
        *([(320, SHORT, colour_map)] if colour_map is not None else []),
        *([(338, SHORT, list(extra))] if extra else []),
        *([(339, SHORT, [sample_format] * samples)] if sample_format else []),
        *more,
    ]
    return put_together(entries, data, tile, rows_per_strip or height, order, big)


def put_together(entries, data, tile, rows_per_strip, order, big):
    """Lay out header, one directory and the strips or tiles."""
    pointer, place = (LONG8, "Q") if big else (LONG, "I")
    counts = [len(each) for each in data]
    where, sizes = (324, 325) if tile else (273, 279)
    layout = [(322, SHORT, [tile]), (323, SHORT, [tile])] if tile else [(278, LONG, [rows_per_strip])]
    entries = sorted([*entries, *layout, (where, pointer, [0] * len(data)), (sizes, pointer, counts)])
    inline = 8 if big else 4
    head = (
        struct.pack(f"{order}2sHHHQ", b"MM" if order == ">" else b"II", 43, 8, 0, 16)
        if big
        else struct.pack(f"{order}2sHI", b"MM" if order == ">" else b"II", 42, 8)
    )
    entry_size, count_size = (20, 8) if big else (12, 2)
    after = len(head) + count_size + entry_size * len(entries) + inline
    lengths = [len(each) * SIZES[kind][1] for _, kind, each in entries]
    start = after + sum(length + length % 2 for length in lengths if length > inline)
    offsets = np.cumsum([start, *counts])[:-1].tolist()
    directory, values = struct.pack(f"{order}{'Q' if big else 'H'}", len(entries)), b""
    for (tag, kind, each), length in zip(entries, lengths, strict=True):
        packed = struct.pack(f"{order}{len(each)}{SIZES[kind][0]}", *(offsets if tag == where else each))
        if length > inline:
            packed, values = struct.pack(f"{order}{place}", after + len(values)), values + packed + b"\0" * (length % 2)
        directory += struct.pack(f"{order}HH{place}", tag, kind, len(each)) + packed.ljust(inline, b"\0")
    return head + directory + b"\0" * inline + values + b"".join(data)
