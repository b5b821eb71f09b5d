"""Decode one image file into the pixels a model takes, for training and scoring alike."""

import os
from collections.abc import Callable
from errno import ENOENT
from functools import cache, partial
from importlib import import_module
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from batchclf.core.choices import ColorMode, ResizeMode
from batchclf.core.geometry import OWN, Geometry
from batchclf.data.decoding.interface import Decoded, Policy, Size, unsupported
from batchclf.data.decoding.limits import DEFAULT_LIMITS, Limits
from batchclf.data.decoding.suffixes import INSTALLED, MISSING
from batchclf.data.geometry.resize import fit, reduction
from batchclf.errors import WANT, UnreadableImageError
from batchclf.libraries import versions_of

DECODING_VERSION = 2
"""To be raised whenever the same file would give other pixels: scores in caches are told apart by it."""

_COMMON = {b"\x89P": "PNG", b"\xff\xd8": "JPEG", b"BM": "BMP", b"RI": "WEBP"}
"""First two bytes → format, for those that most files are of."""

_BY_OPENCV = {"PNG": "png", "JPEG": "jpeg", "BMP": "bmp", "WEBP": "webp", "JPEG2000": "jpeg2000"}
"""Format → module of this folder, whose `decode` gives None for what is better read by Pillow."""

Decoder = Callable[[bytes, Policy], Decoded | None]

_BY_PILLOW = {
    b"GIF8": "GIF",
    b"(\0\0\0": "DIB",
    **dict.fromkeys((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), "TIFF"),
    **dict.fromkeys((b"\xff\x4f\xff\x51", b"\0\0\0\x0cjP  "), "JPEG2000"),
    **dict.fromkeys((b"\xff\x0a", b"\0\0\0\x0cJXL "), "JXL"),
    **{b"P" + digit: "PPM" for digit in (b"1", b"2", b"3", b"4", b"5", b"6")},
}
_READ = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
_AT_ONCE = 64 * 1024
_BOX, _BRANDS = b"ftyp", {"AVIF": (b"avif", b"avis"), "HEIF": (b"hei", b"hev", b"mif1", b"msf1")}


def _fixed(size: Size, scale: int) -> int:
    return scale


_SCALES = {1: None, 2: partial(_fixed, scale=2), 4: partial(_fixed, scale=4), 8: partial(_fixed, scale=8)}


def decoders(geometry: Geometry = OWN) -> dict[str, str]:
    """Give the versions of the libraries that decode and resize for a geometry, by module."""
    found = versions_of("cv2", "PIL", *(["simplejpeg"] if geometry.jpeg == "fast" else []))
    # `__version__` lacks the last part, the number of the build, and another build may bring another libjpeg.
    found["cv2"] = getattr(getattr(cv2, "version", None), "opencv_version", found["cv2"])
    if INSTALLED:
        from importlib.metadata import version

        # Not loaded for that, and pillow_jxl does not say its version.
        found |= {extra.module: version(extra.distribution) for extra in INSTALLED}
    return found


class PixelReader:
    """Brings files' content to one model's input: (height, width, channels) uint8."""

    def __init__(
        self,
        input_shape: tuple[int, int, int],
        color_mode: ColorMode,
        resize: ResizeMode = "fast",
        limits: Limits = DEFAULT_LIMITS,
        geometry: Geometry = OWN,
    ) -> None:
        if geometry == OWN:
            fast = resize == "fast"
            # libjpeg decodes fewer pixels; the size comes from the header in 2 µs (decision 048)
            scale_of = partial(reduction, input_shape=input_shape) if fast else None
            finish = partial(fit, input_shape=input_shape, resize=resize)
            self._policy = Policy(color_mode, stored_luma=fast, scale_of=scale_of, finish=finish, limits=limits)
        else:
            # Not loaded for models that batchclf has trained.
            from batchclf.data.decoding.policy import policy_for

            self._policy = policy_for(input_shape, color_mode, resize, limits, geometry)

    def read(self, content: bytes) -> Decoded:
        """Give the pixels at the model's input shape and how the file stores them.

        Raises UnreadableImageError with the reason if the content cannot be decoded.
        """
        return decode_as(content, self._policy)


def read_image(
    path: Path | str,
    input_shape: tuple[int, int, int],
    color_mode: ColorMode,
    resize: ResizeMode = "fast",
    limits: Limits = DEFAULT_LIMITS,
    geometry: Geometry = OWN,
) -> NDArray[np.uint8]:
    """Read an image file at the model's input shape: (height, width, channels) uint8.

    Raises UnreadableImageError with the reason if the file cannot be read or is damaged.
    """
    return to_pixels(read_content(path), input_shape, color_mode, resize, limits, geometry)


def read_content(path: Path | str) -> bytes:
    """Read a whole file; raises UnreadableImageError with the reason where that fails.

    Raises OSError where it is not the file's fault, as with too many open files.
    """
    try:
        # Half the time of `open`, which counts where files are small.
        handle = os.open(path, _READ)
        try:
            content = os.read(handle, _AT_ONCE)
            rest = os.read(handle, _AT_ONCE)
            if not rest:
                return content
            pieces = [content, rest]
            while piece := os.read(handle, 16 * _AT_ONCE):
                pieces.append(piece)
            return b"".join(pieces)
        finally:
            os.close(handle)
    except OSError as error:
        if error.errno in WANT:
            raise
        is_broken = error.errno == ENOENT and os.path.islink(path)  # noqa: PTH114 (it may be a text)
        why = "broken symbolic link" if is_broken else error.strerror
        raise UnreadableImageError(f"cannot be read: {why}") from error


def to_pixels(
    content: bytes,
    input_shape: tuple[int, int, int],
    color_mode: ColorMode,
    resize: ResizeMode = "fast",
    limits: Limits = DEFAULT_LIMITS,
    geometry: Geometry = OWN,
) -> NDArray[np.uint8]:
    """Decode a file's bytes at the model's input shape: (height, width, channels) uint8.

    `exact` decodes at full size and averages over areas. `fast` takes shorter ways if the image has at least
    1.5 times the input's size; docs/scoring.md, "Fast and exact", says how far the results lie apart.
    Raises UnreadableImageError with the reason if the content cannot be decoded.
    """
    return PixelReader(input_shape, color_mode, resize, limits, geometry).read(content)[0]


def decode(content: bytes, color_mode: ColorMode, scale: int = 1, limits: Limits = DEFAULT_LIMITS) -> NDArray[np.uint8]:
    """Decode a file's bytes at its own size: (height, width, channels) uint8, channels in RGB order.

    A JPEG may be decoded at one by `scale` (1, 2, 4 or 8) of its size, which is quicker: libjpeg computes fewer pixels
    from each block. Other formats are to be decoded at scale 1.

    docs/scoring.md, "How images are read", says what each format gives. Raises UnreadableImageError with the reason if
    the content is no image, is damaged, of a kind that is not supported, or beyond the limits.
    """
    return decode_as(content, Policy(color_mode, scale_of=_SCALES[scale], limits=limits))[0]


def decode_as(content: bytes, policy: Policy) -> Decoded:
    """Decode a file's bytes by a policy: pixels (height, width, channels) uint8, and how the file stores them."""
    if not content:
        raise UnreadableImageError("empty file (0 bytes)")
    kind = _COMMON.get(content[:2]) or _kind(content)
    decoded = _decoder(kind)(content, policy) if kind in _BY_OPENCV else None
    if decoded is None:
        # OpenCV reports only that it failed; Pillow reads the file or names the reason (decision 005)
        return _beside(content, kind, policy)
    return _finished(decoded, policy)


def _finished(decoded: Decoded, policy: Policy) -> Decoded:
    pixels, header = decoded
    if pixels.ndim == 2:
        pixels = pixels[:, :, None]
    return (pixels if policy.finish is None else policy.finish(pixels)), header


@cache
def _decoder(kind: str) -> Decoder:
    """Load a format's module when the first file of its kind comes: most folders hold only one."""
    decoder: Decoder = import_module(f"batchclf.data.decoding.{_BY_OPENCV[kind]}").decode
    return decoder


def _kind(content: bytes) -> str:
    """Name the format of what is not for OpenCV, by how it begins."""
    for length in (2, 4, 8):
        if (kind := _BY_PILLOW.get(content[:length])) is not None:
            return kind
    if content[4:8] == _BOX:
        # The brands of a file, ISO/IEC 14496-12, 4.3: its own, a version, and those it is compatible with.
        box = content[8 : int.from_bytes(content[:4])]
        brands = [box[place : place + 4] for place in (0, *range(8, min(len(box), 256), 4))]
        for kind, known in _BRANDS.items():
            if any(brand.startswith(known) for brand in brands):
                return kind
    raise UnreadableImageError("not an image: the content is of no known image format")


def _beside(content: bytes, kind: str, policy: Policy) -> Decoded:
    if kind in MISSING:
        raise unsupported(MISSING[kind].reason)
    # What is slow or rare is decoded in a process of its own (decision 142)
    from batchclf.data.decoding.aside import call

    decoded = call(decode_with_pillow, content, kind, policy, seconds=policy.limits.seconds)
    if kind == "PNG":
        # Pillow does not check what libpng does, and some of these have other pixels than were written.
        raise UnreadableImageError("damaged: libpng refuses it")
    return decoded


def decode_with_pillow(content: bytes, kind: str, policy: Policy) -> Decoded:
    """As `pillow.decode`, and finished. Most processes never need Pillow, and start sooner without (decision 005)."""
    from batchclf.data.decoding import pillow

    return _finished(pillow.decode(content, kind, policy), policy)
