"""timm: `create_transform` for evaluation, with crop mode center."""

from math import floor

from batchclf.core.geometry import Geometry, Size
from batchclf.data.geometry.profiles.interface import Asked, Profile, Profiles
from batchclf.data.geometry.profiles.torchvision import OF_PILLOW, resize_and_crop

VERSIONS = "timm 1.0"
CROP_PCT = 0.875
"""`DEFAULT_CROP_PCT` of `timm.data.constants`."""


def _geometry(to: Size, asked: Asked) -> Geometry:
    if to[0] == to[1] or asked.shorter is not None:
        return resize_and_crop(to, asked, versions=VERSIONS, shorter=floor(to[0] / CROP_PCT))
    # `ResizeKeepRatio`, which rounds; torchvision's `Resize`, for square inputs, truncates.
    box = floor(to[0] / CROP_PCT), floor(to[1] / CROP_PCT)
    kernel = asked.interpolation or "bilinear"
    return Geometry("crop", box, kernel, long_side="round", corner="round", like=VERSIONS, **OF_PILLOW)  # type: ignore[arg-type]


PROFILES: Profiles = {
    "timm": Profile(
        VERSIONS,
        f"shorter side to the input's by {CROP_PCT} (`crop_pct`) unless `--resize-shorter` says otherwise, bilinear "
        "unless `--interpolation` does (many models want bicubic), centre crop",
        _geometry,
    )
}
