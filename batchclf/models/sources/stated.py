"""What files say of a model beside its graph, and what of it an import takes: options win."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from batchclf.core.choices import AskedLayout, AskedOutput, Scale
from batchclf.core.geometry import GeometryOptions, Size
from batchclf.core.options import not_default
from batchclf.core.text import significant
from batchclf.core.types import Say
from batchclf.errors import UsageError
from batchclf.models.sources.class_files import ClassFile

_INSTEAD = ("like", "crop", "pad")
"""Options of the geometry that do not go with the profile of a file (decision 205)."""


@dataclass(frozen=True)
class Pixels:
    """How pixels are scaled: `mean` and `std` in the units that `scale` leaves, as in `Preprocessing`."""

    scale: Scale
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None

    @property
    def sentence(self) -> str:
        """Name what is said, as the options are named: `scale 0..1, mean 0.5,0.5,0.5`."""
        of_channels = (("mean", self.mean), ("std", self.std))
        given = [
            f"{name} {','.join(significant(each, 9) for each in values)}" for name, values in of_channels if values
        ]
        return ", ".join([f"scale {self.scale}", *given])


@dataclass(frozen=True)
class Stated:
    """What files say; None of what they do not say.

    `names_from` and `pixels_from` name the files; `own_names` are in the model's file itself. `names`, `pixels` and
    `geometry` are an error if batchclf cannot read or do exactly what the file says: it is raised if no option says it.
    `size` is the (height, width) that the geometry gives.
    """

    names: ClassFile | UsageError | None = None
    names_from: str = ""
    own_names: bool = False
    pixels: Pixels | UsageError | None = None
    geometry: GeometryOptions | UsageError | None = None
    size: Size | None = None
    pixels_from: str = ""
    layout: AskedLayout | None = None
    output: AskedOutput = "auto"


def with_stated(
    stated: Stated, options: Mapping[str, Any], geometry: GeometryOptions, say: Say
) -> tuple[dict[str, Any], GeometryOptions]:
    """Complete the options of an import by what files say; `say` gets a line on what is taken from where.

    `options` are fields of `ImportOptions`. `--scale` stands for all that scales pixels, since mean and std are in its
    units, and --like, --crop and --pad for the whole geometry; any other option is in place of one setting of the file.
    Raises UsageError if a file says what batchclf cannot do, or if it is for another size than `--input-size`.
    """
    taken = dict(options)
    taken["layout"] = taken["layout"] or stated.layout
    if taken["output"] == "auto" and not taken["renormalize"]:
        taken["output"] = stated.output
    if stated.pixels is not None:
        _take_pixels(stated.pixels, stated.pixels_from, taken, say)
    given = not_default(geometry)
    if stated.geometry is None:
        return taken, geometry
    if any(name in given for name in _INSTEAD) or (given and isinstance(stated.geometry, UsageError)):
        say(f"geometry: as the options say, not from {stated.pixels_from}")
        return taken, geometry
    if isinstance(stated.geometry, UsageError):
        raise stated.geometry
    return taken | _sized(stated, taken["input_size"]), _of_file(stated.geometry, given, stated.pixels_from, say)


def _take_pixels(pixels: Pixels | UsageError, source: str, taken: dict[str, Any], say: Say) -> None:
    if taken["scale"] is not None:
        say(f"pixels: as --scale and the other options say, not from {source}")
        return
    if isinstance(pixels, UsageError):
        raise pixels
    say(f"pixels: {pixels.sentence} from {source}")
    taken["scale"], taken["pixels_from"] = pixels.scale, source
    for name in ("mean", "std"):
        if taken[name] is None:
            taken[name] = getattr(pixels, name)
        else:
            say(f"pixels: --{name} in place of that")


def _of_file(geometry: GeometryOptions, given: Mapping[str, Any], source: str, say: Say) -> GeometryOptions:
    of_file = not_default(geometry)
    words = [f"--{name.replace('_', '-')} {value}" for name, value in of_file.items()]
    say(f"geometry: {' '.join(words)} from {source}")
    return GeometryOptions(**{**of_file, **given})


def _sized(stated: Stated, asked: Size | None) -> dict[str, Any]:
    """Give the size that a file prepares images of, which must be that of `--input-size` if there is one."""
    if stated.size is None:
        return {}
    if asked is not None and asked != stated.size:
        raise UsageError(
            f"--input-size is {asked[0]}x{asked[1]}; {stated.pixels_from} prepares images of "
            f"{stated.size[0]}x{stated.size[1]}",
            hint="say by options how files are cut and resized, too, such as --like",
        )
    return {"input_size": stated.size, "size_from": stated.pixels_from}
