"""Scores as columns: what every format of the predictions is written from, and what is read of one."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from batchclf.core.text import utf8_text
from batchclf.core.types import BatchScores, PredictionRows
from batchclf.storage.csv_files.read import Cells

PROBABILITY = "prob:"
Number = TypeVar("Number", np.float32, np.float64)


def column_names(class_names: tuple[str, ...], topk: int, probabilities: bool) -> list[str]:
    """List the columns in their order."""
    names = ["path", "split", "label", "prediction", "correct", "confidence", "margin"]
    for rank in range(2, topk + 1):
        names += [f"top{rank}_prediction", f"top{rank}_confidence"]
    return names + [PROBABILITY + name for name in class_names] * probabilities


@dataclass(frozen=True, eq=False, slots=True)
class PredictionColumns:
    """Some rows of the predictions, n of them; all texts are UTF-8.

    `names` are the class names, then labels that are no class. `labels` is (n,) int64 with indices of them, -1 where
    unknown, `classes` (n, topk) int64, best first, -1 for none, `confidence` (n, topk) float32 with their
    probabilities, `margin` (n,) float32, both nan where unknown. `probabilities` is (n, classes) float32, or None
    where they are not written.
    """

    paths: list[str]
    split: str
    names: list[str]
    labels: NDArray[np.int64]
    classes: NDArray[np.int64]
    confidence: NDArray[np.float32]
    margin: NDArray[np.float32]
    probabilities: NDArray[np.float32] | None

    def __len__(self) -> int:
        """Count the rows."""
        return len(self.paths)

    @property
    def known(self) -> NDArray[np.bool_]:
        """Tell the rows that have a label."""
        return self.labels >= 0

    @property
    def correct(self) -> NDArray[np.bool_]:
        """Tell the rows whose label is the best class."""
        return np.equal(self.labels, self.classes[:, 0])


class PredictionLayout:
    """What the columns are: the classes, `topk` of them in each row, and whether all probabilities are written.

    Needs at least two classes and 1 <= topk <= classes.
    """

    def __init__(self, class_names: tuple[str, ...], topk: int, probabilities: bool) -> None:
        self.class_names = tuple(map(utf8_text, class_names))
        self.topk = topk
        self.probabilities = probabilities
        self.column_names = column_names(self.class_names, topk, probabilities)
        self._index: dict[str | None, int] = {None: -1, **{name: number for number, name in enumerate(class_names)}}

    def columns(self, scores: BatchScores, split: str) -> PredictionColumns:
        """Rank the classes of each image; ties go to the class that comes first, as argmax does."""
        classes, best = ranked(scores.probabilities, max(2, self.topk))
        paths = [ref.path for ref in scores.refs]
        try:
            "".join(paths).encode()
        except UnicodeEncodeError:
            paths = [utf8_text(path) for path in paths]
        labels = [ref.label for ref in scores.refs]
        others = sorted({label for label in labels if label is not None} - self._index.keys())
        index = self._index | {label: len(self.class_names) + number for number, label in enumerate(others)}
        return PredictionColumns(
            paths,
            utf8_text(split),
            [*self.class_names, *map(utf8_text, others)],
            np.fromiter(map(index.__getitem__, labels), np.int64, len(labels)),
            classes[:, : self.topk],
            best[:, : self.topk],
            best[:, 0] - best[:, 1],
            scores.probabilities if self.probabilities else None,
        )


def columns_of(rows: PredictionRows, split: str, topk: int) -> PredictionColumns:
    """Give rows of one split as columns, with `topk` classes each as far as they name so many."""
    ranks = min(topk, rows.ranked.shape[1])
    classes = np.full((len(rows), topk), -1, np.int64)
    confidence = np.full((len(rows), topk), np.nan, np.float32)
    classes[:, :ranks] = rows.ranked[:, :ranks]
    if rows.claimed is not None:
        confidence[:, :ranks] = rows.claimed[:, :ranks]
    confidence[:, 0] = rows.confidence
    return PredictionColumns(
        list(map(utf8_text, rows.paths)),
        utf8_text(split),
        list(map(utf8_text, rows.class_names)),
        rows.labels,
        classes,
        confidence,
        rows.margin.astype(np.float32),
        None if rows.probabilities is None else rows.probabilities.astype(np.float32),
    )


def ranked(matrix: NDArray[Number], count: int) -> tuple[NDArray[np.int64], NDArray[Number]]:
    """Find the first `count` classes of each row, and their numbers: (n, count) each; of equal ones the first class.

    By taking the highest again and again: few of many are wanted.
    """
    rest, rows = matrix.copy(), np.arange(len(matrix))
    classes = np.empty((len(matrix), count), np.int64)
    for rank in range(count):
        classes[:, rank] = rest.argmax(axis=1)
        rest[rows, classes[:, rank]] = -np.inf
    return classes, np.take_along_axis(matrix, classes, axis=1)


class Source(Protocol):
    """A table with our columns, whatever its file is."""

    @property
    def path(self) -> Path:
        """Its file."""

    @property
    def header(self) -> list[str]:
        """The columns that it has."""

    def pieces(self, columns: Sequence[str]) -> Iterator[Cells]:
        """Give the cells of some columns, some rows at a time."""

    def place(self, row: int) -> str:
        """Name the place of a row, from 0, within the file."""

    def called(self, column: str) -> str:
        """Name a column as the file does."""


@dataclass(frozen=True, eq=False, slots=True)
class ParsedRows:
    """What the cells of some rows say, n of them, before it is checked.

    `labels` is (n,) int64, -1 where unknown. `ranked` is (n, k) int64, the classes that a row names, best first, and
    `claimed` (n, k) float64 the probabilities that it gives them, nan where it gives none. `margin` is (n,) float64,
    nan without that column, `probabilities` (n, classes) float64 or None.
    """

    labels: NDArray[np.int64]
    ranked: NDArray[np.int64]
    claimed: NDArray[np.float64]
    margin: NDArray[np.float64]
    probabilities: NDArray[np.float64] | None

    def best(self) -> NDArray[np.float64]:
        """Give the highest probabilities of each row, the highest first: as many as `ranked`, and two; needs them."""
        assert self.probabilities is not None
        count = min(max(2, self.ranked.shape[1]), self.probabilities.shape[1])
        return -np.sort(np.partition(-self.probabilities, count - 1, axis=1)[:, :count], axis=1)

    def of_ranks(self) -> NDArray[np.float64]:
        """Give the probability of each class in `ranked`, nan where it names none; needs probabilities."""
        assert self.probabilities is not None
        found = np.take_along_axis(self.probabilities, np.maximum(self.ranked, 0), axis=1)
        return np.where(self.ranked < 0, np.nan, found)

    def ahead(self) -> NDArray[np.float64]:
        """Give what the most probable class of each row is ahead of the second by; needs probabilities."""
        best = self.best()
        return np.asarray(best[:, 0] - best[:, 1:2].sum(axis=1))


def names_twice(ranked: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Tell the rows, (n, k) class indices, that name a class twice."""
    if ranked.shape[1] == 1:
        return np.zeros(len(ranked), np.bool_)
    in_order = np.sort(ranked, axis=1)
    found: NDArray[np.bool_] = ((np.diff(in_order, axis=1) == 0) & (in_order[:, 1:] >= 0)).any(axis=1)
    return found
