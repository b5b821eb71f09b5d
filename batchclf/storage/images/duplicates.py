"""duplicates.csv: images that occur more than once, each with the image that it is a duplicate of."""

import csv
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from batchclf.core.images.duplicates import EXACT, NEAR, UNCONFIRMED, DuplicateRows
from batchclf.core.records.run import WrittenFile
from batchclf.core.text import plain_text
from batchclf.errors import BatchclfError, RunError
from batchclf.storage.csv_files.append_file import AppendFile
from batchclf.storage.csv_files.cells import csv_cells
from batchclf.storage.csv_files.read import read_cells
from batchclf.storage.csv_files.vector_text import text_column, text_lines

DUPLICATES_FILE = "duplicates.csv"
COLUMNS = [
    "kind",
    "split",
    "path",
    "label",
    "prediction",
    "original_split",
    "original_path",
    "original_label",
    "correlation",
]
"""The fields of DuplicateRows, in their order."""


def write_duplicates(path: Path, pieces: Iterable[DuplicateRows]) -> WrittenFile:
    """Write duplicates.csv, and describe it. Raises OSError."""
    written = 0
    file = AppendFile(path, ",".join(COLUMNS).encode() + b"\r\n", None)
    with closing(file):
        for rows in pieces:
            if len(rows):
                file.write(_lines(rows))
                written += len(rows)
    return WrittenFile(written, file.sha256)


def read_duplicates(path: Path) -> Iterator[DuplicateRows]:
    """Read duplicates.csv in pieces; raises RunError where it is damaged."""
    try:
        with path.open(encoding="utf-8", newline="") as handle:
            if next(csv.reader(handle), None) != COLUMNS:
                raise ValueError(f"its first line is not {','.join(COLUMNS)}")
        for cells in read_cells(path, COLUMNS, COLUMNS):
            unknown = set(cells["kind"]) - {EXACT, NEAR, UNCONFIRMED}
            if unknown:
                raise ValueError(f"there is no kind '{min(unknown)}'")
            columns: list[Any] = [list(map(plain_text, cells[name])) for name in COLUMNS[:-1]]
            columns.append([float(cell or "nan") for cell in cells["correlation"]])
            yield DuplicateRows(*columns)
    except BatchclfError as error:
        raise RunError(error.message, hint="score again") from error
    except (OSError, ValueError, csv.Error) as error:
        raise RunError(f"{path} is damaged: {error}", hint="score again") from error


def _lines(rows: DuplicateRows) -> bytearray:
    texts = [getattr(rows, each.name) for each in fields(rows)[:-1]]
    columns = [part for each in texts for part in (text_column(csv_cells(each)), b",")]
    correlations = [b"" if np.isnan(value) else f"{value:.4f}".encode() for value in rows.correlations]
    return text_lines(len(rows), [*columns, text_column(correlations), b"\r\n"])
