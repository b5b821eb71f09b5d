"""A table of predictions as every file format gives it: columns of texts, in pieces."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from batchclf.storage.csv_files.read import Cells


class Table(Protocol):
    """Rows with named columns, read again for every pass.

    `words` names the file format. `guarded` says that a `'` before `=`, `+`, `-`, `@` and `'` guards a cell, as in a
    CSV; `decimal_comma` that a comma may be the decimal sign. `class_names` are those that the file itself lists.
    """

    path: Path
    words: str
    columns: list[str]
    guarded: bool
    decimal_comma: bool
    class_names: tuple[str, ...]

    def pieces(self, columns: Sequence[str]) -> Iterator[Cells]:
        """Give the cells of some columns, some rows at a time; what is null is empty. Raises PredictionsError."""

    def place(self, row: int) -> str:
        """Name the place of a row, from 0, within the file, such as `line 2`."""
