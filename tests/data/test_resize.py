"""Bringing images to the model's input: what `exact` and `fast` give, and how far they lie apart."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from image_cases import image_bytes, noise
from photo_cases import SUBSAMPLING, jpeg, photo
from PIL import Image, ImageOps

from batchclf.data.decoding.decode import decode, to_pixels
from batchclf.data.geometry.resize import fit, reduction
from batchclf.errors import UnreadableImageError

MODES = ["exact", "fast"]


def _difference(content, shape):
    color_mode = "grayscale" if shape[2] == 1 else "rgb"
    exact = to_pixels(content, shape, color_mode, "exact")
    return np.abs(to_pixels(content, shape, color_mode, "fast").astype(int) - exact)


# Exact


@pytest.mark.parametrize("resize", MODES)
def test_an_image_of_the_right_size_keeps_its_pixels(resize):
    pixels = noise(8, 8)
    np.testing.assert_array_equal(fit(pixels, (8, 8, 3), resize), pixels)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("factor", [2, 3, 5])
def test_shrinking_by_whole_numbers_averages_areas(channels, factor):
    pixels = noise(6 * factor, 4 * factor)[..., :channels]
    means = pixels.reshape(6, factor, 4, factor, channels).mean(axis=(1, 3))
    shrunk = fit(pixels, (6, 4, channels))
    assert shrunk.dtype == np.uint8
    assert shrunk.shape == (6, 4, channels)
    np.testing.assert_allclose(shrunk, means, atol=0.51)


@settings(deadline=None)
@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 30), st.integers(0, 30))
def test_shrinking_by_any_factor_averages_areas(height, width, more_rows, more_columns):
    pixels = noise(height + more_rows, width + more_columns)
    # The area of each pixel of the small image on those of the large one, side by side.
    rows, columns = _overlaps(height + more_rows, height), _overlaps(width + more_columns, width)
    means = np.einsum("ir,rcb,jc->ijb", rows, pixels, columns)
    np.testing.assert_allclose(fit(pixels, (height, width, 3)), means, atol=0.51)


def _overlaps(large, small):
    ends, step = np.arange(large + 1), large / small
    starts = np.arange(small)[:, None] * step
    within = np.clip(ends[None, :], starts, starts + step)
    return np.diff(within, axis=1) / step


@pytest.mark.parametrize("resize", MODES)
@pytest.mark.parametrize("channels", [1, 3])
def test_growing_interpolates(channels, resize):
    ramp = np.repeat(np.linspace(0, 240, 5).astype(np.uint8)[None, :, None], 4, axis=0).repeat(channels, axis=2)
    grown = fit(ramp, (16, 20, channels), resize)
    assert grown.shape == (16, 20, channels)
    # Pixel centres: column x of the grown one lies at (x + 0.5) / 4 - 0.5 of the small one.
    expected = np.interp((np.arange(20) + 0.5) / 4 - 0.5, np.arange(5), ramp[0, :, 0])
    np.testing.assert_allclose(grown[..., 0], np.tile(expected, (16, 1)), atol=1)


@pytest.mark.parametrize("resize", MODES)
@pytest.mark.parametrize("value", [0, 128, 255])
@pytest.mark.parametrize("size", [(3, 50), (50, 3), (100, 100), (88, 40), (1, 1)])
def test_an_even_area_stays_as_it_is(value, size, resize):
    pixels = np.full((*size, 1), value, np.uint8)
    np.testing.assert_array_equal(fit(pixels, (10, 10, 1), resize), np.full((10, 10, 1), value))


# Fast


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("factor", [2, 4, 8, 16])
def test_fast_halves_by_averages(channels, factor):
    pixels = noise(6 * factor, 4 * factor)[..., :channels]
    means = pixels.reshape(6, factor, 4, factor, channels).mean(axis=(1, 3))
    # Each halving rounds once more.
    np.testing.assert_allclose(fit(pixels, (6, 4, channels), "fast"), means, atol=2.01)


@pytest.mark.parametrize("size", [(80, 100), (60, 80), (45, 60), (53, 160), (75, 131), (104, 140), (208, 270)])
def test_fast_interpolates_to_twice_the_size_and_averages_that(size):
    pixels = photo(*size).astype(float)
    if size[0] >= 4 * 30 and size[1] >= 4 * 40:
        pixels = pixels.reshape(len(pixels) // 2, 2, pixels.shape[1] // 2, 2, 3).mean(axis=(1, 3))
    for axis, wanted in ((0, 60), (1, 80)):
        there = np.arange(pixels.shape[axis])
        places = (np.arange(wanted) + 0.5) * len(there) / wanted - 0.5
        pixels = np.apply_along_axis(lambda line, at=places, known=there: np.interp(at, known, line), axis, pixels)
    expected = pixels.reshape(30, 2, 40, 2, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(fit(photo(*size), (30, 40, 3), "fast"), expected, atol=1.6)


@pytest.mark.parametrize("size", [(14, 400), (400, 29), (9, 400), (10, 20), (12, 25)])
def test_fast_is_exact_where_a_side_has_less_than_one_and_a_half_times_the_size(size):
    pixels = noise(*size)
    np.testing.assert_array_equal(fit(pixels, (10, 20, 3), "fast"), fit(pixels, (10, 20, 3)))


@settings(deadline=None)
@given(st.integers(1, 40), st.floats(1.5, 12), st.booleans(), st.data())
def test_fast_loses_no_line(wanted, factor, upright, data):
    side = int(np.ceil(wanted * factor))
    factor = side / wanted
    place = data.draw(st.integers(0, side - 1))
    pixels = np.zeros((side, side, 1), np.uint8)
    pixels[place] = 255
    small = fit(pixels if upright else pixels.transpose(1, 0, 2), (wanted, wanted, 1), "fast")
    lines = small[:, 0, 0] if upright else small[0, :, 0]
    assert 0.35 <= lines.sum() * factor / 255 <= 1.8
    assert abs(lines.argmax() + 0.5 - (place + 0.5) / factor) <= 1


def test_fast_still_averages_where_one_side_has_much_to_shrink():
    stripes = np.tile(np.array([0, 0, 0, 0, 255, 255, 255, 255], np.uint8)[None, :, None], (32, 128, 1))
    np.testing.assert_allclose(fit(stripes, (16, 16, 1), "fast"), 127.5, atol=1.5)


@pytest.mark.parametrize(
    ("size", "shape", "scale"),
    [
        ((480, 640), (224, 224, 3), 1),
        ((896, 1024), (224, 224, 3), 2),
        ((894, 1024), (224, 224, 3), 1),
        ((3000, 4000), (224, 224, 3), 4),
        ((3584, 4000), (224, 224, 3), 8),
        ((3588, 4000), (224, 224, 3), 4),
        ((3586, 4000), (224, 224, 3), 2),
        ((3585, 4000), (224, 224, 3), 1),
        # Upright or turned, twice 100 x 200 must be left.
        ((800, 1600), (100, 200, 3), 2),
        ((0, 0), (1, 1, 1), 1),
    ],
)
def test_the_size_at_which_a_jpeg_is_decoded(size, shape, scale):
    assert reduction(size, shape) == scale


@settings(deadline=None)
@given(st.integers(1, 5000), st.integers(1, 5000), st.integers(1, 300), st.integers(1, 300))
def test_twice_the_input_is_left_whichever_way_up(rows, columns, height, width):
    scale = reduction((rows, columns), (height, width, 3))
    if scale > 1:
        assert rows % scale == columns % scale == 0
        assert min(rows, columns) // scale >= 2 * max(height, width)


# How far apart

SIDE = st.integers(16, 64)
FACTOR = st.floats(1.5, 16)
JPEGS = st.fixed_dictionaries(
    {
        "quality": st.integers(60, 100),
        "subsampling": st.sampled_from(list(SUBSAMPLING)),
        "progressive": st.booleans(),
    }
)


@settings(deadline=None, max_examples=60)
@given(SIDE, SIDE, FACTOR, FACTOR, st.integers(0, 10_000), st.sampled_from([1, 3]), JPEGS)
def test_images_like_photographs_differ_little(height, width, down, right, seed, channels, options):
    size = (int(height * down) // 8 * 8, int(width * right) // 8 * 8)
    difference = _difference(jpeg(photo(*size, seed=seed), **options), (height, width, channels))
    assert difference.mean() <= 7
    assert np.percentile(difference, 99.9) <= 80


@settings(deadline=None, max_examples=40)
@given(SIDE, SIDE, FACTOR, FACTOR, st.integers(0, 10_000), st.sampled_from([1, 3]), JPEGS)
def test_noise_differs_most(height, width, down, right, seed, channels, options):
    size = (int(height * down) // 8 * 8, int(width * right) // 8 * 8)
    difference = _difference(jpeg(noise(*size, seed=seed), **options), (height, width, channels))
    assert difference.mean() <= 15  # the worst of 34,000 was 10.1
    assert np.percentile(difference, 99.9) <= 80


@pytest.mark.parametrize("side", [28, 32, 64, 96, 128, 160, 224, 300])
def test_on_average_less_than_a_level(side):
    differences = [_difference(jpeg(photo(480, 640, seed=seed)), (side, side, 3)) for seed in range(8)]
    assert max(each.mean() for each in differences) <= 1.1
    assert np.percentile(np.stack(differences), 99.9) <= 12


@pytest.mark.parametrize("side", [28, 48, 96, 160, 224, 300])
def test_fast_lies_nearer_to_exact_than_another_good_filter_does(side):
    content = jpeg(photo(480, 640, seed=1))
    exact = to_pixels(content, (side, side, 3), "rgb", "exact").astype(int)
    with Image.open(io.BytesIO(content)) as image:
        triangle = np.asarray(image.resize((side, side), Image.Resampling.BILINEAR))
    assert _difference(content, (side, side, 3)).mean() < np.abs(triangle - exact).mean()


# Reduced decoding of JPEGs


def _with_draft(content, mode, scale):
    with Image.open(io.BytesIO(content)) as image:
        size = (image.width // scale, image.height // scale)
        image.draft(image.mode, size)
        assert image.size == size
        return np.asarray(ImageOps.exif_transpose(image).convert("RGB").convert(mode)).astype(int).reshape(-1)


@pytest.mark.parametrize("scale", [2, 4, 8])
@pytest.mark.parametrize("mode", ["rgb", "grayscale"])
@pytest.mark.parametrize("kind", ["4:4:4", "4:2:2", "4:2:0", "progressive", "grayscale", "CMYK", "noise"])
def test_a_reduced_jpeg_is_as_pillow_drafts_it(kind, mode, scale):
    pixels = noise(64, 96) if kind == "noise" else photo(64, 96)
    content = {
        "progressive": lambda: jpeg(pixels, progressive=True),
        "grayscale": lambda: image_bytes(pixels[..., 1], "JPEG"),
        "CMYK": lambda: _cmyk(pixels),
        "noise": lambda: jpeg(pixels),
    }.get(kind, lambda: jpeg(pixels, subsampling=kind))()
    reduced = decode(content, mode, scale)
    assert reduced.shape == (64 // scale, 96 // scale, 3 if mode == "rgb" else 1)
    expected = _with_draft(content, "RGB" if mode == "rgb" else "L", scale)
    np.testing.assert_allclose(reduced.reshape(-1).astype(int), expected, atol=1)


def _cmyk(pixels):
    content = io.BytesIO()
    Image.fromarray(pixels).convert("CMYK").save(content, "JPEG")
    return content.getvalue()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("mode", ["rgb", "grayscale"])
def test_a_reduced_jpeg_is_turned_upright(mode, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = image_bytes(photo(192, 256), "JPEG", quality=95, exif=exif)
    reduced = decode(content, mode, 4)
    assert reduced.shape[:2] == ((64, 48) if orientation >= 5 else (48, 64))
    expected = _with_draft(content, "RGB" if mode == "rgb" else "L", 4)
    np.testing.assert_allclose(reduced.reshape(-1).astype(int), expected, atol=1)
    assert _difference(content, (20, 24, 3 if mode == "rgb" else 1)).mean() < 3


@settings(deadline=None, max_examples=60)
@given(st.booleans(), st.integers(0, 2), st.data())
def test_a_broken_jpeg_is_refused_for_the_same_reason(progressive, changes, data):
    content = bytearray(jpeg(photo(128, 160), progressive=progressive))
    for place in data.draw(st.lists(st.integers(2, len(content) - 1), min_size=changes, max_size=changes)):
        content[place] = data.draw(st.integers(0, 255))
    if not changes:
        del content[data.draw(st.integers(0, len(content) - 1)) :]
    assert _outcome(bytes(content), "fast") == _outcome(bytes(content), "exact")


def _outcome(content, resize):
    try:
        return to_pixels(content, (16, 16, 3), "rgb", resize).shape
    except UnreadableImageError as error:
        return error.message
