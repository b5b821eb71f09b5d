"""The images that stand for each cell of the confusion matrix."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import nan

import numpy as np
from numpy.typing import NDArray

from batchclf.core.types import UNSURE, Prediction, PredictionRows

FEW_CLASSES = 100
OF_FEW_CLASSES, OF_MANY_CLASSES = 6, 2
"""So many images a cell are kept, with up to FEW_CLASSES classes and with more."""

_LEAST_ROOM = 5_000


@dataclass(frozen=True, eq=False, slots=True)
class _Images:
    """Labelled images in the order of their paths.

    `cells` is (n,) int64: true class x classes + predicted class; `confidence` and `margin` are (n,) float64, UNSURE
    and nan where unknown.
    """

    paths: Sequence[str]
    cells: NDArray[np.int64]
    confidence: NDArray[np.float64]
    margin: NDArray[np.float64]

    def take(self, indices: NDArray[np.int64]) -> "_Images":
        paths = [self.paths[index] for index in indices.tolist()]
        return _Images(paths, self.cells[indices], self.confidence[indices], self.margin[indices])

    def by_cell(self) -> NDArray[np.int64]:
        """Order by cell, in each the most confident first; ties stay in the order of their paths."""
        return np.lexsort((-self.confidence, self.cells))

    def best(self, most: int) -> "_Images":
        """Keep the first `most` of each cell."""
        order = self.by_cell()
        cells = self.cells[order]
        rank = np.arange(len(cells)) - np.searchsorted(cells, cells)
        return self.take(np.sort(order[rank < most]))


def _joined(parts: list[_Images]) -> _Images:
    paths = [path for part in parts for path in part.paths]
    joined = _Images(
        paths,
        np.concatenate([part.cells for part in parts]),
        np.concatenate([part.confidence for part in parts]),
        np.concatenate([part.margin for part in parts]),
    )
    # Quick where the parts follow each other, as in a file that batchclf wrote.
    order = sorted(range(len(paths)), key=paths.__getitem__)
    return joined.take(np.array(order, np.int64))


class CellExamples:
    """The most confident images of each cell (true class, predicted class), from rows of one split.

    At most 6 a cell, 2 where there are more than 100 classes; ties go to the first path. They are the same however the
    rows were cut.
    """

    def __init__(self, split: str, class_names: tuple[str, ...]) -> None:
        self.split, self.class_names = split, class_names
        self._kept: list[_Images] = []
        self._room = _LEAST_ROOM
        # Cells that are full, and the confidence that an image needs to get into each.
        self._full, self._bounds = np.zeros(0, np.int64), np.zeros(0)

    @property
    def most(self) -> int:
        """How many images a cell are kept."""
        return OF_FEW_CLASSES if len(self.class_names) <= FEW_CLASSES else OF_MANY_CLASSES

    def update(self, rows: PredictionRows) -> None:
        """Look at rows, sorted by path; those without a label belong to no cell."""
        known = np.flatnonzero(rows.labels >= 0)
        cells = rows.labels * len(self.class_names) + rows.predictions
        confidence = np.nan_to_num(rows.confidence, nan=UNSURE)
        found = known[confidence[known] >= self._needed(cells[known])]
        self._keep([_Images(rows.paths, cells, confidence, rows.margin).take(found).best(self.most)])

    def merge(self, other: "CellExamples") -> None:
        """Look at what `other` has kept, of the same split and classes."""
        self._keep(other._kept)

    def by_cell(self) -> "ExampleMapping":
        """Give what was kept so far."""
        self._compact()
        return ExampleMapping(self.split, self.class_names, self._kept[0])

    def _keep(self, images: list[_Images]) -> None:
        self._kept += images
        if sum(len(each.paths) for each in self._kept) > self._room:
            self._compact()

    def _compact(self) -> None:
        images = _joined([*self._kept, _NONE]).best(self.most)
        # Room for as many again, so that what is kept is not sorted too often.
        self._kept, self._room = [images], max(_LEAST_ROOM, 2 * len(images.paths))
        cells, place, counts = np.unique(images.cells, return_inverse=True, return_counts=True)
        least = np.ones(len(cells))
        np.minimum.at(least, place, images.confidence)
        full = counts >= self.most
        self._full, self._bounds = cells[full], least[full]

    def _needed(self, cells: NDArray[np.int64]) -> NDArray[np.float64]:
        if not len(self._full):
            return np.full(len(cells), UNSURE)
        place = np.minimum(np.searchsorted(self._full, cells), len(self._full) - 1)
        return np.where(self._full[place] == cells, self._bounds[place], UNSURE)


class ExampleMapping(Mapping[tuple[int, int], tuple[Prediction, ...]]):
    """(true class, predicted class) → its images, the most confident first; made when they are asked for.

    Only cells with images are keys, in the order of the classes.
    """

    def __init__(self, split: str, class_names: tuple[str, ...], images: _Images) -> None:
        self._split, self._names = split, class_names
        self._images = images.take(images.by_cell())
        self._cells, self._starts = np.unique(self._images.cells, return_index=True)

    def __len__(self) -> int:
        """Count the cells that have images."""
        return len(self._cells)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """Go through the cells that have images."""
        return (divmod(cell, len(self._names)) for cell in self._cells.tolist())

    def __getitem__(self, cell: tuple[int, int]) -> tuple[Prediction, ...]:
        """Give the images of a cell; raises KeyError where it has none."""
        label, prediction = cell
        code = label * len(self._names) + prediction
        place = int(np.searchsorted(self._cells, code))
        inside = 0 <= prediction < len(self._names)
        if not inside or place == len(self._cells) or self._cells[place] != code:
            raise KeyError(cell)
        end = self._starts[place + 1] if place + 1 < len(self._starts) else len(self._images.paths)
        return tuple(self._row(index, label, prediction) for index in range(self._starts[place], end))

    def _row(self, index: int, label: int, prediction: int) -> Prediction:
        images = self._images
        return Prediction(
            images.paths[index],
            self._split,
            self._names[label],
            self._names[prediction],
            nan if images.confidence[index] == UNSURE else float(images.confidence[index]),
            float(images.margin[index]),
        )


_NONE = _Images([], np.zeros(0, np.int64), np.zeros(0), np.zeros(0))
