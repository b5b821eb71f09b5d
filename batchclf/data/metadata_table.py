"""What is known of images besides their labels: a CSV of metadata by path, such as the camera or the site."""

import os
from array import array
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from batchclf.core.text import counted, plain_text
from batchclf.data.label_table import read_table, repeats_words, unmatched_words
from batchclf.data.sources.addresses import Address, Location
from batchclf.data.sources.folder import relative_path
from batchclf.errors import DataError

PATH = "path"
Roots = Mapping[str | None, Location]
"""Folders, on disk or in a store, by the names of their subsets; None stands for all."""


@dataclass(eq=False)
class MetadataTable:
    """Metadata of the file `source`: `rows` has the row number of each path by subset, `columns` are named.

    Paths that led into the folder of one subset are under its name, all others under None: they are about any subset.

    A column's `codes`, (rows,) int32, are places in its `values`; an empty text is among them where a cell is empty.
    `met` says which rows name an image that was scored. `repeats` says how many rows of the file say again what an
    earlier one says, "" for none.
    """

    source: Location
    rows: dict[str | None, dict[str, int]]
    columns: dict[str, tuple[tuple[str, ...], NDArray[np.int32]]]
    repeats: str = ""
    met: NDArray[np.bool_] = field(init=False)

    def __post_init__(self) -> None:
        """Begin with no row met."""
        self.met = np.zeros(self.count, np.bool_)
        self._subset_of = np.full(self.count, -1, np.int32)
        self._subsets: dict[str, int] = {}
        self._shared = np.zeros(self.count, np.bool_)

    @property
    def count(self) -> int:
        """The number of rows that say something new."""
        return max((row for rows in self.rows.values() for row in rows.values()), default=-1) + 1

    def find(self, paths: Sequence[str], subset: str) -> NDArray[np.int32]:
        """Give the row of each image of a subset by its path, (n,) int32, -1 where there is none; they count as met."""
        own, others = self.rows.get(subset, {}), self.rows.get(None, {})
        of_all = np.fromiter((others.get(path, -1) for path in paths), np.int32, len(paths))
        here = np.unique(of_all[of_all >= 0])
        number = self._subsets.setdefault(subset, len(self._subsets))
        self._shared[here] |= (self._subset_of[here] != number) & (self._subset_of[here] >= 0)
        self._subset_of[here] = number
        found = of_all
        if own:
            of_own = np.fromiter((own.get(path, -1) for path in paths), np.int32, len(paths))
            found = np.where(of_own >= 0, of_own, of_all)
        self.met[found[found >= 0]] = True
        return found

    def unmatched(self) -> str:
        """Say how many rows name no file that was met; empty if there are none."""
        unmet = [path for rows in self.rows.values() for path, row in rows.items() if not self.met[row]]
        return unmatched_words(self.source, unmet)

    def shared(self) -> str:
        """Say how many rows were taken for images of several subsets; empty if there are none."""
        if not (times := int(self._shared.sum())):
            return ""
        first = next(path for path, row in self.rows[None].items() if self._shared[row])
        name = "names" if times == 1 else "name"
        return (
            f"{counted(times, 'row')} of {self.source.name} {name} an image in each of several subsets, the first: "
            f"{first}; if they are not the same images, give paths that begin with / and the folder"
        )


def read_metadata(source: Location, roots: Roots = MappingProxyType({})) -> MetadataTable:
    """Read a CSV with a header, the column `path` and at least one other; paths are as in a CSV of labels.

    UTF-8; comma, semicolon or tab, whichever the header has; a column without a name, such as an index, is ignored. A
    path is relative to the folder that is scored, or absolute, or an address, and leads into one of `roots`, folders by
    the names of their subsets (None: any); then it is about an image of that subset only. In a file with semicolons or
    tabs numbers may have decimal commas. Raises DataError if the file cannot be read or is no such CSV, or if two rows
    say different things of a path; the message names the line.
    """
    header, delimiter, found = read_table(source, (PATH,), "metadata")
    names = _column_names(header, source)
    place, places = header.index(PATH), [header.index(name) for name in names]
    texts: list[dict[str, int]] = [{} for _ in names]
    codes = [array("i") for _ in names]
    rows: dict[str | None, dict[str, tuple[int, int]]] = {}
    count, first_pair = 0, (0, 0)
    for line, row in found:
        if len(row) < len(header):
            raise DataError(f"line {line} of {source} has {len(row)} of the {len(header)} cells that the header names")
        path = plain_text(row[place])
        if not path:
            raise DataError(f"line {line} of {source} has no path", hint="take the line away, or give its path")
        others = [plain_text(row[number]).strip() for number in places]
        said = [of.setdefault(text, len(of)) for of, text in zip(texts, others, strict=True)]
        for subset, inside in _places(path, roots):
            number, line_before = rows.setdefault(subset, {}).setdefault(inside, (len(codes[0]), line))
        if number == len(codes[0]):
            for column, code in zip(codes, said, strict=True):
                column.append(code)
        elif differing := [n for n, column, code in zip(names, codes, said, strict=True) if column[number] != code]:
            raise DataError(
                f"{source} says two things of {path}: line {line_before} and line {line} differ in {differing[0]}",
                hint="take one of the two lines away",
            )
        elif count == len(codes[0]):
            first_pair = line_before, line
        count += 1
    if not count:
        raise DataError(f"{source} has no row", hint="give a row for each image")
    return MetadataTable(
        source,
        {subset: {path: number for path, (number, _) in of.items()} for subset, of in rows.items()},
        {
            name: (_decimal_points(tuple(of), delimiter), np.array(column, np.int32))
            for name, of, column in zip(names, texts, codes, strict=True)
        },
        repeats_words(source, count - len(codes[0]), first_pair),
    )


def _column_names(header: list[str], source: Location) -> list[str]:
    names = [name for name in header if name not in (PATH, "")]
    if twice := [name for name, times in Counter(names).items() if times > 1]:
        raise DataError(f"the header of {source} names the column '{twice[0]}' twice", hint="remove one of them")
    if not names:
        raise DataError(f"{source} has no column but {PATH}", hint="add a column to slice by, such as camera")
    return names


def _places(path: str, roots: Roots) -> list[tuple[str | None, str]]:
    """Say which paths of which subsets a path of the file stands for."""
    of_store = path.startswith("s3://")
    if not of_store and not os.path.isabs(path):  # noqa: PTH117 (a Path per line is slow)
        return [(None, relative_path(path, Path()) or path)]
    found = []
    for subset, root in roots.items():
        if isinstance(root, Address):
            inside = root.relative(path) if of_store else None
        else:
            inside = None if of_store else relative_path(path, root)
        if inside is not None:
            found.append((subset, inside))
    return found or [(None, path)]


def _decimal_points(texts: tuple[str, ...], delimiter: str) -> tuple[str, ...]:
    """Write decimal commas as points where all texts of a column are numbers then."""
    if delimiter == "," or not any("," in text for text in texts):
        return texts
    changed = tuple(text.replace(",", ".") for text in texts)
    try:
        [float(text) for text in changed if text]
    except ValueError:
        return texts
    return changed if len({*changed}) == len(texts) else texts
