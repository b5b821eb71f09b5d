"""Columns of a CSV that hold lists, as pandas writes those of timm's inference script: a column for each value."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from batchclf.errors import PredictionsError
from batchclf.storage.csv_files.read import Cells
from batchclf.storage.predictions.foreign.interface import Table
from batchclf.storage.predictions.foreign.values import list_in_text


def with_list_columns(table: Table) -> Table:
    """Give a table whose lists are columns: `prob` of three is prob_0, prob_1 and prob_2."""
    first = next(iter(table.pieces(list(dict.fromkeys(table.columns)))), {})
    found = {name: list_in_text(cells[0]) for name, cells in first.items()}
    widths = {name: len(values) for name, values in found.items() if values}
    return _ListColumns(table, widths) if widths else table


class _ListColumns:
    guarded = False

    def __init__(self, table: Table, widths: dict[str, int]) -> None:
        self._table, self._widths = table, widths
        self.path: Path = table.path
        self.words, self.decimal_comma, self.class_names = table.words, table.decimal_comma, table.class_names
        self._parts = {f"{name}_{at}": (name, at) for name, width in widths.items() for at in range(width)}
        self.columns = [
            part
            for name in table.columns
            for part in ([f"{name}_{at}" for at in range(widths[name])] if name in widths else [name])
        ]

    def pieces(self, columns: Sequence[str]) -> Iterator[Cells]:
        wanted = list(dict.fromkeys(self._parts.get(name, (name,))[0] for name in columns))
        first = 0
        for cells in self._table.pieces(wanted):
            lists = {name: self._lists(name, cells[name], first) for name in wanted if name in self._widths}
            yield {
                name: [values[self._parts[name][1]] for values in lists[self._parts[name][0]]]
                if name in self._parts
                else cells[name]
                for name in columns
            }
            first += len(next(iter(cells.values())))

    def place(self, row: int) -> str:
        return self._table.place(row)

    def _lists(self, name: str, cells: Sequence[str], first: int) -> list[list[str]]:
        lists = []
        for row, cell in enumerate(cells, first):
            values = list_in_text(cell)
            if values is None or len(values) != self._widths[name]:
                found = f"{self.path}, {self.place(row)}: {name} is '{cell[:60]}'"
                raise PredictionsError(
                    f"{found}; a list of {self._widths[name]} values is expected",
                    hint="give all rows as many values as the first",
                )
            lists.append(values)
        return lists
