"""Other ways to cut and resize than the one that a model was imported with: those of the libraries."""

from batchclf.core.geometry import Geometry, GeometryOptions, Size
from batchclf.data.geometry.settle import BATCHCLF, PROFILES, flag, geometry_of
from batchclf.errors import UsageError

_SINGLES = (
    GeometryOptions(crop=True),
    GeometryOptions(pad="0"),
    GeometryOptions(like="timm", interpolation="bicubic"),
    GeometryOptions(like="huggingface:swin", interpolation="bicubic"),
)


def other_geometries(given: Geometry, to: Size) -> dict[Geometry, str]:
    """List the geometries that are plausible for an input of (height, width), with the options that ask for each.

    Of those with the same pixels the first stands for all; that of `given` is left out.
    """
    asked = [*(GeometryOptions(like=name) for name in (*PROFILES, BATCHCLF)), *_SINGLES]
    found: dict[Geometry, str] = {}
    for options in asked:
        make = geometry_of(options)
        assert make is not None
        try:
            geometry = make(to)
        except UsageError:
            continue  # the library has no such pixels
        if geometry != given:
            found.setdefault(geometry, geometry_options(options))
    return found


def geometry_options(options: GeometryOptions) -> str:
    """Write options as they are given on the command line."""
    words = []
    for name in options.__struct_fields__:
        value = getattr(options, name)
        if value is not None and value is not False:
            words.append(flag(name) + ("" if value is True else f" {value}"))
    return " ".join(words)
