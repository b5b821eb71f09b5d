"""JPEG: subsampling x progression x colours, as libvips and Pillow read it; other ways in which JPEGs are stored."""

import io
from functools import partial
from itertools import product

import cv2
import numpy as np
import pytest
from container_writers import jpeg_with
from decoding_cases import by_name, check_pixels, check_refused, image_with, luma, with_libvips
from photo_cases import photo
from PIL import Image

from batchclf.data.decoding.decode import decode, to_pixels

PICTURE = photo(61, 75)

SAMPLING = {
    "4:4:4": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
    "4:2:2": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_422,
    "4:2:0": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420,
    "4:4:0": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_440,
    "4:1:1": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_411,
}


def _with_opencv(sampling, progressive, restart):
    options = [cv2.IMWRITE_JPEG_QUALITY, 92, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, SAMPLING[sampling]]
    options += [cv2.IMWRITE_JPEG_PROGRESSIVE, int(progressive), cv2.IMWRITE_JPEG_RST_INTERVAL, restart]
    done, content = cv2.imencode(".jpg", PICTURE[..., ::-1], options)
    assert done
    return content.tobytes()


def _with_imagecodecs(**options):
    import imagecodecs

    return bytes(imagecodecs.jpeg_encode(PICTURE, level=92, **options))


CASES = {
    **{
        f"jpeg-{sampling}-{'progressive' if progressive else 'baseline'}{f'-restart-{restart}' if restart else ''}": (
            partial(_with_opencv, sampling, progressive, restart)
        )
        for sampling, progressive, restart in product(SAMPLING, (False, True), (0, 3))
    },
    "jpeg-rgb-stored-pillow": lambda: image_with(PICTURE, "JPEG", keep_rgb=True),
    "jpeg-rgb-stored-imagecodecs": lambda: _with_imagecodecs(colorspace="rgb", outcolorspace="rgb"),
    "jpeg-4:2:0-imagecodecs": lambda: _with_imagecodecs(subsampling="420"),
    "jpeg-optimized-pillow": lambda: image_with(PICTURE, "JPEG", optimize=True),
    "jpeg-with-comment-and-profile": lambda: jpeg_with(
        image_with(PICTURE, "JPEG"), (0xFE, b"a comment"), (0xE2, b"ICC_PROFILE\0\1\1" + bytes(200))
    ),
}


@by_name(CASES)
def test_colours(case):
    content = case()
    right = with_libvips(content)
    with Image.open(io.BytesIO(content)) as image:
        check_pixels(np.asarray(image), right, 2)
    check_pixels(decode(content, "rgb"), right, 2)
    check_pixels(to_pixels(content, (*right.shape[:2], 1), "grayscale", "exact"), luma(right)[..., None], 3)


@pytest.mark.parametrize("progressive", [False, True])
def test_gray(progressive):
    content = image_with(PICTURE[..., 0], "JPEG", progressive=progressive)
    right = with_libvips(content).reshape(61, 75, 1)
    check_pixels(decode(content, "grayscale"), right, 1)
    check_pixels(decode(content, "rgb"), np.repeat(right, 3, 2), 1)


@pytest.mark.parametrize("transform", [0, 2], ids=["cmyk", "ycck"])
def test_a_printers_jpeg(transform):
    """R = (255 - C)(255 - K) / 255; Adobe stores the inks inverted."""
    content = io.BytesIO()
    Image.fromarray(PICTURE).convert("CMYK").save(content, "JPEG", quality=95, subsampling=0)
    content = bytearray(content.getvalue())
    content[content.index(b"Adobe") + 11] = transform
    inks = with_libvips(bytes(content)).astype(float)
    with Image.open(io.BytesIO(content)) as image:
        check_pixels(np.asarray(image), inks.astype(int), 2)
    right = np.rint((255 - inks[..., :3]) * (255 - inks[..., 3:]) / 255).astype(np.uint8)
    check_pixels(decode(bytes(content), "rgb"), right, 2)
    check_pixels(to_pixels(bytes(content), (61, 75, 1), "grayscale", "exact"), luma(right)[..., None], 3)


@pytest.mark.parametrize("kept", [0.3, 0.6, 0.95])
@pytest.mark.parametrize("name", ["jpeg-4:2:0-baseline", "jpeg-4:2:0-progressive", "jpeg-4:4:4-baseline-restart-3"])
def test_a_file_that_breaks_off(name, kept):
    content = CASES[name]()
    check_refused(content[: int(len(content) * kept)], "damaged: ")
