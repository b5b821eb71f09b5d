"""The cells of a CSV file, read in pieces."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import BinaryIO, overload

import numpy as np
from numpy.typing import NDArray

from batchclf.errors import PredictionsError
from batchclf.storage.csv_files.vector_text import seven_digit_numbers, seven_digit_text

ROWS_PER_PIECE = 5_000
CELLS_PER_PIECE = 200_000
"""Of all columns together, so that a thousand probability columns need no more memory than ten."""

Cells = dict[str, Sequence[str]]
"""Some rows of a CSV, or of a table read as one: column → its cells as they stand in the file."""

_BLOCK = 2**20


class PartlySplit(Cells):
    """Cells of some rows whose `last` columns are not taken apart before one of them is asked for.

    `lines` has what stands in them, a line a row.
    """

    def __init__(self, cells: Cells, last: Sequence[str], lines: list[str]) -> None:
        super().__init__(cells)
        self.last, self.lines = list(last), lines

    def __missing__(self, name: str) -> Sequence[str]:
        """Take the last columns apart."""
        if name not in self.last:
            raise KeyError(name)
        cells = zip(*[line.split(",") for line in self.lines], strict=True)
        self.update(zip(self.last, map(list, cells), strict=True))
        return self[name]


class NumberCells(Sequence[str]):
    """Cells with the numbers of a column, (n,) float32, as predictions.csv has them: 7 digits, "" for nan.

    `numbers` is (n,) float64, what these digits mean; a text is made only if one is asked for.
    """

    def __init__(self, values: NDArray[np.float32]) -> None:
        self.numbers = seven_digit_numbers(values)

    def __len__(self) -> int:
        """Count the cells."""
        return len(self.numbers)

    @overload
    def __getitem__(self, place: int) -> str: ...

    @overload
    def __getitem__(self, place: slice) -> Sequence[str]: ...

    def __getitem__(self, place: int | slice) -> str | Sequence[str]:
        """Give a cell, or some."""
        if isinstance(place, slice):
            return [_text(number) for number in self.numbers[place].tolist()]
        return _text(float(self.numbers[place]))


def _text(number: float) -> str:
    return "" if number != number else seven_digit_text(number)


def read_cells(path: Path, header: Sequence[str], columns: Sequence[str], last: int = 0) -> Iterator[Cells]:
    """Read columns of a CSV that starts with `header`, in pieces of at most ROWS_PER_PIECE rows.

    Blank lines are left out; a short line's last cells are empty. If the `last` so many columns are those that the
    header ends with, they may come in a `PartlySplit`. Raises PredictionsError, with the line, where the file is
    damaged.
    """
    places = [header.index(name) for name in columns]
    try:
        with path.open("rb") as handle:
            for found, lines in _pieces(handle, len(header), places, last):
                if lines is None:
                    yield dict(zip(columns, found, strict=True))
                else:
                    yield PartlySplit(dict(zip(columns[:-last], found, strict=True)), columns[-last:], lines)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise PredictionsError(
            f"{path} is damaged: {_damage(path, error)}", hint="score again, or repair the line"
        ) from error


def line_of_row(path: Path, row: int) -> int:
    """Find the line that a row (from 0, after the header) begins in: cells may hold line breaks, lines be blank."""
    number, begin = -2, 1
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as handle:
        reader = csv.reader(handle)
        for cells in reader:
            number += not _is_blank(cells)
            if number == row:
                break
            begin = reader.line_num + 1
    return begin


def rows_per_piece(columns: int) -> int:
    """Choose how many rows are read at a time, by the number of columns: 100 to 5,000."""
    return min(ROWS_PER_PIECE, max(100, CELLS_PER_PIECE // columns))


def _pieces(
    handle: BinaryIO, width: int, places: Sequence[int], last: int
) -> Iterator[tuple[list[list[str]], list[str] | None]]:
    """Give the cells of some columns, piece by piece: split at the commas as long as the lines have no quotes.

    The `last` columns may come as lines.
    """
    header = handle.readline().removesuffix(b"\n").removesuffix(b"\r")
    if b'"' in header or b"\r" in header:
        handle.seek(0)
        yield from _parsed(handle, width, places, header=True)
        return
    while lines := b"".join(islice(handle, rows_per_piece(width))):
        found = _split(lines, width, places, last)
        if found is None:
            handle.seek(-len(lines), io.SEEK_CUR)
            yield from _parsed(handle, width, places, header=False)
            return
        yield found


def _split(
    content: bytes, width: int, places: Sequence[int], last: int
) -> tuple[list[list[str]], list[str] | None] | None:
    """Take whole lines apart in a third of the parser's time; None where they have quotes or not `width` cells each."""
    text = content.decode()
    if last and (found := _split_first(content, width, places[:-last], last)) is not None:
        return found
    end = "\r\n" if "\r" in text else "\n"
    if not text.endswith(end):
        text += end
    rows = text.count(end)
    # Split by hand if there are no quotes; all else goes to the csv module. pandas takes 0.3 s to import (decision 037)
    if '"' in text or text.count("\n") != rows or text.count("\r") not in (0, rows):
        return None
    cells = text.replace(end, ",\n").split(",")
    # Where each line has `width` cells, the line breaks stand before the first cells and nowhere else.
    firsts = "".join(cells[::width]).split("\n")
    if len(cells) != rows * width + 1 or len(firsts) != rows + 1:
        return None
    return [cells[place:-1:width] if place else firsts[:-1] for place in places], None


def _split_first(
    content: bytes, width: int, places: Sequence[int], last: int
) -> tuple[list[list[str]], list[str]] | None:
    """Take some of the first cells out of whole lines, and give the `last` as lines; None where `_split` does."""
    characters = np.frombuffer(content, np.uint8)
    breaks, commas = np.flatnonzero(characters == ord("\n")), np.flatnonzero(characters == ord(","))
    if b'"' in content or not content.endswith(b"\n") or len(commas) != len(breaks) * (width - 1):
        return None
    stops = breaks
    if returns := np.count_nonzero(characters == ord("\r")):
        stops = breaks - 1
        if returns != len(breaks) or (characters[stops] != ord("\r")).any():
            return None
    begins, of_line = np.append(0, breaks[:-1] + 1), commas.reshape(len(breaks), -1)
    if (of_line[:, 0] < begins).any() or (of_line[:, -1] > stops).any():
        return None
    bounds = np.column_stack([begins - 1, of_line[:, : width - last], stops]).tolist()
    return (
        [[content[bound[place] + 1 : bound[place + 1]].decode() for bound in bounds] for place in places],
        [content[bound[-2] + 1 : bound[-1]].decode() for bound in bounds],
    )


def _parsed(
    handle: BinaryIO, width: int, places: Sequence[int], *, header: bool
) -> Iterator[tuple[list[list[str]], None]]:
    with io.TextIOWrapper(handle, "utf-8-sig" if header else "utf-8", newline="") as text:
        reader = csv.reader(text, strict=True)
        if header:
            next(reader)
        while rows := list(islice(reader, rows_per_piece(width))):
            if set(map(len, rows)) != {width}:
                rows = [row + [""] * (width - len(row)) for row in rows if not _is_blank(row)]
            if rows:
                yield [[row[place] for row in rows] for place in places], None


def _is_blank(row: list[str]) -> bool:
    return len(row) < 2 and not "".join(row).strip()


def _damage(path: Path, error: Exception) -> str:
    """Say where a file is damaged: the line that the row begins in, or the line that is no UTF-8."""
    if isinstance(error, OSError):
        return str(error.strerror)
    if isinstance(error, UnicodeDecodeError):
        with path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                try:
                    line.decode()
                except UnicodeDecodeError:
                    return f"line {number} is not UTF-8"
        return str(error)
    begin = 1
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as handle:
        reader = csv.reader(handle, strict=True)
        try:
            for _ in reader:
                begin = reader.line_num + 1
        except csv.Error as damage:
            return f"the row that begins in line {begin}: {damage}"
    return str(error)


def read_rows(
    path: Path, header: Sequence[str], columns: Sequence[str], rows: NDArray[np.int64]
) -> Iterator[tuple[int, list[str]]]:
    """Give the number (from 0, after the header) and the cells of `columns` of each of `rows`, which ascend.

    The CSV starts with `header`; it has no blank lines. Raises PredictionsError where it is damaged or too short.
    """
    given = 0
    for number, cells in _some_rows(path, header, columns, rows):
        given += 1
        yield number, cells
    if given < len(rows):
        raise PredictionsError(f"{path} lacks the row {int(rows[given]):,}", hint="score again")


def _some_rows(
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
                    yield from _parsed_rows(path, header, columns, rows[given:])
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


def _parsed_rows(
    path: Path, header: Sequence[str], columns: Sequence[str], rows: NDArray[np.int64]
) -> Iterator[tuple[int, list[str]]]:
    yield from chosen_rows(read_cells(path, header, columns), columns, rows)


def chosen_rows(
    pieces: Iterable[Cells], columns: Sequence[str], rows: NDArray[np.int64]
) -> Iterator[tuple[int, list[str]]]:
    """Give the number (from 0) and the cells of `columns` of each of `rows`, which ascend, as far as they are there."""
    first = given = 0
    for cells in pieces:
        count = len(cells[columns[0]])
        stop = int(np.searchsorted(rows, first + count))
        for row in rows[given:stop].tolist():
            yield row, [cells[name][row - first] for name in columns]
        first, given = first + count, stop
