"""Decide what a model takes: what it tells itself comes first, what it leaves open is asked for."""

from collections.abc import Callable
from dataclasses import dataclass

from batchclf.core.choices import AskedLayout, AskedOutput, ChannelOrder, ColorMode, Scale
from batchclf.core.geometry import Geometry, Size
from batchclf.core.text import significant
from batchclf.core.types import Say
from batchclf.errors import ModelError, UsageError
from batchclf.models.onnx_graph.first_steps import FirstSteps
from batchclf.models.preprocessing import SCALES, Layout
from batchclf.models.sources.missing import Missing, MissingOptionsError, Needed

CHANNELS: dict[ColorMode, int] = {"grayscale": 1, "rgb": 3}
_RGBA = 4
_CALIBRATION = 0.02
"""Of the range of a quantised input: how far its ends may be from those of a scale. They are those of the images that
its model was calibrated with."""

LARGEST_SCALED = 16.0
"""A model whose first steps take 0 to 255 to at most this is taken to scale pixels itself."""

_SCALES = (
    "--scale 0..1 (pixels / 255), --scale minus1..1 (pixels / 127.5 - 1), --scale none (0 to 255 as they are), "
    "or --mean and --std"
)


@dataclass(frozen=True)
class ImportOptions:
    """What is asked for, by options or by a file; None and "auto" leave it to the model.

    `geometry` gives one for (height, width), None if nobody has said. `std_twice` divides by `std` once more.
    `output_name` is that of one output of several. `class_names` is () if nobody has named them. `names_from`,
    `size_from` and `pixels_from` name the file that says so, "" if an option does.
    """

    class_names: tuple[str, ...]
    input_size: tuple[int, int] | None = None
    color: ColorMode | None = None
    channel_order: ChannelOrder = "rgb"
    layout: AskedLayout | None = None
    scale: Scale | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    output: AskedOutput = "auto"
    geometry: Callable[[Size], Geometry] | None = None
    std_twice: bool = False
    renormalize: bool = False
    output_name: str | None = None
    names_from: str = ""
    size_from: str = ""
    pixels_from: str = ""


@dataclass(frozen=True)
class ModelInput:
    """The one input of a model: the shape of one image (None where it is open) and its numpy dtype.

    `holds` is the least and the greatest number that it can hold if it is quantised: others are cut to that.
    """

    name: str
    dims: tuple[int | None, ...]
    dtype: str
    holds: tuple[float, float] | None = None


def settle_input(
    model: ModelInput, options: ImportOptions, *, usual_layout: Layout | None
) -> tuple[tuple[int, int, int], ColorMode, Layout]:
    """Decide (height, width, channels), colour mode and layout.

    `usual_layout` is taken where the shape fits both orders, None asks for `--layout` there. Raises ModelError
    where the model takes no images, MissingOptionsError where options are needed, UsageError where one says otherwise
    than the model.
    """
    if model.dtype not in ("uint8", "float16", "float32", "float64"):
        raise ModelError(
            f"the model's input '{model.name}' takes {model.dtype}; images are uint8 or floating-point numbers",
            hint="export the model with a float32 input",
        )
    dims, asked = model.dims, CHANNELS[options.color] if options.color else None
    needed = Needed()
    if len(dims) == 3:
        layout = _layout(model, options, usual_layout)
        first = layout == "channels-first"
        with needed:
            channels = _agree("color", "number of channels", dims[0 if first else 2], asked)
        with needed:
            height, width = _size(dims[1:] if first else dims[:2], options)
        needed.ask()
    elif len(dims) in (1, 2):
        layout = "flat" if len(dims) == 1 else "no-channels"
        height, width = _size((None, None) if layout == "flat" else dims, options)
        values = dims[0] if layout == "flat" else 1
        known = None if values is None else values // (height * width) if layout == "flat" else 1
        channels = _agree("color", "number of channels", known, asked)
        if layout == "flat" and values is not None and height * width * channels != values:
            raise UsageError(
                f"the model's input '{model.name}' takes {values} values an image; --input-size {height}x{width} "
                f"gives {height * width} pixels",
                hint="give an --input-size with as many pixels, or three times fewer for rgb",
            )
        if options.layout is not None:
            raise UsageError(f"the model's input {_shown(dims)} has no channel axis", hint="leave out --layout")
    else:
        raise ModelError(
            f"the model's input '{model.name}' has the shape {_shown(dims)}; an image classifier takes "
            "n x height x width x channels, or n x channels x height x width",
            hint="export the part of the model that takes images",
        )
    if channels == _RGBA:
        raise ModelError(
            f"the model's input {_shown(dims)} has 4 channels, such as RGBA; batchclf reads grayscale (1) and rgb (3)",
            hint="put a layer in front of the model that takes rgb and adds the fourth channel as it was trained (an "
            "opaque alpha), and export it again; if another axis holds the channels, say so with --layout",
        )
    if channels not in CHANNELS.values():
        raise ModelError(
            f"the model's input {_shown(dims)} has {channels} channels; batchclf reads grayscale (1) and rgb (3)",
            hint="if another axis holds the channels, say so with --layout",
        )
    return (height, width, channels), "grayscale" if channels == 1 else "rgb", layout


def _layout(model: ModelInput, options: ImportOptions, usual: Layout | None) -> Layout:
    if options.layout is not None:
        return options.layout
    # Four channels are refused, but where they are is plain
    fits = _fits(model, set(CHANNELS.values())) or _fits(model, {_RGBA})
    if len(fits) == 1:
        return fits[0]
    if usual is not None:
        return usual
    why = (
        f"the model's input '{model.name}' has the shape {_shown(model.dims)}, which does not tell where the channels "
        "are"
    )
    raise MissingOptionsError([Missing("--layout", why, "--layout channels-last or --layout channels-first")])


def _fits(model: ModelInput, channels: set[int]) -> list[Layout]:
    """Give the orders of axes in which the model has one of these numbers of channels."""
    places: tuple[tuple[Layout, int], ...] = (("channels-last", 2), ("channels-first", 0))
    return [layout for layout, axis in places if model.dims[axis] in channels]


def _size(dims: tuple[int | None, ...], options: ImportOptions) -> tuple[int, int]:
    asked = options.input_size or (None, None)
    if options.size_from and any(None not in pair and pair[0] != pair[1] for pair in zip(dims, asked, strict=True)):
        raise UsageError(
            f"{options.size_from} prepares images of {asked[0]}x{asked[1]}; the model takes "
            f"{'x'.join(str(side or '?') for side in dims)}",
            hint="give the model that the file belongs to; or say by options, such as --like, how files are cut and "
            "resized, which are taken in place of the file",
        )
    height = _agree("input-size", "height", dims[0], asked[0])
    return height, _agree("input-size", "width", dims[1], asked[1])


def _agree(option: str, what: str, of_model: int | None, asked: int | None) -> int:
    if of_model is None and asked is None:
        example = "224x224" if option == "input-size" else "grayscale or rgb"
        why = f"the model leaves the {what} of its images open"
        raise MissingOptionsError([Missing(f"--{option}", why, f"--{option}, for example {example}")])
    if of_model is not None and asked is not None and of_model != asked:
        raise UsageError(
            f"--{option} asks for a {what} of {asked}; the model takes {of_model}", hint=f"leave out --{option}"
        )
    chosen = asked if of_model is None else of_model
    return int(chosen or 0)


def _shown(dims: tuple[int | None, ...]) -> str:
    return " x ".join(["n", *("?" if size is None else str(size) for size in dims)])


def settle_scale(
    model: ModelInput, options: ImportOptions, own: FirstSteps | None, say: Say, warn: Say | None = None
) -> Scale:
    """Decide how pixels are scaled before the model.

    `own` is what the model's first steps do to pixels of 0 to 255, None if they change none or are unknown. `warn`,
    or `say` without it, is given what must not go unseen: options that normalise what the model normalises itself.
    Raises MissingOptionsError if the model does not tell and no option does.
    """
    asked = options.scale
    normalised = options.mean is not None or options.std is not None
    if model.holds is not None and not normalised:
        return _scale_that_fits(model.holds, asked, say)
    if asked is None and normalised and model.dtype != "uint8":
        largest = max(map(abs, (*(options.mean or ()), *(options.std or ()))))
        if largest > 1:
            raise UsageError(
                f"{largest:g} in --mean or --std is no value of pixels scaled to 0..1, as they are without --scale",
                hint="give --scale none if --mean and --std are for pixels of 0 to 255, else --scale 0..1 or minus1..1",
            )
        say("pixels: scaled to 0..1 before --mean and --std")
        asked = "0..1"
    small = own is not None and own.largest <= LARGEST_SCALED
    if model.dtype == "uint8":
        if asked not in (None, "none") or normalised:
            raise UsageError(
                "the model takes uint8 pixels, so they cannot be scaled before it"
                + (f", as {options.pixels_from} says" if options.pixels_from else ""),
                hint="give --scale none if the model does that itself, without --mean and --std"
                if options.pixels_from
                else "leave out --scale, --mean and --std",
            )
        say("pixels: not scaled before the model, which takes uint8")
        return "none"
    if asked is not None:
        if own is not None and (normalised or (small and asked != "none")):
            (warn or say)(_normalised_twice(own, asked, options))
        return asked
    if small and own is not None:
        say(f"pixels: not scaled before the model, which itself takes 0..255 to {own.range} ({own.words})")
        return "none"
    why = "the model does not tell how the pixels it takes are scaled"
    raise MissingOptionsError([Missing("--scale", why, _SCALES)])


def _scale_that_fits(holds: tuple[float, float], asked: Scale | None, say: Say) -> Scale:
    """Take the scale to which the range of a quantised input belongs, or check the one that is asked for."""
    words = f"the model's quantised input holds {significant(holds[0], 4)} to {significant(holds[1], 4)}"
    room = _CALIBRATION * (holds[1] - holds[0])
    ends = {scale: (0 - offset, 255 / divisor - offset) for scale, (divisor, offset) in SCALES.items()}
    fits = [scale for scale, (low, high) in ends.items() if abs(low - holds[0]) <= room >= abs(high - holds[1])]
    if asked is None and not fits:
        why = f"the model does not tell how the pixels it takes are scaled; {words}"
        raise MissingOptionsError([Missing("--scale", why, _SCALES)])
    chosen = asked or fits[0]
    low, high = ends[chosen]
    if low < holds[0] - room or high > holds[1] + room:
        given = f"--scale {chosen} gives {significant(low, 4)} to {significant(high, 4)}"
        raise UsageError(f"{given}, of which a part would be cut off: {words}", hint=f"give {_SCALES}")
    if asked is None:
        say(f"pixels: scaled to {chosen if chosen != 'none' else '0..255'}: {words}")
    return chosen


def _normalised_twice(own: FirstSteps, scale: Scale, options: ImportOptions) -> str:
    """Say what the model does to the pixels and what the options do before that."""
    given = [] if scale == "none" else [f"--scale {scale}"]
    for name, values in (("mean", options.mean), ("std", options.std)):
        if values is not None:
            given.append(f"--{name} {','.join(f'{value:g}' for value in values)}")
    return (
        f"the pixels may be normalised twice: the model itself begins with {own.words}, which takes 0..255 to "
        f"{own.range}, and {', '.join(given)} comes before that; leave out what the model does itself (--scale none "
        "takes the pixels as they are), unless it was trained with both"
    )
