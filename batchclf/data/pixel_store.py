"""Where the pixels of a split stand: in memory, or in a file without a name that is mapped into memory."""

import shutil
import tempfile
from collections.abc import Callable
from math import prod
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from batchclf.core.choices import Store
from batchclf.core.text import size
from batchclf.core.types import Say
from batchclf.data.available_memory import available_memory
from batchclf.data.user_cache import user_cache
from batchclf.errors import DataError

_SMALLER = "use smaller images (--input-size, in a job input_size)"
_OTHER_FOLDER = "name a folder on another disk with XDG_CACHE_HOME"

Shape = tuple[int, int, int]


class Pixels(Protocol):
    """Takes a split's images one after the other and gives them back as one array, within a `with` block."""

    def add(self, images: NDArray[np.uint8]) -> None:
        """Take more images: (n, height, width, channels) uint8."""

    def array(self) -> NDArray[np.uint8]:
        """Give all images as one array, in the order that they came in; no more may be added."""

    def __enter__(self) -> "Pixels":
        """Begin."""

    def __exit__(self, *_: object) -> None:
        """Give back what no array holds."""


def choose_store(store: Store, images: int, shape: Shape, say: Say) -> Callable[[int], Pixels]:
    """Decide where at most so many images of a shape (height, width, channels) stand.

    What comes back makes the `Pixels` for at most the number of images that it is given. `auto` takes the disk where
    the pixels would take more than half of the memory that is available: whoever trains may want a second copy. `say`
    gets a line where the disk is taken. Raises DataError where the user's cache folder cannot be written or has not
    enough space.
    """
    wanted = images * prod(shape)
    available = available_memory()
    if store == "auto":
        store = "memory" if available is None or wanted <= available / 2 else "disk"
        why = "" if available is None else f", since {size(available)} of memory are available"
    else:
        why = ""
    if store == "memory":
        return lambda most: _InMemory(most, shape)
    folder = _folder_with_space(wanted)
    say(f"the pixels go to disk{why}: {size(wanted)} in {folder}, until the process ends")
    return lambda most: _OnDisk(folder, shape)


class _InMemory:
    def __init__(self, most: int, shape: Shape) -> None:
        try:
            self._images = np.empty((most, *shape), np.uint8)
        except MemoryError as error:
            raise DataError(
                f"the pixels of {most:,} images take {size(most * prod(shape))}, which the memory does not hold",
                hint=f"{_SMALLER}, or keep them on disk (--store disk, in a job store)",
            ) from error
        self._count = 0

    def __enter__(self) -> "_InMemory":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def add(self, images: NDArray[np.uint8]) -> None:
        self._images[self._count : self._count + len(images)] = images
        self._count += len(images)

    def array(self) -> NDArray[np.uint8]:
        return self._images[: self._count]


class _OnDisk:
    """Writes plainly and maps at the end: where the disk is full a write fails, a store into a map kills the process.

    The file has no name (or none that outlives the process), so that it goes away however the process ends.
    """

    def __init__(self, folder: Path, shape: Shape) -> None:
        self._folder, self._shape, self._count = folder, shape, 0
        try:
            self._file = tempfile.TemporaryFile(buffering=0, prefix="pixels-", dir=folder)  # noqa: SIM115 (__exit__)
        except OSError as error:
            raise _not_writable(folder, error) from error

    def __enter__(self) -> "_OnDisk":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, images: NDArray[np.uint8]) -> None:
        rest = np.ascontiguousarray(images).reshape(-1)
        try:
            while len(rest):
                rest = rest[self._file.write(rest.data) :]
        except OSError as error:
            raise self._failed(error) from error
        self._count += len(images)

    def array(self) -> NDArray[np.uint8]:
        if not self._count:
            return np.empty((0, *self._shape), np.uint8)
        try:
            # The map keeps the file's content after it is closed (decision 120)
            return np.memmap(self._file, np.uint8, "r", shape=(self._count, *self._shape))
        except OSError as error:
            raise self._failed(error) from error

    def _failed(self, error: OSError) -> DataError:
        done = size(self._count * prod(self._shape))
        return DataError(
            f"the pixels cannot be written to {self._folder} after {done}: {error.strerror or error}",
            hint=f"free some space there, {_OTHER_FOLDER}, or {_SMALLER}",
        )


def _folder_with_space(wanted: int) -> Path:
    folder = user_cache()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise _not_writable(folder, error) from error
    if free < wanted:
        raise DataError(
            f"the pixels take {size(wanted)} on disk, and {folder} has {size(free)} free",
            hint=f"free some space there, {_OTHER_FOLDER}, or {_SMALLER}",
        )
    return folder


def _not_writable(folder: Path, error: OSError) -> DataError:
    return DataError(
        f"the pixels cannot be kept on disk: {folder} cannot be written: {error.strerror or error}",
        hint=f"correct its rights, or {_OTHER_FOLDER}",
    )
