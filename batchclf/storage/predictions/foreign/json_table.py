"""JSON lines, and JSON documents in the forms that pandas, MLflow, timm and Hugging Face pipelines write."""

import gzip
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from batchclf.errors import PredictionsError
from batchclf.storage.csv_files.read import Cells, rows_per_piece
from batchclf.storage.predictions.foreign.values import cell, columns_of, flat

_SAMPLE = 1_000
_ANSWER = {"label", "score"}
PATH_KEY = "path"
"""The column of the keys of an object that has the rows by the paths of their images."""


class _JsonTable:
    guarded = decimal_comma = False
    class_names: tuple[str, ...] = ()
    path: Path
    columns: list[str]

    def place(self, row: int) -> str:
        """Name a row by its number."""
        return f"row {row + 1}"

    def rows(self) -> Iterator[tuple[int, Mapping[str, Any]]]:
        """Yield each row with its number."""
        raise NotImplementedError

    def pieces(self, columns: Sequence[str]) -> Iterator[Cells]:
        """Give the cells of some columns; a row without one of them has an empty cell."""
        rows, known = self.rows(), set(self.columns)
        while some := list(islice(rows, rows_per_piece(len(self.columns)))):
            for number, row in some:
                if not row.keys() <= known:
                    new = next(name for name in row if name not in known)
                    where = f"{self.path}, {self.place(number)}"
                    raise PredictionsError(
                        f"{where}: it has '{new}', and the first {_SAMPLE:,} rows have no such key",
                        hint="give all rows the same keys",
                    )
            yield {
                name: [cell(row.get(name), f"{self.path}, row {at + 1}", name) for at, row in some] for name in columns
            }


class JsonLinesTable(_JsonTable):
    """One object a line, compressed by gzip or not. Raises PredictionsError if the first lines cannot be read."""

    words = "JSON lines"

    def __init__(self, path: Path) -> None:
        self.path = path
        self.columns = columns_of([row for _, row in islice(self.rows(), _SAMPLE)])

    def place(self, row: int) -> str:
        """Name the line of a row; blank lines are none."""
        return f"line {next((line for line, _ in islice(self._lines(), row, None)), row + 1)}"

    def rows(self) -> Iterator[tuple[int, Mapping[str, Any]]]:
        """Decode the lines one by one."""
        decoder = msgspec.json.Decoder(dict[str, Any])
        for number, (line, content) in enumerate(self._lines()):
            try:
                yield number, flat(decoder.decode(content))
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                raise PredictionsError(
                    f"{self.path}, line {line}: {error}", hint="write one JSON object a line"
                ) from error

    def _lines(self) -> Iterator[tuple[int, bytes]]:
        try:
            with _open(self.path) as lines:
                for number, line in enumerate(lines, 1):
                    if line.strip():
                        yield number, line
        except (OSError, EOFError) as error:
            raise PredictionsError(f"{self.path} cannot be read: {error}", hint="give a file of JSON lines") from error


class JsonTable(_JsonTable):
    """A JSON document, which is in memory as a whole. Raises PredictionsError if it is no table."""

    words = "JSON"

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with _open(path) as handle:
                document = msgspec.json.decode(handle.read())
        except (OSError, EOFError, msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise PredictionsError(f"{path} cannot be read: {error}", hint="give a JSON document in UTF-8") from error
        self._table = [flat(row) for row in _records(document, path)]
        self.columns = columns_of(self._table)

    def rows(self) -> Iterator[tuple[int, Mapping[str, Any]]]:
        """Give the rows of the document."""
        return enumerate(self._table)


def _open(path: Path) -> BinaryIO:
    with path.open("rb") as handle:
        zipped = handle.read(2) == b"\x1f\x8b"
    return gzip.open(path) if zipped else path.open("rb")  # type: ignore[return-value]


def _records(document: Any, path: Path) -> list[Mapping[str, Any]]:
    """Find the rows: in a list, in columns and data, in columns by name, or by the path of each image."""
    if isinstance(document, dict) and document:
        return _of_object(document, path)
    if isinstance(document, list) and document:
        if all(isinstance(row, list) for row in document):
            return [{"answers": row} for row in document]
        if all(isinstance(row, dict) for row in document):
            if all(row.keys() == _ANSWER for row in document):
                raise _no_table(path, "it is a pipeline's answer for one image, a class and a score each")
            return document
    raise _no_table(path, "it is no list of rows")


def _of_object(document: Mapping[str, Any], path: Path) -> list[Mapping[str, Any]]:
    values = list(document.values())
    if {"columns", "data"} <= document.keys():
        width = len(document["columns"])
        if any(len(row) != width for row in document["data"]):
            raise _no_table(path, "a row of its data has more or fewer values than it has columns")
        return [dict(zip(document["columns"], row, strict=True)) for row in document["data"]]
    if all(isinstance(value, list) and value and isinstance(value[0], dict) for value in values):
        return [{PATH_KEY: key, "answers": value} for key, value in document.items()]
    if all(isinstance(value, dict) for value in values):
        return _of_objects(document, path)
    if all(isinstance(value, list) for value in values) and len({len(value) for value in values}) == 1:
        return [dict(zip(document, row, strict=True)) for row in zip(*values, strict=True)]
    raise _no_table(path, "it is no list of rows")


def _of_objects(document: Mapping[str, Mapping[str, Any]], path: Path) -> list[Mapping[str, Any]]:
    """Take objects by name as rows by their path, or as pandas' columns of cells by the number of the row."""
    keys = [list(value) for value in document.values()]
    if keys[0] and all(each == keys[0] and all(map(str.isdigit, each)) for each in keys):
        return [{name: column[key] for name, column in document.items()} for key in keys[0]]
    if any(PATH_KEY in value for value in document.values()):
        raise _no_table(path, f"its objects have the key '{PATH_KEY}', and names of their own")
    return [{PATH_KEY: key, **value} for key, value in document.items()]


def _no_table(path: Path, why: str) -> PredictionsError:
    return PredictionsError(
        f"{path} is no table of predictions: {why}",
        hint="give a list with an object for each image, or JSON lines",
    )
