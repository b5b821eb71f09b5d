"""torchvision: `ImageFolder`'s loader, `Resize` and `CenterCrop` on Pillow images."""

from functools import partial

from batchclf.core.geometry import Geometry, Size
from batchclf.data.geometry.profiles.interface import Asked, Profile, Profiles
from batchclf.errors import UsageError

VERSIONS = "torchvision 0.29"
OF_PILLOW = {"orientation": "stored", "colors": "pillow"}
"""Pillow's `open` does not turn an image, and its `convert` cuts gray of 16 bits."""

RESIZED_TO = 256
"""What torchvision's own evaluation (`transforms.ImageClassification`) resizes the shorter side to."""


def resize_and_crop(to: Size, asked: Asked, *, versions: str, shorter: int | None) -> Geometry:
    """`Resize(N)` and `CenterCrop` on a Pillow image; raises UsageError if the image would not cover the input."""
    shorter = asked.shorter or shorter
    if shorter is None or (asked.shorter is None and shorter < max(to)):
        raise UsageError(
            f"{versions.split()[0]} does not say to what an image is resized before it is cut to {to[0]}x{to[1]}",
            hint="give --resize-shorter N, as in Resize(N) before CenterCrop",
        )
    return Geometry(
        "crop",
        (shorter, shorter),
        asked.interpolation or "bilinear",
        long_side="floor",
        corner="round",
        like=versions,
        **OF_PILLOW,  # type: ignore[arg-type]
    )


PROFILES: Profiles = {
    "torchvision": Profile(
        VERSIONS,
        f"shorter side to {RESIZED_TO} unless `--resize-shorter` says otherwise, bilinear, centre crop",
        partial(resize_and_crop, versions=VERSIONS, shorter=RESIZED_TO),
    )
}
