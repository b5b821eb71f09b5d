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


READ = [name for name in cases.CASES if name not in cases.UNSUPPORTED]


@by_name({name: cases.CASES[name] for name in READ})
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


@pytest.mark.parametrize("offset", [0, 14, 50, 10_000])
def test_pixels_that_are_said_to_lie_in_the_header_or_behind_the_end(offset):
    content = bytearray(cases.CASES["bmp-24"]().content)
    content[10:14] = offset.to_bytes(4, "little")
    check_refused(bytes(content), "damaged: ")


def test_masks_of_no_channel():
    rows = cases.padded(np.zeros((12, 68), np.uint8))
    content = cases.write_bmp(rows, (17, 12), 32, compression=cases.BITFIELDS, masks=(0, 0, 0))
    check_refused(content, ("unsupported: ", "damaged: "))


def test_an_image_of_one_row_whose_colours_are_known():
    row = noise(1, 5)
    check(cases.Case(cases.write_bmp(cases.padded(row[..., ::-1].reshape(1, -1)), (5, 1), 24), row))


OTHER_HEADERS = {"os2", "v3", "v4", "v5"}


@by_name({name: cases.CASES[name] for name in READ if not OTHER_HEADERS & set(name.split("-"))})
def test_bitmaps_without_a_file_header(case):
    """As programs hand them to each other: what follows the 14 bytes of a BMP."""
    made = case()
    check(cases.Case(made.content[14:], made.pixels, made.within))
