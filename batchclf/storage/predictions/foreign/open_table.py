"""Opens a table of predictions, whatever its file format."""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from batchclf.errors import PredictionsError
from batchclf.storage.csv_files.read import Cells
from batchclf.storage.predictions.foreign.delimited import DelimitedTable
from batchclf.storage.predictions.foreign.interface import Table
from batchclf.storage.predictions.foreign.json_table import JsonLinesTable, JsonTable
from batchclf.storage.predictions.foreign.list_columns import with_list_columns
from batchclf.storage.predictions.foreign.npz import NpzTable


def _parquet(path: Path) -> Table:
    from batchclf.storage.predictions.foreign.arrow import ParquetTable

    return ParquetTable(path)


_BY_SUFFIX: dict[str, Callable[[Path], Table]] = {
    ".csv": lambda path: with_list_columns(DelimitedTable(path)),
    ".tsv": lambda path: with_list_columns(DelimitedTable(path)),
    ".txt": lambda path: with_list_columns(DelimitedTable(path)),
    ".jsonl": JsonLinesTable,
    ".ndjson": JsonLinesTable,
    ".json": lambda path: _json(path),
    ".parquet": _parquet,
    ".npz": NpzTable,
}
SUFFIXES = tuple(_BY_SUFFIX)


def open_table(path: Path) -> Table:
    """Open a table by the suffix of its name; `.gz` may follow that of a text. Raises PredictionsError."""
    if not path.is_file():
        raise PredictionsError(f"there is no file {path}", hint=f"give a table: {', '.join(SUFFIXES)}")
    suffix = Path(path.stem).suffix.lower() if path.suffix.lower() == ".gz" else path.suffix.lower()
    opened = _BY_SUFFIX.get(suffix)
    if opened is None:
        raise PredictionsError(
            f"{path}: a file of predictions with the suffix '{suffix}' is not known",
            hint=f"there are {', '.join(SUFFIXES)}, and .gz after those of texts",
        )
    return opened(path)


class JoinedTables:
    """Several tables with the same columns, one after the other. Raises PredictionsError if the columns differ."""

    def __init__(self, tables: Sequence[Table]) -> None:
        first = tables[0]
        self.path, self.columns, self.class_names = first.path, first.columns, first.class_names
        self.guarded, self.decimal_comma = first.guarded, first.decimal_comma
        self.words = f"{first.words}, {len(tables)} files"
        self._tables, self._starts = tables, [0]
        for table in tables:
            if set(table.columns) != set(self.columns) or table.guarded != self.guarded:
                raise PredictionsError(
                    f"{table.path} has other columns than {self.path}: {', '.join(table.columns)}; and "
                    f"{', '.join(self.columns)}",
                    hint="give files of the same form with the same columns",
                )
            self.decimal_comma |= table.decimal_comma

    def pieces(self, columns: Sequence[str]) -> Iterator[Cells]:
        """Give the cells of one table after the other."""
        row, starts = 0, []
        for table in self._tables:
            starts.append(row)
            for cells in table.pieces(columns):
                row += len(next(iter(cells.values())))
                self._starts = starts
                yield cells

    def place(self, row: int) -> str:
        """Name the place of a row, with its file if that is not the first."""
        number = bisect_right(self._starts, row) - 1
        place = self._tables[number].place(row - self._starts[number])
        return f"{place} of {self._tables[number].path.name}" if number else place


def open_tables(paths: Sequence[Path]) -> Table:
    """Open a table, or several as one. Raises PredictionsError."""
    tables = [open_table(path) for path in paths]
    return tables[0] if len(tables) == 1 else JoinedTables(tables)


def _json(path: Path) -> Table:
    """Tell JSON lines that are named .json, as timm and pandas name them, from a document."""
    try:
        return JsonTable(path)
    except PredictionsError as error:
        try:
            return JsonLinesTable(path)
        except PredictionsError:
            raise error from None
