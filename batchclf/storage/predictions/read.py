"""predictions.csv, format 1, read in pieces; somebody else's CSV of predictions, too."""

import csv
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import count, groupby, takewhile
from operator import lt
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from numpy.typing import NDArray

from batchclf.core.text import plain_text
from batchclf.core.types import ROUNDING, SUM_TOLERANCE, PredictionRows, Say, unheard
from batchclf.errors import PredictionsError
from batchclf.storage.csv_files.cells import safe_cell
from batchclf.storage.csv_files.read import Cells, NumberCells, PartlySplit, line_of_row, read_cells, read_rows
from batchclf.storage.predictions.columns import PROBABILITY, ParsedRows, Source, names_twice

if TYPE_CHECKING:
    from batchclf.storage.predictions.read_parts import PartsTable

REQUIRED_COLUMNS = ("path", "label", "prediction", "confidence")
READ_COLUMNS = (*REQUIRED_COLUMNS, "split", "margin")
# As CSV tools write numbers: `float` takes `0_1`, other scripts' digits and `infinity` too.
_LARGEST = float(np.finfo(np.float64).max)
_NUMBER = re.compile(r"[ \t]*[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?[ \t]*")


def class_names_of(path: Path) -> tuple[str, ...]:
    """Tell the classes of a predictions CSV, in the model's order where it can be known.

    From its probability columns, else from the run.json beside it, else all that its rows name, sorted.
    Raises PredictionsError where the file cannot be read or lacks columns.
    """
    return known_class_names(path, read_header(path)) or named_by_rows(path)


def named_by_rows(path: Path, meanings: Mapping[str, str] = MappingProxyType({})) -> tuple[str, ...]:
    """List the classes that labels and predictions name, sorted, by what they mean (see `read_prediction_rows`).

    Raises PredictionsError where the file cannot be read or lacks columns.
    """
    source, seen = source_of(path), set[str]()
    for cells in source.pieces(["label", *_rank_columns(source.header)]):
        seen.update(*cells.values())
    named = {plain_text(name) for name in seen}
    return tuple(sorted({meanings.get(name, name) for name in named} - {""}))


def known_class_names(path: Path, columns: Sequence[str]) -> tuple[str, ...] | None:
    """Tell the classes from the columns of a predictions file or from the run.json beside it; None without both."""
    from_columns = tuple(name.removeprefix(PROBABILITY) for name in columns if name.startswith(PROBABILITY))
    if from_columns:
        return from_columns
    try:
        return tuple(json.loads(path.with_name("run.json").read_bytes())["model"]["class_names"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def read_prediction_rows(
    source: Path | Source,
    class_names: tuple[str, ...] | None = None,
    *,
    renormalize: bool = False,
    meanings: Mapping[str, str] = MappingProxyType({}),
    map_predictions: bool = False,
    warn: Say = unheard,
) -> Iterator[PredictionRows]:
    """Read predictions in pieces of at most 5,000 rows, in the table's order; a row that stands twice comes once.

    `source` is the path of a predictions CSV, or a table with its columns, which must come with `class_names`.

    `split` may be missing (then ""), `margin` too, `top2_prediction` and so on as well. A confidence or margin that the
    file does not have follows from the probabilities, and is nan without them. With `renormalize` each row of
    probabilities is divided by its sum, and confidence and margin follow from it. `meanings` maps labels to
    classes, "" for none; with `map_predictions`, predictions as well. `warn` gets a line if rows are repeated. Raises
    PredictionsError, with the line, if the file cannot be read, lacks columns, names a class that is not in
    `class_names`, holds no number where one must be, has a row that contradicts itself, such as probabilities that do
    not sum to 1, or has two rows for a path of a split that differ.
    """
    names = class_names or class_names_of(source if isinstance(source, Path) else source.path)
    reader = RowReader(source, names, renormalize=renormalize, meanings=meanings, map_predictions=map_predictions)
    order = _Order()
    repeats: NDArray[np.int64] | None = None
    for first, cells in reader.pieces():
        rows = reader.rows(first, cells)
        if repeats is None and not order.goes_on(rows):
            # Sorted rows cannot repeat each other; of others all are looked at, again (decision 150)
            from batchclf.storage.predictions.repeats import find_repeats

            repeats = find_repeats(reader, warn)
        if repeats is not None:
            here = slice(*np.searchsorted(repeats, (first, first + len(rows))))
            kept = np.ones(len(rows), np.bool_)
            kept[repeats[here] - first] = False
            rows = rows if kept.all() else rows.only(kept)
        if len(rows):
            yield rows


def source_of(path: Path) -> "CsvSource | PartsTable":
    """Open a predictions CSV, or the folder of a run's parts.

    Raises PredictionsError as `read_header` and `PartsTable` do.
    """
    if not path.is_dir():
        return CsvSource(path)
    from batchclf.storage.predictions.read_parts import PartsTable

    return PartsTable(path)


class CsvSource:
    """A predictions CSV of ours, or with our columns. Raises PredictionsError where its header cannot be used."""

    def __init__(self, path: Path) -> None:
        self.path, self.header = path, _csv_header(path)

    @property
    def size(self) -> int:
        """Count its bytes."""
        return self.path.stat().st_size

    def pieces(self, columns: Sequence[str]) -> Iterator[Cells]:
        """Give the cells of some columns; those of the classes' probabilities may come as `PartlySplit`."""
        last = sum(1 for _ in takewhile(lambda name: name.startswith(PROBABILITY), reversed(columns)))
        return read_cells(self.path, self.header, columns, last if columns[-last:] == self.header[-last:] else 0)

    def rows(self, columns: Sequence[str], wanted: NDArray[np.int64]) -> Iterator[tuple[int, list[str]]]:
        """Give the number and the cells of each of some rows, which ascend."""
        return read_rows(self.path, self.header, columns, wanted)

    def place(self, row: int) -> str:
        """Name the line that a row begins in."""
        return f"line {line_of_row(self.path, row)}"

    def called(self, column: str) -> str:
        """Give the column's name."""
        return column


class RowReader:
    """Reads the rows of a table of predictions piece by piece, and checks that each agrees with itself.

    `source` is the table, or the path of a predictions CSV; all else is as for `read_prediction_rows`. Without
    `probabilities` these columns are not read. Raises PredictionsError if the file cannot be read or lacks columns.
    """

    def __init__(
        self,
        source: Path | Source,
        names: tuple[str, ...],
        *,
        probabilities: bool = True,
        renormalize: bool = False,
        meanings: Mapping[str, str] = MappingProxyType({}),
        map_predictions: bool = False,
    ) -> None:
        self.source: Source = source_of(source) if isinstance(source, Path) else source
        self.path, self.names, self.renormalize = self.source.path, names, renormalize
        self.header = self.source.header
        self._meanings, self._map_predictions = meanings, map_predictions
        wanted = [PROBABILITY + name for name in names]
        self.of_classes = wanted if probabilities and wanted and set(wanted) <= set(self.header) else []
        self.ranks = _rank_columns(self.header)
        self.claims = list(map(_claim, self.ranks))
        """The column with the probability of each of `ranks`, which may not be there."""
        there = [name for name in (*self.claims[1:], "margin") if name in self.header]
        self.compared = ["label", *self.ranks, "confidence", *there, *self.of_classes]
        """All columns that say something of the image."""
        if renormalize and not self.of_classes:
            raise PredictionsError(
                f"{self.path} has no probability column for each class, so no row can be divided by its sum",
                hint=f"leave --renormalize away, or give a CSV with the columns {wanted[0]} and so on",
            )

    def pieces(self, columns: Sequence[str] = ()) -> Iterator[tuple[int, Cells]]:
        """Give the number of the first row (from 0) and the cells of each piece: of `columns`, else of all needed."""
        split = ["split"] if "split" in self.header else []
        first = 0
        for cells in self.source.pieces(columns or ["path", *split, *self.compared]):
            yield first, cells
            first += len(next(iter(cells.values())))

    def images(self, cells: Cells) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Give path and split of each row."""
        paths = _plain_texts(cells["path"])
        return paths, tuple(cells["split"]) if "split" in cells else ("",) * len(paths)

    def parse(self, first: int, cells: Cells) -> ParsedRows:
        """Read the cells of some rows; raises PredictionsError for one that is no class or no number."""
        if self._meanings:
            cells["label"] = [self._meanings.get(plain_text(cell), cell) for cell in cells["label"]]
            for rank in self.ranks if self._map_predictions else ():
                cells[rank] = [self._meanings.get(plain_text(cell), "") or cell for cell in cells[rank]]
        most = np.inf if self.renormalize else 1.0

        def numbers(name: str, *, may_be_empty: bool = False) -> NDArray[np.float64]:
            if name not in cells:
                return np.full(len(cells["path"]), np.nan)
            return shares(self.source, cells, name, first, most, may_be_empty=may_be_empty)

        return ParsedRows(
            class_indices(self.source, cells, "label", self.names, first),
            np.column_stack([class_indices(self.source, cells, rank, self.names, first) for rank in self.ranks]),
            np.column_stack([numbers(name, may_be_empty=True) for name in self.claims]),
            numbers("margin", may_be_empty=True),
            self._probabilities(first, cells, most) if self.of_classes else None,
        )

    def _probabilities(self, first: int, cells: Cells, most: float) -> NDArray[np.float64]:
        """Read all probabilities at once where their columns stand side by side and all is well, else by columns."""
        if isinstance(cells, PartlySplit) and cells.last == self.of_classes:
            values = _decoded(cells.lines, len(cells.lines) * len(cells.last))
            # nan is neither.
            if len(values) and values.min() >= -ROUNDING and values.max() <= min(most + ROUNDING, _LARGEST):
                return np.clip(values, 0.0, most).reshape(len(cells.lines), -1)
        return np.column_stack([shares(self.source, cells, name, first, most) for name in self.of_classes])

    def said(self, first: int, cells: Cells) -> NDArray[np.float64]:
        """Give what each row says, (n, columns) float64, in the order of `compared`; -1 where it says nothing."""
        parsed = self.parse(first, cells)
        claims = [rank for rank, column in enumerate(self.claims) if column in cells]
        margin = [parsed.margin] if "margin" in cells else []
        parts = [parsed.labels, parsed.ranked, parsed.claimed[:, claims], *margin]
        values = np.column_stack([*parts, *([] if parsed.probabilities is None else [parsed.probabilities])])
        return np.nan_to_num(values.astype(np.float64), nan=-1) + 0.0  # no negative zero

    def rows(self, first: int, cells: Cells) -> PredictionRows:
        """Read and check some rows. Raises PredictionsError with the line."""
        parsed = self.parse(first, cells)
        if _doubtful(parsed, renormalize=self.renormalize):
            from batchclf.storage.predictions.row_check import check_rows

            check_rows(self, parsed, first, cells)
        claimed, margin, probabilities = parsed.claimed, parsed.margin, parsed.probabilities
        if probabilities is not None:
            if self.renormalize:
                probabilities = probabilities / probabilities.sum(axis=1, keepdims=True)
                parsed = replace(parsed, probabilities=probabilities)
            claimed = _completed(claimed, parsed.of_ranks, anew=self.renormalize)
            margin = _completed(margin, parsed.ahead, anew=self.renormalize)
        paths, splits = self.images(cells)
        ranked = parsed.ranked
        return PredictionRows(
            self.names,
            paths,
            splits,
            parsed.labels,
            ranked[:, 0],
            claimed[:, 0],
            margin,
            probabilities,
            ranked,
            claimed,
        )


def _completed(
    known: NDArray[np.float64], computed: Callable[[], NDArray[np.float64]], *, anew: bool
) -> NDArray[np.float64]:
    """Put what follows from the probabilities where nothing is known, or everywhere."""
    unknown = np.isnan(known)
    return np.where(unknown | anew, computed(), known) if anew or unknown.any() else known


def _doubtful(rows: ParsedRows, *, renormalize: bool) -> bool:
    """Whether a row may contradict itself, seen without regard to the digits that are printed."""
    claimed, margin = rows.claimed, rows.margin
    if rows.probabilities is None:
        # Without a second probability it lies between 0 and what the first leaves
        least, most = 2 * claimed[:, 0] - 1, claimed[:, 0]
        if claimed.shape[1] > 1:
            second = claimed[:, 1]
            least, most = (np.where(np.isnan(second), bound, claimed[:, 0] - second) for bound in (least, most))
        wrong = (margin < least - ROUNDING) | (margin > most + ROUNDING) | (np.nansum(claimed, axis=1) > 1 + ROUNDING)
        falling = np.fmin.accumulate(claimed, axis=1)
        return bool(wrong.any() or (claimed > falling).any() or names_twice(rows.ranked).any())
    best, of_ranks = rows.best(), rows.of_ranks()
    compared = min(best.shape[1], of_ranks.shape[1])
    sums = rows.probabilities.sum(axis=1)
    off = ~((sums > 0) & np.isfinite(sums)) if renormalize else np.abs(sums - 1) > SUM_TOLERANCE
    return bool(
        off.any()
        or (of_ranks[:, :compared] < best[:, :compared]).any()
        or (np.abs(claimed - of_ranks) > ROUNDING).any()
        or (np.abs(margin - rows.ahead()) > ROUNDING).any()
        or names_twice(rows.ranked).any()
    )


@dataclass(eq=False)
class _Order:
    """Whether rows come as batchclf writes them: one split after the other, the paths in each ascending."""

    _split: str | None = None
    _last: str = ""
    _before: set[str] = field(default_factory=set)

    def goes_on(self, rows: PredictionRows) -> bool:
        """Take the next rows."""
        start = 0
        for split, of_split in groupby(rows.splits):
            end = start + sum(1 for _ in of_split)
            paths = rows.paths[start:end]
            if split != self._split:
                if split in self._before:
                    return False
                self._before.add(split)
                self._split = split
            elif paths[0] <= self._last:
                return False
            if not all(map(lt, paths, paths[1:])):
                return False
            start, self._last = end, paths[-1]
        return True


def _plain_texts(cells: Sequence[str]) -> tuple[str, ...]:
    return tuple(map(plain_text, cells) if "'" in "".join(cells) else cells)


def _rank_columns(columns: Sequence[str]) -> list[str]:
    """List the columns of the classes that a row names, best first: `prediction`, `top2_prediction`, …, without gap."""
    following = takewhile(columns.__contains__, (f"top{rank}_prediction" for rank in count(2)))
    return ["prediction", *following]


def _claim(rank: str) -> str:
    """Name the column with the probability of a column of `_rank_columns`."""
    return rank.replace("prediction", "confidence")


def read_header(path: Path) -> list[str]:
    """Read the column names of a predictions CSV, or of a run's parts; raises what `source_of` does."""
    return source_of(path).header


def _csv_header(path: Path) -> list[str]:
    """Read the column names of a CSV; raises PredictionsError where they cannot be used."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as handle:
            columns = next(csv.reader(handle), [])
    except OSError as error:
        raise PredictionsError(
            f"{path} cannot be read: {error.strerror}", hint="give the predictions.csv of a run"
        ) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise PredictionsError(f"{path} is not a CSV in UTF-8: {error}", hint="save it as CSV in UTF-8") from error
    if any("\0" in name for name in columns):
        raise PredictionsError(f"{path} is not a CSV: its first line holds a NUL", hint="save it as CSV in UTF-8")
    missing = [name for name in REQUIRED_COLUMNS if name not in columns]
    if missing:
        raise PredictionsError(
            f"{path} lacks the column(s) {', '.join(missing)}; its first line has: {', '.join(columns) or 'nothing'}",
            hint=f"a predictions CSV has a header line with at least {', '.join(REQUIRED_COLUMNS)}",
        )
    ranks = _rank_columns(columns)
    used = {*READ_COLUMNS, *ranks, *map(_claim, ranks), *(name for name in columns if name.startswith(PROBABILITY))}
    doubled = [name for name, times in Counter(columns).items() if times > 1 and name in used]
    if doubled:
        raise PredictionsError(f"{path} has the column '{doubled[0]}' twice", hint="remove one of them")
    return columns


def class_indices(source: Source, cells: Cells, column: str, names: Sequence[str], first: int) -> NDArray[np.int64]:
    """Look the classes of a column up: (n,) int64, -1 for an empty cell in any column but `prediction`.

    `first` is the number of the first row, for the message. Raises PredictionsError where a cell names no class.
    """
    index = _index(tuple(names), column != "prediction")
    of_cell = {cell: index.get(plain_text(cell)) for cell in set(cells[column])}
    if None in of_cell.values():
        row, cell = next((row, cell) for row, cell in enumerate(cells[column]) if of_cell[cell] is None)
        known = ", ".join(name for name in index if name)
        raise PredictionsError(
            f"{source.path}, {source.place(first + row)}: the {source.called(column)} '{plain_text(cell)}' is not one "
            f"of the classes {known}",
            hint="give the CSV that this model wrote, or correct the cell",
        )
    return np.fromiter(map(of_cell.__getitem__, cells[column]), np.int64, len(cells[column]))


@lru_cache
def _index(names: tuple[str, ...], may_be_empty: bool) -> dict[str, int]:
    # Compared without the `'`, which somebody else's file has not; what cannot be written stands as its escape.
    index = {plain_text(safe_cell(name)): number for number, name in enumerate(names)}
    return {**index, "": -1} if may_be_empty else index


def shares(
    source: Source, cells: Cells, column: str, first: int, most: float = 1.0, *, may_be_empty: bool = False
) -> NDArray[np.float64]:
    """Read the numbers of a column: (n,) float64 from 0 to `most`, finite; nan for an empty cell that may be empty.

    What is out of the range by rounding is its bound. `first` is the number of the first row, for the message. Raises
    PredictionsError where a cell is no such number.
    """
    values = as_numbers(cells[column])
    wrong = ~((values >= -ROUNDING) & (values <= most + ROUNDING) & np.isfinite(values))
    if may_be_empty and wrong.any():
        wrong &= np.array(cells[column]) != ""
    if wrong.any():
        row = int(np.argmax(wrong))
        expected = f"a number from 0 to {most:g}" if np.isfinite(most) else "a finite number, at least 0,"
        raise PredictionsError(
            f"{source.path}, {source.place(first + row)}: {source.called(column)} is '{cells[column][row]}'; "
            f"{expected} is expected",
            hint="score again, or correct the cell",
        )
    return np.clip(values, 0.0, most)


def as_numbers(cells: Sequence[str]) -> NDArray[np.float64]:
    """Read numbers, nan where a cell is none; those that are numbers in JSON too six times as fast as with `float`."""
    if isinstance(cells, NumberCells):
        return cells.numbers
    numbers = _decoded(cells, len(cells))
    return numbers if len(numbers) == len(cells) else np.array(list(map(_number, cells)), np.float64)


def _decoded(texts: Sequence[str], count: int) -> NDArray[np.float64]:
    """Read `count` numbers in texts that may have several with commas; an empty array if they are not that in JSON."""
    try:
        numbers = msgspec.json.decode(f"[{','.join(texts)}]", type=list[float])
    except msgspec.MsgspecError:
        numbers = []
    return np.array(numbers if len(numbers) == count else [], np.float64)


def _number(cell: str) -> float:
    return float(cell) if _NUMBER.fullmatch(cell) else float("nan")
