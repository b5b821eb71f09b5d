"""Rows of a predictions CSV that stand twice, found with two reads and at most 32 bytes a row (decision 150)."""

from array import array
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from batchclf.core.types import Say
from batchclf.errors import PredictionsError
from batchclf.storage.csv_files.read import Cells
from batchclf.storage.predictions.columns import Source

_DIGEST = 16
"""Bytes. That any two of 10 million paths have the same digest has a probability of 1.5e-25."""


class Reader(Protocol):
    """What is needed of a `RowReader`, which looks for repeats itself."""

    path: Path
    source: Source
    header: list[str]
    compared: list[str]

    def pieces(self, columns: Sequence[str] = ()) -> Iterator[tuple[int, Cells]]:
        """Give the number of the first row and the cells of each piece, of `columns` or of all."""

    def images(self, cells: Cells) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Give path and split of each row."""

    def said(self, first: int, cells: Cells) -> NDArray[np.float64]:
        """Give the values of each row, in the order of `compared`."""


def find_repeats(reader: Reader, warn: Say) -> NDArray[np.int64]:
    """Find the rows that say again what an earlier row says of the same path and split: their numbers, ascending.

    `warn` gets a line if there are any. Rows without a path are no one's. Raises PredictionsError, with both lines, if
    two rows of a path and split differ in a column that is read.
    """
    keys = _repeated(reader)
    repeats = array("q")
    first_rows, contents = np.full(len(keys), -1, np.int64), np.empty(len(keys), f"V{_DIGEST}")
    first_pair = (0, 0)
    for begin, cells in reader.pieces() if len(keys) else ():
        digests = np.frombuffer(_path_digests(reader, begin, cells), f"S{_DIGEST}")
        places = np.minimum(np.searchsorted(keys, digests), len(keys) - 1)
        suspects = np.flatnonzero(keys[places] == digests).tolist()
        values = reader.said(begin, cells) if suspects else None
        for row in suspects:
            assert values is not None
            place, content = places[row], blake2b(values[row].tobytes(), digest_size=_DIGEST).digest()
            before = int(first_rows[place])
            if before < 0:
                first_rows[place], contents[place] = begin + row, np.void(content)
            elif contents[place].tobytes() != content:
                raise _conflict(reader, before, begin + row)
            else:
                first_pair = first_pair if repeats else (before, begin + row)
                repeats.append(begin + row)
    if not repeats:
        return np.empty(0, np.int64)
    warn(repeated(reader.path, len(repeats), [_line(reader, row) for row in first_pair]))
    return np.frombuffer(repeats, np.int64)


def repeated(path: Path, rows: int, places: Sequence[str]) -> str:
    """Say how many rows repeat an earlier one; the first of them is at the second of `places`, such as `line 4`."""
    first = f"{places[1]} repeats {places[0]}"
    if rows == 1:
        return f"{path}: 1 row repeats an earlier one ({first}); it is counted once"
    return f"{path}: {rows:,} rows repeat an earlier one (the first: {first}); each is counted once"


def conflict(
    path: Path, image: tuple[str, str], column: str, values: Sequence[object], places: Sequence[str]
) -> PredictionsError:
    """Make the error for two rows of an image, (path, split), whose `column` has two `values` at two `places`."""
    of_split = f" ({image[1]})" if image[1] else ""
    return PredictionsError(
        f"{path} has two rows for {image[0]}{of_split} that differ: {column} is '{values[0]}' in {places[0]} and "
        f"'{values[1]}' in {places[1]}",
        hint="take one of the two away; a path may stand once in each split",
    )


def _line(reader: Reader, row: int) -> str:
    return reader.source.place(row)


def _repeated(reader: Reader) -> NDArray[np.bytes_]:
    """Give the digests that two rows or more have, each once, ascending."""
    digests = bytearray()
    split = ["split"] if "split" in reader.header else []
    for begin, cells in reader.pieces(["path", *split]):
        digests += _path_digests(reader, begin, cells)
    keys = np.frombuffer(digests, f"S{_DIGEST}")
    keys.sort()
    again: NDArray[np.bytes_] = keys[1:][keys[1:] == keys[:-1]]
    if len(again):
        again = again[np.append(True, again[1:] != again[:-1])]
    return again


def _path_digests(reader: Reader, begin: int, cells: Cells) -> bytes:
    """Digest path and split of each row; that of a row without a path is of its number, and so no other's."""
    texts = (
        f"{split}\0{path}" if path else f"{begin + row}"
        for row, (path, split) in enumerate(zip(*reader.images(cells), strict=True))
    )
    return b"".join([blake2b(text.encode(), digest_size=_DIGEST).digest() for text in texts])


def _conflict(reader: Reader, before: int, again: int) -> PredictionsError:
    (one, cells), (other, other_cells) = (_row(reader, row) for row in (before, again))
    column = reader.compared[int(np.argmax(one != other))]
    (path,), (split,) = reader.images(cells)
    places = [_line(reader, row) for row in (before, again)]
    return conflict(reader.path, (path, split), column, (*cells[column], *other_cells[column]), places)


def _row(reader: Reader, wanted: int) -> tuple[NDArray[np.float64], Cells]:
    """Read one row again: its values, and its cells as they stand in the file."""
    split = ["split"] if "split" in reader.header else []
    for begin, cells in reader.pieces():
        place = wanted - begin
        if 0 <= place < len(cells["path"]):
            one: Cells = {name: [cells[name][place]] for name in ["path", *split, *reader.compared]}
            return reader.said(wanted, {name: list(column) for name, column in one.items()})[0], one
    raise PredictionsError(
        f"{reader.path} was changed while it was read", hint="wait until it is written, and try again"
    )
