"""Parquet, a few row groups in memory at a time."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from batchclf.errors import PredictionsError
from batchclf.storage.csv_files.read import Cells, rows_per_piece
from batchclf.storage.predictions.foreign.values import cell
from batchclf.storage.predictions.parquet import check_pyarrow

_INDEX = "__index_level_0__"


class ParquetTable:
    """See `Table`. Raises RunError without pyarrow, PredictionsError if the file cannot be read."""

    words = "Parquet"
    guarded = decimal_comma = False
    class_names: tuple[str, ...] = ()

    def __init__(self, path: Path) -> None:
        check_pyarrow()
        self.path = path
        self._widths: dict[str, int] = {}
        self.columns = []
        with _reading(path) as file:
            first = next(file.iter_batches(1), None)
            for field in file.schema_arrow:
                if field.name == _INDEX:  # of a pandas.DataFrame whose index has no name
                    continue
                if not _is_list(field.type):
                    self.columns.append(field.name)
                    continue
                values = first.column(field.name)[0].as_py() if first is not None else None
                self._widths[field.name] = len(values or ())
                self.columns += [f"{field.name}_{number}" for number in range(len(values or ()))]

    def pieces(self, columns: Sequence[str]) -> Iterator[Cells]:
        """Give the cells of some columns; a list has a column for each of its values."""
        lists = {f"{name}_{at}": (name, at) for name, width in self._widths.items() for at in range(width)}
        wanted = list(dict.fromkeys(lists[name][0] if name in lists else name for name in columns))
        first = 0
        with _reading(self.path) as file:
            for batch in file.iter_batches(rows_per_piece(len(self.columns)), columns=wanted):
                yield {
                    name: self._list_cells(batch, *lists[name], first) if name in lists else _texts(batch.column(name))
                    for name in columns
                }
                first += len(batch)

    def place(self, row: int) -> str:
        """Name a row by its number."""
        return f"row {row + 1}"

    def _list_cells(self, batch: Any, name: str, at: int, first: int) -> list[str]:
        width = self._widths[name]
        texts = []
        for row, values in enumerate(batch.column(name).to_pylist(), first):
            if len(values or ()) != width:
                found = f"{self.path}, {self.place(row)}: {name} has {len(values or ())} values"
                raise PredictionsError(
                    f"{found}, and {width} in the first row",
                    hint="give all rows as many",
                )
            texts.append(cell(values[at], f"{self.path}, {self.place(row)}", name))
        return texts


class _reading:  # noqa: N801  (a context manager that is used like a function)
    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> Any:
        import pyarrow.parquet as pq

        try:
            self._file = pq.ParquetFile(self._path)
        except Exception as error:
            raise _damaged(self._path, error) from error
        return self._file

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        import pyarrow as pa

        self._file.close()
        if isinstance(error, OSError | pa.ArrowException):
            raise _damaged(self._path, error) from error


def _damaged(path: Path, error: BaseException) -> PredictionsError:
    return PredictionsError(f"{path} cannot be read as Parquet: {error}", hint="write it again")


def _is_list(kind: Any) -> bool:
    import pyarrow.types as types

    return bool(types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind))


def _texts(column: Any) -> list[str]:
    """Write a column as texts; numbers have all their digits."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    return pc.fill_null(column.cast(pa.string()), "").to_pylist()  # type: ignore[no-any-return]
