"""Image files for the data's and the scoring's tests."""

import io

import numpy as np
from PIL import Image


def noise(height=12, width=17, *, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def image_bytes(pixels, file_format="PNG", **options):
    content = io.BytesIO()
    Image.fromarray(np.asarray(pixels)).save(content, file_format, **options)
    return content.getvalue()


def write_image(path, pixels=None, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    suffix = path.suffix.lower().removeprefix(".")
    file_format = {"jpg": "JPEG", "tif": "TIFF"}.get(suffix, suffix.upper())
    path.write_bytes(image_bytes(noise(seed=len(path.name)) if pixels is None else pixels, file_format, **options))
    return path
