"""Some rows of a large CSV file by their number, without taking the others apart."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from batchclf.errors import PredictionsError
from batchclf.storage.csv_files.read import read_cells

_BLOCK = 2**20


def read_rows(
    path: Path, header: Sequence[str], columns: Sequence[str], rows: NDArray[np.int64]
) -> Iterator[tuple[int, list[str]]]:
    """Give the number (from 0, after the header) and the cells of `columns` of each of `rows`, which ascend.

    The CSV starts with `header`; it has no blank lines. Raises PredictionsError where it is damaged or too short.
    """
    given = 0
    for number, cells in _read(path, header, columns, rows):
        given += 1
        yield number, cells
    if given < len(rows):
        raise PredictionsError(f"{path} lacks the row {int(rows[given]):,}", hint="score again")


def _read(
    path: Path, header: Sequence[str], columns: Sequence[str], rows: NDArray[np.int64]
) -> Iterator[tuple[int, list[str]]]:
    places = [header.index(name) for name in columns]
    first = given = 0
    rest = b""
    try:
        with path.open("rb") as handle:
            handle.readline()
            while given < len(rows) and (block := handle.read(_BLOCK)):
                lines, end, rest = (rest + block).rpartition(b"\n")
                lines += end
                if b'"' in lines:
                    yield from _parsed(path, header, columns, rows[given:])
                    return
                ends = np.flatnonzero(np.frombuffer(lines, np.uint8) == ord("\n"))
                stop = int(np.searchsorted(rows, first + len(ends)))
                begins = np.append(0, ends + 1)
                for row in rows[given:stop].tolist():
                    cells = lines[begins[row - first] : ends[row - first]].decode().rstrip("\r").split(",")
                    yield row, [cells[place] for place in places]
                first, given = first + len(ends), stop
    except (OSError, UnicodeDecodeError, IndexError) as error:
        raise PredictionsError(f"{path} is damaged: {error}", hint="score again") from error


def _parsed(
    path: Path, header: Sequence[str], columns: Sequence[str], rows: NDArray[np.int64]
) -> Iterator[tuple[int, list[str]]]:
    first = given = 0
    for cells in read_cells(path, header, columns):
        count = len(cells[columns[0]])
        stop = int(np.searchsorted(rows, first + count))
        for row in rows[given:stop].tolist():
            yield row, [cells[name][row - first] for name in columns]
        first, given = first + count, stop
