import io

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from image_cases import image_bytes, noise
from PIL import Image

from batchclf.data.decoding.jpeg import jpeg_frame

SIDES = st.integers(1, 70)


def jpeg_size(content):
    frame = jpeg_frame(content)
    return None if frame is None else frame.size


@settings(deadline=None)
@given(SIDES, SIDES, st.integers(0, 2), st.booleans(), st.booleans())
def test_the_size_is_the_one_that_pillow_finds(height, width, subsampling, progressive, colour):
    pixels = noise(height, width)
    content = image_bytes(
        pixels if colour else pixels[..., 0], "JPEG", subsampling=subsampling, progressive=progressive
    )
    with Image.open(io.BytesIO(content)) as image:
        assert jpeg_size(content) == (image.height, image.width) == (height, width)


@pytest.mark.parametrize(
    "options",
    [
        {"comment": b"\xff\xc0\x00\x11\x08\x00\x01\x00\x01 looks like a frame header"},
        {"icc_profile": b"\xff\xc0\x00\x11\x08\x00\x01\x00\x01" * 20_000},
        {"dpi": (300, 300), "restart_marker_rows": 1},
        {"quality": 100, "optimize": True},
    ],
)
def test_other_segments_are_stepped_over(options):
    assert jpeg_size(image_bytes(noise(), "JPEG", **options)) == (12, 17)


def test_a_thumbnail_inside_exif_is_not_taken_for_the_image():
    exif = b"Exif\0\0" + image_bytes(noise(3, 5), "JPEG")
    assert jpeg_size(image_bytes(noise(), "JPEG", exif=exif)) == (12, 17)


def test_a_printers_jpeg():
    content = io.BytesIO()
    Image.fromarray(noise()).convert("CMYK").save(content, "JPEG")
    assert jpeg_size(content.getvalue()) == (12, 17)


def test_fill_bytes_and_markers_without_length():
    whole = image_bytes(noise(), "JPEG")
    padded = whole[:2] + b"\xff\x01" + b"\xff\xff\xff" + whole[2:]
    assert cv2.imdecode(np.frombuffer(padded, np.uint8), cv2.IMREAD_COLOR) is not None
    assert jpeg_size(padded) == (12, 17)


def test_bytes_between_segments_are_passed_over_as_libjpeg_does():
    whole = image_bytes(noise(), "JPEG")
    content = whole[:20] + b" garbage \xff\0 " + whole[20:]
    assert cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR).shape[:2] == jpeg_size(content) == (12, 17)


@pytest.mark.parametrize("file_format", ["PNG", "BMP", "GIF", "WEBP", "TIFF"])
def test_other_formats_have_none(file_format):
    assert jpeg_size(image_bytes(noise(), file_format)) is None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff",
        b"\xff\xd8",
        b"\xff\xd8\xff",
        b"\xff\xd8\xff\xe0",
        b"\xff\xd8\xff\xe0\xff\xff",
        b"\xff\xd8\xff\xd9",
        b"\xff\xd8\xff\xc0\x00\x11\x08\x00\x0c\x00",
        b"\xff\xd8" + b"\xff" * 100,
    ],
)
def test_what_has_no_frame_header_has_none(content):
    assert jpeg_size(content) is None


@given(st.binary(max_size=60))
def test_any_bytes_give_a_size_or_none(tail):
    size = jpeg_size(b"\xff\xd8" + tail)
    assert size is None or (0 <= size[0] < 65_536 and 0 <= size[1] < 65_536)


@settings(deadline=None)
@given(st.data())
def test_a_jpeg_that_breaks_off_has_its_size_or_none(data):
    content = image_bytes(noise(), "JPEG")
    assert jpeg_size(content[: data.draw(st.integers(0, len(content)))]) in {None, (12, 17)}
