"""The predictions CSVs of two runs, read side by side: each image's prediction in both."""

from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain, groupby
from operator import attrgetter, lt
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from batchclf.core.compare.pair_tally import RunPredictions
from batchclf.core.types import PredictionRows, Say, unheard
from batchclf.errors import RunError
from batchclf.storage.images.facts import read_image_digests
from batchclf.storage.predictions.columns import PROBABILITY
from batchclf.storage.predictions.read import RowReader, source_of

LARGEST_WITH_PROBABILITIES = 100_000_000
"""Bytes of predictions up to which its probability columns are read: they take more time than all else."""


class UnsortedRowsError(Exception):
    """Rows that are not sorted by split and path: they must be read as a whole."""


@dataclass(frozen=True, eq=False, slots=True)
class PairedPredictions:
    """Predictions for the same images of a split in the same order.

    `only_first` and `only_second` count the images between them that only one of the runs has, `replaced` those of the
    same path but with another content.
    """

    split: str
    first: RunPredictions
    second: RunPredictions
    only_first: int = 0
    only_second: int = 0
    replaced: int = 0


@dataclass(frozen=True, eq=False, slots=True)
class _Piece:
    split: str
    side: RunPredictions


def read_pairs(
    files: tuple[Path, Path],
    class_names: tuple[str, ...],
    splits: Collection[str],
    *,
    images: tuple[Path, Path] | None = None,
    whole: bool = False,
    warn: Say = unheard,
) -> Iterator[PairedPredictions]:
    """Match the rows of some splits by path, in pieces of at most some thousand rows of one split each.

    With `images`, the images.csv of both runs, only rows whose images have the same content are matched. Raises
    UnsortedRowsError, maybe after some pieces, where the rows of a file are not sorted by split and path, as those that
    batchclf writes are; with `whole` both files are held in memory and sorted, and `warn` gets a line for one with rows
    that stand twice. Raises PredictionsError as `read_prediction_rows` does, and RunError where an images.csv is
    damaged or of other rows.
    """
    probabilities = all(has_probabilities(path, class_names) for path in files)
    readers = [RowReader(path, class_names, probabilities=probabilities) for path in files]
    return _merged(
        *(
            _side(reader, splits, None if images is None else images[number], whole=whole, warn=warn)
            for number, reader in enumerate(readers)
        )
    )


def read_alone(
    path: Path, class_names: tuple[str, ...], splits: Collection[str], *, whole: bool = False, warn: Say = unheard
) -> Iterator[PairedPredictions]:
    """Pair the rows of some splits with themselves, as those of two files that are the same.

    Raises UnsortedRowsError and PredictionsError as `read_pairs` does.
    """
    reader = RowReader(path, class_names, probabilities=has_probabilities(path, class_names))
    for piece in _side(reader, splits, None, whole=whole, warn=warn):
        yield PairedPredictions(piece.split, piece.side, piece.side)


def pair_alone(pieces: Iterable[PredictionRows], splits: Collection[str]) -> Iterator[PairedPredictions]:
    """Pair rows of some splits with themselves, as `read_alone` does with those of a file.

    Raises UnsortedRowsError as `read_pairs` does.
    """
    for piece in _checked(each for rows in pieces for each in _of_splits(rows, splits, None)):
        yield PairedPredictions(piece.split, piece.side, piece.side)


def share_contents(images: tuple[Path, Path]) -> bool:
    """Whether two images.csv have an image of the same content. Raises RunError where one is damaged."""
    first, second = (np.concatenate([np.empty(0, np.uint64), *read_image_digests(path)]) for path in images)
    return bool(np.isin(first, second).any())


def read_by_content(
    files: tuple[Path, Path],
    class_names: tuple[str, ...],
    splits: Collection[str],
    images: tuple[Path, Path],
    *,
    warn: Say = unheard,
) -> Iterator[PairedPredictions]:
    """Pair the rows of two files whose images have the same content, whatever their paths; both are held in memory.

    Of several images of a content the n-th of both, by path, make a pair. Raises as `read_pairs` does.
    """
    probabilities = all(has_probabilities(path, class_names) for path in files)
    sides = []
    for path, of_path in zip(files, images, strict=True):
        reader = RowReader(path, class_names, probabilities=probabilities)
        sides.append({piece.split: piece.side for piece in _side(reader, splits, of_path, whole=True, warn=warn)})
    for split in sorted(sides[0].keys() & sides[1].keys()):
        first, second = sides[0][split], sides[1][split]
        here, there = np.intersect1d(_nth_contents(first), _nth_contents(second), return_indices=True)[1:]
        order = np.argsort(there)
        yield PairedPredictions(
            split,
            first.take(here[order]),
            second.take(there[order]),
            only_first=len(first) - len(here),
            only_second=len(second) - len(there),
        )


def _nth_contents(side: RunPredictions) -> NDArray[np.void]:
    """Give the content of each image, and how many images of it come before."""
    assert side.digests is not None
    order = np.argsort(side.digests, kind="stable")
    ordered = side.digests[order]
    number = np.empty(len(order), np.uint64)
    number[order] = np.arange(len(order)) - np.searchsorted(ordered, ordered)
    return np.rec.fromarrays([side.digests, number], names="content,number")  # type: ignore[no-any-return,call-overload]


def has_probabilities(path: Path, class_names: tuple[str, ...]) -> bool:
    """Whether predictions have a probability column for each class, and are small enough to read them.

    Raises PredictionsError.
    """
    source, wanted = source_of(path), {PROBABILITY + name for name in class_names}
    return wanted <= {*source.header} and source.size <= LARGEST_WITH_PROBABILITIES


def _side(
    reader: RowReader, wanted: Collection[str], images: Path | None, *, whole: bool, warn: Say
) -> Iterator[_Piece]:
    pieces = _pieces(reader, wanted, images)
    if not whole:
        return _checked(pieces)
    from batchclf.storage.predictions.repeats import find_repeats

    find_repeats(reader, warn)  # of what says the same the first is kept
    return _whole(pieces)


def _pieces(reader: RowReader, wanted: Collection[str], images: Path | None) -> Iterator[_Piece]:
    """Read the rows of some splits; pieces without any of them are only taken apart into cells."""
    contents = None if images is None else _Contents(images)
    for first, cells in reader.pieces():
        digests = None if contents is None else contents.take(len(cells["path"]))
        if not any(split in wanted for split in set(cells.get("split") or [""])):
            continue
        yield from _of_splits(reader.rows(first, cells), wanted, digests)
    if contents is not None:
        contents.check_end()


def _of_splits(rows: PredictionRows, wanted: Collection[str], digests: NDArray[np.uint64] | None) -> Iterator[_Piece]:
    side = RunPredictions(rows.paths, rows.labels, rows.predictions, rows.confidence, rows.probabilities, digests)
    return (piece for piece in _of_each_split(rows.splits, side) if piece.split in wanted)


def _of_each_split(splits: tuple[str, ...], side: RunPredictions) -> Iterator[_Piece]:
    if splits.count(splits[0]) == len(splits):
        yield _Piece(splits[0], side)
        return
    start = 0
    for split, rows in groupby(splits):
        end = start + sum(1 for _ in rows)
        yield _Piece(split, side.part(start, end))
        start = end


@dataclass(eq=False)
class _Contents:
    """The digests of an images.csv, which has the rows of predictions.csv, some rows at a time."""

    path: Path
    _rest: NDArray[np.uint64] = field(default_factory=lambda: np.empty(0, np.uint64))

    def __post_init__(self) -> None:
        self._pieces = read_image_digests(self.path)

    def take(self, rows: int) -> NDArray[np.uint64]:
        parts, missing = [self._rest], rows - len(self._rest)
        while missing > 0:
            piece = next(self._pieces, None)
            if piece is None:
                raise self._misfit()
            parts.append(piece)
            missing -= len(piece)
        joined = np.concatenate(parts) if len(parts) > 1 else self._rest
        self._rest = joined[rows:]
        return joined[:rows]

    def check_end(self) -> None:
        if len(self._rest) or next(self._pieces, None) is not None:
            raise self._misfit()

    def _misfit(self) -> RunError:
        return RunError(
            f"{self.path} has not as many rows as the predictions.csv beside it",
            hint="score again, or remove it: images are then matched by their path alone",
        )


def _checked(pieces: Iterator[_Piece]) -> Iterator[_Piece]:
    last: tuple[str, str] | None = None
    for piece in pieces:
        paths = piece.side.paths
        if (last is not None and (piece.split, paths[0]) <= last) or not all(map(lt, paths, paths[1:])):
            raise UnsortedRowsError
        last = piece.split, paths[-1]
        yield piece


def _whole(pieces: Iterator[_Piece]) -> Iterator[_Piece]:
    in_order = sorted(pieces, key=attrgetter("split"))
    for split, parts in groupby(in_order, key=attrgetter("split")):
        yield _Piece(split, RunPredictions.joined([part.side for part in parts]).by_path())


def _merged(first: Iterator[_Piece], second: Iterator[_Piece]) -> Iterator[PairedPredictions]:
    """Walk through both by split and path; each step uses up a piece of one side at least."""
    left, right = next(first, None), next(second, None)
    while left is not None and right is not None:
        if left.split < right.split:
            yield _alone(left, first=True)
            left = next(first, None)
        elif right.split < left.split:
            yield _alone(right, first=False)
            right = next(second, None)
        else:
            here, there = left.side, right.side
            end = min(here.paths[-1], there.paths[-1])
            up_to, and_to = bisect_right(here.paths, end), bisect_right(there.paths, end)
            yield _matched(left.split, here.part(0, up_to), there.part(0, and_to))
            left = _from(left, up_to) or next(first, None)
            right = _from(right, and_to) or next(second, None)
    yield from (_alone(rest, first=True) for rest in chain([left] if left else [], first))
    yield from (_alone(rest, first=False) for rest in chain([right] if right else [], second))


def _from(piece: _Piece, begin: int) -> _Piece | None:
    rest = len(piece.side)
    return _Piece(piece.split, piece.side.part(begin, rest)) if begin < rest else None


def _alone(piece: _Piece, *, first: bool) -> PairedPredictions:
    none, images = piece.side.part(0, 0), len(piece.side)
    return PairedPredictions(piece.split, none, none, only_first=images * first, only_second=images * (not first))


def _matched(split: str, left: RunPredictions, right: RunPredictions) -> PairedPredictions:
    here, there = left, right
    if left.paths != right.paths:
        # Both are sorted, so what they have in common comes in the same order.
        here, there = left.only(_within(left, right)), right.only(_within(right, left))
    paths, replaced = len(here), 0
    if here.digests is not None and there.digests is not None:
        # The same path may hold another picture now (decision 087)
        same = here.digests == there.digests
        replaced = paths - int(same.sum())
        if replaced:
            here, there = here.only(same), there.only(same)
    return PairedPredictions(split, here, there, len(left) - paths, len(right) - paths, replaced)


def _within(side: RunPredictions, other: RunPredictions) -> NDArray[np.bool_]:
    return np.fromiter(map(set(other.paths).__contains__, side.paths), np.bool_, len(side))
