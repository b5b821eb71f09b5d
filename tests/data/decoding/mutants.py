"""Damaged copies of real files, and what another library makes of the same bytes.

Run as a program with a folder of mutants, it prints a line of JSON for each: the name, then what `verdict` gives.
"""

import io
import json
import random
import re
import struct
import sys
import warnings
import zlib
from pathlib import Path

import bmp_cases
import numpy as np
import other_cases
import png_cases
import tiff_cases
from decoding_cases import MODES, image_with, luma, noise, upper_8
from PIL import Image, ImageOps

from batchclf.data.decoding.decode import decode
from batchclf.data.decoding.limits import Limits
from batchclf.errors import UnreadableImageError

MOST_PIXELS = 1_000_000
"""Of a mutant whose header says more, nothing is decoded: by the limit that is given, and not by the judges."""

LIMITS = Limits(pixels=MOST_PIXELS)
SMOOTH = np.linspace(0, 255, 48 * 40 * 3).reshape(48, 40, 3).astype(np.uint8)
HALF_NOISE = SMOOTH // 2 + noise(48, 40) // 2

SEEDS = {
    "png": [
        *(png_cases.CASES[name]().content for name in ("png-8-rgb", "png-16-rgba", "png-2-palette-tRNS", "png-1-gray")),
        image_with(HALF_NOISE, "PNG"),
    ],
    "jpeg": [
        image_with(HALF_NOISE, "JPEG", quality=90),
        image_with(HALF_NOISE, "JPEG", quality=75, progressive=True),
        image_with(HALF_NOISE, "JPEG", quality=90, subsampling=0, restart_marker_blocks=4),
        image_with(HALF_NOISE[..., 0], "JPEG", quality=90),
    ],
    "webp": [
        image_with(HALF_NOISE, "WEBP", quality=80),
        image_with(np.dstack([HALF_NOISE, HALF_NOISE[..., 0]]), "WEBP", lossless=True),
    ],
    "bmp": [
        bmp_cases.CASES[name]().content
        for name in ("bmp-24", "bmp-8-palette", "bmp-8-palette-rle", "bmp-16-565", "bmp-32-masks-v5-alpha")
    ],
    "gif": [other_cases.CASES[name]().content for name in ("gif-by-hand", "gif-interlaced-pillow")],
    "tiff": [
        tiff_cases.MATRIX[name]().content
        for name in (
            *("tiff-8-rgb-strips-none", "tiff-8-gray-tiles-deflate", "tiff-16-rgb-strips-lzw-predicted"),
            *("tiff-1-gray-strips-packbits", "tiff-8-palette-strips-none", "tiff-16-gray-tiles-zstd"),
            *("tiff-8-rgba-planes-deflate", "tiff-8-rgb-strips-lzma", "tiff-8-gray-strips-bigtiff"),
        )
    ],
    "avif": [image_with(HALF_NOISE, "AVIF", quality=80), other_cases.CASES["avif-8-rgba"]().content],
    "jp2": [
        image_with(HALF_NOISE, "JPEG2000", irreversible=False),
        *(other_cases.CASES[name]().content for name in ("jp2-8-gray", "jp2-16-rgb", "j2k-16-gray")),
    ],
    "pnm": [other_cases.CASES[name]().content for name in ("ppm-binary-255", "pgm-binary-65535", "pbm-binary")],
    "jxl": [other_cases.jpeg_xl(8, 3).content, other_cases.jpeg_xl(8, 1).content],
    "heic": [other_cases.heic(8, 3).content],
}
SUFFIXES = {"jpeg": "jpg", "tiff": "tif", "pnm": "ppm"}


def mutate(content, rng):
    """Change a file in one to three places by one of the ways that disks, networks and programs have."""
    content = bytearray(content)
    for _ in range(rng.randint(1, 3)):
        # Headers lie at the beginning, where half of the changes go.
        at = rng.randrange(min(len(content), 64) if rng.random() < 0.5 else len(content)) if content else 0
        length = rng.choice([1, 2, 4, 16, 64])
        way = rng.choice(["flip", "flip", "byte", "cut", "insert", "remove", "repeat", "zeros", "length"])
        if way == "flip" and content:
            content[at] ^= 1 << rng.randrange(8)
        elif way == "byte" and content:
            content[at] = rng.randrange(256)
        elif way == "cut":
            del content[max(at, len(content) // 4) :]
        elif way == "insert":
            content[at:at] = rng.randbytes(length)
        elif way == "remove":
            del content[at : at + length]
        elif way == "repeat":
            content[at:at] = content[at : at + length]
        elif way == "zeros":
            content[at : at + length] = bytes(len(content[at : at + length]))
        elif way == "length":
            number = rng.choice([0, 1, 255, 256, 32_767, 65_535])
            content[at : at + 2] = number.to_bytes(2, rng.choice(["little", "big"]))
    return bytes(content)


def with_right_checksums(content):
    """A PNG whose chunks' checksums are mended, so that more than the checksum is tried."""
    content, at = bytearray(content), 8
    while at + 12 <= len(content):
        end = at + 8 + int.from_bytes(content[at : at + 4], "big")
        content[end : end + 4] = zlib.crc32(content[at + 4 : end]).to_bytes(4, "big")
        at = end + 4
    return bytes(content)


def mutant(file_format, seed):
    """The same for the same seed."""
    rng = random.Random(f"{file_format} {seed}")
    content = mutate(rng.choice(SEEDS[file_format]), rng)
    return with_right_checksums(content) if file_format == "png" and rng.random() < 0.7 else content


class JudgeRefusesError(Exception):
    """The judge does not read the bytes, or cannot say what is right for them."""


def _pillow(content, formats):
    with Image.open(io.BytesIO(content), formats=formats) as image:
        if image.width * image.height > MOST_PIXELS:
            raise JudgeRefusesError("too large")
        deep = image.mode.startswith("I;16")
        turned = ImageOps.exif_transpose(image)
        if deep:
            return (np.asarray(turned) >> 8).astype(np.uint8)
        return np.asarray(turned.convert("L" if image.mode in ("1", "L", "LA") else "RGB"))


def _libvips(content):
    import pyvips

    image = pyvips.Image.new_from_buffer(content, "", fail_on="truncated")
    if image.width * image.height > MOST_PIXELS:
        raise JudgeRefusesError("too large")
    if image.interpretation == "cmyk":
        raise JudgeRefusesError("CMYK")
    pixels = image.numpy()
    pixels = upper_8(pixels, 8 * pixels.itemsize)
    if pixels.ndim == 2 or pixels.shape[2] < 3:
        return pixels.reshape(*pixels.shape[:2], -1)[..., 0]
    return pixels[..., :3]


def _netpbm(content):
    """By hand, after netpbm's pages on pbm, pgm and ppm; strict about everything that they do not allow."""
    if re.match(rb"P[1-6]", content) is None:
        raise JudgeRefusesError("header")
    kind, place, numbers = int(content[1:2]), 2, []
    while len(numbers) < (2 if kind in (1, 4) else 3):
        token = re.compile(rb"(?:\s|#[^\n\r]*[\n\r])+(\d+)").match(content, place)
        if token is None:
            raise JudgeRefusesError("header")
        numbers.append(int(token[1]))
        place = token.end()
    width, height, most = (*numbers, 1)[:3]
    shape = (height, width) if kind in (1, 2, 4, 5) else (height, width, 3)
    if not (0 < width * height <= MOST_PIXELS and 0 < most < 65536 and content[place : place + 1].isspace()):
        raise JudgeRefusesError("numbers of the header")
    if kind == 4:
        rows = np.frombuffer(content, np.uint8, height * -(-width // 8), place + 1).reshape(height, -1)
        return 255 - 255 * np.unpackbits(rows, axis=1)[:, :width]
    if kind < 4:
        raise JudgeRefusesError("text")
    values = np.frombuffer(content, ">u2" if most > 255 else np.uint8, int(np.prod(shape)), place + 1).reshape(shape)
    if values.max() > most:
        raise JudgeRefusesError("values above the most")
    return (values >> 8 if most == 65535 else np.rint(values * 255.0 / most)).astype(np.uint8)


def _gif(content):
    """By hand, after GIF89a's specification: the first frame, -1 where it does not cover the canvas."""
    if content[:6] not in (b"GIF87a", b"GIF89a"):
        raise JudgeRefusesError("signature")
    width, height, flags = struct.unpack_from("<HHB", content, 6)
    if width * height > MOST_PIXELS:
        raise JudgeRefusesError("too large")
    at = 13
    palette, at = _gif_palette(content, at, flags)
    while content[at] == 0x21:
        _, at = _gif_data(content, at + 2)
    if content[at] != 0x2C:
        raise JudgeRefusesError("neither extension nor frame")
    left, top, columns, rows, flags = struct.unpack_from("<HHHHB", content, at + 1)
    own, at = _gif_palette(content, at + 10, flags)
    data, _ = _gif_data(content, at + 1)
    indices = np.array(_lzw(data, content[at], columns * rows))
    colours = own if len(own) else palette
    if not rows * columns or indices.max() >= len(colours) or left + columns > width or top + rows > height:
        raise JudgeRefusesError("frame")
    frame = colours[indices].reshape(rows, columns, 3).astype(int)
    if flags & 0x40:
        # Interlaced (appendix E): every 8th row, those between, and so on.
        order = [*range(0, rows, 8), *range(4, rows, 8), *range(2, rows, 4), *range(1, rows, 2)]
        frame = frame[np.argsort(order)]
    canvas = np.full((height, width, 3), -1)
    canvas[top : top + rows, left : left + columns] = frame
    return canvas


def _gif_palette(content, at, flags):
    size = 3 << (flags & 7) + 1 if flags & 0x80 else 0
    return np.frombuffer(content, np.uint8, size, at).reshape(-1, 3), at + size


def _gif_data(content, at):
    """Sub-blocks up to the empty one, joined; and what follows."""
    data = b""
    while content[at]:
        data += content[at + 1 : at + 1 + content[at]]
        at += 1 + content[at]
    return data, at + 1


def _lzw(data, bits, wanted):
    """Codes of 3 to 12 bits, lowest bit first (GIF89a, appendix F)."""
    if not 2 <= bits <= 8:
        raise JudgeRefusesError("code size")
    clear, end = 1 << bits, (1 << bits) + 1
    stream, table, size, at, before, found = int.from_bytes(data, "little"), [], bits + 1, 0, None, []
    # What follows the last pixel is not looked at, as by every reader.
    while at + size <= 8 * len(data) and len(found) < wanted:
        code = stream >> at & (1 << size) - 1
        at += size
        if code == end:
            break
        if code == clear:
            table, size, before = [[index] for index in range(clear)] + [[], []], bits + 1, None
            continue
        if not table or code > len(table) or (code == len(table) and before is None):
            raise JudgeRefusesError("code")
        entry = table[code] if code < len(table) else [*before, before[0]]
        found += entry
        if before is not None and len(table) < 4096:
            table.append([*before, entry[0]])
            size = min(12, len(table).bit_length()) if len(table) == 1 << size else size
        before = entry
    if len(found) < wanted:
        raise JudgeRefusesError(f"{len(found)} pixels of {wanted}")
    return found[:wanted]


def _nobody(content):
    raise JudgeRefusesError("no other reader is here")


def _either(*judges):
    def read(content):
        refused = []
        for judge in judges:
            try:
                return judge(content)
            except Exception as error:  # a judge raises nearly anything
                refused.append(str(error))
        raise JudgeRefusesError("; ".join(refused))

    return read


def _tifffile(content):
    """The stored values by the rules of docs/scoring.md."""
    import tifffile

    with tifffile.TiffFile(io.BytesIO(content)) as file:
        page = file.pages[0]
        if page.imagewidth * page.imagelength > MOST_PIXELS or page.nbytes > 8 * MOST_PIXELS:
            raise JudgeRefusesError("too large")
        if min(page.dataoffsets) < 8:
            raise JudgeRefusesError("a strip that lies in the header")
        if not _is_well_formed(page, len(content)):
            raise JudgeRefusesError("a directory that readers mend in different ways")
        values = page.asarray()
        if page.planarconfig == 2 and values.ndim == 3:
            values = np.moveaxis(values, 0, -1)
        return _shown(page, values)


def _shown(page, values):
    photometric, bits = int(page.photometric), page.bitspersample
    if values.dtype.kind not in "bu" or bits > 16 or values.shape[:2] != (page.imagelength, page.imagewidth):
        raise JudgeRefusesError(f"{bits} bits of {values.dtype} {values.shape}")
    if 274 in page.tags and page.tags[274].value != 1:
        raise JudgeRefusesError("turned")
    if photometric == 3 and values.ndim == 2 and page.colormap is not None:
        return (np.asarray(page.colormap) >> 8).astype(np.uint8)[:, values].transpose(1, 2, 0)
    pixels = upper_8(values.astype(np.uint16), bits)
    if photometric == 2 and values.ndim == 3 and values.shape[2] >= 3:
        return pixels[..., :3]
    if photometric in (0, 1) and values.ndim == 2:
        return pixels if photometric == 1 else 255 - pixels
    raise JudgeRefusesError(f"photometric {photometric} of {values.shape}")


def _is_well_formed(page, size):
    """Whether every number is there once, and the strips or tiles are as many as they must be, in the file."""
    if any(code not in page.tags or page.tags[code].count != 1 for code in (256, 257, 259, 262)):
        return False
    if any(code in page.tags and page.tags[code].count != 1 for code in (277, 278, 284, 317, 322, 323)):
        return False
    where, sizes = (324, 325) if page.is_tiled else (273, 279)
    if where not in page.tags or sizes not in page.tags:
        return False
    counts = {page.tags[where].count, page.tags[sizes].count, int(np.prod(page.chunked))}
    ends = [at + length for at, length in zip(page.dataoffsets, page.databytecounts, strict=False)]
    return len(counts) == 1 and min(page.databytecounts) > 0 and max(ends) <= size


def _codec(name):
    def read(content):
        import imagecodecs

        pixels = getattr(imagecodecs, f"{name}_decode")(content)
        bits = 8 * pixels.itemsize
        return upper_8(pixels, bits)[..., :3] if pixels.ndim == 3 else upper_8(pixels, bits)

    return read


JUDGES = {
    "png": _libvips,
    "jpeg": _either(_libvips, lambda content: _pillow(content, ("JPEG", "MPO"))),
    "webp": _either(_codec("webp"), _libvips),
    "bmp": lambda content: _pillow(content, ("BMP",)),
    "gif": _gif,
    "tiff": _tifffile,
    "avif": _codec("avif"),
    "jp2": _codec("jpeg2k"),
    "pnm": _netpbm,
    "jxl": _codec("jpegxl"),
    "heic": _nobody,
}
WITHIN = {"jpeg": 2, "avif": 3, "jp2": 1, "bmp": 1, "pnm": 1}
"""Levels between two libraries that read the same bytes."""


def judged(file_format, content):
    """Give uint8 (height, width[, 3]); raises JudgeRefusesError with the judge's words."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return JUDGES[file_format](content)
    except JudgeRefusesError:
        raise
    except Exception as error:  # a judge raises nearly anything
        raise JudgeRefusesError(f"{type(error).__name__}: {error}") from error


def verdict(file_format, content):
    """Decode and compare: (kind, words).

    `skipped`: refused with a reason of one line; `same`: the pixels are those of the judge; `differs`: they are not;
    `alone`: the judge refuses what is read here, with its words.
    """
    (pixels, reason), (gray, also) = (_decoded(content, mode) for mode in MODES)
    if reason != also:
        return "differs", f"colour and gray: {reason} and {also}"
    if pixels is None:
        return ("skipped", reason) if len(reason.splitlines()) == 1 else ("differs", "a reason of several lines")
    if np.abs(gray[..., 0].astype(int) - luma(pixels)).max() > 1:
        return "differs", "colour and gray"
    try:
        right = judged(file_format, content)
    except JudgeRefusesError as error:
        return "alone", " ".join(str(error).split())[:100]
    right = right if right.ndim == 3 else np.repeat(right[:, :, None], 3, 2)
    if right.shape != pixels.shape:
        return "differs", f"{pixels.shape} instead of {right.shape}"
    off = np.where(right < 0, 0, np.abs(pixels.astype(int) - right))
    if off.max() <= WITHIN.get(file_format, 0):
        return "same", ""
    return "differs", f"{(off > WITHIN.get(file_format, 0)).mean():.1%} of the values, by up to {off.max()}"


def _decoded(content, mode):
    try:
        return decode(content, mode, limits=LIMITS), ""
    except UnreadableImageError as error:
        return None, error.message


def write_mutants(folder, seeds):
    """One file for each seed, the formats in turn; gives how many."""
    folder.mkdir()
    formats = list(SEEDS)
    for seed in seeds:
        file_format = formats[seed % len(formats)]
        suffix = SUFFIXES.get(file_format, file_format)
        (folder / f"{file_format}-{seed}.{suffix}").write_bytes(mutant(file_format, seed))
    return len(seeds)


if __name__ == "__main__":
    for path in sorted(Path(sys.argv[1]).iterdir()):
        print(json.dumps([path.name, *verdict(path.name.split("-")[0], path.read_bytes())]), flush=True)
