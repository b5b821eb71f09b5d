"""Plain values that one room hands to the next."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from itertools import chain
from operator import le
from typing import Annotated

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from batchclf.core.geometry import OWN, Geometry

"""How large images shrink to the model's input: `fast` may decode them at a reduced size first, `exact` never does."""

Say = Callable[[str], None]
"""Takes one line for the person who watches; the command line decides where it goes."""


def unheard(line: str) -> None:
    """Take a line and say it to nobody."""


Progress = Callable[[str, int | None], AbstractContextManager[Callable[[int], None]]]
"""Shows how far something is, of so many steps (None: not known); what it gives moves on by some."""


@contextmanager
def unseen(what: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Show no progress: nobody watches."""
    yield lambda steps: None


@dataclass(frozen=True, slots=True)
class ImageRef:
    """One image: its path (relative, with `/`) and its label's class name, None where unknown."""

    path: str
    label: str | None

    @property
    def at(self) -> str:
        """What its source reads it by."""
        return self.path


@dataclass(frozen=True, slots=True)
class PlacedImage(ImageRef):
    """An image that its source reads by something else than its path, such as a place in an archive."""

    place: str

    @property
    def at(self) -> str:
        """Give that place."""
        return self.place


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


SUM_TOLERANCE = 0.01
"""How far the sum of an image's probabilities may be from 1 (decision 149)."""
ROUNDING = 1e-6
"""How far a probability may be from what it must be, such as below 0, if all its digits are printed."""


@dataclass(frozen=True, eq=False)
class BatchScores:
    """Probabilities of one batch: (n, classes) float32, rows sum to 1, one row a ref."""

    refs: tuple[ImageRef, ...]
    probabilities: NDArray[np.float32]

    def first_improper(self) -> int | None:
        """Find the first row that is no probabilities."""
        return first_improper(self.probabilities)


def first_improper(rows: NDArray[np.floating]) -> int | None:
    """Find the first of (n, classes) rows that is no probabilities: out of 0 to 1, nan, or not with the sum 1."""
    off = np.abs(rows.sum(axis=1, dtype=np.float64) - 1)
    proper = (off <= SUM_TOLERANCE) & (rows.min(axis=1) >= -ROUNDING) & (rows.max(axis=1) <= 1 + ROUNDING)
    return None if proper.all() else int(np.argmin(proper))


@dataclass(frozen=True, eq=False)
class Split:
    """The train or test part of a data set.

    `images` is (n, height, width, channels) uint8 with 1 or 3 channels, in memory or mapped from a file: take slices
    of it, not the whole. `labels` is (n,) int64 with indices into the data set's class names, `paths` names each image
    (`test/00042`), in ascending order. `groups` is (n,) int64: images of the same number belong together, also across
    the splits of a data set; None where each image stands for itself.
    """

    name: str
    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    paths: tuple[str, ...]
    groups: NDArray[np.int64] | None = None


@dataclass(frozen=True, eq=False)
class Dataset:
    """A data set with its two splits; `origin` says in one line where the bytes came from.

    `by_chance` says that the test images were drawn from all of them, so that later ones could be drawn otherwise.
    `geometry` is how image files were brought to the splits' size.
    """

    name: str
    class_names: tuple[str, ...]
    train: Split
    test: Split
    origin: str
    by_chance: bool = False
    geometry: Geometry = OWN

    @property
    def splits(self) -> dict[str, Split]:
        """Both splits by name."""
        return {"train": self.train, "test": self.test}


@dataclass(frozen=True, eq=False)
class Known:
    """What a cache of scores knows of some images: `places`, (k,) int64, says which, ascending; `rows` has k rows."""

    places: NDArray[np.int64]
    rows: NDArray[np.void]


PerhapsUnknown = Annotated[float, Meta(extra_json_schema={"nullable": True})]
"""A number that is nan where it is not known, and null in JSON."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """One row of predictions.csv, as far as an evaluation needs it.

    `label` is None where unknown; `confidence` is the probability of `prediction` (0 to 1) and `margin` what
    it is ahead of the second class by (0 to 1), both nan where unknown.
    """

    path: str
    split: str
    label: str | None
    prediction: str
    confidence: PerhapsUnknown
    margin: PerhapsUnknown


UNSURE = -1.0
"""Stands for a confidence that is not known wherever the surest come first: it is below every other."""


def sureness(confidence: float) -> float:
    """Give a number to sort by: the confidence, or UNSURE where that is nan, which has no place in an order."""
    return UNSURE if confidence != confidence else confidence


SHOWN_IMAGES = 24
"""So many images of a kind are worth looking at: the least sure ones, the surest errors."""


@dataclass(frozen=True, eq=False)
class PredictionRows:
    """Some rows of predictions.csv as columns, one entry a row.

    `labels` and `predictions` are (n,) int64 indices into `class_names`, -1 where the label is unknown;
    `confidence` and `margin` are (n,) float64, nan where unknown. `probabilities` is (n, classes) float64, or None
    where the file has no probability columns. `ranked` is (n, k) int64: the classes that a row names, best first, so
    its first column is `predictions`; -1 where a row names fewer than others. `claimed` is (n, k) float64, the
    probabilities of `ranked`, nan where they are not known; None if no more than `confidence` is known of them.
    """

    class_names: tuple[str, ...]
    paths: tuple[str, ...]
    splits: tuple[str, ...]
    labels: NDArray[np.int64]
    predictions: NDArray[np.int64]
    confidence: NDArray[np.float64]
    margin: NDArray[np.float64]
    probabilities: NDArray[np.float64] | None
    ranked: NDArray[np.int64]
    claimed: NDArray[np.float64] | None = None

    @classmethod
    def joined(cls, parts: "Sequence[PredictionRows]") -> "PredictionRows":
        """Put parts, at least one, of the same columns behind each other."""
        if len(parts) == 1:
            return parts[0]
        probabilities = [part.probabilities for part in parts if part.probabilities is not None]
        claimed = [part.claimed for part in parts if part.claimed is not None]
        return cls(
            parts[0].class_names,
            tuple(chain.from_iterable(part.paths for part in parts)),
            tuple(chain.from_iterable(part.splits for part in parts)),
            np.concatenate([part.labels for part in parts]),
            np.concatenate([part.predictions for part in parts]),
            np.concatenate([part.confidence for part in parts]),
            np.concatenate([part.margin for part in parts]),
            np.concatenate(probabilities) if probabilities else None,
            np.concatenate([part.ranked for part in parts]),
            np.concatenate(claimed) if claimed else None,
        )

    def __len__(self) -> int:
        """Count the rows."""
        return len(self.paths)

    def row(self, index: int) -> Prediction:
        """One row as a `Prediction`."""
        label = int(self.labels[index])
        return Prediction(
            self.paths[index],
            self.splits[index],
            None if label < 0 else self.class_names[label],
            self.class_names[int(self.predictions[index])],
            float(self.confidence[index]),
            float(self.margin[index]),
        )

    def lowest(self, values: NDArray[np.float64], allowed: NDArray[np.int64]) -> list[Prediction]:
        """Give the SHOWN_IMAGES `allowed` rows of lowest value, (n,) float64; ties go to the first row."""
        chosen = allowed[np.argsort(values[allowed], kind="stable")[:SHOWN_IMAGES]]
        return [self.row(index) for index in chosen.tolist()]

    def only(self, chosen: NDArray[np.bool_]) -> "PredictionRows":
        """Keep the rows where `chosen`, (n,) bool, is true."""
        return self._take(np.flatnonzero(chosen))

    def by_split(self) -> "Iterator[tuple[str, PredictionRows]]":
        """Give the rows of each split, by its name, in the order in which the splits come first."""
        splits = list(dict.fromkeys(self.splits))
        if len(splits) == 1:
            yield splits[0], self
            return
        of_row = np.array(self.splits)
        for split in splits:
            yield split, self.only(of_row == split)

    def by_path(self) -> "PredictionRows":
        """Sort the rows by path; rows with the same path keep their order."""
        if all(map(le, self.paths, self.paths[1:])):
            return self
        return self._take(np.array(sorted(range(len(self)), key=self.paths.__getitem__)))

    def _take(self, indices: NDArray[np.int64]) -> "PredictionRows":
        chosen = indices.tolist()
        return PredictionRows(
            self.class_names,
            tuple([self.paths[i] for i in chosen]),
            tuple([self.splits[i] for i in chosen]),
            self.labels[indices],
            self.predictions[indices],
            self.confidence[indices],
            self.margin[indices],
            None if self.probabilities is None else self.probabilities[indices],
            self.ranked[indices],
            None if self.claimed is None else self.claimed[indices],
        )
