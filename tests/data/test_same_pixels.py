"""The pixels that a model is trained on are those that it is given when it scores, whatever the format."""

import io

import cv2
import numpy as np
import pytest
from image_cases import image_bytes
from photo_cases import jpeg, photo
from PIL import Image

from batchclf.data.folders import load_class_folders
from batchclf.data.sources.folder import Folder
from batchclf.scoring.decoder import Decoder, DecodeSetup


def _upside_down():
    exif = Image.Exif()
    exif[0x0112] = 3
    return exif


def _rgba(pixels):
    return np.dstack([pixels, pixels[..., 0]])


def _cmyk(pixels, file_format):
    content = io.BytesIO()
    Image.fromarray(pixels).convert("CMYK").save(content, file_format)
    return content.getvalue()


FORMATS = {
    "jpg": jpeg,
    "turned.jpeg": lambda pixels: image_bytes(pixels, "JPEG", exif=_upside_down()),
    "progressive.jpg": lambda pixels: jpeg(pixels, progressive=True),
    "gray.jpg": lambda pixels: image_bytes(pixels[..., 1], "JPEG"),
    "png": lambda pixels: image_bytes(pixels, "PNG"),
    "rgba.png": lambda pixels: image_bytes(_rgba(pixels), "PNG"),
    "deep.png": lambda pixels: cv2.imencode(".png", pixels.astype(np.uint16) << 8)[1].tobytes(),
    "bmp": lambda pixels: image_bytes(pixels, "BMP"),
    "gif": lambda pixels: image_bytes(pixels, "GIF"),
    "webp": lambda pixels: image_bytes(pixels, "WEBP"),
    "rgba.webp": lambda pixels: image_bytes(_rgba(pixels), "WEBP"),
    "tif": lambda pixels: image_bytes(pixels, "TIFF"),
    "rgba.tiff": lambda pixels: image_bytes(_rgba(pixels), "TIFF"),
    "cmyk.jpg": lambda pixels: _cmyk(pixels, "JPEG"),
    "cmyk.tiff": lambda pixels: _cmyk(pixels, "TIFF"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("formats")
    for split in ("train", "test"):
        for number, name in enumerate(("cat", "dog")):
            (root / split / name).mkdir(parents=True)
            for suffix, encode in FORMATS.items():
                (root / split / name / f"a.{suffix}").write_bytes(encode(photo(96, 128, seed=number)))
    return root


@pytest.mark.parametrize("shape", [(10, 12, 3), (10, 12, 1), (40, 50, 3), (96, 128, 3), (120, 100, 1)])
@pytest.mark.parametrize("resize", ["fast", "exact", None])
def test_training_and_scoring_see_the_same_pixels(folder, resize, shape):
    color_mode = "grayscale" if shape[2] == 1 else "rgb"
    options = {} if resize is None else {"resize": resize}
    lines = []
    dataset = load_class_folders(folder, say=lines.append, size=shape[:2], color_mode=color_mode, **options)
    assert lines == []
    train = dataset.train
    assert len(train.images) == 2 * len(FORMATS)
    scored = Decoder(DecodeSetup(Folder(folder), shape, color_mode, resize or "fast")).decode(train.paths)
    assert scored.reasons == {}
    np.testing.assert_array_equal(scored.images, train.images)


def test_fast_and_exact_are_told_apart(folder):
    options = {"say": lambda line: None, "size": (10, 12), "color_mode": "rgb"}
    fast, exact = (load_class_folders(folder, **options, resize=resize).train for resize in ("fast", "exact"))
    assert fast.paths == exact.paths
    difference = np.abs(fast.images.astype(int) - exact.images)
    assert (difference.max(axis=(1, 2, 3)) > 0).all()
    assert difference.mean() < 4
