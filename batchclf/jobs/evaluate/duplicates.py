"""Find the images of a run that occur more than once, and write duplicates.csv."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from batchclf.core.images.duplicates import EXACT, NEAR, UNCONFIRMED, DuplicateRows
from batchclf.core.images.near_duplicates import (
    SAME_CORRELATION,
    Pairs,
    Prints,
    Rows,
    exact_duplicates,
    near_duplicates,
)
from batchclf.core.images.statistics import ImageRows
from batchclf.core.records.run import SubsetRecord, WrittenFile, main_of
from batchclf.core.text import plain_text
from batchclf.core.types import Split
from batchclf.storage.images.duplicates import DUPLICATES_FILE, write_duplicates
from batchclf.storage.predictions.write import predictions_in

if TYPE_CHECKING:
    from batchclf.jobs.evaluate.near_duplicates import Look

COMPARED_IN_MEMORY = 5_000
COMPARED_FILES = 300
"""Pairs whose pixels are compared; of files also no more than a twentieth of their number, or 50."""

LISTED_DUPLICATES = 10_000
"""Exact duplicates that are listed if no gap depends on them: most of a million images may be duplicates."""

_AT_ONCE = 5_000
_READ = ("split", "path", "label", "prediction")
_PRINT = np.dtype([("dhash", "u8", 2), ("brightness", "f4"), ("contrast", "f4")])
_PRINTS_AT_ONCE = 50_000
Texts = dict[int, tuple[str, ...]]
"""Row of the predictions → split, path, label and prediction."""


class PrintsTally:
    """Takes the rows of images.csv in order, and keeps what duplicates are found by.

    Digests, 8 bytes an image, are kept in memory; `file` gets the rest, of which the search needs what is no exact
    duplicate (decision 197).
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._counts: Counter[str] = Counter()
        self._digests: list[NDArray[np.uint64]] = []

    def update(self, rows: ImageRows) -> None:
        """Add rows."""
        self._counts[rows.split] += len(rows)
        self._digests.append(rows.digest)
        table = np.empty(len(rows), _PRINT)
        for name in _PRINT.names or ():
            table[name] = getattr(rows, name)
        self._file.write(table.tobytes())

    def take_digests(self) -> NDArray[np.uint64]:
        """Join the digests, (n,), once: they are not kept."""
        parts, self._digests = self._digests, []
        return np.concatenate(parts)

    def prints(self, rows: Rows) -> Prints:
        """Read the rest of some rows, which ascend."""
        found, start = np.empty(len(rows), _PRINT), 0
        self._file.seek(0)
        while content := self._file.read(_PRINTS_AT_ONCE * _PRINT.itemsize):
            table = np.frombuffer(content, _PRINT)
            here = slice(*np.searchsorted(rows, (start, start + len(table))))
            found[here] = table[rows[here] - start]
            start += len(table)
        return Prints(found["dhash"], found["brightness"], found["contrast"])

    def of_split(self) -> dict[str, range]:
        """Give the rows of each split, which stand one after the other."""
        ends = dict(zip(self._counts, accumulate(self._counts.values()), strict=True))
        return {split: range(ends[split] - count, ends[split]) for split, count in self._counts.items()}


def find_duplicates(
    folder: Path,
    prints: PrintsTally,
    subsets: Sequence[SubsetRecord],
    splits: Callable[[], Mapping[str, Split]],
    main_subset: str = "",
) -> WrittenFile:
    """Write duplicates.csv: test images that are in train, too, if both were scored, else images that come again
    within the subset that the report is about. Returns what the file is.

    `prints` has taken all rows of images.csv. `splits` is called only if images of a split look alike. Raises
    PredictionsError if the predictions are damaged, OSError if the disk refuses.
    """
    of_split = prints.of_split()
    main = main_of(main_subset, list(of_split))
    candidates, originals = of_split[main], of_split["train"] if main == "test" and "train" in of_split else None
    listed = LISTED_DUPLICATES if originals is None else None
    exact, repeated = exact_duplicates(prints.take_digests(), candidates, originals, listed)
    # Of images that are the same one stands for all.
    alike = _alike(prints, candidates.start + np.flatnonzero(~repeated), originals)
    texts: Texts = {}
    sources = {subset.split: subset.source for subset in subsets if subset.kind == "directory"}
    limit = min(COMPARED_FILES, max(50, len(candidates) // 20)) if main in sources else COMPARED_IN_MEMORY

    def look() -> "Look":
        from batchclf.jobs.evaluate.near_duplicates import look_at_files, look_at_splits

        if main in sources:
            return look_at_files(sources, texts)
        return look_at_splits(splits, {name: int(rows[0]) for name, rows in of_split.items()})

    def rows() -> Iterator[DuplicateRows]:
        if len(exact[0]) or len(alike[0]):
            yield from _exact_rows(predictions_in(folder), exact, np.concatenate(alike), texts)
        if len(alike[0]):
            yield from _near_rows(alike, limit, look(), texts)

    return write_duplicates(folder / DUPLICATES_FILE, rows())


def _alike(prints: PrintsTally, candidates: Rows, originals: range | None) -> Pairs:
    """Find near duplicates among some rows, reading what they are found by of no others."""
    if originals is None:
        rows, among = candidates, None
    else:
        rows = np.union1d(candidates, np.arange(originals.start, originals.stop))
        among = np.searchsorted(rows, np.arange(originals.start, originals.stop))
    first, second = near_duplicates(prints.prints(rows), np.searchsorted(rows, candidates), among)
    return rows[first], rows[second]


def _exact_rows(path: Path, exact: Pairs, wanted: Rows, texts: Texts) -> Iterator[DuplicateRows]:
    """Give the exact duplicates, in order; put the texts of their originals, and of `wanted`, into `texts`.

    The texts of the duplicates themselves are kept no longer than they are needed.
    """
    # Most runs of a folder have no duplicates, and read no predictions
    from batchclf.storage.predictions.read import source_of

    original_of = dict(zip(exact[1].tolist(), exact[0].tolist(), strict=True))
    kept = set(np.append(exact[0], wanted).tolist())
    waiting: Texts = {}
    for row, cells in source_of(path).rows(_READ, np.unique(np.concatenate([*exact, wanted]))):
        of_row = tuple(map(plain_text, cells))
        if row in kept:
            texts[row] = of_row
        if row in original_of:
            waiting[row] = of_row
            # Originals in train come after all their duplicates in test; others come before them.
            if len(waiting) >= _AT_ONCE and original_of[row] in texts:
                yield _as_exact(waiting, original_of, texts)
                waiting = {}
    yield _as_exact(waiting, original_of, texts)


def _as_exact(duplicates: Texts, original_of: Mapping[int, int], texts: Texts) -> DuplicateRows:
    originals = [texts[original_of[row]] for row in duplicates]
    return _duplicate_rows(EXACT, originals, list(duplicates.values()), [float("nan")] * len(duplicates))


def _near_rows(alike: Pairs, limit: int, look: "Look", texts: Texts) -> Iterator[DuplicateRows]:
    """Give those that look alike and are nearly the same, and those that were not compared; each duplicate once."""
    from batchclf.jobs.evaluate.near_duplicates import correlations

    compared, rest = (alike[0][:limit], alike[1][:limit]), (alike[0][limit:], alike[1][limit:])
    found = correlations(compared, look)
    same, unseen = found >= SAME_CORRELATION, np.isnan(found)
    # The most alike of several originals.
    order = np.argsort(-found[same], kind="stable")
    near = compared[0][same][order], compared[1][same][order], found[same][order]
    left = np.append(compared[0][unseen], rest[0]), np.append(compared[1][unseen], rest[1])
    new = ~np.isin(left[1], near[1])
    unconfirmed = left[0][new], left[1][new], np.full(new.sum(), np.nan)
    for kind, (first, second, values) in ((NEAR, near), (UNCONFIRMED, unconfirmed)):
        duplicates, places = np.unique(second, return_index=True)
        yield _duplicate_rows(
            kind,
            [texts[row] for row in first[places].tolist()],
            [texts[row] for row in duplicates.tolist()],
            values[places].tolist(),
        )


def _duplicate_rows(
    kind: str, originals: Sequence[tuple[str, ...]], duplicates: Sequence[tuple[str, ...]], values: Sequence[float]
) -> DuplicateRows:
    splits, paths, labels, predictions = zip(*duplicates, strict=True) if duplicates else ((),) * 4
    of_splits, of_paths, of_labels, _ = zip(*originals, strict=True) if duplicates else ((),) * 4
    return DuplicateRows(
        [kind] * len(duplicates), splits, paths, labels, predictions, of_splits, of_paths, of_labels, values
    )
