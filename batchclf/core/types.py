"""Plain values that one room hands to the next."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

ColorMode = Literal["grayscale", "rgb"]
Say = Callable[[str], None]
"""Takes one line for the person who watches; the command line decides where it goes."""


@dataclass(frozen=True, slots=True)
class ImageRef:
    """One image: its path (relative, with `/`) and its label's class name, None where unknown."""

    path: str
    label: str | None


@dataclass(frozen=True, slots=True)
class SkippedImage:
    """An image that could not be read, and why. The run goes on."""

    ref: ImageRef
    reason: str


@dataclass(frozen=True, slots=True)
class ExcludedFile:
    """A file that was found but is not meant to be scored (not an image, hidden), and why."""

    path: str
    reason: str


@dataclass(frozen=True, eq=False)
class Batch:
    """Decoded images, ready for the model: `images` is (n, height, width, channels) uint8, one row a ref."""

    refs: tuple[ImageRef, ...]
    images: NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class BatchScores:
    """Probabilities of one batch: (n, classes) float32, rows sum to 1, one row a ref."""

    refs: tuple[ImageRef, ...]
    probabilities: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Split:
    """The train or test part of a data set, in memory.

    `images` is (n, height, width, channels) uint8 with 1 or 3 channels, `labels` is (n,) int64 with indices
    into the data set's class names, `paths` names each image (`test/00042`), in ascending order.
    """

    name: str
    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    paths: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Dataset:
    """A data set with its two splits; `origin` says in one line where the bytes came from."""

    name: str
    class_names: tuple[str, ...]
    train: Split
    test: Split
    origin: str
