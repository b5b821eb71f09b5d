"""Images from Python, files or pixels, as a model takes them: the same pixels give the same whatever they come from."""

import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import BytesIO
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from batchclf.api.arrays import as_numpy
from batchclf.core.geometry import resize_mode
from batchclf.data.decoding.decode import PixelReader, read_content
from batchclf.errors import UnknownGeometryError, UnreadableImageError, UsageError
from batchclf.jobs.config.settings import ScoreSettings
from batchclf.models.bundle import BundleInfo

_CHANNELS = (1, 3, 4)
_OF_PNG = ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")
_HINT = "give paths of image files, or uint8 pixels, 0 to 255, as (height, width, channels) in the order R, G, B"


@dataclass(frozen=True, eq=False, slots=True)
class Image:
    """One image: its `name`, and its path, its pixels (height, width, channels) uint8, or one of Pillow's."""

    name: str
    content: Any


def images_of(images: Any) -> list[Image]:
    """List the images of an argument, see `Model.predict`; raises UsageError for what is none."""
    if isinstance(images, str | os.PathLike):
        return [_file(images)]
    if _is_pillow(images):
        return [Image("0", images)]
    if isinstance(images, Sequence) or not (hasattr(images, "shape") or hasattr(images, "to_numpy")):
        if not isinstance(images, Iterable) or isinstance(images, bytes):
            raise UsageError(f"a {type(images).__name__} is no image", hint=_HINT)
        return [_single(item, str(place)) for place, item in enumerate(images)]
    array = as_numpy(images, "images")
    if array.dtype == object or array.dtype.kind == "U":  # a column of paths
        return [_single(item, str(place)) for place, item in enumerate(array.tolist())]
    pixels = _checked(array, "images")
    if pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] in _CHANNELS):
        return [Image("0", _with_channels(pixels, "images"))]
    return [Image(str(place), _with_channels(each, "images")) for place, each in enumerate(pixels)]


def read_all(
    images: Sequence[Image], info: BundleInfo, settings: ScoreSettings, at_once: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.uint8], dict[int, str]]]:
    """Bring images to a model's input, `at_once` at a time.

    Gives the places of those that could be read, their pixels (n, height, width, channels) uint8, and why the others
    could not, by their places. Raises UnknownGeometryError for an image of another size if nobody has said how it is
    brought to the model's.
    """
    geometry = info.geometry
    mode = resize_mode(settings.resize, geometry)
    reader = PixelReader(info.input_shape, info.color_mode, mode, settings.limits, geometry)
    size = info.input_shape[:2]
    kept = geometry.resized(size, size) == size

    def read(image: Image) -> NDArray[np.uint8] | str:
        if kept and isinstance(image.content, np.ndarray) and image.content.shape == info.input_shape:
            return image.content  # as a file of these pixels gives
        try:
            return reader.read(_content(image.content, turned=geometry.orientation == "exif"))[0]
        except UnreadableImageError as error:
            return error.message
        except UnknownGeometryError as error:
            raise error.of(image.name) from None

    waiting, workers = iter(enumerate(images)), settings.worker_count

    def read_some(some: Sequence[tuple[int, Image]]) -> list[NDArray[np.uint8] | str]:
        return [read(image) for _, image in some]

    with ThreadPoolExecutor(workers, "decode") as threads:
        while some := list(islice(waiting, at_once)):
            step = -(-len(some) // workers)
            parts = threads.map(read_some, (some[begin : begin + step] for begin in range(0, len(some), step)))
            found = list(zip(some, chain.from_iterable(parts), strict=True))
            good = [(place, pixels) for (place, _), pixels in found if not isinstance(pixels, str)]
            skipped = {place: reason for (place, _), reason in found if isinstance(reason, str)}
            places = np.array([place for place, _ in good], np.int64)
            shape = (len(good), *info.input_shape)
            yield places, np.array([pixels for _, pixels in good], np.uint8).reshape(shape), skipped


def _content(image: Any, *, turned: bool) -> bytes:
    """Give the bytes of a file, or of a PNG with the same pixels; one of Pillow's is turned as its EXIF data says."""
    if isinstance(image, Path):
        return read_content(image)
    if _is_pillow(image):
        from PIL import ImageOps

        image = ImageOps.exif_transpose(image) if turned else image
        file = BytesIO()
        (image if image.mode in _OF_PNG else image.convert("RGB")).save(file, "PNG")
        return file.getvalue()
    import cv2

    order = {1: [0], 3: [2, 1, 0], 4: [2, 1, 0, 3]}[image.shape[2]]
    return bytes(cv2.imencode(".png", np.ascontiguousarray(image[..., order]), [cv2.IMWRITE_PNG_COMPRESSION, 0])[1])


def _single(item: Any, name: str) -> Image:
    if isinstance(item, str | os.PathLike):
        return _file(item)
    if _is_pillow(item):
        return Image(name, item)
    if item is None or not hasattr(item, "shape"):
        raise UsageError(f"images[{name}] is a {type(item).__name__}, not an image", hint=_HINT)
    pixels = _checked(as_numpy(item, f"images[{name}]"), f"images[{name}]")
    if pixels.ndim not in (2, 3):
        raise UsageError(f"images[{name}] has the shape {tuple(pixels.shape)}", hint=_HINT)
    return Image(name, _with_channels(pixels, f"images[{name}]"))


def _file(path: Any) -> Image:
    if Path(path).is_dir():
        raise UsageError(f"{os.fspath(path)} is a folder", hint="score it: batchclf.score(FOLDER, model=…)")
    return Image(os.fsdecode(path), Path(path))


def _checked(pixels: NDArray[Any], what: str) -> NDArray[np.uint8]:
    if pixels.dtype != np.uint8:
        raise UsageError(
            f"{what} holds {pixels.dtype} numbers, and pixels are uint8, 0 to 255",
            hint="give the pixels as they are in the file; the model's own preprocessing follows",
        )
    if not 2 <= pixels.ndim <= 4:
        raise UsageError(f"{what} has the shape {tuple(pixels.shape)}", hint=_HINT)
    return pixels


def _with_channels(pixels: NDArray[np.uint8], what: str) -> NDArray[np.uint8]:
    shaped = pixels[..., None] if pixels.ndim == 2 else pixels
    if shaped.shape[2] not in _CHANNELS or 0 in shaped.shape:
        raise UsageError(
            f"{what} has images of the shape {tuple(pixels.shape)}; the channels, 1, 3 or 4, come last", hint=_HINT
        )
    return shaped


def _is_pillow(item: Any) -> bool:
    return hasattr(item, "save") and hasattr(item, "getbands")
