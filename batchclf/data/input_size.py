"""Which size and colour the images of a data set are brought to, where nobody has said so."""

from collections.abc import Iterator, Sequence
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from batchclf.core.choices import ColorMode
from batchclf.core.text import counted
from batchclf.core.types import Say
from batchclf.data.class_split import Part
from batchclf.data.decoding.decode import decode, read_content
from batchclf.data.decoding.limits import DEFAULT_LIMITS, Limits
from batchclf.errors import DataError, UnreadableImageError

LONGEST_SIDE = 96
"""Images larger than this are scaled down, the shape of the first one kept, unless a size is asked for."""
LOOKED_AT = 20
"""Images that are looked at for colour, spread evenly."""

Shape = tuple[int, int, int]
File = tuple[Part, str]
Readable = tuple[str, NDArray[np.uint8]]
"""An image's path and its pixels, (height, width, 3)."""


def settle_input(
    parts: Sequence[Part],
    size: tuple[int, int] | None,
    color_mode: ColorMode | None,
    say: Say,
    limits: Limits = DEFAULT_LIMITS,
) -> tuple[Shape, ColorMode]:
    """Give the input's shape (height, width, channels) and its colour mode.

    Without `size` (height, width) it is that of the first readable image, scaled down to `LONGEST_SIDE`. Without
    `color_mode` it is `rgb` where one of `LOOKED_AT` images, from the first to the last, has colour. What was found so
    is said in one line. Raises DataError where it needs an image and none is readable.
    """
    if size is not None and color_mode is not None:
        return _shape(size, color_mode), color_mode
    files = [(part, file) for part in parts for file in part.files]
    if (first := next(_readable(files, limits), None)) is None:
        raise DataError(
            f"there are no readable images in class folders under {parts[0].folder}{_why(files, limits)}",
            hint="lay the images out as CLASS/*.png, or as train/CLASS/*.png and test/CLASS/*.png",
        )
    path, pixels = first
    told = []
    if size is None:
        scale = min(1.0, LONGEST_SIDE / max(pixels.shape[:2]))
        height, width = (max(1, round(side * scale)) for side in pixels.shape[:2])
        size = (height, width)
        told.append(f"the size after the first image, {path}")
    if color_mode is None:
        color_mode, why = _color_mode(files, first, limits)
        told.append(why)
    say(f"input size {size[0]}x{size[1]} {color_mode}: {'; '.join(told)}")
    return _shape(size, color_mode), color_mode


def _why(files: Sequence[File], limits: Limits) -> str:
    """Say why the first of some files cannot be read; nothing if there is none."""
    for part, file in files[:1]:
        path = part.folder / file
        try:
            decode(read_content(path), "rgb", limits=limits)
        except UnreadableImageError as error:
            return f"; {path}: {error.message}"
    return ""


def _shape(size: tuple[int, int], color_mode: ColorMode) -> Shape:
    return (*size, 1 if color_mode == "grayscale" else 3)


def _color_mode(files: Sequence[File], first: Readable, limits: Limits) -> tuple[ColorMode, str]:
    places = np.linspace(0, len(files) - 1, min(LOOKED_AT, len(files))).astype(int).tolist()
    others = (other for other in _readable([files[place] for place in places], limits) if other[0] != first[0])
    looked_at = 0
    for path, pixels in chain([first], others):
        looked_at += 1
        if not (pixels == pixels[:, :, :1]).all():
            return "rgb", f"{path} has colour"
    return "grayscale", f"none of {counted(looked_at, 'image')} looked at has colour"


def _readable(files: Sequence[File], limits: Limits) -> Iterator[Readable]:
    """Yield path and pixels, (height, width, 3) uint8, of the images that can be read."""
    for part, file in files:
        path = part.folder / file
        try:
            yield str(path), decode(read_content(path), "rgb", limits=limits)
        except UnreadableImageError:
            continue
