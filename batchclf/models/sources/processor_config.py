"""preprocessor_config.json of Hugging Face: what an image processor of transformers does, as far as batchclf can do it.

Looked at: transformers 5.24. A key that is missing or null has the default of the processor's class.
"""

from collections.abc import Mapping, Sequence
from math import isclose
from typing import Any

from batchclf.core.choices import Interpolation, Scale
from batchclf.core.geometry import GeometryOptions, Size
from batchclf.core.text import significant
from batchclf.errors import UsageError
from batchclf.models.sources.stated import Pixels

_EVERY = {
    **{"do_resize": True, "do_rescale": True, "do_normalize": True, "do_center_crop": False},
    **{"rescale_factor": 1 / 255, "rescale_offset": False, "default_to_square": True},
    **{"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]},
}
_OF_CLASSES: Mapping[str, Mapping[str, Any]] = {
    "ViTImageProcessor": {"resample": 2, "size": 224},
    "DeiTImageProcessor": {"resample": 3, "size": 256, "crop_size": 224, "do_center_crop": True},
    "ConvNextImageProcessor": {"resample": 3, "size": 384, "crop_pct": 0.875, "default_to_square": False},
    "EfficientNetImageProcessor": {"resample": 3, "size": 346, "crop_size": 289, "include_top": True},
}
_OF_MODELS = {
    **dict.fromkeys(("vit", "vit_msn", "swin", "swinv2"), "ViTImageProcessor"),
    **dict.fromkeys(("convnext", "convnextv2", "resnet", "regnet", "cvt"), "ConvNextImageProcessor"),
    **{"deit": "DeiTImageProcessor", "efficientnet": "EfficientNetImageProcessor"},
}
"""The processor of files that name none, by `model_type` of config.json, as `AutoImageProcessor` has it."""

_KERNELS: Mapping[int, Interpolation] = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic"}
_CONVNEXT_STRETCHES_FROM = 384
_NO_PIXELS = {
    *("image_processor_type", "feature_extractor_type", "processor_class", "_processor_class", "model_input_names"),
    *("data_format", "input_data_format", "device", "disable_grouping", "return_tensors", "image_seq_length"),
    *("do_convert_rgb", "pad_size", "transformers_version", "do_reduce_labels", "reduce_labels"),
}
"""Keys that change no pixel of an RGB image."""

Settings = Mapping[str, Any]


def processor_settings(document: Settings, model_type: str | None, source: str) -> Settings:
    """Give all settings of a processor, those of its class among them, with its name as `processor`.

    Raises UsageError if the processor is another than those that batchclf has, or a setting is unknown.
    """
    named = document.get("image_processor_type") or document.get("feature_extractor_type")
    name = str(named or _OF_MODELS.get(str(model_type), "")).removesuffix("Fast")
    name = name.replace("FeatureExtractor", "ImageProcessor")
    if name not in _OF_CLASSES:
        key = "feature_extractor_type" if "feature_extractor_type" in document else "image_processor_type"
        raise refusal(source, key, named, f"one of {', '.join(_OF_CLASSES)} is expected")
    known = {**_EVERY, **_OF_CLASSES[name]}
    for key, value in document.items():
        # A switch that is off does nothing, whatever it is
        if key not in known and key not in ("crop_size", *_NO_PIXELS) and value not in (None, False):
            raise refusal(source, key, value, "it is no setting that batchclf knows")
    return {**known, **{key: value for key, value in document.items() if value is not None}, "processor": name}


def processor_pixels(of: Settings, source: str) -> Pixels:
    """Say how a processor scales pixels; raises UsageError if batchclf has no such scale, or values are no numbers."""
    scale: Scale = "none"
    if of["do_rescale"]:
        factor, offset = of["rescale_factor"], of["rescale_offset"]
        if not isinstance(factor, float | int):
            raise refusal(source, "rescale_factor", factor, "a number is expected")
        if isclose(factor, 1 / 255, rel_tol=1e-6) and not offset:
            scale = "0..1"
        elif isclose(factor, 1 / 127.5, rel_tol=1e-6) and offset:
            scale = "minus1..1"
        else:
            raise refusal(source, "rescale_factor", factor, "1/255, or 1/127.5 with rescale_offset, is expected")
    mean = _numbers(of, "image_mean", source) if of["do_normalize"] else None
    std = _numbers(of, "image_std", source) if of["do_normalize"] or of.get("include_top") else None
    return Pixels(scale, mean, std)


def processor_geometry(of: Settings, source: str) -> tuple[GeometryOptions, Size]:
    """Say how a processor cuts and resizes, and the (height, width) that it gives.

    Raises UsageError if no profile does exactly that.
    """
    if of["resample"] not in list(_KERNELS):
        raise refusal(source, "resample", of["resample"], "0, 1, 2 or 3 is expected")
    kernel = _KERNELS[of["resample"]]
    if not of["do_resize"]:
        raise refusal(source, "do_resize", False, "an image is resized by every profile")
    if of["processor"] == "ConvNextImageProcessor":
        return _convnext(of, kernel, source)
    size = _sides(of, "size", source)
    # It divides by the standard deviation a second time only if it has done so before
    twice = bool(of.get("include_top")) and bool(of["do_normalize"])
    if not of["do_center_crop"]:
        like = "huggingface:efficientnet" if twice else "huggingface:vit"
        return GeometryOptions(like=like, interpolation=kernel), size
    cut = _sides(of, "crop_size", source)
    if twice or size[0] != size[1] or min(size) < max(cut):
        raise refusal(source, "do_center_crop", True, f"with size {of['size']} and crop_size {of['crop_size']}")
    return GeometryOptions(like="huggingface:deit", resize_shorter=size[0], interpolation=kernel), cut


def _convnext(of: Settings, kernel: Interpolation, source: str) -> tuple[GeometryOptions, Size]:
    size = of["size"]
    side = size.get("shortest_edge") if isinstance(size, dict) else None if of["default_to_square"] else size
    if type(side) is not int:
        raise refusal(source, "size", size, "shortest_edge is expected")
    if of["do_center_crop"]:
        raise refusal(source, "do_center_crop", True, "this processor has a cut of its own")
    if type(of["crop_pct"]) not in (int, float) or not 0 < of["crop_pct"] <= 1:
        raise refusal(source, "crop_pct", of["crop_pct"], "a number up to 1 is expected")
    shorter = int(side / of["crop_pct"]) if side < _CONVNEXT_STRETCHES_FROM else None
    return GeometryOptions(like="huggingface:convnext", resize_shorter=shorter, interpolation=kernel), (side, side)


def _sides(of: Settings, key: str, source: str) -> Size:
    """Read (height, width) in the forms that transformers has had."""
    value = of.get(key)
    if isinstance(value, dict) and set(value) == {"height", "width"}:
        value = [value["height"], value["width"]]
    elif type(value) is int and (key == "crop_size" or of["default_to_square"]):
        value = [value, value]
    if not isinstance(value, list) or len(value) != 2 or not all(type(each) is int and each > 0 for each in value):
        raise refusal(source, key, of.get(key), "height and width are expected")
    return value[0], value[1]


def _numbers(of: Settings, key: str, source: str) -> tuple[float, ...]:
    """Read a number a channel; a single one is for each of three."""
    values = of[key] if isinstance(of[key], list) else [of[key]] * 3
    return numbers(values, key, source)


def numbers(values: Any, key: str, source: str) -> tuple[float, ...]:
    """Check that a list holds a number a channel."""
    if not isinstance(values, Sequence) or not all(type(each) in (int, float) for each in values):
        raise refusal(source, key, values, "a number for each channel is expected")
    return tuple(map(float, values))


def refusal(source: str, key: str, value: Any, expected: str) -> UsageError:
    """Say which key of a file says what batchclf cannot do exactly."""
    shown = significant(value) if isinstance(value, float) else value
    return UsageError(
        f"{source}: {key} is {shown}, which batchclf cannot follow; {expected}",
        hint="say it by options, which are taken in place of the file: --scale, --mean and --std for the pixels, and "
        "--like, --resize-shorter, --crop, --pad or --interpolation for how files are cut and resized",
    )
