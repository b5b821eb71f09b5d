"""A table of others as one with our own columns, so that the same code reads and checks it."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np

from batchclf.core.class_names import NO_CLASS
from batchclf.core.text import GUARDED_STARTS, first_of, plain_text
from batchclf.errors import PredictionsError, UsageError
from batchclf.storage.csv_files.cells import safe_cell
from batchclf.storage.csv_files.read import Cells
from batchclf.storage.predictions.columns import PROBABILITY
from batchclf.storage.predictions.foreign.interface import Table
from batchclf.storage.predictions.foreign.shapes import Roles

_WHOLE = re.compile(r"(\d+)(\.0*)?")


class Meets(Protocol):
    """What takes note of the labels of paths."""

    def meet(self, path: str, label: str | None, *, image: bool) -> None:
        """Take note of a path and its label."""


_MOST_NAMES = 1_000_000
"""More different texts in a column are no classes; they are not held in memory."""
LabelOf = Callable[[str], str | None]


@dataclass(frozen=True)
class Survey:
    """What a first pass over a table has seen: its rows, and the classes that labels and predictions name."""

    rows: int
    labels: frozenset[str]
    predictions: frozenset[str]


@dataclass(eq=False)
class OurTable:
    """Presents a `Table` under our own column names; see `Table` for what it gives.

    `names` are the classes, NO_CLASS among them if a prediction is none. `numbered` maps class numbers to names, empty
    if they stay numbers. `meanings` maps labels to classes, "" for none, and predictions as well if `map_predictions`.
    `label_of` gives labels by path in place of a column. `paths_below` is a folder that absolute
    paths are made relative to. Rows without a path column are named by their numbers.
    """

    table: Table
    roles: Roles
    names: tuple[str, ...] = ()
    numbered: Mapping[str, str] = field(default_factory=dict)
    meanings: Mapping[str, str] = field(default_factory=dict)
    map_predictions: bool = False
    label_of: LabelOf | None = None
    paths_below: Path | None = None
    rows: int = 0
    _meant: dict[bool, dict[str, str]] = field(default_factory=lambda: {False: {}, True: {}})

    @property
    def path(self) -> Path:
        """The table's file."""
        return self.table.path

    def place(self, row: int) -> str:
        """Name the place of a row."""
        return self.table.place(row)

    def called(self, column: str) -> str:
        """Name one of our columns as the table does, for messages."""
        role = {"label": "label", "prediction": "prediction", "confidence": "confidence", "path": "path"}.get(column)
        return self.roles.columns.get(role, column) if role else column  # type: ignore[call-overload]

    @property
    def header(self) -> list[str]:
        """List our columns that the table has something for."""
        ranks = max(1, len(self.roles.ranked))
        found = ["path", "label", "prediction"]
        found += ["split"] * ("split" in self.roles.columns) + ["margin"] * ("margin" in self._own)
        found += [f"top{rank}_prediction" for rank in range(2, ranks + 1)]
        if "confidence" in self.roles.columns:
            found.append("confidence")
        found += [_claim(rank) for rank, (_, share) in enumerate(self.roles.ranked, 1) if share]
        found += [name for name in self._own if name not in found]
        return found + [PROBABILITY + name for name in self.names] * bool(self.roles.probabilities)

    @property
    def _own(self) -> list[str]:
        """Our own columns of further classes, which a table of ours has."""
        if self.roles.ranked:
            return []
        return [name for name in self.roles.unused if re.fullmatch(r"margin|top\d+_(prediction|confidence)", name)]

    def survey(self, meet: Meets | None = None) -> Survey:
        """Read all labels and predictions once; `meet` takes note of the label of each path.

        Raises PredictionsError for a column of too many different texts.
        """
        labels: set[str] = set()
        predictions: set[str] = set()
        rows = 0
        ranks = [name for name in self.header if name.endswith("prediction")]
        for cells in self._pieces(["label", *ranks, *(["path"] if meet else [])]):
            if meet is not None:
                for path, label in zip(cells["path"], cells["label"], strict=True):
                    meet.meet(plain_text(path), label or None, image=True)
            rows += len(cells["label"])
            labels.update(map(plain_text, set(cells["label"])))
            for rank in ranks:
                predictions.update(map(plain_text, set(cells[rank])))
            for what, seen in (("label", labels), ("prediction", predictions)):
                if len(seen) > _MOST_NAMES:
                    raise PredictionsError(
                        f"{self.path}: the column {self.called(what)} has more than {_MOST_NAMES:,} different texts, "
                        f"such as {first_of(sorted(seen), 3)}",
                        hint=f"if it is not the {what}, name that: --{what}-column NAME",
                    )
        return Survey(rows, frozenset(labels), frozenset(predictions))

    def pieces(self, columns: Sequence[str]) -> Iterator[Cells]:
        """Give the cells of some of our columns."""
        known = {safe_cell(name) for name in self.names}
        none = safe_cell(NO_CLASS)
        for cells in self._pieces(columns):
            for name, column in cells.items():
                if name == "prediction" and not known.issuperset(column):
                    cells[name] = [cell if cell in known else none for cell in column]
                elif name.endswith("_prediction") and not known.issuperset(column):
                    cells[name] = [cell if cell in known else "" for cell in column]
            yield cells

    def _pieces(self, columns: Sequence[str]) -> Iterator[Cells]:
        sources = {name: self._source(name) for name in columns}
        wanted = list(dict.fromkeys(source for source in sources.values() if source))
        computed = [name for name, source in sources.items() if not source]
        if "label" in computed and self.label_of is not None and "path" in self.roles.columns:
            wanted.append(self.roles.columns["path"])
        best = "prediction" in computed
        if best or not wanted:
            wanted += [name for name in self.roles.probabilities.values()] or self.table.columns[:1]
        first = 0
        for cells in self.table.pieces(list(dict.fromkeys(wanted))):
            count = len(next(iter(cells.values())))
            yield {
                name: self._column(name, cells[source]) if source else self._computed(name, cells, first, count)
                for name, source in sources.items()
            }
            first += count

    def _source(self, name: str) -> str:
        """Name the table's column that one of ours is; empty if it is computed."""
        roles = self.roles
        if name.startswith(PROBABILITY):
            return roles.probabilities.get(self._key_of(name.removeprefix(PROBABILITY)), "")
        ranked = re.fullmatch(r"top(\d+)_(prediction|confidence)", name)
        rank = int(ranked[1]) - 1 if ranked else 0
        what = ranked[2] if ranked else name
        if what in ("prediction", "confidence") and rank < len(roles.ranked):
            return roles.ranked[rank][what == "confidence"]
        if name in self._own:
            return name
        if name == "label" and self.label_of is not None:
            return ""
        return roles.columns.get(name, "")  # type: ignore[call-overload, no-any-return]

    def _key_of(self, name: str) -> str:
        numbers = {meant: number for number, meant in self.numbered.items()}
        return name if name in self.roles.probabilities else numbers.get(name, name)

    def _column(self, name: str, cells: Sequence[str]) -> Sequence[str]:
        if name == "label" or name.endswith("prediction"):
            return self._classes(cells, is_label=name == "label")
        if name == "path":
            return self._texts(self._below(cells))
        if name == "split":
            return self._texts(cells)
        if self.table.decimal_comma and any("," in cell for cell in cells):
            return [cell.replace(",", ".") for cell in cells]
        return cells

    def _classes(self, cells: Sequence[str], *, is_label: bool = False) -> list[str]:
        meant = self._meant[is_label]
        for cell in set(cells) - meant.keys():
            text = plain_text(cell) if self.table.guarded else cell
            meant[cell] = safe_cell(self._class(text, is_label=is_label))
        return [meant[cell] for cell in cells]

    def _class(self, text: str, *, is_label: bool) -> str:
        if self.numbered and (whole := _WHOLE.fullmatch(text)):
            text = self.numbered.get(str(int(whole[1])), text)
        if is_label:
            return self.meanings.get(text, text)
        return (self.meanings.get(text, "") or text) if self.map_predictions else text

    def _texts(self, texts: Sequence[str]) -> Sequence[str]:
        """Guard texts as in a CSV, since the guard is taken away from what is read."""
        if self.table.guarded:
            return texts
        return [safe_cell(text) if text.startswith(GUARDED_STARTS) else text for text in texts]

    def _below(self, cells: Sequence[str]) -> Sequence[str]:
        if self.paths_below is None:
            return cells
        start = f"{self.paths_below.resolve().as_posix()}/"
        return [cell.removeprefix(start).removeprefix("./") for cell in cells]

    def _computed(self, name: str, cells: Cells, first: int, count: int) -> list[str]:
        if name == "path":
            width = len(str(max(self.rows, 1)))
            return [f"row {row:0{width}d}" for row in range(first + 1, first + count + 1)]
        if name == "label" and self.label_of is not None:
            paths = self._below(cells[self.roles.columns["path"]])
            paths = list(map(plain_text, paths)) if self.table.guarded else paths
            return [safe_cell(self.label_of(path) or "") for path in paths]
        if name == "prediction":
            return self._most_probable(cells)
        if name.startswith(PROBABILITY):  # of the predictions that are no class
            return ["0"] * count
        return [""] * count

    def _most_probable(self, cells: Cells) -> list[str]:
        from batchclf.storage.predictions.read import as_numbers

        columns = self.roles.probabilities
        numbers = np.column_stack([as_numbers(self._column("", cells[name])) for name in columns.values()])
        names = self._classes(list(columns))
        return [names[place] for place in np.nan_to_num(numbers, nan=-1.0).argmax(axis=1).tolist()]


def _claim(rank: int) -> str:
    return "confidence" if rank == 1 else f"top{rank}_confidence"


def numbers_of(class_names: tuple[str, ...], source: str) -> dict[str, str]:
    """Map class numbers to names, as texts. Raises UsageError if a name is the number of another class."""
    for number, name in enumerate(class_names):
        whole = _WHOLE.fullmatch(name)
        if whole and str(int(whole[1])) != str(number):
            raise UsageError(
                f"{source}: '{name}' is the name of class number {number}, so a '{name}' in the table could be either",
                hint="leave --classes away if the table has names, or have it name the classes in words",
            )
    return {str(number): name for number, name in enumerate(class_names)}


def in_order(names: Set[str]) -> tuple[str, ...]:
    """Sort class names: by their value if all are whole numbers, else as texts."""
    whole = all(name.isdecimal() for name in names)
    return tuple(sorted(names, key=lambda name: (int(name), name) if whole else (0, name)))
