"""Gray of a colour image is ITU-R 601 of the decoded colours, in every format."""

import io

import numpy as np
import pytest
from decoding_cases import check_pixels, image_with, luma, noise
from photo_cases import jpeg, photo
from PIL import Image

from batchclf.data.decoding.decode import decode, to_pixels

FORMATS = {
    "PNG": {},
    "BMP": {},
    "WEBP": {"quality": 80},
    "TIFF": {"compression": "tiff_lzw"},
    "GIF": {},
    "AVIF": {"quality": 80},
    "JPEG2000": {},
    "PPM": {},
}
PICTURES = {"photo": photo(120, 160), "noise": noise(60, 80)}


@pytest.mark.parametrize("picture", PICTURES)
@pytest.mark.parametrize("file_format", FORMATS)
def test_gray_is_made_of_the_decoded_colours(file_format, picture):
    content = image_with(PICTURES[picture], file_format, **FORMATS[file_format])
    check_pixels(decode(content, "grayscale"), luma(decode(content, "rgb"))[:, :, None], 1)


QUALITIES = (50, 75, 90, 95)


def _pillow_rgb(content):
    with Image.open(io.BytesIO(content)) as image:
        return np.asarray(image.convert("RGB"))


@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:0"])
@pytest.mark.parametrize("quality", QUALITIES)
@pytest.mark.parametrize("picture", PICTURES)
def test_gray_of_a_jpeg(picture, quality, subsampling):
    """`exact` as everywhere; `fast` may keep the stored luma, within the bounds of docs/scoring.md."""
    content = jpeg(PICTURES[picture], quality=quality, subsampling=subsampling)
    right = luma(_pillow_rgb(content))[:, :, None]
    shape = right.shape
    check_pixels(to_pixels(content, shape, "grayscale", "exact"), right, 1)
    off = np.abs(to_pixels(content, shape, "grayscale", "fast").astype(int) - right)
    most, mean = BOUNDS[picture]
    assert off.max() <= most
    assert off.mean() <= mean


BOUNDS = {"photo": (30, 0.1), "noise": (75, 2.5)}
"""At most, and on average over a picture, in levels."""


@pytest.mark.parametrize("resize", ["fast", "exact"])
def test_a_gray_jpeg_gives_its_stored_values(resize):
    pixels = PICTURES["photo"][..., 1]
    content = image_with(pixels, "JPEG", quality=90)
    with Image.open(io.BytesIO(content)) as image:
        stored = np.asarray(image)
    check_pixels(to_pixels(content, (*stored.shape, 1), "grayscale", resize), stored[:, :, None])
    check_pixels(to_pixels(content, (*stored.shape, 3), "rgb", resize), np.repeat(stored[:, :, None], 3, 2))
