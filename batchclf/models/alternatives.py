"""Other ways to feed a model than the one that it was imported with: those that people mix up."""

from dataclasses import replace

from batchclf.core.choices import ChannelOrder, Scale
from batchclf.core.text import significant
from batchclf.models.preprocessing import OutputKind, Preprocessing

_Values = tuple[float, ...] | None

IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CLIP = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
CAFFE = (123.68, 116.779, 103.939)
"""Means in the order R, G, B, in the units of pixels of 0 to 255; most models that want them want BGR."""
MNIST = (0.1307,), (0.3081,)

_NAMES = {IMAGENET: "ImageNet", CLIP: "CLIP", MNIST: "MNIST"}

_PLAIN: tuple[tuple[Scale, _Values, _Values], ...] = (
    ("none", None, None),
    ("0..1", None, None),
    ("minus1..1", None, None),
)
_OF_COLOR: tuple[tuple[Scale, _Values, _Values], ...] = (("0..1", *IMAGENET), ("0..1", *CLIP), ("none", CAFFE, None))
_OF_GRAY: tuple[tuple[Scale, _Values, _Values], ...] = (("0..1", *MNIST),)
_ORDERS: tuple[ChannelOrder, ...] = ("rgb", "bgr")
_OTHER_OUTPUT: dict[OutputKind, OutputKind] = {
    "logits": "probabilities",
    "probabilities": "logits",
    "binary-logit": "binary-probability",
    "binary-probability": "binary-logit",
}


def other_pixels(steps: Preprocessing) -> list[Preprocessing]:
    """List the ways to scale pixels and to order channels that are plausible, that of `steps` first.

    They are plain scales, the means and standard deviations that data sets are known by, and those of `steps` in other
    units; for colour each of them as RGB and BGR.
    """
    color = steps.color_mode == "rgb"
    scalings = [(steps.scale, steps.mean, steps.std), *_PLAIN, *(_OF_COLOR if color else _OF_GRAY)]
    if steps.mean is not None or steps.std is not None:
        scalings += [("none", steps.mean, steps.std), ("0..1", steps.mean, steps.std)]
    orders = [steps.channel_order, *(order for order in _ORDERS if color and order != steps.channel_order)]
    return [
        replace(steps, scale=scale, mean=mean, std=std, channel_order=order)
        for order in orders
        for scale, mean, std in dict.fromkeys(scalings)
    ]


def other_output(steps: Preprocessing, low: float, high: float) -> Preprocessing | None:
    """Give the other reading of outputs between `low` and `high`; None if they cannot be read otherwise."""
    other = _OTHER_OUTPUT[steps.output]
    if other.endswith(("probabilities", "probability")) and not 0 <= low <= high <= 1:
        return None
    return replace(steps, output=other, renormalize=False, temperature=1.0)


def pixel_words(steps: Preprocessing) -> str:
    """Say how pixels are scaled and channels ordered, in few words."""
    parts: list[str] = ["0..255" if steps.scale == "none" else steps.scale]
    if steps.mean is not None and steps.std is not None and (known := _NAMES.get((steps.mean, steps.std))):
        parts.append(f"mean and std of {known}")
    else:
        parts += [f"minus {_numbers(steps.mean)}"] if steps.mean is not None else []
        parts += [f"by {_numbers(steps.std)}"] if steps.std is not None else []
    return ", ".join(parts) + (f", {steps.channel_order.upper()}" if steps.color_mode == "rgb" else "")


def pixel_options(steps: Preprocessing, given: Preprocessing) -> str:
    """Say by which options of `model import` the pixels of `given` become those of `steps`; "" if they are the same."""
    words = []
    if (steps.scale, steps.mean, steps.std) != (given.scale, given.mean, given.std):
        words.append(f"--scale {steps.scale}")
        both = (("--mean", steps.mean, given.mean), ("--std", steps.std, given.std))
        words += [f"{name} {_numbers(values)}" for name, values, _ in both if values is not None]
        if left_out := [name for name, values, was in both if values is None and was is not None]:
            words.append(f"(without {' and '.join(left_out)})")
    if steps.channel_order != given.channel_order:
        words.append(f"--channel-order {steps.channel_order}")
    return " ".join(words)


def _numbers(values: tuple[float, ...]) -> str:
    return ",".join(significant(value, 9) for value in values)
