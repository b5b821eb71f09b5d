"""predictions.csv, format 1, read in pieces; somebody else's CSV of predictions, too."""

import csv
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import count, takewhile
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from batchclf.core.text import plain_text
from batchclf.core.types import PredictionRows
from batchclf.errors import PredictionsError
from batchclf.storage.csv_files.cells import safe_cell
from batchclf.storage.csv_files.read import Cells, line_of_row, read_cells
from batchclf.storage.predictions.columns import PROBABILITY

REQUIRED_COLUMNS = ("path", "label", "prediction", "confidence")
READ_COLUMNS = (*REQUIRED_COLUMNS, "split", "margin")


def class_names_of(path: Path) -> tuple[str, ...]:
    """Tell the classes of a predictions CSV, in the model's order where it can be known.

    From its probability columns, else from the run.json beside it, else all that its rows name, sorted.
    Raises PredictionsError where the file cannot be read or lacks columns.
    """
    header = read_header(path)
    names = known_class_names(path, header)
    if names is not None:
        return names
    seen: set[str] = set()
    for cells in read_cells(path, header, ("label", *_rank_columns(header))):
        seen.update(*cells.values())
    return tuple(sorted(plain_text(name) for name in seen - {""}))


def known_class_names(path: Path, columns: Sequence[str]) -> tuple[str, ...] | None:
    """Tell the classes from the columns of a predictions file or from the run.json beside it; None without both."""
    from_columns = tuple(name.removeprefix(PROBABILITY) for name in columns if name.startswith(PROBABILITY))
    if from_columns:
        return from_columns
    try:
        return tuple(json.loads(path.with_name("run.json").read_bytes())["model"]["class_names"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def read_prediction_rows(path: Path, class_names: tuple[str, ...] | None = None) -> Iterator[PredictionRows]:
    """Read a predictions CSV in pieces of at most 5,000 rows, in the file's order.

    `split` may be missing (then ""), `margin` too (then nan), `top2_prediction` and so on as well. Raises
    PredictionsError, with the line, where the file cannot be read, lacks columns, names a class that is not in
    `class_names` or holds no number where one must be.
    """
    names = class_names or class_names_of(path)
    columns = read_header(path)
    wanted = [PROBABILITY + name for name in names]
    has_probabilities = bool(wanted) and set(wanted) <= set(columns)
    ranks = _rank_columns(columns)
    keep = [*REQUIRED_COLUMNS, *ranks[1:], *(name for name in ("split", "margin") if name in columns)]
    first = 0  # the row that a piece begins with
    for cells in read_cells(path, columns, keep + wanted * has_probabilities):
        rows = len(cells["path"])
        ranked = np.column_stack([class_indices(path, cells, rank, names, first) for rank in ranks])
        yield PredictionRows(
            names,
            _plain_texts(cells["path"]),
            tuple(cells["split"]) if "split" in columns else ("",) * rows,
            class_indices(path, cells, "label", names, first),
            ranked[:, 0],
            shares(path, cells, "confidence", first),
            shares(path, cells, "margin", first) if "margin" in columns else np.full(rows, np.nan),
            np.column_stack([shares(path, cells, name, first) for name in wanted]) if has_probabilities else None,
            ranked,
        )
        first += rows


def _plain_texts(cells: list[str]) -> tuple[str, ...]:
    return tuple(map(plain_text, cells) if "'" in "".join(cells) else cells)


def _rank_columns(columns: Sequence[str]) -> list[str]:
    """List the columns of the classes that a row names, best first: `prediction`, `top2_prediction`, …, without gap."""
    following = takewhile(columns.__contains__, (f"top{rank}_prediction" for rank in count(2)))
    return ["prediction", *following]


def read_header(path: Path) -> list[str]:
    """Read the column names of a predictions CSV; raises PredictionsError where they cannot be used."""
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
    used = {*READ_COLUMNS, *_rank_columns(columns), *(name for name in columns if name.startswith(PROBABILITY))}
    doubled = [name for name, times in Counter(columns).items() if times > 1 and name in used]
    if doubled:
        raise PredictionsError(f"{path} has the column '{doubled[0]}' twice", hint="remove one of them")
    return columns


def class_indices(path: Path, cells: Cells, column: str, names: Sequence[str], first: int) -> NDArray[np.int64]:
    """Look the classes of a column up: (n,) int64, -1 for an empty cell in any column but `prediction`.

    `first` is the number of the first row, for the message. Raises PredictionsError where a cell names no class.
    """
    index = _index(tuple(names), column != "prediction")
    of_cell = {cell: index.get(plain_text(cell)) for cell in set(cells[column])}
    if None in of_cell.values():
        row, cell = next((row, cell) for row, cell in enumerate(cells[column]) if of_cell[cell] is None)
        known = ", ".join(name for name in index if name)
        raise PredictionsError(
            f"{path}, line {line_of_row(path, first + row)}: the {column} '{plain_text(cell)}' is not one of the "
            f"classes {known}",
            hint="give the CSV that this model wrote, or correct the cell",
        )
    return np.fromiter(map(of_cell.__getitem__, cells[column]), np.int64, len(cells[column]))


@lru_cache
def _index(names: tuple[str, ...], may_be_empty: bool) -> dict[str, int]:
    # Compared without the `'`, which somebody else's file has not; what cannot be written stands as its escape.
    index = {plain_text(safe_cell(name)): number for number, name in enumerate(names)}
    return {**index, "": -1} if may_be_empty else index


def shares(path: Path, cells: Cells, column: str, first: int) -> NDArray[np.float64]:
    """Read the numbers of a column: (n,) float64 from 0 to 1.

    `first` is the number of the first row, for the message. Raises PredictionsError where a cell is no such number.
    """
    values = _numbers(cells[column])
    wrong = ~((values >= 0) & (values <= 1.000001))
    if wrong.any():
        row = int(np.argmax(wrong))
        raise PredictionsError(
            f"{path}, line {line_of_row(path, first + row)}: {column} is '{cells[column][row]}'; "
            "a number from 0 to 1 is expected",
            hint="score again, or correct the cell",
        )
    return np.minimum(values, 1.0)


def _numbers(cells: list[str]) -> NDArray[np.float64]:
    """Read numbers, nan where a cell is none; those that are numbers in JSON too six times as fast as with `float`."""
    try:
        numbers = msgspec.json.decode(f"[{','.join(cells)}]", type=list[float])
    except msgspec.MsgspecError:
        numbers = []
    return np.array(numbers if len(numbers) == len(cells) else list(map(_number, cells)), np.float64)


def _number(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return float("nan")
