"""Decode with Pillow: the formats that OpenCV does not read or reads wrong, and the reason why a file is broken."""

import importlib
import io
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, TiffImagePlugin

from batchclf.core.choices import ColorMode
from batchclf.core.images.facts import CMYK, GRAY, GRAY_ALPHA, OTHER, PALETTE, RGB, RGBA, Header
from batchclf.data.decoding import avif, exif, gif, jxl, tiff
from batchclf.data.decoding.interface import Decoded, Policy, check_pixels, unsupported
from batchclf.errors import UnreadableImageError

_READERS = {
    "AVIF": ("PIL.AvifImagePlugin", "AvifImageFile"),
    "BMP": ("PIL.BmpImagePlugin", "BmpImageFile"),
    "DIB": ("PIL.BmpImagePlugin", "DibImageFile"),
    "GIF": ("PIL.GifImagePlugin", "GifImageFile"),
    "HEIF": ("pillow_heif.as_plugin", "HeifImageFile"),
    "JPEG": ("PIL.JpegImagePlugin", "JpegImageFile"),
    "JPEG2000": ("PIL.Jpeg2KImagePlugin", "Jpeg2KImageFile"),
    "JXL": ("pillow_jxl.JpegXLImagePlugin", "JXLImageFile"),
    "PNG": ("PIL.PngImagePlugin", "PngImageFile"),
    "PPM": ("PIL.PpmImagePlugin", "PpmImageFile"),
    "TIFF": ("PIL.TiffImagePlugin", "TiffImageFile"),
    "WEBP": ("PIL.WebPImagePlugin", "WebPImageFile"),
}
"""Format → module and class: the only ones that are ever opened, so that Pillow starts no other program for any."""

_CHECKS = {"AVIF": avif.check, "GIF": gif.check, "JXL": jxl.check}
"""Format → what is checked in a file before Pillow opens it."""

_TURNED_BY_EXIF = frozenset({"AVIF", "HEIF", "JPEG", "PNG", "WEBP"})
_UNBOUNDED = {"F": "float32", "I": "int32"}
_COLOURS = {
    "1": (1, GRAY),
    "L": (8, GRAY),
    "LA": (8, GRAY_ALPHA),
    "La": (8, GRAY_ALPHA),
    "P": (8, PALETTE),
    "PA": (8, PALETTE),
    "RGB": (8, RGB),
    "RGBX": (8, RGB),
    "YCbCr": (8, RGB),
    "RGBA": (8, RGBA),
    "RGBa": (8, RGBA),
    "CMYK": (8, CMYK),
    "I;16": (16, GRAY),
    "I;16B": (16, GRAY),
    "I;16L": (16, GRAY),
}
_BAND = 2**20
_SETTINGS = threading.Lock()


def decode(content: bytes, kind: str, policy: Policy) -> Decoded:
    """Decode a file of a format of `_READERS`.

    Raises UnreadableImageError with the reason if that cannot be done.
    """
    image = None
    with _settings():
        try:
            module, name = _READERS[kind]
            reader: Callable[..., ImageFile.ImageFile] = getattr(importlib.import_module(module), name)
            if kind in _CHECKS:
                _CHECKS[kind](content, policy.limits)
            image = reader(io.BytesIO(content), "")
            decoded = _decoded(image, kind, policy)
            if kind == "TIFF":
                tiff.check_data(content, image)
            return decoded
        except (UnreadableImageError, MemoryError):
            raise
        except Exception as error:  # Pillow's readers raise nearly anything on damaged files
            if kind == "TIFF":
                with suppress(TypeError, ValueError, LookupError):  # tags of types that they cannot have
                    tiff.explain(content, error, image)
            raise _reason(error) from error


def _decoded(image: ImageFile.ImageFile, kind: str, policy: Policy) -> Decoded:
    header = Header(*image.size, *_COLOURS.get(image.mode, (0, OTHER)))
    shift = 8
    if kind == "JPEG" and policy.scale_of:
        scale = policy.scale_of((image.height, image.width))
        image.draft(None, (-(-image.width // scale), -(-image.height // scale)))
    elif kind == "TIFF":
        header, shift = tiff.check(image, header, policy.limits)
    elif kind == "JXL" and image.mode == "LA":
        # The plugin reads 8 bits whatever the file holds, and does not say how many it holds (decision 140)
        raise unsupported("JPEG XL of gray and transparency")
    check_pixels(image.width * image.height, policy.limits)
    # XMP turns no format here; Pillow would look into it if EXIF says nothing.
    image.info.pop("xmp", None)
    image.load()
    pixels = _eight_bits(image, kind, policy, shift)
    # A JPEG that was packed into JPEG XL keeps its EXIF; what was encoded as JPEG XL is turned by its decoder.
    by_exif = policy.by_exif and (kind in _TURNED_BY_EXIF or (kind == "JXL" and getattr(image, "jpeg", False)))
    turned = exif.orientation(image.info.get("exif") or b"") if by_exif else 1
    image.close()
    return exif.upright(pixels, turned), header.packed


def _eight_bits(image: Image.Image, kind: str, policy: Policy, shift: int) -> NDArray[np.uint8]:
    """Take the upper 8 bits of deeper gray or cut it, and drop transparency: the stored colour stays."""
    if image.mode in _UNBOUNDED and not (image.mode == "I" and kind == "PPM"):
        raise tiff.unbounded(_UNBOUNDED[image.mode])
    color_mode = policy.color_mode
    if policy.as_pillow:
        shift = 0
    invert = not policy.as_pillow and image.mode.startswith("I;16") and kind == "TIFF" and tiff.white_is_zero(image)
    width, height = image.size
    pixels = np.empty((height, width) if color_mode == "grayscale" else (height, width, 3), np.uint8)
    # By bands: Pillow makes three copies on the way to an array.
    rows = max(1, _BAND // max(1, width))
    for top in range(0, height, rows):
        band = image.crop((0, top, width, min(height, top + rows)))
        pixels[top : top + rows] = _band(band, color_mode, shift, invert=invert)
    return pixels


def _band(band: Image.Image, color_mode: ColorMode, shift: int, *, invert: bool) -> NDArray[np.uint8]:
    if band.mode[0] == "I":
        gray: NDArray[np.uint8] = np.minimum(np.asarray(band) >> shift, 255).astype(np.uint8)
        if invert:
            gray = 255 - gray
        return gray if color_mode == "grayscale" else gray[..., None]
    if band.mode not in {"1", "L", "LA", "La", "RGB"}:
        band = band.convert("RGB")
    return np.asarray(band.convert("L" if color_mode == "grayscale" else "RGB"))


@contextmanager
def _settings() -> Iterator[None]:
    """Change settings that are the process's, and bring them back.

    Warnings become reasons or nothing. The limit is ours. libtiff reads what is not compressed, too: Pillow itself
    mixes up planes of 16 bits (decision 140).
    """
    with _SETTINGS, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        most, by_libtiff = Image.MAX_IMAGE_PIXELS, TiffImagePlugin.READ_LIBTIFF
        Image.MAX_IMAGE_PIXELS, TiffImagePlugin.READ_LIBTIFF = None, True
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS, TiffImagePlugin.READ_LIBTIFF = most, by_libtiff


def _reason(error: Exception) -> UnreadableImageError:
    text = " ".join(str(error).split()) or type(error).__name__
    lacking = text.endswith(("not installed", "not available"))  # a build of Pillow without this format's library
    if lacking or text.lower().startswith("unsupported") or text.startswith("conversion from "):
        return unsupported(text.removeprefix("Unsupported "))
    if text.startswith("decoder error"):
        text = "a strip or tile cannot be decoded"
    elif isinstance(error, SyntaxError | EOFError) or not str(error):
        text = "it begins like an image, but nothing after that can be decoded"
    return UnreadableImageError(f"damaged: {text}")
