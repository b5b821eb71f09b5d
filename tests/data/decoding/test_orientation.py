"""Orientation 1 to 8 in every format that can say it, each by two writers; and what does not turn a picture."""

import io

import numpy as np
import orientation_cases as cases
import pytest
from decoding_cases import by_name, check, check_pixels, image_with, luma, with_libvips
from photo_cases import photo
from PIL import Image, ImageOps

from batchclf.data.decoding.decode import decode, to_pixels


@by_name(cases.EVERY)
def test_matrix(case):
    check(case())


@pytest.mark.parametrize("resize", ["fast", "exact"])
@pytest.mark.parametrize("writer", cases.WRITERS)
def test_turned_at_the_model_s_input_too(writer, resize):
    case = cases.WRITERS[writer][6]()
    check_pixels(to_pixels(case.content, (*case.pixels.shape[:2], 3), "rgb", resize), _colour(case.pixels))


@pytest.mark.parametrize("orientation", cases.TURNED)
def test_a_jpeg_decoded_at_reduced_size(orientation):
    pixels = photo(480, 640)
    exif = cases.exif_of(orientation)
    content = image_with(pixels, "JPEG", quality=95, exif=exif)
    upright = cases.TURNED[orientation](pixels)
    shape = (upright.shape[0] // 8, upright.shape[1] // 8, 3)
    right = upright.reshape(shape[0], 8, shape[1], 8, 3).mean((1, 3))
    assert np.abs(to_pixels(content, shape, "rgb", "fast") - right).mean() < 3


def _colour(pixels):
    return pixels if pixels.ndim == 3 else np.repeat(pixels[:, :, None], 3, 2)


@by_name(cases.NOT_TURNED)
def test_what_does_not_turn(case):
    check(case())


@pytest.mark.parametrize("orientation", cases.TURNED)
def test_avif_by_pillow(orientation):
    check(cases.avif_by_pillow(orientation))


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("angle", range(4))
def test_avif_by_hand(angle, axis):
    case = cases.avif_by_hand(angle, axis)
    check(case)
    check_pixels(with_libvips(case.content), case.pixels, 2)


@pytest.mark.parametrize("orientation", [1, 3, 8])
def test_an_exif_beside_the_turn_of_an_avif_is_not_used_as_well(orientation):
    check(cases.avif_with_another_exif(orientation))


@pytest.mark.parametrize("orientation", cases.TURNED)
def test_heic(orientation):
    pytest.importorskip("pillow_heif")
    content, pixels = cases.heic(orientation)
    assert b"irot" in content or b"imir" in content or orientation == 1
    decoded = decode(content, "rgb")
    assert decoded.shape == pixels.shape
    assert np.abs(decoded.astype(int) - pixels).mean() < 2
    check_pixels(decode(content, "grayscale"), luma(decoded)[:, :, None], 1)


def test_pillow_turns_as_the_table_says():
    """The table of turns against another reader of Exif."""
    for orientation, turn in cases.TURNED.items():
        with Image.open(io.BytesIO(cases.WRITERS["png-pillow"][orientation]().content)) as image:
            check_pixels(np.asarray(ImageOps.exif_transpose(image)), turn(cases.PICTURE))


@pytest.mark.parametrize("orientation", cases.TURNED)
def test_a_jpeg_packed_into_jpeg_xl(orientation, tmp_path):
    """Its EXIF goes with it, and the packed data cannot be turned."""
    pytest.importorskip("pillow_jxl")
    case = cases.WRITERS["jpeg-pillow"][orientation]()
    (tmp_path / "a.jpg").write_bytes(case.content)
    with Image.open(tmp_path / "a.jpg") as image:
        image.save(tmp_path / "a.jxl", lossless_jpeg=True)
    check(cases.Case((tmp_path / "a.jxl").read_bytes(), case.pixels, 4))
