"""The pictures of a report: small, exact where they are small, and never in the way where an image is gone."""

import io

import numpy as np
import pytest
from PIL import Image

from batchclf.core.records.run import SubsetRecord
from batchclf.core.types import Prediction, Split
from batchclf.jobs.report.thumbnails import LONGEST_SIDE, load_pictures


def wanted(*paths, split=""):
    return [Prediction(path, split, None, "a", 0.5, 0.1) for path in paths]


def of_folder(folder):
    return [SubsetRecord("", "directory", str(folder), "none", 1, 1, 0, 0, 1.0)]


def opened(content):
    return Image.open(io.BytesIO(content))


def no_splits():
    raise AssertionError("no picture of a split is wanted")


@pytest.fixture
def photo():
    """A smooth photograph-like image, 1,600 x 1,200."""
    down, across = np.mgrid[0:1200, 0:1600]
    pixels = np.stack([down / 1200, across / 1600, (down + across) / 2800], axis=2)
    return Image.fromarray((255 * pixels).astype(np.uint8))


def test_small_images_are_shown_exactly(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (28, 20, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    pictures = load_pictures(wanted("a.png"), of_folder(tmp_path), no_splits)
    shown = opened(pictures["", "a.png"])
    assert shown.format == "PNG"
    assert (np.asarray(shown) == pixels).all()


@pytest.mark.parametrize("name", ["a.jpg", "a.png"])
def test_photographs_shrink_and_keep_their_colours(name, photo, tmp_path):
    photo.save(tmp_path / name)
    content = load_pictures(wanted(name), of_folder(tmp_path), no_splits)["", name]
    shown = opened(content)
    assert (shown.format, shown.size) == ("WEBP", (LONGEST_SIDE, 72))
    assert len(content) < 4_000
    by_pillow = np.asarray(photo.resize(shown.size, Image.Resampling.BOX), np.float64)
    assert np.abs(np.asarray(shown.convert("RGB"), np.float64) - by_pillow).mean() < 4


def test_a_turned_photograph_is_upright(photo, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees to see it upright
    photo.save(tmp_path / "a.jpg", exif=exif)
    assert opened(load_pictures(wanted("a.jpg"), of_folder(tmp_path), no_splits)["", "a.jpg"]).size == (72, 96)


def test_what_is_gone_or_damaged_is_left_out(tmp_path):
    (tmp_path / "damaged.png").write_bytes(b"\x89PNG nothing more")
    Image.new("L", (5, 1)).save(tmp_path / "thin.png")
    rows = wanted("gone.png", "damaged.png", "thin.png", "thin.png")
    assert list(load_pictures(rows, of_folder(tmp_path), no_splits)) == [("", "thin.png")]


def test_pictures_of_a_split_come_from_its_images():
    images = np.random.default_rng(1).integers(0, 256, (3, 8, 8, 1), np.uint8)
    split = Split("test", images, np.zeros(3, np.int64), ("test/0", "test/1", "test/2"))
    pictures = load_pictures(wanted("test/1", "test/9", split="test"), [], lambda: {"test": split})
    assert list(pictures) == [("test", "test/1")]
    assert (np.asarray(opened(pictures["test", "test/1"])) == images[1, :, :, 0]).all()
