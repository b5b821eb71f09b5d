"""What a profile gives and is given."""

from collections.abc import Callable
from dataclasses import dataclass

from batchclf.core.choices import Interpolation
from batchclf.core.geometry import Geometry, Size


@dataclass(frozen=True, slots=True)
class Asked:
    """What single options ask for; None leaves it to the profile.

    `shorter` is the length of the shorter side before a cut.
    """

    shorter: int | None = None
    interpolation: Interpolation | None = None
    antialias: bool | None = None


@dataclass(frozen=True, slots=True)
class Profile:
    """How a library prepares images.

    `versions` names the library and the versions that were looked at. `geometry` gives it for an input of (height,
    width) and what was asked for, and raises UsageError if the library has no such pixels. `std_twice` says that it
    divides by the standard deviation a second time. `about` is a sentence on what it is like, for the docs.
    """

    versions: str
    about: str
    geometry: Callable[[Size, Asked], Geometry]
    std_twice: bool = False


Profiles = dict[str, Profile]
