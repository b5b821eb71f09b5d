"""Keras: `image_dataset_from_directory` and `load_img`."""

from batchclf.core.geometry import Geometry, Size
from batchclf.data.geometry.profiles.interface import Asked, Profile, Profiles
from batchclf.data.geometry.profiles.torchvision import OF_PILLOW
from batchclf.errors import UsageError

VERSIONS = "keras 3.15 with tensorflow 2.21"
LOAD_IMG_VERSIONS = "keras 3.15"


def _dataset(to: Size, asked: Asked) -> Geometry:
    _refuse_cut("keras", asked)
    if asked.interpolation not in (None, "bilinear"):
        raise UsageError(
            f"--like keras has no pixels for --interpolation {asked.interpolation}",
            hint="only bilinear is offered: TensorFlow's other kernels differ from all that are here",
        )
    if asked.antialias:
        raise UsageError(
            "image_dataset_from_directory does not antialias", hint="leave out --antialias, or --like keras"
        )
    return Geometry("stretch", None, "bilinear", antialias=False, orientation="stored", jpeg="fast", like=VERSIONS)


def _load_img(to: Size, asked: Asked) -> Geometry:
    _refuse_cut("keras-load-img", asked)
    return Geometry("stretch", None, asked.interpolation or "nearest", like=LOAD_IMG_VERSIONS, **OF_PILLOW)  # type: ignore[arg-type]


def _refuse_cut(name: str, asked: Asked) -> None:
    if asked.shorter is not None:
        raise UsageError(f"--like {name} stretches images, it does not cut them", hint="leave out --resize-shorter")


PROFILES: Profiles = {
    "keras": Profile(
        VERSIONS,
        "`image_dataset_from_directory`: stretched, bilinear without antialiasing, JPEG by the fast DCT, not turned by "
        "EXIF",
        _dataset,
    ),
    "keras-load-img": Profile(
        LOAD_IMG_VERSIONS,
        "`load_img(target_size=…)`: stretched, nearest, not turned by EXIF",
        _load_img,
    ),
}
