"""Geometries by single options, against Pillow's and OpenCV's whole resizes and cuts made by hand."""

import io

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from batchclf.core.geometry import OF_GEOMETRY, OWN, UNKNOWN, Geometry, GeometryOptions, resize_mode
from batchclf.data.decoding.decode import to_pixels
from batchclf.data.geometry.frame import frame
from batchclf.data.geometry.settle import PROFILES, geometry_of
from batchclf.errors import UnknownGeometryError, UnreadableImageError, UsageError

SIDES = st.integers(1, 90)
KERNELS = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


def noise(height, width, channels=3):
    values = np.random.default_rng(height * 100 + width).integers(0, 256, (height, width, channels), np.uint8)
    # Soft, as photographs are: at a rounding of a weight noise alone would jump.
    return cv2.GaussianBlur(values, (3, 3), 0).reshape(height, width, channels)


def by_pillow(pixels, size, kernel):
    image = Image.fromarray(pixels if pixels.shape[2] == 3 else pixels[..., 0])
    resized = np.asarray(image.resize(size[::-1], kernel))
    return resized.reshape(*size, pixels.shape[2])


@settings(max_examples=150, deadline=None)
@given(
    rows=SIDES, columns=SIDES, side=st.integers(1, 60), more=st.integers(0, 9), kernel=st.sampled_from(list(KERNELS))
)
def test_shorter_side_and_centre_crop_are_torchvisions(rows, columns, side, more, kernel):
    pixels, shorter = noise(rows, columns), side + more
    geometry = Geometry("crop", (shorter, shorter), kernel, long_side="floor")
    # torchvision.transforms.functional._compute_resized_output_size and center_crop.
    long = int(shorter * max(rows, columns) / min(rows, columns))
    size = (shorter, long) if rows <= columns else (long, shorter)
    right = by_pillow(pixels, size, KERNELS[kernel])
    top, left = (round((whole - side) / 2) for whole in size)
    right = right[top : top + side, left : left + side]
    got = frame(pixels, (side, side, 3), geometry, "exact")
    assert np.abs(got.astype(int) - right).max() <= 1


@settings(max_examples=100, deadline=None)
@given(rows=SIDES, columns=SIDES, height=st.integers(1, 50), width=st.integers(1, 50), channels=st.sampled_from([1, 3]))
def test_pad_fits_into_the_input_with_a_border_around(rows, columns, height, width, channels):
    pixels = noise(rows, columns, channels)
    geometry = geometry_of(GeometryOptions(pad="200,100,50"))((height, width))
    got = frame(pixels, (height, width, channels), geometry, "exact")
    ratio = max(rows / height, columns / width)
    size = max(1, round(rows / ratio)), max(1, round(columns / ratio))
    top, left = (height - size[0]) // 2, (width - size[1]) // 2
    inner = got[top : top + size[0], left : left + size[1]]
    assert np.abs(inner.astype(int) - by_pillow(pixels, size, KERNELS["bilinear"])).max() <= 1
    outside = np.ones((height, width), bool)
    outside[top : top + size[0], left : left + size[1]] = False
    color = [200, 100, 50] if channels == 3 else [round(0.299 * 200 + 0.587 * 100 + 0.114 * 50)]
    assert (got[outside] == color).all()


@settings(max_examples=100, deadline=None)
@given(rows=SIDES, columns=SIDES, height=st.integers(1, 50), width=st.integers(1, 50))
def test_crop_covers_the_input_and_keeps_the_aspect_ratio(rows, columns, height, width):
    geometry = geometry_of(GeometryOptions(crop=True))((height, width))
    size = geometry.resized((rows, columns), (height, width))
    assert size[0] >= height
    assert size[1] >= width
    assert size[0] == height or size[1] == width
    # Neither side is off by more than the rounding of it.
    scale = max(height / rows, width / columns)
    assert abs(size[0] - rows * scale) <= 0.5 + 1e-9
    assert abs(size[1] - columns * scale) <= 0.5 + 1e-9
    pixels = noise(rows, columns)
    right = by_pillow(pixels, size, KERNELS["bilinear"])
    top, left = round((size[0] - height) / 2), round((size[1] - width) / 2)
    got = frame(pixels, (height, width, 3), geometry, "exact")
    assert np.abs(got.astype(int) - right[top : top + height, left : left + width]).max() <= 1


def test_a_cut_larger_than_the_image_is_padded_as_torchvision_pads():
    pixels = noise(20, 31)
    geometry = Geometry("crop", (20, 20), "bilinear", long_side="floor")
    got = frame(pixels, (25, 25, 3), geometry, "exact")
    # Three rows fewer than needed on top and two below, as in center_crop: (25 - 20) // 2 on top.
    np.testing.assert_array_equal(got[2:22], pixels[:, 3:28])
    assert not got[:2].any()
    assert not got[22:].any()


@pytest.mark.parametrize("kernel", ["bilinear", "bicubic"])
def test_without_antialiasing_it_is_opencvs_kernel(kernel):
    pixels = noise(67, 45)
    geometry = geometry_of(GeometryOptions(interpolation=kernel, antialias=False))((20, 31))
    method = {"bilinear": cv2.INTER_LINEAR, "bicubic": cv2.INTER_CUBIC}[kernel]
    right = np.clip(cv2.resize(pixels.astype(np.float64), (31, 20), interpolation=method), 0, 255)
    got = frame(pixels, (20, 31, 3), geometry, "exact")
    assert np.abs(got - right).max() <= 0.51
    smooth = frame(pixels, (20, 31, 3), Geometry("stretch", None, kernel), "exact")
    assert np.abs(smooth.astype(int) - got).max() > 5


def test_every_single_option_settles_the_geometry():
    given = {
        "resize_shorter": 20,
        "crop": True,
        "pad": "0",
        "interpolation": "nearest",
        "antialias": False,
        "like": "timm",
    }
    assert set(given) == set(OF_GEOMETRY)
    for name, value in given.items():
        assert geometry_of(GeometryOptions(**{name: value})) is not None, name
    assert geometry_of(GeometryOptions()) is None


def test_a_cut_that_is_larger_than_the_image_says_that_there_is_a_border():
    geometry = geometry_of(GeometryOptions(resize_shorter=100))((224, 224))
    assert (
        geometry.sentence((224, 224))
        == "shorter side to 100 (bilinear, antialiased), centre crop 224x224, border 0,0,0"
    )


def test_area_averages():
    pixels = noise(60, 90)
    geometry = geometry_of(GeometryOptions(interpolation="area"))((20, 30))
    right = pixels.reshape(20, 3, 30, 3, 3).mean(axis=(1, 3))
    assert np.abs(frame(pixels, (20, 30, 3), geometry, "exact") - right).max() <= 0.51


def jpeg(width, height, **options):
    out = io.BytesIO()
    Image.fromarray(cv2.resize(noise(60, 80), (width, height), interpolation=cv2.INTER_CUBIC)).save(
        out, "JPEG", **options
    )
    return out.getvalue()


@pytest.mark.parametrize(
    "options",
    [{"like": "timm"}, {"pad": "0"}, {"interpolation": "bicubic"}, {"like": "torchvision", "resize_shorter": 40}],
)
def test_fast_is_near_exact_in_every_geometry_that_averages(options):
    content = jpeg(960, 720, quality=90)
    geometry = geometry_of(GeometryOptions(**options))((32, 32))
    exact = to_pixels(content, (32, 32, 3), "rgb", "exact", geometry=geometry).astype(int)
    fast = to_pixels(content, (32, 32, 3), "rgb", "fast", geometry=geometry)
    assert not np.array_equal(fast, exact)
    assert np.abs(fast - exact).mean() < 1


@pytest.mark.parametrize("like", ["keras", "keras-load-img"])
def test_fast_is_exact_if_nothing_is_averaged(like):
    content = jpeg(960, 720, quality=90)
    geometry = geometry_of(GeometryOptions(like))((32, 32))
    exact = to_pixels(content, (32, 32, 3), "rgb", "exact", geometry=geometry)
    np.testing.assert_array_equal(to_pixels(content, (32, 32, 3), "rgb", "fast", geometry=geometry), exact)


def test_an_image_that_is_long_and_thin_is_not_made_huge():
    out = io.BytesIO()
    Image.fromarray(noise(2, 3000)).save(out, "PNG")
    geometry = geometry_of(GeometryOptions("timm"))((224, 224))
    with pytest.raises(UnreadableImageError, match="2x3000 pixels would be resized to 98,304,000 before the cut"):
        to_pixels(out.getvalue(), (224, 224, 3), "rgb", "exact", geometry=geometry)


def test_only_batchclfs_own_geometry_is_fast_unless_asked_for():
    timm = geometry_of(GeometryOptions("timm"))((224, 224))
    assert [resize_mode(None, each) for each in (OWN, UNKNOWN, timm)] == ["fast", "exact", "exact"]
    assert resize_mode("fast", timm) == "fast"


def test_an_unknown_geometry_takes_only_the_inputs_size():
    content = jpeg(40, 30)
    same = to_pixels(content, (30, 40, 3), "rgb", "exact", geometry=UNKNOWN)
    np.testing.assert_array_equal(same, to_pixels(content, (30, 40, 3), "rgb", "exact"))
    with pytest.raises(UnknownGeometryError, match="the image has 30x40 pixels, the model takes 24x24"):
        to_pixels(content, (24, 24, 3), "rgb", "exact", geometry=UNKNOWN)


WRONG = {
    "no such profile": ({"like": "pytorch"}, "there is no such profile"),
    "no such processor": ({"like": "huggingface:levit"}, "huggingface:levit: there is no such profile"),
    "pad and crop": ({"pad": "0", "crop": True}, "--pad does not go with --crop"),
    "pad and a profile": ({"pad": "0", "like": "timm"}, "--pad does not go with --like"),
    "crop and a profile": ({"crop": True, "like": "timm"}, "--crop does not go with --like"),
    "own and a kernel": ({"like": "batchclf", "interpolation": "bicubic"}, "--interpolation does not go with"),
    "no colour": ({"pad": "300"}, "--pad 300 is no colour"),
    "no colour, two numbers": ({"pad": "1,2"}, "--pad 1,2 is no colour"),
    "lanczos without antialiasing": ({"interpolation": "lanczos", "antialias": False}, "lanczos without antialiasing"),
    "area without antialiasing": ({"interpolation": "area", "antialias": False}, "area averages"),
    "keras' other kernels": ({"like": "keras", "interpolation": "bicubic"}, "no pixels for --interpolation bicubic"),
    "keras antialiased": ({"like": "keras", "antialias": True}, "does not antialias"),
    "keras cut": ({"like": "keras", "resize_shorter": 99}, "stretches images, it does not cut them"),
    "vit cut": ({"like": "huggingface:vit", "resize_shorter": 99}, "stretches images"),
    "swin without a kernel": ({"like": "huggingface:swin"}, "give --interpolation|seldom theirs"),
    "torchvision beyond its own size": ({"like": "torchvision"}, "does not say to what an image is resized"),
    "deit of another size": ({"like": "huggingface:deit"}, "does not say to what an image is resized"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_is_refused(name):
    options, message = WRONG[name]
    with pytest.raises(UsageError, match=message):
        geometry_of(GeometryOptions(**options))((299, 299))


def test_every_profile_has_a_sentence_that_names_its_library():
    for name, profile in PROFILES.items():
        asked = GeometryOptions(name, interpolation="bicubic" if name == "huggingface:swin" else None)
        sentence = geometry_of(asked)((224, 224)).sentence((224, 224))
        assert sentence.endswith(f"; as {profile.versions}")
