"""How an image file becomes the pixels that a model takes: the cut, the kernel, and what of the file is read how."""

from dataclasses import dataclass, field
from typing import Annotated, Literal

import msgspec

from batchclf.core.choices import Interpolation, ResizeMode
from batchclf.core.options import Positive, Text, option

Fit = Literal["stretch", "crop", "pad", "unknown"]
Size = tuple[int, int]
"""(height, width) in pixels."""


@dataclass(frozen=True, slots=True)
class Geometry:
    """How the pixels of a file are brought to a model's input of (height, width).

    `fit` is one of four.

    - stretch: resized to `resize_to`, whatever the aspect ratio.
    - crop: resized with its aspect ratio, so that it just covers `resize_to`.
    - pad: resized with its aspect ratio, so that it just fits into `resize_to`.
    - unknown: nobody has said; only an image of the input's size can be taken, as it is.

    `resize_to`, (height, width), is the input's size if it is None. What then is larger than the input is cut to its
    centre, and what is smaller is surrounded by `border`, an RGB colour of 0 to 255.

    `long_side` says how the side that follows from the aspect ratio is rounded: floor needs a square `resize_to`, and
    truncates; round takes the nearest number, the even one of two. `corner` says the same of the first row and column
    that a cut keeps.

    `interpolation` is nearest, bilinear, bicubic, lanczos (3 lobes) or area; with `antialias` its kernel is widened
    by the factor by which the image shrinks, as in Pillow. `area` averages where both sides shrink or stay, and is
    linear otherwise.

    `passes` says which direction an antialiased image is resized in first. rows-or-columns is Pillow's rule: the rows
    if more than twice as many of them go as columns; columns is torch's: always the columns.

    `orientation` exif turns the image as its EXIF data says, stored does not. `colors` says how gray of 16 bits, CMYK
    and gray of colours are made: plain takes the upper 8 bits, pillow does as Pillow's `convert`, which cuts gray of 16
    bits to 255. `jpeg` is the inverse DCT of libjpeg: accurate (JDCT_ISLOW) or fast (JDCT_IFAST). A JPEG's chroma is
    always interpolated ("fancy upsampling"), transparency is dropped, and gray of colours is ITU-R BT.601's.

    `like` names the library whose pixels these are, with the versions that were looked at; empty for none.
    """

    fit: Fit = "stretch"
    resize_to: Size | None = None
    interpolation: Interpolation = "area"
    antialias: bool = True
    long_side: Literal["floor", "round"] = "round"
    corner: Literal["floor", "round"] = "round"
    border: tuple[int, int, int] = (0, 0, 0)
    passes: Literal["rows-or-columns", "columns"] = "rows-or-columns"
    orientation: Literal["exif", "stored"] = "exif"
    colors: Literal["plain", "pillow"] = "plain"
    jpeg: Literal["accurate", "fast"] = "accurate"
    like: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        """Raise ValueError if the values do not go together."""
        if self.resize_to is not None and min(self.resize_to) < 1:
            raise ValueError(f"an image cannot be resized to {_size(self.resize_to)}")
        if not all(0 <= value <= 255 for value in self.border):
            raise ValueError(f"a border of {self.border} is no colour of three numbers from 0 to 255")
        if self.fit == "crop" and self.long_side == "floor" and self.resize_to and len({*self.resize_to}) > 1:
            raise ValueError("a long side that is truncated needs one number for the shorter side")
        if self.interpolation == "area" and not self.antialias:
            raise ValueError("area averages, so it cannot go without antialiasing")
        if self.interpolation == "lanczos" and not self.antialias:
            raise ValueError("lanczos without antialiasing is not offered: libraries differ in it")

    @property
    def averages(self) -> bool:
        """Whether each pixel of the result stands for all that it covers, so that shrinking may go by steps."""
        return self.antialias and self.interpolation != "nearest"

    def resized(self, size: Size, to: Size) -> Size:
        """Give the (height, width) to which an image of `size` is resized for an input of `to`, before the cut."""
        height, width = box = self.resize_to or to
        if self.fit not in ("crop", "pad"):
            return box
        rows, columns = size
        if self.fit == "crop" and self.long_side == "floor":
            # As torchvision's Resize(int).
            short, long = min(rows, columns), max(rows, columns)
            sides = height, height * long // short
            return sides if rows <= columns else sides[::-1]
        ratio = (min if self.fit == "crop" else max)(rows / height, columns / width)
        return max(1, round(rows / ratio)), max(1, round(columns / ratio))

    def first(self, side: int, wanted: int) -> int:
        """Give the first row or column of the `wanted` ones that a cut keeps of `side`."""
        return (side - wanted) // 2 if self.corner == "floor" else round((side - wanted) / 2)

    def sentence(self, to: Size) -> str:
        """Say it in words, for an input of (height, width)."""
        if self.fit == "unknown":
            return f"not known; only images of {_size(to)} are scored"
        kernel: str = self.interpolation
        if kernel not in ("nearest", "area"):
            kernel += ", antialiased" if self.antialias else ", not antialiased"
        box = self.resize_to or to
        if self.fit == "stretch":
            first = f"stretched to {_size(box)} ({kernel})"
        elif box[0] == box[1]:
            first = f"{'shorter' if self.fit == 'crop' else 'longer'} side to {box[0]} ({kernel})"
        else:
            first = f"resized to {'cover' if self.fit == 'crop' else 'fit into'} {_size(box)} ({kernel})"
        parts = [first]
        if self.fit == "crop" or box != to:
            parts.append(f"centre crop {_size(to)}")
        if self.fit == "pad" or (self.fit == "crop" and min(box) < max(to)):
            parts.append(f"border {','.join(map(str, self.border))}")
        if self.orientation == "stored":
            parts.append("not turned by EXIF")
        if self.colors == "pillow":
            parts.append("colours as Pillow's")
        if self.jpeg == "fast":
            parts.append("fast DCT for JPEG")
        return ", ".join(parts) + (f"; as {self.like}" if self.like else "")


_LIBRARIES = "torchvision, timm, keras, keras-load-img, huggingface:PROCESSOR"
"""Profiles of `data/geometry/profiles/` in words, but the last one."""

OWN = Geometry()
"""How batchclf resizes unless asked for another way: stretched, by areas."""

UNKNOWN = Geometry("unknown")


GEOMETRY_HINT = (
    f"import the model again as its own code prepares images: --like {_LIBRARIES} or ultralytics; or --resize-shorter, "
    "--crop, --pad, --interpolation; --like batchclf stretches images as batchclf does for models that it trains "
    "(docs/models.md, Geometry)"
)
"""How to say what a model's geometry is."""


def resize_mode(asked: ResizeMode | None, geometry: Geometry) -> ResizeMode:
    """Say how large images shrink unless asked for: the short way is for what is batchclf's own anyhow."""
    return asked or ("fast" if geometry == OWN else "exact")


class GeometryOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is asked for of a geometry: `data.geometry.settle` makes one of it."""

    like: Annotated[
        Text | None,
        option(
            f"cut and resize as a library does: {_LIBRARIES}, ultralytics or batchclf",
            example="timm",
            metavar="PROFILE",
            more="see [Geometry](models.md#geometry)",
        ),
    ] = None
    resize_shorter: Annotated[
        Positive | None,
        option(
            "resize to this shorter side, and cut the centre",
            example=256,
            metavar="N",
            more="in pixels; with `like` in place of the profile's own number",
        ),
    ] = None
    crop: Annotated[
        bool, option("resize so that the image covers the input, and cut the centre", more="without `like`")
    ] = False
    pad: Annotated[
        Text | None,
        option(
            "resize so that the image fits into the input, with a border of this gray or R,G,B",
            example="114",
            metavar="COLOR",
            more="without `like`",
        ),
    ] = None
    interpolation: Annotated[
        Interpolation | None,
        option(
            "how pixels are interpolated",
            example="bicubic",
            unset="the profile's, or bilinear",
            more="area goes with stretching, cutting and borders, but with no profile",
        ),
    ] = None
    antialias: Annotated[
        bool | None,
        option(
            "whether the kernel is widened when an image shrinks, as in Pillow",
            example=True,
            unset="the profile's, or yes",
            more="see [Geometry](models.md#geometry)",
        ),
    ] = None


OF_GEOMETRY = GeometryOptions.__struct_fields__
"""The names of these options."""


def _size(size: Size) -> str:
    return f"{size[0]}x{size[1]}"
