"""Bring decoded pixels to the model's input by a geometry: resize, then cut or surround."""

from math import ceil
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from batchclf.core.choices import ResizeMode
from batchclf.core.geometry import GEOMETRY_HINT, Geometry, Size
from batchclf.data.geometry.resize import fit, halved, reduction
from batchclf.errors import UnknownGeometryError, UnreadableImageError

if TYPE_CHECKING:
    from PIL import Image

Pixels = NDArray[np.uint8]

_SUPPORT = {"bilinear": 1, "bicubic": 2, "lanczos": 3}
"""How far a kernel reaches on each side, in pixels of the result when it is antialiased and the image shrinks."""

_LEAST_SCALE_FOR_BOX, _LEAST_PIXELS_FOR_BOX = 1.5, 2**17

_CUBIC = -0.75
"""The free parameter of the cubic kernel without antialiasing, as in OpenCV and torch."""


def frame(
    pixels: Pixels, input_shape: tuple[int, int, int], geometry: Geometry, resize: ResizeMode, most: int = 2**63
) -> Pixels:
    """Bring (h, w, channels) uint8 to `input_shape`, (height, width, channels), by a geometry that is known.

    `fast` halves an image by averages of 2x2 pixels while it keeps twice the size that it is resized to, if the
    geometry averages; otherwise it gives the same pixels as `exact`. Raises UnreadableImageError if the image is so
    long and thin that it would be resized to more than `most` pixels before the cut.
    """
    height, width, channels = input_shape
    rows, columns = geometry.resized(pixels.shape[:2], (height, width))
    if rows * columns > most:
        raise UnreadableImageError(
            f"too large: {pixels.shape[0]}x{pixels.shape[1]} pixels would be resized to {rows * columns:,} before the "
            f"cut, and at most {most:,} are, see --max-pixels"
        )
    if resize == "fast" and geometry.averages:
        pixels = halved(pixels, 2 * rows, 2 * columns)
    cut = _Cut.of(geometry, rows, height), _Cut.of(geometry, columns, width)
    inner = _resized(pixels, (rows, columns), cut, geometry).reshape(cut[0].length, cut[1].length, channels)
    if inner.shape == input_shape:
        return inner
    framed = np.empty(input_shape, np.uint8)
    framed[:] = _border(geometry, channels)
    framed[cut[0].place : cut[0].place + cut[0].length, cut[1].place : cut[1].place + cut[1].length] = inner
    return framed


def frame_of_size(pixels: Pixels, input_shape: tuple[int, int, int]) -> Pixels:
    """Give an image of the input's size as it is; raises UnknownGeometryError for any other."""
    height, width = input_shape[:2]
    rows, columns = pixels.shape[:2]
    if (rows, columns) != (height, width):
        raise UnknownGeometryError(
            f"the image has {rows}x{columns} pixels, the model takes {height}x{width}, and its bundle does not "
            "know how images are cut and resized for it",
            hint=GEOMETRY_HINT,
        )
    return pixels


def part_of(size: Size, input_shape: tuple[int, int, int], geometry: Geometry) -> int:
    """As `reduction`, for a geometry."""
    return reduction(size, (*geometry.resized(size, input_shape[:2]), 3))


class _Cut:
    """What of one side is kept: `length` rows or columns from `first` on, which come to lie at `place`."""

    __slots__ = ("first", "length", "place")

    def __init__(self, first: int, length: int, place: int) -> None:
        self.first, self.length, self.place = first, length, place

    @classmethod
    def of(cls, geometry: Geometry, side: int, wanted: int) -> "_Cut":
        if side >= wanted:
            return cls(geometry.first(side, wanted), wanted, 0)
        # torchvision and timm put the smaller half of what is missing first, however they round a cut.
        return cls(0, side, (wanted - side) // 2)


def _border(geometry: Geometry, channels: int) -> NDArray[np.uint8]:
    color = np.array([[geometry.border]], np.uint8)
    return color[0, 0] if channels == 3 else np.asarray(cv2.cvtColor(color, cv2.COLOR_RGB2GRAY)[0], np.uint8)


def _resized(pixels: Pixels, size: Size, cut: tuple[_Cut, _Cut], geometry: Geometry) -> Pixels:
    """Resize to (rows, columns), and give what the cut keeps of that."""
    rows, columns = (slice(each.first, each.first + each.length) for each in cut)
    if pixels.shape[:2] == size:
        return pixels[rows, columns]
    if geometry.interpolation == "area":
        return fit(pixels, (*size, pixels.shape[2]), "exact")[rows, columns]
    if geometry.interpolation == "nearest":
        from PIL import Image

        # Whole: with a box Pillow takes other neighbours.
        return np.asarray(_image(pixels).resize(size[::-1], Image.Resampling.NEAREST))[rows, columns]
    if geometry.antialias:
        return _by_pillow(pixels, size, cut, geometry)
    # Rows by hand, columns by OpenCV on floats: on uint8 it rounds weights to 11 bits, up to a level off, and all of a
    # large image is too much as floats (decision 165)
    between = _rows_interpolated(pixels, size[0], rows, geometry)
    method = cv2.INTER_LINEAR if geometry.interpolation == "bilinear" else cv2.INTER_CUBIC
    across = cv2.resize(between, (size[1], len(between)), interpolation=method)
    return np.clip(np.rint(across), 0, 255).astype(np.uint8).reshape(len(between), size[1], -1)[:, columns]


def _rows_interpolated(pixels: Pixels, whole: int, kept: slice, geometry: Geometry) -> NDArray[np.float32]:
    """Interpolate between rows, which are resized to `whole`, without antialiasing: float32 rows, those that are kept.

    As in OpenCV, torch and TensorFlow the centres of the outermost pixels lie half a pixel from the edge, and beyond
    the edge its pixels go on.
    """
    places = (np.arange(whole)[kept] + 0.5) * (len(pixels) / whole) - 0.5
    before = np.floor(places).astype(np.int64)
    t = places - before
    if geometry.interpolation == "bilinear":
        weights = {0: 1 - t, 1: t}
    else:
        # Keys, 1981, "Cubic convolution interpolation for digital image processing".
        weights = {-1: _far(1 + t), 0: _near(t), 1: _near(1 - t), 2: _far(2 - t)}
    total = np.zeros((len(t), *pixels.shape[1:]), np.float32)
    for offset, weight in weights.items():
        neighbours = pixels[np.clip(before + offset, 0, len(pixels) - 1)]
        total += neighbours * weight.astype(np.float32)[:, None, None]
    return total


def _near(distance: NDArray[np.float64]) -> NDArray[np.float64]:
    return ((_CUBIC + 2) * distance - (_CUBIC + 3)) * distance * distance + 1


def _far(distance: NDArray[np.float64]) -> NDArray[np.float64]:
    return ((_CUBIC * distance - 5 * _CUBIC) * distance + 8 * _CUBIC) * distance - 4 * _CUBIC


def _by_pillow(pixels: Pixels, size: Size, cut: tuple[_Cut, _Cut], geometry: Geometry) -> Pixels:
    """Resize with Pillow, whose kernels torchvision's and timm's are: the columns and the rows that are kept."""
    from PIL import Image

    resample = getattr(Image.Resampling, geometry.interpolation.upper())
    sides = pixels.shape[:2]
    whole_is_cheap = sides[0] * sides[1] < _LEAST_PIXELS_FOR_BOX
    passes = [
        _Pass.of(side, resized, kept, geometry, whole=whole_is_cheap)
        for side, resized, kept in zip(sides, size, cut, strict=True)
    ]
    down, across = passes
    image = _image(pixels[down.reach, across.reach])
    # One pass at a time: the result of the first is rounded and cut to 0 to 255, so the order shows (decision 165)
    lost_rows, lost_columns = sides[0] - size[0], sides[1] - size[1]
    rows_first = geometry.passes != "columns" and lost_rows > 0 and lost_rows > 2 * lost_columns
    box: tuple[float, float, float, float]
    for vertical in (True, False) if rows_first else (False, True):
        if vertical:
            box = 0, down.start, image.width, down.end
            image = image.resize((image.width, down.length), resample, box=box)
        else:
            box = across.start, 0, across.end, image.height
            image = image.resize((across.length, image.height), resample, box=box)
    return np.asarray(image)[down.kept, across.kept]


class _Pass(NamedTuple):
    """What Pillow does along one side: of `reach` it makes `length` pixels of what lies from `start` to `end`.

    `kept` is what the cut keeps of these.
    """

    reach: slice
    start: float
    end: float
    length: int
    kept: slice

    @classmethod
    def of(cls, side: int, resized: int, cut: _Cut, geometry: Geometry, *, whole: bool) -> "_Pass":
        """Plan for a side of `side` pixels that is resized to `resized`; `whole` makes more than the cut keeps."""
        scale = side / resized
        if whole or scale < _LEAST_SCALE_FOR_BOX or cut.length == resized:
            # Pillow rounds the ends of a box to float32, which shows the more, the less an image shrinks.
            return cls(slice(0, side), 0, side, resized, slice(cut.first, cut.first + cut.length))
        start, end = cut.first * scale, (cut.first + cut.length) * scale
        # Pixels that a kernel reaches outside of the box count, too.
        beyond = ceil(_SUPPORT[geometry.interpolation] * scale) + 1
        first, last = max(0, int(start) - beyond), min(side, ceil(end) + beyond)
        return cls(slice(first, last), start - first, end - first, cut.length, slice(None))


def _image(pixels: Pixels) -> "Image.Image":
    from PIL import Image

    return Image.fromarray(np.ascontiguousarray(pixels if pixels.shape[2] == 3 else pixels[..., 0]))
