"""config.json of timm: what `create_transform(**resolve_model_data_config(model))` makes of it, as far as profiles do.

Looked at: timm 1.0.31, whose defaults stand for keys that are missing.
"""

from collections.abc import Mapping
from math import floor
from typing import Any, cast

from batchclf.core.choices import Interpolation
from batchclf.core.geometry import GeometryOptions, Size
from batchclf.models.sources.processor_config import numbers, refusal
from batchclf.models.sources.stated import Pixels

_KERNELS = ("nearest", "bilinear", "bicubic", "lanczos")
_CROP_PCT = 0.875
_MEAN, _STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
_OLDER = {"architecture", "input_size", "mean", "std"}
"""Keys by which a file without `pretrained_cfg` is timm's."""

Settings = Mapping[str, Any]


def timm_settings(document: Settings) -> Settings | None:
    """Give the settings of a model, those of older files, which have no `pretrained_cfg`, too; None for other files."""
    inner = document.get("pretrained_cfg", document if set(document) >= _OLDER else None)
    if not isinstance(inner, dict):
        return None
    return {key: value for key, value in inner.items() if value is not None}


def timm_pixels(of: Settings, source: str) -> Pixels:
    """Say how pixels are scaled; raises UsageError if values are no numbers."""
    return Pixels(
        "0..1", *(numbers(of.get(key, usual), key, source) for key, usual in (("mean", _MEAN), ("std", _STD)))
    )


def timm_geometry(of: Settings, source: str, model: Size | None) -> tuple[GeometryOptions, Size]:
    """Say how files are cut and resized, and the (height, width) that this gives.

    `test_input_size` and `test_crop_pct` are taken if `model`, (height, width), has that size. Raises UsageError if no
    profile does exactly that.
    """
    tested = _size(of, "test_input_size", source) if "test_input_size" in of else None
    of_test = tested is not None and tested == model
    size = tested if of_test and tested is not None else _size(of, "input_size", source)
    pct = (of.get("test_crop_pct") if of_test else None) or of.get("crop_pct", _CROP_PCT)
    kernel, mode = of.get("interpolation", "bicubic"), of.get("crop_mode", "center")
    if mode != "center":
        raise refusal(source, "crop_mode", mode, "center is expected")
    if kernel not in _KERNELS:
        raise refusal(source, "interpolation", kernel, f"one of {', '.join(_KERNELS)} is expected")
    if type(pct) not in (int, float) or not 0 < pct <= 1:
        raise refusal(source, "crop_pct", pct, "a number up to 1 is expected")
    square = size[0] == size[1]
    if not square and pct != _CROP_PCT:
        raise refusal(source, "crop_pct", pct, f"{_CROP_PCT} is expected for an input that is not square")
    shorter = floor(size[0] / pct) if square else None
    return GeometryOptions(like="timm", resize_shorter=shorter, interpolation=cast("Interpolation", kernel)), size


def _size(of: Settings, key: str, source: str) -> Size:
    value = of.get(key, [3, 224, 224])
    if not isinstance(value, list) or len(value) != 3 or not all(type(each) is int and each > 0 for each in value):
        raise refusal(source, key, value, "channels, height and width are expected")
    return value[1], value[2]
