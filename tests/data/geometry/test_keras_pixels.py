"""`--like keras` and `keras-load-img` against TensorFlow and Keras, which are here."""

import io

import numpy as np
import pytest
from PIL import Image

from batchclf.core.geometry import GeometryOptions
from batchclf.data.decoding.decode import to_pixels
from batchclf.data.geometry.settle import geometry_of

tensorflow = pytest.importorskip("tensorflow")


def picture(width, height):
    rows, columns = np.mgrid[:height, :width]
    base = np.stack([rows * 3 % 256, columns * 2 % 256, (rows + columns) % 256], axis=-1)
    noise = np.random.default_rng(width).integers(-20, 21, base.shape)
    return Image.fromarray((base + noise).clip(0, 255).astype(np.uint8))


def content(image, kind, **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def turned():
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


FILES = {
    "png": lambda: content(picture(61, 43), "PNG"),
    "420": lambda: content(picture(97, 64), "JPEG", quality=75, subsampling=2),
    "444": lambda: content(picture(64, 97), "JPEG", quality=95, subsampling=0),
    "422-progressive": lambda: content(picture(50, 33), "JPEG", quality=60, subsampling=1, progressive=True),
    "gray-jpeg": lambda: content(picture(45, 38).convert("L"), "JPEG", quality=80),
    "cmyk": lambda: content(picture(40, 41).convert("CMYK"), "JPEG", quality=90),
    "turned": lambda: content(picture(48, 31), "JPEG", quality=85, exif=turned()),
    "bmp": lambda: content(picture(31, 48), "BMP"),
    "small": lambda: content(picture(5, 9), "PNG"),
    "alpha": lambda: content(picture(30, 20).convert("RGBA"), "PNG"),
}


def ours(file, like, size, mode="rgb"):
    geometry = geometry_of(GeometryOptions(like))(size)
    shape = (*size, 1 if mode == "grayscale" else 3)
    return to_pixels(file, shape, mode, "exact", geometry=geometry).astype(np.float64)


@pytest.mark.parametrize("kind", FILES)
def test_keras_data_sets_are_matched_to_half_a_level(tmp_path, kind):
    from keras.utils import image_dataset_from_directory

    file = FILES[kind]()
    (tmp_path / f"a.{'bmp' if kind == 'bmp' else 'jpg'}").write_bytes(file)
    data = image_dataset_from_directory(tmp_path, labels=None, image_size=(24, 36), shuffle=False, verbose=False)
    right = next(iter(data))[0].numpy()
    # TensorFlow keeps fractions, we round.
    assert np.abs(ours(file, "keras", (24, 36)) - right).max() <= 0.501


@pytest.mark.parametrize("kind", ["png", "420", "444", "422-progressive", "gray-jpeg", "turned", "small"])
def test_gray_of_keras_data_sets_is_matched(tmp_path, kind):
    from keras.utils import image_dataset_from_directory

    file = FILES[kind]()
    (tmp_path / "a.jpg").write_bytes(file)
    data = image_dataset_from_directory(
        tmp_path, labels=None, image_size=(17, 21), shuffle=False, verbose=False, color_mode="grayscale"
    )
    right = next(iter(data))[0].numpy()
    # Gray of a PNG's colours is rounded by libpng in another way.
    assert np.abs(ours(file, "keras", (17, 21), "grayscale") - right).max() <= (
        1.501 if kind in ("png", "small") else 0.501
    )


@pytest.mark.parametrize("kind", FILES)
def test_load_img_is_matched_to_the_bit(tmp_path, kind):
    from keras.utils import img_to_array, load_img

    file = FILES[kind]()
    (tmp_path / "a").write_bytes(file)
    for size in ((24, 36), (50, 11)):
        right = img_to_array(load_img(tmp_path / "a", target_size=size))
        np.testing.assert_array_equal(ours(file, "keras-load-img", size), right)
        right = img_to_array(load_img(tmp_path / "a", target_size=size, color_mode="grayscale"))
        np.testing.assert_array_equal(ours(file, "keras-load-img", size, "grayscale"), right)
