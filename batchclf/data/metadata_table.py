"""What is known of images besides their labels: a CSV of metadata by path, such as the camera or the site."""

from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from batchclf.core.text import plain_text
from batchclf.data.label_table import read_table, repeats_words, unmatched_words
from batchclf.data.sources.folder import relative_path
from batchclf.errors import DataError

PATH = "path"


@dataclass(eq=False)
class MetadataTable:
    """Metadata of the file `source`: `rows` has the row number of each path, `columns` are named.

    A column's `codes`, (rows,) int32, are places in its `values`; an empty text is among them where a cell is empty.
    `met` says which rows name an image that was scored. `repeats` says how many rows of the file say again what an
    earlier one says, "" for none.
    """

    source: Path
    rows: dict[str, int]
    columns: dict[str, tuple[tuple[str, ...], NDArray[np.int32]]]
    repeats: str = ""
    met: NDArray[np.bool_] = field(init=False)

    def __post_init__(self) -> None:
        """Begin with no row met."""
        self.met = np.zeros(len(self.rows), np.bool_)

    def find(self, paths: Sequence[str]) -> NDArray[np.int32]:
        """Give the row of each image by its path, (n,) int32, -1 where there is none; they count as met."""
        found = np.fromiter((self.rows.get(path, -1) for path in paths), np.int32, len(paths))
        self.met[found[found >= 0]] = True
        return found

    def unmatched(self) -> str:
        """Say how many rows name no file that was met; empty if there are none."""
        return unmatched_words(self.source, [path for path, row in self.rows.items() if not self.met[row]])


def read_metadata(source: Path, roots: Sequence[Path] = ()) -> MetadataTable:
    """Read a CSV with a header, the column `path` and at least one other; paths are as in a CSV of labels.

    UTF-8; comma, semicolon or tab, whichever the header has; a column without a name, such as an index, is ignored. A
    path is relative to the folder that is scored, or leads into one of `roots`. In a file with semicolons or tabs
    numbers may have decimal commas. Raises DataError if the file cannot be read or is no such CSV, or if two rows say
    different things of a path; the message names the line.
    """
    header, delimiter, found = read_table(source, (PATH,), "metadata")
    names = _column_names(header, source)
    place, places = header.index(PATH), [header.index(name) for name in names]
    texts: list[dict[str, int]] = [{} for _ in names]
    codes = [array("i") for _ in names]
    rows: dict[str, tuple[int, int]] = {}
    count, first_pair = 0, (0, 0)
    for line, row in found:
        if len(row) < len(header):
            raise DataError(f"line {line} of {source} has {len(row)} of the {len(header)} cells that the header names")
        path = plain_text(row[place])
        if not path:
            raise DataError(f"line {line} of {source} has no path", hint="take the line away, or give its path")
        others = [plain_text(row[number]).strip() for number in places]
        said = [of.setdefault(text, len(of)) for of, text in zip(texts, others, strict=True)]
        path = _relative(path, roots)
        number, line_before = rows.setdefault(path, (len(codes[0]), line))
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
    if not rows:
        raise DataError(f"{source} has no row", hint="give a row for each image")
    return MetadataTable(
        source,
        {path: number for path, (number, _) in rows.items()},
        {
            name: (_decimal_points(tuple(of), delimiter), np.array(column, np.int32))
            for name, of, column in zip(names, texts, codes, strict=True)
        },
        repeats_words(source, count - len(rows), first_pair),
    )


def _column_names(header: list[str], source: Path) -> list[str]:
    names = [name for name in header if name not in (PATH, "")]
    if twice := [name for name, times in Counter(names).items() if times > 1]:
        raise DataError(f"the header of {source} names the column '{twice[0]}' twice", hint="remove one of them")
    if not names:
        raise DataError(f"{source} has no column but {PATH}", hint="add a column to slice by, such as camera")
    return names


def _relative(path: str, roots: Sequence[Path]) -> str:
    for root in roots or (Path(),):
        if (found := relative_path(path, root)) is not None:
            return found
    return path


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
