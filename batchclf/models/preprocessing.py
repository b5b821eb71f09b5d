"""How uint8 pixels become what a model takes, and how what it gives becomes probabilities: as data, and in numpy.

The numpy functions are the reference: a bundle's graph must do the same, and `--runtime tensorflow` uses them.
"""

from dataclasses import dataclass
from math import inf, isfinite
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from batchclf.core.choices import ChannelOrder, ColorMode, Scale
from batchclf.core.geometry import OWN, Geometry

Layout = Literal["channels-last", "channels-first", "no-channels", "flat"]
OutputKind = Literal["logits", "probabilities", "binary-logit", "binary-probability"]

LOGITS: frozenset[OutputKind] = frozenset({"logits", "binary-logit"})
"""What a temperature can divide."""

SCALES: dict[Scale, tuple[float, float]] = {"none": (1.0, 0.0), "0..1": (255.0, 0.0), "minus1..1": (127.5, 1.0)}
"""Pixels are divided by the first number; the second is subtracted after that."""


@dataclass(frozen=True)
class Preprocessing:
    """What happens to an image before the model, and to what the model gives.

    `input_shape` is (height, width, channels) of the image as it is scored: 1 channel for grayscale, 3 for rgb.
    The steps, in this order, in float32: `scale` (none: 0 to 255 as they are; 0..1: / 255; minus1..1: / 127.5 - 1);
    subtract `mean` and divide by `std`, one value a channel in the order R, G, B and in the units that `scale`
    leaves; `channel_order` bgr reverses the channels; `layout` moves the channel axis, leaves it out (no-channels)
    or makes one row of the image (flat, height x width x channels).

    `geometry` is how a file becomes an image of `input_shape`, before all that.

    `output` is what the model gives: (n, classes) logits or probabilities, or one value an image for the second of
    two classes. Logits are divided by `temperature` before the softmax or sigmoid (`models/temperature.py`). With
    `renormalize` the probabilities of an image are divided by their sum.
    """

    input_shape: tuple[int, int, int]
    color_mode: ColorMode
    channel_order: ChannelOrder = "rgb"
    layout: Layout = "channels-last"
    scale: Scale = "none"
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    output: OutputKind = "logits"
    temperature: float = 1.0
    geometry: Geometry = OWN
    renormalize: bool = False

    def __post_init__(self) -> None:
        """Raise ValueError where the values do not go together."""
        channels = self.input_shape[2]
        if min(self.input_shape) < 1 or channels != (1 if self.color_mode == "grayscale" else 3):
            raise ValueError(f"an input shape of {self.input_shape} does not go with {self.color_mode}")
        if self.channel_order == "bgr" and channels != 3:
            raise ValueError("bgr needs 3 channels")
        if self.layout == "no-channels" and channels != 1:
            raise ValueError("a layout without channels needs grayscale")
        for name, values in (("mean", self.mean), ("std", self.std)):
            if values is not None and (len(values) != channels or not all(map(isfinite, values))):
                raise ValueError(f"{name} needs {channels} numbers, one a channel; it has {values}")
        if self.std is not None and min(self.std) <= 0:
            raise ValueError(f"std needs numbers above 0; it has {self.std}")
        if not 0 < self.temperature < inf:
            raise ValueError(f"the temperature must be a number above 0; it is {self.temperature}")
        if self.temperature != 1 and self.output not in LOGITS:
            raise ValueError(f"a temperature of {self.temperature} needs logits; the model gives {self.output}")
        if self.renormalize and self.output != "probabilities":
            raise ValueError(f"only probabilities are divided by their sum; the model gives {self.output}")

    @property
    def model_shape(self) -> tuple[int, ...]:
        """The shape of one image as the model itself takes it."""
        height, width, channels = self.input_shape
        return {
            "channels-last": (height, width, channels),
            "channels-first": (channels, height, width),
            "no-channels": (height, width),
            "flat": (height * width * channels,),
        }[self.layout]

    @property
    def sentence(self) -> str:
        """The steps in words, for a person."""
        parts = ["pixels 0 to 255 as they are" if self.scale == "none" else f"pixels scaled to {self.scale}"]
        if self.mean is not None:
            parts.append(f"minus {', '.join(f'{value:g}' for value in self.mean)}")
        if self.std is not None:
            parts.append(f"by {', '.join(f'{value:g}' for value in self.std)}")
        if self.color_mode == "rgb":
            parts.append(f"channels in the order {self.channel_order.upper()}")
        return ", ".join([*parts, self.layout])


def prepare(images: NDArray[np.uint8], steps: Preprocessing) -> NDArray[np.float32] | NDArray[np.uint8]:
    """Make (n, height, width, channels) uint8 images what the model takes: (n, *steps.model_shape).

    float32, or uint8 as they were where no step changes a value.
    """
    divisor, offset = SCALES[steps.scale]
    values: NDArray[Any] = images
    if steps.scale != "none":
        values = values.astype(np.float32) / np.float32(divisor)
    if offset:
        values = values - np.float32(offset)
    if steps.mean is not None:
        values = values.astype(np.float32) - np.array(steps.mean, np.float32)
    if steps.std is not None:
        values = values.astype(np.float32) / np.array(steps.std, np.float32)
    if steps.channel_order == "bgr":
        values = values[..., ::-1]
    if steps.layout == "channels-first":
        values = values.transpose(0, 3, 1, 2)
    return np.ascontiguousarray(values).reshape(len(images), *steps.model_shape)


def to_probabilities(
    outputs: NDArray[np.floating], kind: OutputKind, temperature: float = 1.0, *, renormalize: bool = False
) -> NDArray[np.float32]:
    """Make what a model gives, (n, units), probabilities: (n, classes) float32. Computed in float64.

    Logits are divided by the temperature first; probabilities are what they are, or with `renormalize` divided by the
    sum of their row. A row of zeros stays one, so that a run can name its image.
    """
    values: NDArray[np.float64] = np.asarray(outputs, np.float64)
    if kind in LOGITS:
        values = values / temperature
    if kind == "logits":
        shares = np.exp(values - values.max(axis=1, keepdims=True))
        values = shares / shares.sum(axis=1, keepdims=True)
    elif kind == "binary-logit":
        # exp may overflow to infinity for large negative logits; 1 / inf is the right 0.
        with np.errstate(over="ignore"):
            values = 1 / (1 + np.exp(-values))
    if kind in ("binary-logit", "binary-probability"):
        values = np.concatenate([1 - values, values], axis=1)
    if renormalize:
        sums = np.abs(values).sum(axis=1, keepdims=True)
        values = np.divide(values, sums, out=np.zeros_like(values), where=sums > 0)
    return values.astype(np.float32)
