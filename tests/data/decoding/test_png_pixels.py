"""PNG and APNG: bits x colour type x the chunks that say what the colours mean."""

import io

import container_writers as by_hand
import numpy as np
import png_cases as cases
import pytest
from decoding_cases import Case, by_name, check, check_pixels, check_refused, image_with, luma, noise, with_libvips
from PIL import Image

from batchclf.data.decoding.decode import decode, to_pixels


@by_name(cases.CASES)
def test_bits_and_colour_types(case):
    check(case())


@by_name(cases.COLOUR_SPACES)
def test_what_the_colours_mean_is_not_applied(case):
    check(case())


@by_name({name: make for name, make in cases.CASES.items() if "tRNS" not in name})
def test_the_writer_by_hand_writes_what_libvips_reads(case):
    made = case()
    values = with_libvips(made.content)
    values = (values >> 8 if values.dtype == np.uint16 else values).reshape(*made.pixels.shape[:2], -1)
    check_pixels(values[..., : 3 if made.pixels.ndim == 3 else 1].squeeze().astype(np.uint8), made.pixels)


RED, GREEN, BLUE, MIXED = (255, 0, 0), (0, 255, 0), (0, 0, 255), (180, 100, 100)


@pytest.mark.parametrize("chunks", cases.colour_space())
def test_gray_of_pure_colours(chunks):
    """ITU-R 601: 0.299 R + 0.587 G + 0.114 B."""
    pixels = np.repeat(np.uint8([RED, GREEN, BLUE, MIXED])[:, None], 8, axis=1)
    content = by_hand.write_png(pixels, before=cases.colour_space()[chunks])
    gray = decode(content, "grayscale")[..., 0]
    np.testing.assert_allclose(gray, np.repeat([[76], [150], [29], [124]], 8, axis=1), atol=1)


FRAMES = [noise(seed=seed) for seed in (1, 2)]
APNG = {
    "by-hand": lambda: Case(by_hand.write_apng([(frame, (0, 0)) for frame in FRAMES]), FRAMES[0]),
    "by-hand-with-stand-in": lambda: Case(
        by_hand.write_apng([(frame, (0, 0)) for frame in FRAMES], stand_in=noise(seed=0)), noise(seed=0)
    ),
    "pillow": lambda: Case(_with_pillow(FRAMES[0], FRAMES[1:]), FRAMES[0]),
    "pillow-with-stand-in": lambda: Case(_with_pillow(noise(seed=0), FRAMES, default_image=True), noise(seed=0)),
}


def _with_pillow(first, others, **options):
    more = [Image.fromarray(frame) for frame in others]
    return image_with(first, "PNG", save_all=True, append_images=more, **options)


@by_name(APNG)
def test_of_an_animation_the_default_image(case):
    check(case())


@pytest.mark.parametrize("resize", ["fast", "exact"])
@by_name(APNG)
def test_the_same_picture_fast_and_exact(case, resize):
    made = case()
    check_pixels(to_pixels(made.content, (12, 17, 3), "rgb", resize), made.pixels)
    check_pixels(to_pixels(made.content, (12, 17, 1), "grayscale", resize), luma(made.pixels)[..., None], 1)


@pytest.mark.parametrize("name", ["png-8-rgb", "png-16-gray", "png-1-palette"])
@pytest.mark.parametrize("kept", [0.5, 0.8])
def test_a_file_that_breaks_off(name, kept):
    content = cases.CASES[name]().content
    check_refused(content[: int(len(content) * kept)], "damaged: ")


@pytest.mark.parametrize("name", ["png-8-rgb", "png-8-gray", "png-16-rgba"])
def test_a_flipped_byte_fails_the_checksum(name):
    content = bytearray(cases.CASES[name]().content)
    content[content.index(b"IDAT") + 40] ^= 4
    check_refused(bytes(content), "damaged: ")


def test_the_stand_in_is_what_viewers_without_animation_show():
    """Pillow and the writer by hand agree on what a stand-in is."""
    content = APNG["by-hand-with-stand-in"]().content
    with Image.open(io.BytesIO(content)) as image:
        assert (image.n_frames, image.default_image) == (3, True)
        check_pixels(np.asarray(image.convert("RGB")), noise(seed=0))
        image.seek(1)
        check_pixels(np.asarray(image.convert("RGB")), FRAMES[0])
