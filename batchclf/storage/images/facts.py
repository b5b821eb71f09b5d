"""images.csv: facts of each image that was scored, in the order of predictions.csv."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from batchclf.core.images.facts import MODES
from batchclf.core.images.statistics import ImageRows
from batchclf.core.records.run import WrittenFile
from batchclf.core.types import ImageRef
from batchclf.errors import BatchclfError, RunError
from batchclf.storage.csv_files.append_file import ROWS, AppendFile, ClosedAtEnd, Positions
from batchclf.storage.csv_files.cells import csv_cells
from batchclf.storage.csv_files.read import read_cells
from batchclf.storage.csv_files.vector_text import Text, text_column, text_lines

IMAGES_FILE = "images.csv"
COLUMNS = ["path", "split", "width", "height", "mode", "brightness", "contrast", "dhash", "digest"]
_HEADER = ",".join(COLUMNS).encode() + b"\r\n"
_BLOCK = 2**19
# A number of 0 to 255.99 is written from two tables: what stands up to the point, and two digits behind it.
_WHOLE = text_column([f"{number}.".encode() for number in range(256)])
_HUNDREDTHS = text_column([f"{number:02d}".encode() for number in range(100)])
_DIGEST_BLOCK = 2**20
_DIGEST_DIGITS = 32
_LINE_END = _DIGEST_DIGITS + 2  # what a line ends with: a comma, the digits and a carriage return
Digests = NDArray[np.uint64]
_Columns = tuple[list[str], list[str], NDArray[np.float32], NDArray[np.float32], Digests, Digests]
"""Splits, and the columns of ImageRows."""


class ImageFactsWriter(ClosedAtEnd):
    """Writes images.csv; use as a context manager. Counts in `rows`, those before a resume too."""

    def __init__(self, path: Path, resume_at: Positions | None = None) -> None:
        """Open the file; `resume_at` is what `positions` gave in a run that was cut off later."""
        self.rows = 0 if resume_at is None else resume_at[ROWS]
        self._file = AppendFile(path, _HEADER, resume_at)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def write(self, refs: Sequence[ImageRef], facts: NDArray[np.void], digests: Sequence[bytes], split: str) -> None:
        """Append a row for each of n >= 1 images; `facts` are their n FACTS, `digests` have 16 bytes each."""
        columns: list[Text | bytes] = [
            text_column(csv_cells([ref.path for ref in refs])),
            *(b"," + cell + b"," for cell in csv_cells([split])),
            _stored(facts),
            b",",
            _two_decimals(facts["brightness"]),
            b",",
            _two_decimals(facts["contrast"]),
            b",",
            _hex(facts["dhash"].tobytes(), len(refs)),
            b",",
            _hex(b"".join(digests), len(refs)),
            b"\r\n",
        ]
        self._file.write(text_lines(len(refs), columns))
        self.rows += len(refs)

    def positions(self) -> Positions:
        """Hand all rows to the operating system and tell where to resume after a kill."""
        return {ROWS: self.rows, self._file.path.name: self._file.position()}

    def written(self) -> WrittenFile:
        """Describe the file as it is now."""
        return WrittenFile(self.rows, self._file.sha256)


def read_image_rows(path: Path) -> Iterator[ImageRows]:
    """Read images.csv in pieces of one split each, in the file's order; raises RunError where it is damaged."""
    try:
        done = 0
        for lines in _line_blocks(path, _BLOCK):
            # As long as the lines are as most are.
            columns = _taken_apart(lines)
            if columns is None:
                yield from _parsed_rows(path, done)
                break
            done += len(columns[0])
            yield from _of_each_split(*columns)
    except BatchclfError as error:
        raise RunError(error.message, hint="score again") from error
    except (OSError, ValueError) as error:
        raise RunError(f"{path} is damaged: {error}", hint="score again") from error


def _line_blocks(path: Path, size: int) -> Iterator[bytes]:
    """Give the lines after the header, about `size` bytes at a time; raises ValueError if they are not whole."""
    with path.open("rb") as handle:
        if handle.readline() != _HEADER:
            raise ValueError(f"its first line is not {','.join(COLUMNS)}")
        rest = b""
        while block := handle.read(size):
            lines, end, rest = (rest + block).rpartition(b"\n")
            if end:
                yield lines + end
        if rest:
            raise ValueError("its last line breaks off")


def _parsed_rows(path: Path, skip: int) -> Iterator[ImageRows]:
    """Read what has quotes, and all after it; `skip` rows have been read before."""
    for cells in read_cells(path, COLUMNS, COLUMNS[1:]):
        some = {name: column[skip:] for name, column in cells.items()}
        skip -= min(skip, len(cells["split"]))
        if not set(map(len, some["dhash"])) == set(map(len, some["digest"])) <= {32}:
            raise ValueError("a row lacks a cell, or its hash or digest has not 32 digits")
        yield from _of_each_split(
            some["split"],
            list(map(",".join, zip(some["width"], some["height"], some["mode"], strict=True))),
            np.array(list(map(float, some["brightness"])), np.float32),
            np.array(list(map(float, some["contrast"])), np.float32),
            _from_hex("".join(some["dhash"])),
            _from_hex("".join(some["digest"]))[:, 0].copy(),
        )


def _of_each_split(splits: Sequence[str], *columns: Any) -> Iterator[ImageRows]:
    """Cut columns, those of ImageRows in their order, into pieces of one split each."""
    start = 0
    for split, rows in groupby(splits):
        some = slice(start, start + sum(1 for _ in rows))
        yield ImageRows(split, *(column[some] for column in columns))
        start = some.stop


def _taken_apart(lines: bytes) -> _Columns | None:
    """Take whole lines apart with numpy, in a fifth of the parser's time; None where that cannot be."""
    text = np.frombuffer(lines, np.uint8)
    ends, all_commas = np.flatnonzero(text == ord("\n")), np.flatnonzero(text == ord(","))
    if b'"' in lines or len(all_commas) != (len(COLUMNS) - 1) * len(ends):
        return None
    commas = all_commas.reshape(len(ends), -1)
    in_line = (commas[1:, 0] > ends[:-1]).all() and (commas[:, -1] < ends).all()
    if not in_line or (np.diff(commas[:, -2:]) != 33).any() or (ends - commas[:, -1] != 34).any():
        return None
    places = np.arange(1, 33)
    return (
        _cells(text, commas[:, 0], commas[:, 1]),
        _cells(text, commas[:, 1], commas[:, 4]),
        _numbers(text, commas[:, 4], commas[:, 5]),
        _numbers(text, commas[:, 5], commas[:, 6]),
        _from_hex(text[commas[:, -2:-1] + places].tobytes().decode()),
        _from_hex(text[commas[:, -1:] + places].tobytes().decode())[:, 0].copy(),
    )


def _cells(text: Text, before: NDArray[np.int64], after: NDArray[np.int64]) -> list[str]:
    """Give the texts between two commas of each line; most often they are all the same."""
    widths = after - before - 1
    same = (widths == widths[0]).all()
    if same:
        all_cells = text[before[:, None] + np.arange(1, widths[0] + 1)]
        same = (all_cells == all_cells[0]).all()
    if same:
        return [text[before[0] + 1 : after[0]].tobytes().decode()] * len(before)
    whole = text.tobytes()
    return [whole[start + 1 : stop].decode() for start, stop in zip(before.tolist(), after.tolist(), strict=True)]


def _numbers(text: Text, before: NDArray[np.int64], after: NDArray[np.int64]) -> NDArray[np.float32]:
    """Read the numbers of 0 to 999 with two decimals between two commas of each line."""
    places = after[:, None] - np.arange(6, 0, -1)
    digits = text[places].astype(np.int64) - ord("0")
    digits[places <= before[:, None]] = 0
    point = digits[:, 3].copy()
    digits[:, 3] = 0
    if (point != ord(".") - ord("0")).any() or (digits < 0).any() or (digits > 9).any() or (after - before > 7).any():
        raise ValueError("a brightness or contrast is no number with two decimals")
    values: NDArray[np.float32] = (digits @ np.array([10_000, 1000, 100, 0, 10, 1]) / 100).astype(np.float32)
    return values


def _from_hex(digits: str) -> NDArray[np.uint64]:
    """Read 32 hex digits a row: (n, 2) uint64."""
    return np.frombuffer(bytes.fromhex(digits), ">u8").astype(np.uint64).reshape(-1, 2)


def kinds_of(facts: NDArray[np.void]) -> tuple[list[str], NDArray[np.int64]]:
    """List `WIDTH,HEIGHT,MODE` of n FACTS, and for each its place in the list, (n,): most images of a run share one."""
    kinds = np.column_stack([facts["width"], facts["height"], facts["mode"]])
    if (kinds == kinds[0]).all():
        unique, of_row = kinds[:1], np.zeros(len(kinds), np.int64)
    else:
        unique, of_row = np.unique(kinds, axis=0, return_inverse=True)
    return [f"{width or ''},{height or ''},{MODES[mode]}" for width, height, mode in unique.tolist()], of_row.ravel()


def _stored(facts: NDArray[np.void]) -> Text:
    kinds, of_row = kinds_of(facts)
    return text_column([kind.encode() for kind in kinds])[of_row]


def hundredths(values: NDArray[np.float32]) -> NDArray[np.int64]:
    """Round numbers of 0 to 255.99 to the hundredths that the file has."""
    return np.rint(values.astype(np.float64) * 100).astype(np.int64)


def _two_decimals(values: NDArray[np.float32]) -> Text:
    whole, rest = np.divmod(hundredths(values), 100)
    return np.concatenate([_WHOLE[whole], _HUNDREDTHS[rest]], axis=1)


def _hex(content: bytes, rows: int) -> Text:
    return np.frombuffer(content.hex().encode(), np.uint8).reshape(rows, -1)


def read_image_digests(path: Path) -> Iterator[Digests]:
    """Read the digests' first 64 bits in pieces, (n,) uint64 each, in the file's order.

    Raises RunError where the file is damaged.
    """
    done = 0
    try:
        for lines in _line_blocks(path, _DIGEST_BLOCK):
            digests = _digests_of_lines(lines)
            done += len(digests)
            yield digests
        return
    except ValueError:
        pass  # a line has quotes or is otherwise not as most are
    except OSError as error:
        raise RunError(f"{path} cannot be read: {error.strerror}", hint="score again") from error
    yield from _digests_after(path, done)


def _digests_of_lines(lines: bytes) -> Digests:
    """Take the digests out of whole lines; raises ValueError if one is not as most are."""
    text = np.frombuffer(lines, np.uint8)
    ends = np.flatnonzero(text == ord("\n"))
    commas = ends - _LINE_END
    if b'"' in lines or (np.diff(ends, prepend=-1) <= _LINE_END).any():
        raise ValueError("a line has quotes or is too short")
    if (text[commas] != ord(",")).any() or (text[ends - 1] != ord("\r")).any():
        raise ValueError("a line does not end in a digest")
    digits = text[commas[:, None] + np.arange(1, _DIGEST_DIGITS // 2 + 1)].tobytes()
    content = bytes.fromhex(digits.decode())
    if 2 * len(content) != len(digits):  # `fromhex` passes over spaces
        raise ValueError("a digest has spaces")
    return np.frombuffer(content, ">u8").astype(np.uint64)


def _digests_after(path: Path, done: int) -> Iterator[Digests]:
    """Read what is not plain with all else of its rows, which also says what is damaged; `done` rows are known."""
    for rows in read_image_rows(path):
        if len(rows.digest) != len(rows):
            raise RunError(f"{path} is damaged: a digest has not 32 digits", hint="score again")
        new = rows.digest[done:]
        done -= min(done, len(rows))
        if len(new):
            yield new
