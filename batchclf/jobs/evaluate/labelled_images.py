"""What slices and thresholds are made from: the labelled images of a run, and what is known of each."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from batchclf.core.slices.columns import (
    MOST_NUMBERS,
    UNKNOWN,
    Codes,
    Column,
    LeftOut,
    column_of_numbers,
    column_of_texts,
)
from batchclf.core.slices.measure import Labelled
from batchclf.core.slices.path_digest import in_sample, in_second_half, path_digests
from batchclf.core.slices.search import Chosen
from batchclf.core.types import Prediction, PredictionRows
from batchclf.data.metadata_table import MetadataTable
from batchclf.errors import BatchclfError
from batchclf.storage.images.by_path import ImagesByPath, StoredFacts

MOST_IMAGES = 1_000_000
"""Of more labelled images of a split half are kept, a quarter, …: what can be seen in a million needs no more."""

_SAMPLED = "Slices and thresholds rest on {:,} of {:,} labelled images, chosen by a digest of their paths."
MOST_ERRORS = 50_000
"""So many wrong predictions of a split are kept with their paths, for the pictures of weak slices."""


@dataclass(frozen=True, eq=False)
class LabelledImages:
    """The n labelled images of one split: `confidence` is (n,) float64, nan where unknown.

    `second_half` says which images what was chosen is judged on, (n,) bool. `scores` are the probabilities of the
    second class where there are two, (n,) float64, else None. `errors` are the wrong ones by their places, at most
    MOST_ERRORS. `missing` has sentences on what could not be read.
    """

    rows: Labelled
    confidence: NDArray[np.float64]
    scores: NDArray[np.float64] | None
    second_half: Chosen
    errors: Mapping[int, Prediction]
    columns: tuple[Column, ...]
    left_out: tuple[LeftOut, ...]
    missing: tuple[str, ...]


class Collector:
    """Takes all rows of a run's predictions in order, and gives the labelled images of each split.

    The columns to slice by are those of `metadata`, the groups of `pattern` in the path, the files' format, and what
    the run's images.csv at `images` says, unless the facts come with the rows. `skipped` rows before the first are none
    of its business.
    """

    def __init__(
        self, images: Path | None, metadata: MetadataTable | None, pattern: re.Pattern[str] | None, skipped: int = 0
    ) -> None:
        self._metadata, self._pattern = metadata, pattern
        self._missing = ""
        self._splits: dict[str, _Parts] = {}
        self._images: ImagesByPath | None = None
        self._given = False
        try:
            if images is not None and images.is_file():
                self._images = ImagesByPath(images, skipped)
        except (OSError, BatchclfError) as error:
            self._unreadable(error)

    def take(self, rows: PredictionRows, given: NDArray[np.void] | None = None) -> None:
        """Add rows, and the FACTS of their images if they are known; their order is that of images.csv."""
        self._given = given is not None
        facts = self._facts(rows) if given is None else StoredFacts.of(given)
        of_row = np.array(rows.splits)
        metadata = None if self._metadata is None else np.full(len(of_row), -1, np.int32)
        for split in dict.fromkeys(rows.splits):
            here = of_row == split
            if self._metadata is not None and metadata is not None:
                # Also of images without a label: their rows are met
                paths = rows.paths if here.all() else [rows.paths[place] for place in np.flatnonzero(here).tolist()]
                metadata[here] = self._metadata.find(paths, split)
            known = here & (rows.labels >= 0)
            if known.any():
                labelled = rows if known.all() else rows.only(known)
                self._splits.setdefault(split, _Parts(self._pattern)).add(labelled, known, facts, metadata)

    def images(self) -> Iterator[tuple[str, LabelledImages]]:
        """Give the labelled images of each split; afterwards nothing is kept."""
        if self._images is not None and (left := self._images.left()):
            self._missing, self._images = f"What the images look like is left out: {left}.", None
        for split in list(self._splits):
            parts = self._splits.pop(split)
            yield (
                split,
                parts.images(self._metadata, has_facts=self._given or self._images is not None, missing=self._missing),
            )

    def _facts(self, rows: PredictionRows) -> StoredFacts | None:
        try:
            return None if self._images is None else self._images.next(rows.splits, rows.paths)
        except (OSError, BatchclfError) as error:
            self._unreadable(error)
            return None

    def _unreadable(self, error: Exception) -> None:
        words = error.message if isinstance(error, BatchclfError) else str(error)
        self._missing, self._images = f"What the images look like cannot be read: {words}.", None


class _Parts:
    """The labelled images of one split, in pieces."""

    def __init__(self, pattern: re.Pattern[str] | None) -> None:
        self._pattern = pattern
        self._seen, self._kept, self._level, self._classes = 0, 0, 0, 0
        self._errors: dict[int, Prediction] = {}
        self._arrays: dict[str, list[NDArray[Any]]] = {}
        self._texts: dict[str, dict[str, int]] = {}
        """Of each column of texts the code of each text, in the order in which they came."""

    def add(
        self,
        rows: PredictionRows,
        chosen: Chosen,
        facts: StoredFacts | None,
        metadata: NDArray[np.int32] | None,
    ) -> None:
        """Add labelled rows, those `chosen` of the ones that `facts` and the rows of `metadata` are of."""
        self._seen, self._classes = self._seen + len(rows), len(rows.class_names)
        digests = path_digests(rows.paths)
        if self._level:
            sampled = in_sample(digests, self._level)
            rows, digests, places = rows.only(sampled), digests[sampled], np.flatnonzero(chosen)[sampled]
        else:
            places = np.flatnonzero(chosen)
        for place in np.flatnonzero(rows.labels != rows.predictions)[: MOST_ERRORS - len(self._errors)].tolist():
            self._errors[self._kept + place] = rows.row(place)
        self._kept += len(rows)
        of_class = np.int16 if self._classes < 2**15 else np.int32
        self._keep("labels", rows.labels.astype(of_class))
        self._keep("predictions", rows.predictions.astype(of_class))
        self._keep("confidence", rows.confidence)
        self._keep("digests", digests)
        if self._classes == 2:
            self._keep("scores", _scores(rows))
        self._keep_texts("format", list(map(_suffix, rows.paths)))
        for name, texts in _found(self._pattern, rows.paths).items():
            self._keep_texts(f"pattern {name}", texts)
        if metadata is not None:
            self._keep("metadata", metadata[places])
        if facts is not None:
            self._keep_texts("stored", [facts.stored[place] for place in places.tolist()])
            for name in ("brightness", "contrast"):
                self._keep(name, np.array(getattr(facts, name), np.float32)[places])
        while self._kept > MOST_IMAGES:
            self._thin()

    def _thin(self) -> None:
        """Keep about half of the images: which, the digests of their paths say."""
        self._level += 1
        kept = in_sample(_joined(self._arrays["digests"]), self._level)
        for name, parts in self._arrays.items():
            self._arrays[name] = [_joined(parts)[kept]]
        places = np.cumsum(kept) - 1
        self._errors = {int(places[at]): row for at, row in self._errors.items() if kept[at]}
        self._kept = int(kept.sum())

    def images(self, metadata: MetadataTable | None, *, has_facts: bool, missing: str) -> LabelledImages:
        """Join the pieces."""
        of = {name: _joined(parts) for name, parts in self._arrays.items()}
        self._arrays.clear()
        made = [*_of_metadata(metadata, of.get("metadata"))]
        made += [self._column(name, of[f"pattern {name}"], f"pattern {name}") for name in _groups(self._pattern)]
        if has_facts:
            made += [column_of_numbers(name, of[name]) for name in ("brightness", "contrast")]
            made += _of_stored(of["stored"], self._texts["stored"])
        made.append(self._column("format", of["format"]))
        columns, left_out = _apart(made)
        sample = "" if not self._level else _SAMPLED.format(self._kept, self._seen)
        return LabelledImages(
            Labelled(of["labels"], of["predictions"], self._classes),
            of["confidence"],
            of.get("scores"),
            in_second_half(of["digests"]),
            self._errors,
            columns,
            left_out,
            tuple(sentence for sentence in (missing, sample) if sentence),
        )

    def _keep(self, name: str, values: NDArray[Any]) -> None:
        self._arrays.setdefault(name, []).append(values)

    def _keep_texts(self, name: str, texts: list[str]) -> None:
        places = self._texts.setdefault(name, {})
        for text in dict.fromkeys(texts):
            places.setdefault(text, len(places))
        self._keep(name, np.fromiter(map(places.__getitem__, texts), np.int32, len(texts)))

    def _column(self, name: str, codes: Codes, key: str = "") -> Column | LeftOut:
        return column_of_texts(name, codes, tuple(self._texts[key or name]))


def _suffix(path: str) -> str:
    """Give what a file's name ends in, in small letters: `jpg`; "" without one."""
    before, dot, suffix = path.rpartition("/")[2].rpartition(".")
    return suffix.lower() if dot and before else ""


def _joined(parts: list[NDArray[Any]]) -> NDArray[Any]:
    """Join pieces, and keep them as one: there may be millions of rows."""
    if len(parts) > 1:
        parts[:] = [np.concatenate(parts)]
    return parts[0]


def _apart(made: Iterable[Column | LeftOut]) -> tuple[tuple[Column, ...], tuple[LeftOut, ...]]:
    """Keep the first column of each name: what somebody says of the images goes before what batchclf knows."""
    columns: dict[str, Column] = {}
    left_out = []
    for each in made:
        if isinstance(each, LeftOut):
            left_out.append(each)
        elif each.name in columns:
            left_out.append(LeftOut(each.name, "another column has the same name"))
        else:
            columns[each.name] = each
    return tuple(columns.values()), tuple(left_out)


def _scores(rows: PredictionRows) -> NDArray[np.float64]:
    """Give the probability of the second of two classes; without its column it is what the first leaves of 1."""
    if rows.probabilities is not None:
        return rows.probabilities[:, 1]
    return np.where(rows.predictions == 1, rows.confidence, 1 - rows.confidence)


def _groups(pattern: re.Pattern[str] | None) -> tuple[str, ...]:
    """Name the columns that a pattern gives: its named groups, or `pattern` if it has none."""
    return () if pattern is None else (*pattern.groupindex,) or ("pattern",)


def _found(pattern: re.Pattern[str] | None, paths: Sequence[str]) -> dict[str, list[str]]:
    """Find the texts of each group in paths, "" where the pattern does not occur."""
    if pattern is None:
        return {}
    matches = [pattern.search(path) for path in paths]
    groups: dict[str, str | int] = {name: name for name in pattern.groupindex} or {"pattern": min(pattern.groups, 1)}
    return {name: [(m[group] or "") if m else "" for m in matches] for name, group in groups.items()}


def _of_metadata(metadata: MetadataTable | None, rows: NDArray[np.int32] | None) -> Iterator[Column | LeftOut]:
    if metadata is None or rows is None:
        return
    for name, (values, codes) in metadata.columns.items():
        if name == "label":
            yield LeftOut(name, "the classes have a section of their own")
            continue
        # A place of its own for images without a row
        yield column_of_texts(name, np.append(codes, np.int32(len(values)))[rows], (*values, UNKNOWN))


def _of_stored(codes: Codes, stored: Iterable[str]) -> Iterator[Column | LeftOut]:
    """Slice by size, aspect and mode, from texts such as `640,480,rgb` with empty numbers where unknown."""
    parts = [text.split(",") for text in stored]
    sizes = [(int(width), int(height)) if width and height else None for width, height, _ in parts]
    texts = [f"{size[0]} x {size[1]}" if size else "" for size in sizes]
    if len({*texts}) <= MOST_NUMBERS:
        yield column_of_texts("size", codes, texts)
    else:
        pixels = [float("nan") if size is None else float(size[0] * size[1]) for size in sizes]
        yield column_of_numbers("size", np.array(pixels)[codes])
    aspects = [float("nan") if size is None else round(size[0] / size[1], 2) for size in sizes]
    yield column_of_numbers("aspect", np.array(aspects)[codes])
    yield column_of_texts("mode", codes, [part[2] for part in parts])
