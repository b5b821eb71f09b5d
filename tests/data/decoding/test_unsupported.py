"""Files that are whole and yet not read say so; files of too many pixels are refused by their header."""

import struct
import subprocess
import sys
import zlib

import bmp_cases
import container_writers as by_hand
import numpy as np
import pytest
import tiff_writer
from decoding_cases import Case, by_name, check, check_refused, image_with, noise
from other_cases import write_pnm

from batchclf.data.decoding.decode import decode
from batchclf.data.decoding.limits import Limits
from batchclf.errors import UnreadableImageError


def _jpeg_of_12_bits():
    import imagecodecs

    return imagecodecs.jpeg_encode(noise(16, 16, 1, bits=12), bitspersample=12)


def _lossless_jpeg():
    import imagecodecs

    return imagecodecs.ljpeg_encode(noise(16, 16, 1))


def _jpeg_ls(bits=8):
    import imagecodecs

    return imagecodecs.jpegls_encode(noise(16, 16, 1, bits=bits))


def _frame_kind(code):
    """A JPEG whose frame header names another process (ITU-T T.81, table B.1), so that its data are not baseline's."""
    plain = image_with(noise(), "JPEG")
    at = plain.index(b"\xff\xc0")
    return plain[: at + 1] + bytes([code]) + plain[at + 2 :]


WHOLE = {
    "jpeg-12-bits": _jpeg_of_12_bits,
    "jpeg-lossless": _lossless_jpeg,
    "jpeg-ls": _jpeg_ls,
    "jpeg-ls-16-bits": lambda: _jpeg_ls(16),
    "jpeg-differential-sequential": lambda: _frame_kind(0xC5),
    "jpeg-lossless-arithmetic": lambda: _frame_kind(0xCB),
    "tiff-float16": lambda: _tiff_of_floats(),
}


def _tiff_of_floats():
    return tiff_writer.write_tiff(np.linspace(0, 1, 64, dtype=np.float16).reshape(8, 8), 16, sample_format=3)


@by_name(WHOLE)
def test_whole_files_that_are_not_read(case):
    check_refused(case(), "unsupported: ")


SIDE = 40_000
"""1.6e9 pixels: more than any reader here would begin to decode, should the header not be looked at."""


def _png():
    data = by_hand.chunk(b"IDAT", zlib.compress(b"\0" * 64))
    return by_hand.png_header(SIDE, SIDE, 8, by_hand.GRAY) + data + by_hand.chunk(b"IEND", b"")


def _jpeg():
    plain = image_with(noise(), "JPEG")
    at = plain.index(b"\xff\xc0") + 5
    return plain[:at] + struct.pack(">HH", SIDE, SIDE) + plain[at + 4 :]


def _gif():
    indices, palette = noise(4, 4, 1), noise(1, 256, 3)[0]
    return by_hand.write_gif(indices, palette, canvas=(SIDE, SIDE))


def _tiff():
    content = bytearray(tiff_writer.write_tiff(noise(4, 4, 1)))
    for tag in (256, 257):
        at = content.index(struct.pack("<HHI", tag, 4, 1)) + 8
        content[at : at + 4] = SIDE.to_bytes(4, "little")
    return bytes(content)


LARGE = {
    "png": _png,
    "jpeg": _jpeg,
    "gif": _gif,
    "bmp": lambda: bmp_cases.write_bmp(b"\0" * 64, (SIDE, SIDE), 24),
    "tiff": _tiff,
    "pgm": lambda: f"P5 {SIDE} {SIDE} 255\n".encode() + b"\0" * 64,
}


@pytest.mark.parametrize("mode", ["rgb", "grayscale"])
@pytest.mark.parametrize("name", LARGE)
def test_a_header_of_many_pixels_is_believed_and_nothing_decoded(name, mode):
    with pytest.raises(UnreadableImageError, match=r"^too large"):
        decode(LARGE[name](), mode)


def _with(file_format, **options):
    return image_with(noise(20, 20), file_format, **options)


REAL = {
    **{name: (lambda name=name: _with(name)) for name in ("PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF", "AVIF")},
    "JPEG2000": lambda: _with("JPEG2000", irreversible=False),
    "PPM": lambda: write_pnm(noise(20, 20), 255, 6),
    "JPEG, progressive": lambda: _with("JPEG", progressive=True),
}


@pytest.mark.parametrize("mode", ["rgb", "grayscale"])
@pytest.mark.parametrize("name", REAL)
def test_the_limit_counts_pixels_in_every_format(name, mode):
    """Of JPEG 2000 half as many are decoded: OpenJPEG takes twice the memory."""
    content, pixels = REAL[name](), 800 if name == "JPEG2000" else 400
    assert decode(content, mode, limits=Limits(pixels=pixels)).shape[:2] == (20, 20)
    with pytest.raises(UnreadableImageError, match=r"^too large"):
        decode(content, mode, limits=Limits(pixels=pixels - 1))


def test_a_jpeg_at_half_size_counts_what_is_decoded():
    content = image_with(noise(40, 40), "JPEG")
    assert decode(content, "rgb", 2, limits=Limits(pixels=400)).shape[:2] == (20, 20)
    with pytest.raises(UnreadableImageError, match=r"^too large"):
        decode(content, "rgb", 1, limits=Limits(pixels=400))


def test_an_image_of_ordinary_size_is_not_too_large():
    pixels = np.zeros((3000, 4000, 3), np.uint8)
    check(Case(image_with(pixels, "PNG"), pixels))


def test_the_length_that_a_chunk_claims_takes_no_memory(tmp_path):
    """OpenCV makes room for as many bytes as a PNG's chunk says that it has."""
    content = bytearray(by_hand.write_png(noise()))
    at = content.index(b"IDAT") - 4
    content[at : at + 4] = (400_000_000).to_bytes(4, "big")
    (tmp_path / "a.png").write_bytes(content)
    program = (
        "import pathlib, resource, sys\n"
        "from batchclf.data.decoding.decode import decode\n"
        "from batchclf.errors import UnreadableImageError\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try:\n"
        "    decode(pathlib.Path(sys.argv[1]).read_bytes(), 'rgb')\n"
        "except UnreadableImageError as error:\n"
        "    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, error.message)\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "a.png")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    kilobytes, reason = done.stdout.split(maxsplit=1)
    assert reason.startswith("damaged: ")
    assert int(kilobytes) < 100_000
