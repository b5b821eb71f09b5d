"""Files of other programs with the values that are right for them; each value has a test of its own input as well."""

from pathlib import Path

import numpy as np
import pytest
from decoding_cases import MODES, check_refused, luma

from batchclf.data.decoding.decode import decode, to_pixels
from batchclf.errors import UnreadableImageError

FOLDER = Path(__file__).resolve().parents[4] / "shared" / "cases" / "images"
if not FOLDER.is_dir():
    pytest.skip(f"there is no {FOLDER.name} beside the checkout", allow_module_level=True)


def _read(name):
    return (FOLDER / name).read_bytes()


def _gray(name):
    return decode(_read(name), "grayscale")[..., 0]


@pytest.mark.parametrize("name", ["red.png", "red-sRGB.png"])
def test_red_is_76(name):
    assert np.unique(_gray(name)).tolist() == [76]


@pytest.mark.parametrize("chunks", ["none", "cHRM", "cICP", "iCCP", "gAMA100000", "sRGB", "gAMA45455", "cHRM+gAMA"])
def test_rows_of_pure_colours(chunks):
    gray = _gray(f"gray-{chunks}.png")
    np.testing.assert_allclose(gray.reshape(4, -1, gray.shape[1]).mean((1, 2)), [76, 150, 29, 124], atol=1)


RAMPS = ["tiff-gray16-plain", "tiff-gray16-tiled", "tiff-gray16-zstd", "tiff-gray16-lzma", "tiff-gray12"]


@pytest.mark.parametrize("name", RAMPS)
def test_a_ramp_has_the_mean_of_its_ends(name):
    gray = _gray(f"{name}.tif")
    assert gray.mean() == pytest.approx(127.5, abs=0.1)
    assert (gray.min(), gray.max()) == (0, 255)


@pytest.mark.parametrize("name", ["tiff-gray16-tiled64-70x70", "tiff-la8-tiled64-70x70"])
def test_rows_of_partly_filled_tiles(name):
    gray = _gray(f"{name}.tif")
    assert gray.shape == (70, 70)
    assert (gray == gray[:1]).all()
    assert (gray[0, :3].tolist(), gray[0, -1], (np.diff(gray[0].astype(int)) > 2).all()) == ([0, 3, 7], 242, True)


def test_zstandard_in_tiff():
    assert decode(_read("tiff-rgb8-zstd.tif"), "rgb").mean() == pytest.approx(127, abs=1)


@pytest.mark.parametrize("codec", ["jpegxl", "jpeg2000", "webp", "lerc"])
def test_other_codecs_in_tiff(codec):
    """Skipped for the compression, never black."""
    check_refused(_read(f"tiff-rgb8-{codec}.tif"), "unsupported: ")


def test_a_flipped_byte():
    check_refused(_read("tiff-deflate-one-byte-flipped.tif"), "damaged: ")


@pytest.mark.parametrize("compression", ["zstd", "lzma"])
@pytest.mark.parametrize("kind", ["float32", "int32", "uint32"])
def test_values_without_a_black_and_a_white(kind, compression):
    check_refused(_read(f"tiff-{kind}-gray-{compression}.tif"), f"unsupported: holds {kind} values, ")


def test_signed_values_of_a_ct():
    check_refused(_read("tiff-int16-signed-CT.tif"), "unsupported: holds int16 values, ")


def test_transparency_is_dropped_whatever_the_compression():
    import io

    import tifffile

    content = _read("tiff-rgba-zstd.tif")
    np.testing.assert_array_equal(decode(content, "rgb"), tifffile.imread(io.BytesIO(content))[..., :3])


@pytest.mark.parametrize("name", ["bare", "prefixed"])
def test_webp_is_turned(name):
    content = _read(f"webp-exif6-{name}.webp")
    assert [decode(content, mode).shape[:2] for mode in MODES] == [(60, 40)] * 2


@pytest.mark.parametrize(
    "name", ["png-tEXt-raw-profile.png", "png-zTXt-raw-profile-ImageMagick.png", "jpeg-xmp-orientation-only.jpg"]
)
def test_what_does_not_turn(name):
    from PIL import Image

    with Image.open(FOLDER / name) as image:
        np.testing.assert_array_equal(decode(_read(name), "rgb"), np.asarray(image.convert("RGB")))


@pytest.mark.parametrize("name", ["gif-transparent-bg0.gif", "gif-transparent-bg1.gif"])
def test_a_transparent_gif_keeps_its_two_tones(name):
    from PIL import Image

    with Image.open(FOLDER / name) as image:
        right = np.asarray(image.convert("RGB"))
    assert len(np.unique(right.reshape(-1, 3), axis=0)) >= 2
    np.testing.assert_array_equal(decode(_read(name), "rgb"), right)
    assert np.abs(_gray(name).astype(int) - luma(right)).max() <= 1


@pytest.mark.parametrize("name", sorted(path.name for path in FOLDER.iterdir() if path.suffix != ".md"))
def test_gray_and_colour_and_the_ways_of_resizing_agree_on_each_file(name):
    """Read in every way, or refused in every way for the same reason."""
    outcomes = set()
    for mode in MODES:
        for resize in ("fast", "exact"):
            try:
                to_pixels(_read(name), (16, 16, 3 if mode == "rgb" else 1), mode, resize)
                outcomes.add("read")
            except UnreadableImageError as error:
                outcomes.add(error.message)
    assert len(outcomes) == 1
