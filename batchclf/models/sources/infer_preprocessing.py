"""Decide what a model takes and gives: what it tells itself comes first, what it leaves open is asked for."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from batchclf.core.choices import AskedLayout, AskedOutput, ChannelOrder, ColorMode, Scale
from batchclf.core.geometry import Geometry, Size
from batchclf.core.types import Say
from batchclf.errors import ModelError, UsageError
from batchclf.models.preprocessing import Layout, OutputKind

CHANNELS: dict[ColorMode, int] = {"grayscale": 1, "rgb": 3}
LARGEST_SCALED = 16.0
"""A model whose first steps take 0 to 255 to at most this is taken to scale pixels itself."""

SUM_TOLERANCE = 1e-3
_SCALES_HINT = (
    "give --scale 0..1 (pixels / 255), --scale minus1..1 (pixels / 127.5 - 1), --scale none (0 to 255 as they are), "
    "or --mean and --std"
)


@dataclass(frozen=True)
class ImportOptions:
    """What is asked for; None and "auto" leave it to the model.

    `geometry` gives one for (height, width), None if nobody has said. `std_twice` divides by `std` once more.
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


@dataclass(frozen=True)
class ModelInput:
    """The one input of a model: the shape of one image (None where it is open) and its numpy dtype."""

    name: str
    dims: tuple[int | None, ...]
    dtype: str


def settle_input(
    model: ModelInput, options: ImportOptions, *, usual_layout: Layout | None
) -> tuple[tuple[int, int, int], ColorMode, Layout]:
    """Decide (height, width, channels), colour mode and layout.

    `usual_layout` is taken where the shape fits both orders, None asks for `--layout` there. Raises ModelError
    where the model takes no images, UsageError where an option is needed or says otherwise than the model.
    """
    if model.dtype not in ("uint8", "float16", "float32", "float64"):
        raise ModelError(
            f"the model's input '{model.name}' takes {model.dtype}; images are uint8 or floating-point numbers",
            hint="export the model with a float32 input",
        )
    dims, asked = model.dims, CHANNELS[options.color] if options.color else None
    if len(dims) == 3:
        layout = _layout(model, options, usual_layout)
        first = layout == "channels-first"
        channels = _agree("color", "number of channels", dims[0 if first else 2], asked)
        height, width = _size(dims[1:] if first else dims[:2], options)
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
    if channels not in CHANNELS.values():
        raise ModelError(
            f"the model's input {_shown(dims)} has {channels} channels; batchclf reads grayscale (1) and rgb (3)",
            hint="if another axis holds the channels, say so with --layout",
        )
    return (height, width, channels), "grayscale" if channels == 1 else "rgb", layout


def _layout(model: ModelInput, options: ImportOptions, usual: Layout | None) -> Layout:
    if options.layout is not None:
        return options.layout
    fits: list[Layout] = []
    if model.dims[2] in CHANNELS.values():
        fits.append("channels-last")
    if model.dims[0] in CHANNELS.values():
        fits.append("channels-first")
    if len(fits) == 1:
        return fits[0]
    if usual is not None:
        return usual
    raise UsageError(
        f"the model's input '{model.name}' has the shape {_shown(model.dims)}, which does not tell where the channels "
        "are",
        hint="give --layout channels-last or --layout channels-first",
    )


def _size(dims: tuple[int | None, ...], options: ImportOptions) -> tuple[int, int]:
    asked = options.input_size or (None, None)
    height = _agree("input-size", "height", dims[0], asked[0])
    return height, _agree("input-size", "width", dims[1], asked[1])


def _agree(option: str, what: str, of_model: int | None, asked: int | None) -> int:
    if of_model is None and asked is None:
        example = "224x224" if option == "input-size" else "grayscale or rgb"
        hint = f"give --{option}, for example {example}"
        raise UsageError(f"the model leaves the {what} of its images open", hint=hint)
    if of_model is not None and asked is not None and of_model != asked:
        raise UsageError(
            f"--{option} asks for a {what} of {asked}; the model takes {of_model}", hint=f"leave out --{option}"
        )
    chosen = asked if of_model is None else of_model
    return int(chosen or 0)


def _shown(dims: tuple[int | None, ...]) -> str:
    return " x ".join(["n", *("?" if size is None else str(size) for size in dims)])


def settle_scale(model: ModelInput, options: ImportOptions, own_range: tuple[float, float] | None, say: Say) -> Scale:
    """Decide how pixels are scaled before the model.

    `own_range` is what the model's first steps make of 0 to 255, None where they are unknown. Raises UsageError
    where the model does not tell and no option does.
    """
    asked = options.scale
    if asked is None and (options.mean is not None or options.std is not None) and model.dtype != "uint8":
        largest = max(map(abs, (*(options.mean or ()), *(options.std or ()))))
        if largest > 1:
            raise UsageError(
                f"{largest:g} in --mean or --std is no value of pixels scaled to 0..1, as they are without --scale",
                hint="give --scale none if --mean and --std are for pixels of 0 to 255, else --scale 0..1 or minus1..1",
            )
        say("pixels: scaled to 0..1 before --mean and --std")
        asked = "0..1"
    itself = ""
    if own_range is not None and max(map(abs, own_range)) <= LARGEST_SCALED:
        itself = f"takes 0..255 to {own_range[0]:g}..{own_range[1]:g}"
    if model.dtype == "uint8":
        if asked not in (None, "none") or options.mean is not None or options.std is not None:
            raise UsageError(
                "the model takes uint8 pixels, so they cannot be scaled before it",
                hint="leave out --scale, --mean and --std",
            )
        say("pixels: not scaled before the model, which takes uint8")
        return "none"
    if asked is not None:
        if itself and asked != "none":
            say(f"note: the model itself {itself}; is {asked} before it right?")
        return asked
    if itself:
        say(f"pixels: not scaled before the model, which itself {itself}")
        return "none"
    raise UsageError("the model does not tell how the pixels it takes are scaled", hint=_SCALES_HINT)


def settle_output(values: NDArray[np.floating], last_operation: str, options: ImportOptions, say: Say) -> OutputKind:
    """Decide what the model gives, from the name of its graph's last operation and its (n, units) outputs.

    Raises ModelError where the outputs are no classifier's, UsageError where their number is not that of the
    classes or `--output` is needed.
    """
    units, classes = values.shape[1], len(options.class_names)
    binary = units == 1 and classes == 2
    if units != classes and not binary:
        raise UsageError(
            f"the model gives {units} value{'s' if units > 1 else ''} an image; --classes names {classes} classes",
            hint="name each of the model's classes, in the order of its outputs"
            + (" (two for a model with one output)" if units == 1 else ""),
        )
    if not np.isfinite(values).all():
        raise ModelError(
            "the model gives values that are no finite numbers on sample images",
            hint="check the model with the program it was trained with, and --scale, --mean and --std",
        )
    kind, why = _output_kind(values, last_operation, options, binary)
    low, high = float(values.min()), float(values.max())
    sums = values.sum(axis=1, dtype=np.float64)
    off = max(-low, high - 1) if binary else max(-low, float(np.abs(sums - 1).max()))
    if kind in ("probabilities", "binary-probability") and off > SUM_TOLERANCE:
        raise ModelError(
            f"the model's outputs are no probabilities ({why}): on {len(values)} sample images they lie between "
            f"{low:g} and {high:g} and add up to between {sums.min():g} and {sums.max():g}",
            hint="give --output logits, if they are logits",
        )
    say(f"output: {kind} ({why})")
    return kind


def _output_kind(
    values: NDArray[np.floating], last_operation: str, options: ImportOptions, binary: bool
) -> tuple[OutputKind, str]:
    logits: OutputKind = "binary-logit" if binary else "logits"
    probabilities: OutputKind = "binary-probability" if binary else "probabilities"
    if options.output != "auto":
        return (logits if options.output == "logits" else probabilities), "as asked for"
    if last_operation == "Sigmoid" and not binary:
        raise ModelError(
            "the model ends in a sigmoid for each class: it gives every class a probability of its own, "
            "and an image may have several classes; batchclf scores one class an image",
            hint="if exactly one class is right for each image, export the model without the sigmoid",
        )
    if last_operation in ("Softmax", "Sigmoid"):
        return probabilities, f"the model ends in a {last_operation.lower()}"
    within = bool(values.min() >= 0 and values.max() <= 1)
    if binary:
        if within:
            raise UsageError(
                "the model gives one value an image, and it is not plain whether it is a logit or a probability",
                hint="give --output logits or --output probabilities",
            )
        return logits, f"on {len(values)} sample images they reach beyond 0 and 1"
    sums = values.sum(axis=1, dtype=np.float64)
    if within and float(np.abs(sums - 1).max()) <= SUM_TOLERANCE:
        return probabilities, f"on {len(values)} sample images they are not negative and add up to 1"
    return logits, f"on {len(values)} sample images they do not add up to 1"
