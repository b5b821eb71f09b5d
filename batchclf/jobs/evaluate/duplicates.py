"""Find the images of a run that occur more than once, and write duplicates.csv."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from batchclf.core.images.duplicates import EXACT, NEAR, UNCONFIRMED, DuplicateRows
from batchclf.core.images.near_duplicates import (
    SAME_CORRELATION,
    Pairs,
    Prints,
    Rows,
    exact_duplicates,
    near_duplicates,
)
from batchclf.core.records.run import SubsetRecord, WrittenFile, main_of
from batchclf.core.text import plain_text
from batchclf.core.types import Split
from batchclf.storage.csv_files.read import read_rows
from batchclf.storage.images.duplicates import DUPLICATES_FILE, write_duplicates
from batchclf.storage.predictions.read import read_header
from batchclf.storage.run.directory import PREDICTIONS_FILE

if TYPE_CHECKING:
    from batchclf.jobs.evaluate.near_duplicates import Look

COMPARED_IN_MEMORY = 5_000
COMPARED_FILES = 300
"""Pairs whose pixels are compared; of files also no more than a twentieth of their number, or 50."""

LISTED_DUPLICATES = 10_000
"""Exact duplicates that are listed if no gap depends on them: most of a million images may be duplicates."""

_AT_ONCE = 5_000
_READ = ("split", "path", "label", "prediction")
Texts = dict[int, tuple[str, ...]]
"""Row of predictions.csv → split, path, label and prediction."""


def find_duplicates(
    folder: Path,
    prints: Prints,
    of_split: Mapping[str, Rows],
    subsets: Sequence[SubsetRecord],
    splits: Callable[[], Mapping[str, Split]],
    main_subset: str = "",
) -> WrittenFile:
    """Write duplicates.csv: test images that are in train, too, if both were scored, else images that come again
    within the subset that the report is about. Returns what the file is.

    `of_split` has the rows of images.csv of each split, ascending and without gaps. `splits` is called only if
    images of a split look alike. Raises PredictionsError if predictions.csv is damaged, OSError if the disk
    refuses.
    """
    main = main_of(main_subset, list(of_split))
    candidates, originals = of_split[main], of_split["train"] if main == "test" and "train" in of_split else None
    exact = exact_duplicates(prints, candidates, originals)
    # Of images that are the same one stands for all.
    alike = near_duplicates(prints, np.setdiff1d(candidates, exact[1], assume_unique=True), originals)
    if originals is None:
        exact = exact[0][:LISTED_DUPLICATES], exact[1][:LISTED_DUPLICATES]
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
            yield from _exact_rows(folder / PREDICTIONS_FILE, exact, np.concatenate(alike), texts)
        if len(alike[0]):
            yield from _near_rows(alike, limit, look(), texts)

    return write_duplicates(folder / DUPLICATES_FILE, rows())


def _exact_rows(path: Path, exact: Pairs, wanted: Rows, texts: Texts) -> Iterator[DuplicateRows]:
    """Give the exact duplicates, in order; put the texts of their originals, and of `wanted`, into `texts`.

    The texts of the duplicates themselves are kept no longer than they are needed.
    """
    original_of = dict(zip(exact[1].tolist(), exact[0].tolist(), strict=True))
    kept = set(np.append(exact[0], wanted).tolist())
    waiting: Texts = {}
    for row, cells in read_rows(path, read_header(path), _READ, np.unique(np.concatenate([*exact, wanted]))):
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
