"""Image files of each suffix, from two writers if there are, of one picture; and a Python without some packages."""

import io
import os

import cv2
import imagecodecs
import numpy as np
import pillow_heif
import pillow_jxl  # noqa: F401 (registers itself with Pillow)
from PIL import Image

PICTURE = np.repeat(np.linspace(0, 255, 32).astype(np.uint8)[:, None], 32, 1)
"""Black above, white below: whatever a lossy format does to it, its rows differ."""

_COLOURS = np.repeat(PICTURE[..., None], 3, 2)
_PIL_NAMES = {
    **{".apng": "PNG", ".jpg": "JPEG", ".jpe": "JPEG", ".jfif": "JPEG", ".tif": "TIFF", ".avifs": "AVIF"},
    **dict.fromkeys((".ppm", ".pgm", ".pbm", ".pnm"), "PPM"),
    **dict.fromkeys((".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx"), "JPEG2000"),
}
_SEQUENCES = (".apng", ".avifs", ".mpo")
_CODESTREAMS = (".j2k", ".j2c", ".jpc")


def _pillow(suffix):
    image = Image.fromarray(PICTURE if suffix == ".pgm" else PICTURE > 127 if suffix == ".pbm" else _COLOURS)
    options = {"no_jp2": True} if suffix in _CODESTREAMS else {}
    if suffix in _SEQUENCES:
        options |= {"save_all": True, "append_images": [Image.fromarray(255 - _COLOURS)]}
    content = io.BytesIO()
    image.save(content, _PIL_NAMES.get(suffix, suffix[1:].upper()), **options)
    return content.getvalue()


def _opencv(suffix):
    pixels = {".pgm": PICTURE, ".pbm": np.uint8(255) * (PICTURE > 127)}.get(suffix, _COLOURS)
    done, content = cv2.imencode(suffix, pixels)
    assert done, suffix
    return content.tobytes()


def _imagecodecs(suffix):
    if suffix == ".avifs":
        return imagecodecs.avif_encode(np.stack([_COLOURS, 255 - _COLOURS]))
    return imagecodecs.jpeg2k_encode(_COLOURS, codecformat="j2k" if suffix in _CODESTREAMS else "jp2")


def _second_writer(suffix):
    if suffix == ".mpo":
        return None
    if suffix == ".avifs" or _PIL_NAMES.get(suffix) == "JPEG2000":
        return _imagecodecs(suffix)
    return _opencv(".jpg" if suffix == ".jfif" else suffix)


def write_each(folder, suffixes):
    """Write the picture with each suffix; gives the files."""
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for suffix in suffixes:
        for name, content in (("first", _pillow(suffix)), ("Second", _second_writer(suffix))):
            if content is not None:
                files.append(folder / f"{name}{suffix if name == 'first' else suffix.upper()}")
                files[-1].write_bytes(content)
    return files


def write_of_extras(folder):
    """Write the picture as pillow-heif, imagecodecs and pillow-jxl-plugin do; no other wheel encodes HEVC."""
    folder.mkdir(parents=True, exist_ok=True)
    heif = pillow_heif.from_pillow(Image.fromarray(_COLOURS))
    heic = io.BytesIO()
    heif.save(heic, quality=95)
    jxl = io.BytesIO()
    Image.fromarray(_COLOURS).save(jxl, "JXL", lossless=True)
    contents = {f"a{suffix}": heic.getvalue() for suffix in (".heic", ".HEIF", ".hif")}
    contents |= {"first.jxl": jxl.getvalue(), "second.JXL": imagecodecs.jpegxl_encode(_COLOURS)}
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return [folder / name for name in contents]


def without(folder, *modules):
    """Give the environment of a Python that does not find these modules; `folder` is a new one."""
    folder.mkdir()
    lines = ["import sys", *(f"sys.modules[{name!r}] = None" for name in modules)]
    (folder / "sitecustomize.py").write_text("\n".join(lines) + "\n")
    return {"PYTHONPATH": os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])}
