"""transformers: the image processors of some architectures, on what `load_image` gives.

Each has a rule of its own, so one that is not here is refused by its name.
"""

from functools import partial

from batchclf.core.choices import Interpolation
from batchclf.core.geometry import Geometry, Size
from batchclf.data.geometry.profiles.interface import Asked, Profile, Profiles
from batchclf.errors import UsageError

VERSIONS = "transformers 5.24"
_CONVNEXT_SQUASHES_FROM, _CONVNEXT_CROP_PCT = 384, 224 / 256
_DEIT, _DEIT_RESIZED_TO = (224, 224), 256
# `load_image` turns, and `convert("RGB")` cuts; the corner of a cut is truncated.
_OF_PROCESSORS = {"corner": "floor", "long_side": "floor", "passes": "columns", "colors": "pillow", "like": VERSIONS}


def _stretch(to: Size, asked: Asked, *, name: str, kernel: Interpolation) -> Geometry:
    if asked.shorter is not None:
        raise UsageError(
            f"the processor {name} stretches images, it does not cut them", hint="leave out --resize-shorter"
        )
    return Geometry("stretch", None, asked.interpolation or kernel, **_OF_PROCESSORS)  # type: ignore[arg-type]


def _swin(to: Size, asked: Asked) -> Geometry:
    if asked.interpolation is None:
        raise UsageError(
            "models of Swin have ViT's processor, whose bilinear is seldom theirs",
            hint="give --interpolation: resample of preprocessor_config.json is 0 for nearest, 1 lanczos, 2 bilinear, "
            "3 bicubic",
        )
    return _stretch(to, asked, name="swin", kernel=asked.interpolation)


def _convnext(to: Size, asked: Asked) -> Geometry:
    kernel = asked.interpolation or "bicubic"
    if to[0] != to[1]:
        raise UsageError(f"the processor convnext makes square images, not {to[0]}x{to[1]}", hint="leave out --like")
    if to[0] >= _CONVNEXT_SQUASHES_FROM and asked.shorter is None:
        return Geometry("stretch", None, kernel, **_OF_PROCESSORS)  # type: ignore[arg-type]
    shorter = asked.shorter or int(to[0] / _CONVNEXT_CROP_PCT)
    return Geometry("crop", (shorter, shorter), kernel, **_OF_PROCESSORS)  # type: ignore[arg-type]


def _deit(to: Size, asked: Asked) -> Geometry:
    if asked.shorter is None and to != _DEIT:
        raise UsageError(
            f"the processor deit does not say to what an image is resized before it is cut to {to[0]}x{to[1]}",
            hint="give --resize-shorter N for a processor that resizes to NxN (size of preprocessor_config.json)",
        )
    side = asked.shorter or _DEIT_RESIZED_TO
    return Geometry("stretch", (side, side), asked.interpolation or "bicubic", **_OF_PROCESSORS)  # type: ignore[arg-type]


PROFILES: Profiles = {
    "huggingface:vit": Profile(VERSIONS, "stretched, bilinear", partial(_stretch, name="vit", kernel="bilinear")),
    "huggingface:swin": Profile(VERSIONS, "stretched; `--interpolation` is needed", _swin),
    "huggingface:deit": Profile(
        VERSIONS, f"stretched to {_DEIT_RESIZED_TO}x{_DEIT_RESIZED_TO}, bicubic, centre crop", _deit
    ),
    "huggingface:convnext": Profile(
        VERSIONS,
        f"below {_CONVNEXT_SQUASHES_FROM} shorter side to the input's by {_CONVNEXT_CROP_PCT:g}, bicubic, centre crop, "
        "from there on stretched",
        _convnext,
    ),
    "huggingface:efficientnet": Profile(
        VERSIONS,
        "stretched, bicubic; divides by `--std` twice (`include_top`)",
        partial(_stretch, name="efficientnet", kernel="bicubic"),
        std_twice=True,
    ),
}
