"""Size and mode of an image from its header: Pillow is the judge."""

import io

import cv2
import numpy as np
import pytest
from image_cases import image_bytes, noise
from PIL import Image

from batchclf.core.images.facts import FACTS, MODES, UNKNOWN, stored_as
from batchclf.data.decoding.decode import decode, decode_as
from batchclf.data.decoding.interface import Policy

# Pillow's mode → ours, and the formats that can hold it.
CASES = {
    "1": ("bilevel", ("PNG", "BMP", "TIFF")),
    "L": ("grayscale", ("PNG", "JPEG", "BMP", "TIFF")),
    "LA": ("grayscale-alpha", ("PNG", "TIFF")),
    "P": ("palette", ("PNG", "BMP", "GIF", "TIFF")),
    "RGB": ("rgb", ("PNG", "JPEG", "BMP", "WEBP", "TIFF")),
    "RGBA": ("rgba", ("PNG", "WEBP", "TIFF")),
    "CMYK": ("cmyk", ("JPEG", "TIFF")),
    "I;16": ("grayscale-16", ("PNG", "TIFF")),
}
EACH = [(mode, name, file_format) for mode, (name, formats) in CASES.items() for file_format in formats]


def _stored(*contents):
    facts = np.zeros(len(contents), FACTS)
    stored_as([decode_as(content, Policy("rgb"))[1] for content in contents], facts)
    return [(int(each["width"]), int(each["height"]), MODES[each["mode"]]) for each in facts]


def _image(mode, height=12, width=17):
    if mode == "I;16":
        return Image.fromarray(np.arange(height * width, dtype=np.uint16).reshape(height, width) * 300)
    image = Image.fromarray(noise(height, width))
    return image.convert("RGBA").convert("LA") if mode == "LA" else image.convert(mode)


def _content(image, file_format, **options):
    content = io.BytesIO()
    image.save(content, file_format, **options)
    return content.getvalue()


@pytest.mark.parametrize(("mode", "name", "file_format"), EACH)
def test_size_and_mode_of_each_format(mode, name, file_format):
    image = _image(mode)
    if file_format == "WEBP":
        image.putpixel((0, 0), (1, 2, 3, 4)[: len(image.getbands())])
    content = _content(image, file_format)
    with Image.open(io.BytesIO(content)) as judge:
        assert judge.mode == mode
        assert _stored(content) == [(*judge.size, name)]
    assert decode(content, "rgb").shape[:2] == (12, 17)


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_pngs_of_few_bits(bits):
    palette = Image.fromarray(noise()).quantize(2**bits)
    assert _stored(_content(palette, "PNG", bits=bits)) == [(17, 12, "palette")]


@pytest.mark.parametrize(("channels", "name"), [(3, "rgb-16"), (4, "rgba-16")])
def test_pngs_of_16_bits(channels, name):
    pixels = np.random.default_rng(0).integers(0, 2**16, (5, 9, channels), np.uint16)
    _, content = cv2.imencode(".png", pixels)
    assert _stored(content.tobytes()) == [(9, 5, name)]


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_the_size_is_that_before_turning(file_format):
    exif = Image.Exif()
    exif[0x0112] = 6
    content = _content(Image.fromarray(noise(12, 17)), file_format, exif=exif)
    assert _stored(content) == [(17, 12, "rgb")]
    assert decode(content, "rgb").shape[:2] == (17, 12)


def test_progressive_jpegs_and_large_sizes():
    progressive = image_bytes(noise(40, 300), "JPEG", progressive=True)
    wide = image_bytes(np.zeros((1, 40_000), np.uint8))
    assert _stored(progressive, wide) == [(300, 40, "rgb"), (40_000, 1, "grayscale")]


def test_a_portable_graymap_and_what_is_not_known():
    assert _stored(b"P5 3 2 255\n" + bytes(6)) == [(3, 2, "grayscale")]
    facts = np.zeros(1, FACTS)
    stored_as([UNKNOWN.packed], facts)
    assert facts["width"] == facts["height"] == 0
    assert MODES[facts["mode"][0]] == "unknown"
