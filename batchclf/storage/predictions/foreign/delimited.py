"""CSV and TSV, with commas, semicolons or tabs, compressed by gzip or not, in UTF-8 or as Excel's Unicode text."""

import csv
import gzip
import io
import zlib
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from batchclf.core.text import counted
from batchclf.errors import PredictionsError
from batchclf.storage.csv_files.read import Cells, rows_per_piece

_DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs"}
_SAMPLE = 20
_GZIP, _UTF_16 = b"\x1f\x8b", (b"\xff\xfe", b"\xfe\xff")
_DAMAGE = (OSError, EOFError, UnicodeError, csv.Error, zlib.error)


class DelimitedTable:
    """See `Table`. Raises PredictionsError if the file cannot be read, or if its delimiter is not clear."""

    guarded = True
    class_names: tuple[str, ...] = ()

    def __init__(self, path: Path) -> None:
        self.path = path
        self._delimiter = self._find_delimiter()
        self.decimal_comma = self._delimiter != ","
        self.words = f"CSV with {_DELIMITERS[self._delimiter]}"
        self.columns = [name.strip() for name in next(self._rows(), (1, []))[1]]

    def pieces(self, columns: Sequence[str]) -> Iterator[Cells]:
        """Give the cells of some columns; a row with more or fewer cells than the header is refused."""
        places, width = [self.columns.index(name) for name in columns], len(self.columns)
        rows = islice(self._rows(), 1, None)
        while some := list(islice(rows, rows_per_piece(width))):
            for line, row in some:
                if len(row) != width:
                    # What is cut off, or has a delimiter too many without quotes, has values in the wrong columns
                    raise PredictionsError(
                        f"{self.path}, line {line}: the row has {counted(len(row), 'cell')}, and the header {width}",
                        hint="put cells that hold the delimiter into double quotes, or take the row away",
                    )
            yield {name: [row[place] for _, row in some] for name, place in zip(columns, places, strict=True)}

    def place(self, row: int) -> str:
        """Name the line that a row, from 0, begins in."""
        line = next((line for line, _ in islice(self._rows(), row + 1, None)), 0)
        return f"line {line}"

    def _open(self) -> io.TextIOWrapper:
        with self.path.open("rb") as handle:
            zipped = handle.read(2) == _GZIP
        binary = io.BufferedReader(gzip.GzipFile(self.path) if zipped else io.FileIO(self.path))
        encoding = "utf-16" if binary.peek(2)[:2] in _UTF_16 else "utf-8-sig"
        return io.TextIOWrapper(binary, encoding, newline="")

    def _rows(self, delimiter: str = "") -> Iterator[tuple[int, list[str]]]:
        """Yield each row that is not blank, the header too, with the line that it begins in."""
        line = 1
        try:
            with self._open() as text:
                reader = csv.reader(text, delimiter=delimiter or self._delimiter, strict=True)
                for row in reader:
                    if any(row):
                        yield line, row
                    line = reader.line_num + 1
        except _DAMAGE as error:
            why = "it is not UTF-8" if isinstance(error, UnicodeError) else getattr(error, "strerror", "") or error
            raise PredictionsError(
                f"{self.path} cannot be read, from line {line} on: {why}", hint="save it as CSV in UTF-8"
            ) from error

    def _find_delimiter(self) -> str:
        """Choose what splits the header into most columns, and the first rows into as many."""
        widths: dict[str, int] = {}
        for delimiter in _DELIMITERS:
            try:
                first = [len(row) for _, row in islice(self._rows(delimiter), _SAMPLE)]
            except PredictionsError:
                if delimiter == "\t" and not widths:
                    raise
                continue
            if first and set(first) == {first[0]}:
                widths[delimiter] = first[0]
        most = max(widths.values(), default=0)
        best = [delimiter for delimiter, width in widths.items() if width == most]
        if most > 1 and len(best) == 1:
            return best[0]
        if most > 1:
            found = " as well as ".join(_DELIMITERS[each] for each in best)
            raise PredictionsError(
                f"{self.path}: {found} split its first rows into {most} columns each", hint="use one delimiter"
            )
        return self._by_header()

    def _by_header(self) -> str:
        """Choose by the header alone; then the first row that is split otherwise is named."""
        header = {each: len(next(self._rows(each), (1, []))[1]) for each in _DELIMITERS}
        if not any(header.values()):
            raise PredictionsError(f"{self.path} is empty", hint="give a table with a header line")
        return max(header, key=header.__getitem__)
