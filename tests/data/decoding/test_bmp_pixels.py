"""BMP: every header, depth, mask and direction, right or refused with the true reason."""

import io

import bmp_cases as cases
import numpy as np
import pytest
from decoding_cases import by_name, check, check_pixels, check_refused, noise
from PIL import Image


@pytest.mark.parametrize("name", cases.CASES)
def test_matrix(name):
    case = cases.CASES[name]()
    if name in cases.UNSUPPORTED:
        check_refused(case.content, "unsupported: ")
    else:
        check(case)


@by_name({name: make for name, make in cases.CASES.items() if name not in cases.UNSUPPORTED})
def test_the_writer_by_hand_writes_what_pillow_reads(case):
    made = case()
    with Image.open(io.BytesIO(made.content)) as image:
        pixels = np.asarray(image.convert("RGB"))
    check_pixels(pixels, made.pixels if made.pixels.ndim == 3 else np.repeat(made.pixels[..., None], 3, 2), made.within)


@pytest.mark.parametrize("compression", [cases.JPEG, cases.PNG], ids=["jpeg", "png"])
def test_another_file_inside(compression):
    content = cases.write_bmp(b"\0" * 64, (8, 8), 0, compression=compression)
    check_refused(content, ("unsupported: ", "damaged: "))


@pytest.mark.parametrize(
    "name", ["bmp-8-palette", "bmp-16-565", "bmp-24", "bmp-32-masks-v5-alpha", "bmp-8-palette-rle"]
)
def test_a_file_that_breaks_off(name):
    content = cases.CASES[name]().content
    check_refused(content[: len(content) - len(content) // 4], "damaged: ")


def test_masks_of_no_channel():
    rows = cases.padded(np.zeros((12, 68), np.uint8))
    content = cases.write_bmp(rows, (17, 12), 32, compression=cases.BITFIELDS, masks=(0, 0, 0))
    check_refused(content, ("unsupported: ", "damaged: "))


def test_an_image_of_one_row_whose_colours_are_known():
    row = noise(1, 5)
    check(cases.Case(cases.write_bmp(cases.padded(row[..., ::-1].reshape(1, -1)), (5, 1), 24), row))
