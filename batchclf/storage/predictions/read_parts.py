"""The parts of a run's predictions, read one after the other as one table with the cells of predictions.csv."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from batchclf.core.text import GUARDED_STARTS
from batchclf.errors import PredictionsError
from batchclf.storage.csv_files.cells import safe_cell
from batchclf.storage.csv_files.read import Cells, NumberCells, chosen_rows, rows_per_piece
from batchclf.storage.predictions.parquet import check_pyarrow
from batchclf.storage.predictions.parts import part_name

_TRUTH = {True: "true", False: "false", None: ""}


class PartsTable:
    """The parts in a folder, or some `files` of them, as one table, which is read some rows at a time.

    Raises PredictionsError if there is no part, if one is missing between others, damaged, or has other columns than
    the first; RunError if pyarrow is not installed.
    """

    def __init__(self, folder: Path, files: Sequence[Path] | None = None) -> None:
        check_pyarrow()
        self.path = folder
        self.files = _parts_in(folder) if files is None else list(files)
        with _opened(self.files[0]) as file:
            self.header: list[str] = file.schema_arrow.names

    @property
    def size(self) -> int:
        """Count the bytes of all parts."""
        return sum(file.stat().st_size for file in self.files)

    def pieces(self, columns: Sequence[str]) -> Iterator[Cells]:
        """Give the cells of some columns, in pieces of one part each."""
        rows = rows_per_piece(len(self.header))
        for path in self.files:
            with _opened(path) as file:
                if file.schema_arrow.names != self.header:
                    raise PredictionsError(
                        f"{path} has other columns than {self.files[0].name}", hint="restore the parts, or score again"
                    )
                for batch in file.iter_batches(batch_size=rows, columns=list(columns)):
                    yield {name: _cells(batch.column(name)) for name in columns}

    def rows(self, columns: Sequence[str], wanted: NDArray[np.int64]) -> Iterator[tuple[int, list[str]]]:
        """Give the number and the cells of each of some rows, which ascend."""
        given = 0
        for number, cells in chosen_rows(self.pieces(columns), columns, wanted):
            given += 1
            yield number, cells
        if given < len(wanted):
            raise PredictionsError(f"{self.path} lacks the row {int(wanted[given]):,}", hint="score again")

    def place(self, row: int) -> str:
        """Name the part that a row is in, and its number there."""
        for path in self.files:
            with _opened(path) as file:
                if row < file.metadata.num_rows:
                    break
                row -= file.metadata.num_rows
        return f"{path.name}, row {row + 1:,}"

    def called(self, column: str) -> str:
        """Give the column's name."""
        return column


def _parts_in(folder: Path) -> list[Path]:
    files = sorted(folder.glob("part-*.parquet"))
    expected = [folder.parent / part_name(number) for number in range(max(1, len(files)))]
    wrong = next((path for path in expected if path not in files), None)
    if wrong is not None:
        raise PredictionsError(
            f"{wrong} is missing", hint="restore the parts of the run, or score again; all are needed"
        )
    return files


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            yield file
    except (OSError, pa.ArrowException) as error:
        raise PredictionsError(f"{path} is damaged: {error}", hint="score again") from error


def _cells(column: Any) -> Sequence[str]:
    import pyarrow as pa

    if column.type == pa.float32():
        return NumberCells(column.to_numpy(zero_copy_only=False))
    if column.type == pa.bool_():
        return [_TRUTH[value] for value in column.to_pylist()]
    return [
        "" if text is None else safe_cell(text) if text.startswith(GUARDED_STARTS) else text
        for text in column.to_pylist()
    ]
