"""From options to a geometry: a profile, single options, or both."""

import re
from collections.abc import Callable

from batchclf.core.geometry import OF_GEOMETRY, OWN, Geometry, GeometryOptions, Size
from batchclf.core.options import given_of
from batchclf.data.geometry.profiles import huggingface, keras, timm, torchvision, ultralytics
from batchclf.data.geometry.profiles.interface import Asked, Profile, Profiles
from batchclf.errors import UsageError

BATCHCLF = "batchclf"
PROFILES: Profiles = {
    **torchvision.PROFILES,
    **timm.PROFILES,
    **keras.PROFILES,
    **huggingface.PROFILES,
    **ultralytics.PROFILES,
}
_COLOR = re.compile(r"\d{1,3}(,\d{1,3}){0,2}")


def profile_of(options: GeometryOptions) -> Profile | None:
    """Look up the profile that is asked for, None if none is; raises UsageError if there is no such one."""
    if options.like in (None, BATCHCLF):
        return None
    if (profile := PROFILES.get(options.like)) is None:
        library, _, processor = options.like.partition(":")
        others = [name for name in PROFILES if processor and name.startswith(f"{library}:")] or [BATCHCLF, *PROFILES]
        raise UsageError(
            f"--like {options.like}: there is no such profile",
            hint=f"give one of: {', '.join(others)}; or say it by --resize-shorter, --crop, --pad and --interpolation",
        )
    return profile


def geometry_of(options: GeometryOptions) -> Callable[[Size], Geometry] | None:
    """Give what makes the geometry for an input of (height, width); None if no option says anything.

    Raises UsageError if options do not go together; what it gives does, too.
    """
    profile = profile_of(options)
    singles = [name for name in given_of(options, OF_GEOMETRY) if name != "like"]
    if options.like == BATCHCLF:
        if singles:
            raise UsageError(f"{flag(singles[0])} does not go with --like batchclf", hint="leave one of them out")
        return lambda to: OWN
    if profile is None and not singles:
        return None
    if options.pad is not None and (profile is not None or options.crop or options.resize_shorter):
        what = "--like" if profile else "--crop" if options.crop else "--resize-shorter"
        raise UsageError(f"--pad does not go with {what}", hint="an image is either cut or surrounded by a border")
    if profile is None:
        return lambda to: _from_singles(options, to)
    if options.crop:
        raise UsageError(
            "--crop does not go with --like, which says whether images are cut", hint="leave one of them out"
        )
    if options.antialias is False:
        raise UsageError(
            "--no-antialias does not go with --like, which says whether images are antialiased",
            hint="leave one of them out",
        )
    asked = Asked(options.resize_shorter, options.interpolation, options.antialias)
    known = profile
    return lambda to: known.geometry(to, asked)


def _from_singles(options: GeometryOptions, to: Size) -> Geometry:
    kernel = options.interpolation or "bilinear"
    antialias = True if options.antialias is None else options.antialias
    shorter = options.resize_shorter
    try:
        if options.pad is not None:
            return Geometry("pad", None, kernel, antialias=antialias, border=_color(options.pad))
        if shorter is not None:
            return Geometry("crop", (shorter, shorter), kernel, antialias=antialias, long_side="floor")
        if options.crop:
            return Geometry("crop", None, kernel, antialias=antialias)
        return Geometry("stretch", None, kernel, antialias=antialias)
    except ValueError as error:
        raise UsageError(str(error), hint="check --resize-shorter, --pad, --interpolation and --antialias") from error


def _color(text: str) -> tuple[int, int, int]:
    values = [int(part) for part in text.split(",")] if _COLOR.fullmatch(text) else []
    if len(values) == 1:
        values *= 3
    if len(values) != 3 or max(values) > 255:
        hint = "give a gray of 0 to 255 or R,G,B, such as 114 or 124,116,104"
        raise UsageError(f"--pad {text} is no colour", hint=hint)
    red, green, blue = values
    return red, green, blue


def flag(name: str) -> str:
    """Write the name of an option as the command line has it."""
    return f"--{name.replace('_', '-')}"
