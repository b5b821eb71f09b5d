"""The predictions CSVs of two runs, read side by side: each image's answer in both."""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from operator import lt
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from batchclf.core.pair_tally import Answers
from batchclf.storage.cells import plain_text
from batchclf.storage.csv_pieces import read_cells
from batchclf.storage.prediction_columns import PROBABILITY
from batchclf.storage.predictions import class_indices, read_header, shares

LARGEST_WITH_PROBABILITIES = 100_000_000
"""Bytes of a predictions CSV up to which its probability columns are read: they take more time than all else."""


class UnsortedRowsError(Exception):
    """Rows that are not sorted by path: they must be read as a whole."""


@dataclass(frozen=True, eq=False, slots=True)
class PairedAnswers:
    """Answers to the same images in the same order, and how many images only one of the runs has between them."""

    first: Answers
    second: Answers
    only_first: int = 0
    only_second: int = 0


def read_pairs(
    first: Path, second: Path, class_names: tuple[str, ...], split: str, *, whole: bool = False
) -> Iterator[PairedAnswers]:
    """Match the rows of a split by path, in pieces of at most some thousand rows.

    Raises UnsortedRowsError, maybe after some pieces, where the rows of a file are not sorted by path, as those that
    batchclf writes are; with `whole` both files are held in memory and sorted. Raises PredictionsError as
    `read_prediction_rows` does.
    """
    probabilities = all(map(has_probabilities, (first, second), (class_names, class_names)))
    sides = [_answers(path, class_names, split, probabilities) for path in (first, second)]
    return _merged(*(_whole(pieces) if whole else _checked(pieces) for pieces in sides))


def read_alone(path: Path, class_names: tuple[str, ...], split: str) -> Iterator[PairedAnswers]:
    """Pair the rows of a split with themselves, as those of two files that are the same. Raises PredictionsError."""
    for answers in _answers(path, class_names, split, has_probabilities(path, class_names)):
        yield PairedAnswers(answers, answers)


def has_probabilities(path: Path, class_names: tuple[str, ...]) -> bool:
    """Whether the CSV has a probability column for each class, and is small enough to read them.

    Raises PredictionsError.
    """
    columns = set(read_header(path))
    return columns >= {PROBABILITY + name for name in class_names} and path.stat().st_size <= LARGEST_WITH_PROBABILITIES


def _answers(path: Path, names: tuple[str, ...], split: str, probabilities: bool) -> Iterator[Answers]:
    """Read a split's rows; pieces without any of it are only taken apart into cells."""
    columns = read_header(path)
    wanted = [PROBABILITY + name for name in names] if probabilities else []
    keep = ["path", "label", "prediction", "confidence", *(["split"] if "split" in columns else []), *wanted]
    row = 0
    for cells in read_cells(path, columns, keep):
        first, rows = row, len(cells["path"])
        row += rows
        splits = set(cells["split"]) if "split" in cells else {""}
        if split not in splits:
            continue
        paths = cells["path"]
        answers = Answers(
            tuple(map(plain_text, paths) if "'" in "".join(paths) else paths),
            class_indices(path, cells, "label", names, first),
            class_indices(path, cells, "prediction", names, first),
            shares(path, cells, "confidence", first),
            np.column_stack([shares(path, cells, name, first) for name in wanted]) if wanted else None,
        )
        yield answers if len(splits) == 1 else answers.only(np.array([of_row == split for of_row in cells["split"]]))


def _checked(pieces: Iterator[Answers]) -> Iterator[Answers]:
    last: str | None = None
    for answers in pieces:
        paths = answers.paths
        if (last is not None and paths[0] <= last) or not all(map(lt, paths, paths[1:])):
            raise UnsortedRowsError
        last = paths[-1]
        yield answers


def _whole(pieces: Iterator[Answers]) -> Iterator[Answers]:
    parts = list(pieces)
    if parts:
        yield Answers.joined(parts).by_path()


def _merged(first: Iterator[Answers], second: Iterator[Answers]) -> Iterator[PairedAnswers]:
    """Walk through both by path; each step uses up a piece of one side at least."""
    left, right = next(first, None), next(second, None)
    while left is not None and right is not None:
        end = min(left.paths[-1], right.paths[-1])
        here, there = bisect_right(left.paths, end), bisect_right(right.paths, end)
        yield _matched(left.part(0, here), right.part(0, there))
        left = left.part(here, len(left)) if here < len(left) else next(first, None)
        right = right.part(there, len(right)) if there < len(right) else next(second, None)
    for rest in chain([left] if left else [], first):
        yield PairedAnswers(rest.part(0, 0), rest.part(0, 0), only_first=len(rest))
    for rest in chain([right] if right else [], second):
        yield PairedAnswers(rest.part(0, 0), rest.part(0, 0), only_second=len(rest))


def _matched(left: Answers, right: Answers) -> PairedAnswers:
    if left.paths == right.paths:
        return PairedAnswers(left, right)
    # Both are sorted, so what they have in common comes in the same order.
    here, there = left.only(_within(left, right)), right.only(_within(right, left))
    return PairedAnswers(here, there, len(left) - len(here), len(right) - len(there))


def _within(side: Answers, other: Answers) -> NDArray[np.bool_]:
    return np.fromiter(map(set(other.paths).__contains__, side.paths), np.bool_, len(side))
