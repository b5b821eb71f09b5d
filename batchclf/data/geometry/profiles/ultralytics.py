"""Ultralytics: `classify_transforms` on what its loader gives for a path."""

from batchclf.core.geometry import Geometry, Size
from batchclf.data.geometry.profiles.interface import Asked, Profile, Profiles

VERSIONS = "ultralytics 8.4"


def _geometry(to: Size, asked: Asked) -> Geometry:
    kernel = asked.interpolation or "bilinear"
    if to[0] != to[1] and asked.shorter is None:
        return Geometry("stretch", None, kernel, like=VERSIONS)
    shorter = asked.shorter or to[0]
    return Geometry("crop", (shorter, shorter), kernel, long_side="floor", corner="round", like=VERSIONS)


PROFILES: Profiles = {
    "ultralytics": Profile(
        VERSIONS,
        "shorter side to the input's, bilinear, centre crop; stretched if the input is not square; turned by EXIF",
        _geometry,
    )
}
