"""predictions.csv, format 1, read in pieces; somebody else's CSV of predictions, too."""

import csv
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import count, takewhile
from pathlib import Path
from types import MappingProxyType

import msgspec
import numpy as np
from numpy.typing import NDArray

from batchclf.core.text import exact, plain_text
from batchclf.core.types import PredictionRows
from batchclf.errors import PredictionsError
from batchclf.storage.csv_files.cells import safe_cell
from batchclf.storage.csv_files.read import Cells, line_of_row, read_cells
from batchclf.storage.predictions.columns import PROBABILITY

REQUIRED_COLUMNS = ("path", "label", "prediction", "confidence")
READ_COLUMNS = (*REQUIRED_COLUMNS, "split", "margin")
# As CSV tools write numbers: `float` takes `0_1`, other scripts' digits and `infinity` too.
_NUMBER = re.compile(r"[ \t]*[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?[ \t]*")
# Of a sum of probabilities, and of a confidence that went through another float type
_SUM_TOLERANCE, _FLOAT_TOLERANCE = 0.01, 1e-6


def class_names_of(path: Path, meanings: Mapping[str, str] = MappingProxyType({})) -> tuple[str, ...]:
    """Tell the classes of a predictions CSV, in the model's order where it can be known.

    From its probability columns, else from the run.json beside it, else all that its rows name, sorted, by what they
    mean (see `read_prediction_rows`).
    Raises PredictionsError where the file cannot be read or lacks columns.
    """
    header = read_header(path)
    names = known_class_names(path, header)
    if names is not None:
        return names
    seen: set[str] = set()
    for cells in read_cells(path, header, ("label", *_rank_columns(header))):
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
    path: Path,
    class_names: tuple[str, ...] | None = None,
    *,
    renormalize: bool = False,
    meanings: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[PredictionRows]:
    """Read a predictions CSV in pieces of at most 5,000 rows, in the file's order.

    `split` may be missing (then ""), `margin` too (then nan), `top2_prediction` and so on as well. With `renormalize`
    each row of probabilities is divided by its sum, and confidence and margin follow from it. `meanings` maps labels to
    classes, "" for none; if only the rows name the classes, their predictions are mapped as well. Raises
    PredictionsError, with the line, if the file cannot be read, lacks columns, names a class that is not in
    `class_names`, holds no number where one must be, or has a row whose probabilities do not sum to 1 or contradict its
    prediction or confidence.
    """
    names = class_names or class_names_of(path, meanings)
    columns = read_header(path)
    of_rows = known_class_names(path, columns) is None
    wanted = [PROBABILITY + name for name in names]
    has_probabilities = bool(wanted) and set(wanted) <= set(columns)
    ranks = _rank_columns(columns)
    keep = [*REQUIRED_COLUMNS, *ranks[1:], *(name for name in ("split", "margin") if name in columns)]
    if renormalize and not has_probabilities:
        raise PredictionsError(
            f"{path} has no probability column for each class, so no row can be divided by its sum",
            hint=f"leave --renormalize away, or give a CSV with the columns {wanted[0]} and so on",
        )
    first = 0  # the row that a piece begins with
    for cells in read_cells(path, columns, keep + wanted * has_probabilities):
        rows = len(cells["path"])
        if meanings:
            cells["label"] = [meanings.get(plain_text(cell), cell) for cell in cells["label"]]
            for rank in ranks if of_rows else ():
                cells[rank] = [meanings.get(plain_text(cell), "") or cell for cell in cells[rank]]
        ranked = np.column_stack([class_indices(path, cells, rank, names, first) for rank in ranks])
        most = np.inf if renormalize else 1.0
        confidence = shares(path, cells, "confidence", first, most)
        margin = shares(path, cells, "margin", first, most) if "margin" in columns else np.full(rows, np.nan)
        probabilities = None
        if has_probabilities:
            probabilities = np.column_stack([shares(path, cells, name, first, most) for name in wanted])
            check = _RowCheck(path, cells, wanted, first, probabilities)
            check.prediction(ranked[:, 0], names)
            check.confidence(confidence, ranked[:, 0], renormalize=renormalize)
            check.sums(renormalize=renormalize)
            if renormalize:
                probabilities = probabilities / probabilities.sum(axis=1, keepdims=True)
                confidence = np.take_along_axis(probabilities, ranked[:, :1], axis=1)[:, 0]
                if "margin" in columns:
                    margin = np.diff(np.partition(probabilities, -2, axis=1)[:, -2:], axis=1)[:, 0]
        yield PredictionRows(
            names,
            _plain_texts(cells["path"]),
            tuple(cells["split"]) if "split" in columns else ("",) * rows,
            class_indices(path, cells, "label", names, first),
            ranked[:, 0],
            confidence,
            margin,
            probabilities,
            ranked,
        )
        first += rows


@dataclass(frozen=True, eq=False, slots=True)
class _RowCheck:
    """Whether the rows of a piece agree with themselves, within the digits that are printed.

    `columns` are the probability columns of `cells`, `probabilities` (n, classes) float64 their values, at least 0.
    """

    path: Path
    cells: Cells
    columns: Sequence[str]
    first: int
    probabilities: NDArray[np.float64]

    def sums(self, *, renormalize: bool) -> None:
        """Refuse a row that does not sum to 1; with `renormalize`, only one that sums to 0."""
        sums = self.probabilities.sum(axis=1)
        wrong = sums <= 0 if renormalize else np.abs(sums - 1) > _SUM_TOLERANCE
        if renormalize:
            wrong |= ~np.isfinite(sums)
        elif wrong.any():
            half = self._half_digits([cell for name in self.columns for cell in self.cells[name]], self.probabilities)
            wrong &= np.abs(sums - 1) > half.sum(axis=1) + _FLOAT_TOLERANCE
        if wrong.any():
            row = int(np.argmax(wrong))
            raise self._error(
                row,
                f"the probabilities sum to {exact(sums[row])}, not to 1",
                "write the probabilities of a softmax, "
                + ("and at least one above 0" if renormalize else "or use --renormalize to divide each row by its sum"),
            )

    def prediction(self, predictions: NDArray[np.int64], names: Sequence[str]) -> None:
        """Refuse a row whose prediction is not its most probable class; of equal ones any is right."""
        rows = np.arange(len(predictions))
        wrong = self.probabilities[rows, predictions] < self.probabilities.max(axis=1)
        if wrong.any():
            row = int(np.argmax(wrong))
            best, named = int(self.probabilities[row].argmax()), int(predictions[row])
            raise self._error(
                row,
                f"the prediction is '{names[named]}' with probability {self._cell(row, named)}, but "
                f"'{names[best]}' has {self._cell(row, best)}",
                "write the class with the highest probability as prediction, or correct the probabilities",
            )

    def confidence(self, confidence: NDArray[np.float64], predictions: NDArray[np.int64], *, renormalize: bool) -> None:
        """Refuse a row whose confidence is not the probability of its prediction, before or after `renormalize`."""
        of_row = self.probabilities[np.arange(len(predictions)), predictions]
        wrong = np.abs(confidence - of_row) > _FLOAT_TOLERANCE
        if wrong.any():
            texts = self.cells["confidence"]
            printed = [cell for name in self.columns for cell in self.cells[name]]
            half = self._half_digits(texts, confidence) + _FLOAT_TOLERANCE
            wrong &= np.abs(confidence - of_row) > half + self._half_digits(printed, of_row)
            if renormalize:
                sums = self.probabilities.sum(axis=1)
                divided = np.divide(of_row, sums, out=np.zeros_like(of_row), where=sums > 0)
                wrong &= np.abs(confidence - divided) > half
        if wrong.any():
            row = int(np.argmax(wrong))
            raise self._error(
                row,
                f"confidence is '{self.cells['confidence'][row]}', but the probability of the prediction is "
                f"{self._cell(row, int(predictions[row]))}",
                "write the probability of the prediction as confidence, or correct the probabilities",
            )

    def _half_digits(self, printed: Sequence[str], values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Half of the last printed digit of each value, by the most decimals and significant digits of a cell.

        The cells of many rows count, since writers leave zeros at the end away.
        """
        digits = [_digits(cell) for cell in printed]
        decimals, significant = max(d for d, _ in digits), max(s for _, s in digits)
        exponents = np.floor(np.log10(np.maximum(values, 1e-300)))
        return 0.5 * np.maximum(10.0**-decimals, 10.0 ** (exponents - significant + 1))

    def _cell(self, row: int, number: int) -> str:
        return self.cells[self.columns[number]][row]

    def _error(self, row: int, what: str, hint: str) -> PredictionsError:
        return PredictionsError(f"{self.path}, line {line_of_row(self.path, self.first + row)}: {what}", hint=hint)


def _digits(cell: str) -> tuple[int, int]:
    """Count the decimals (at least 1: whole numbers of 0 and 1 are exact) and the significant digits of a number."""
    mantissa, _, exponent = cell.strip().lower().partition("e")
    whole, _, fraction = mantissa.lstrip("+-").partition(".")
    return max(1, len(fraction) - int(exponent or 0)), max(1, len((whole + fraction).lstrip("0")))


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


def shares(path: Path, cells: Cells, column: str, first: int, most: float = 1.0) -> NDArray[np.float64]:
    """Read the numbers of a column: (n,) float64 from 0 to `most`, finite.

    `first` is the number of the first row, for the message. Raises PredictionsError where a cell is no such number.
    """
    values = _numbers(cells[column])
    wrong = ~((values >= 0) & (values <= most + 0.000001) & np.isfinite(values))
    if wrong.any():
        row = int(np.argmax(wrong))
        expected = f"a number from 0 to {most:g}" if np.isfinite(most) else "a finite number, at least 0,"
        raise PredictionsError(
            f"{path}, line {line_of_row(path, first + row)}: {column} is '{cells[column][row]}'; "
            f"{expected} is expected",
            hint="score again, or correct the cell",
        )
    return np.minimum(values, most)


def _numbers(cells: list[str]) -> NDArray[np.float64]:
    """Read numbers, nan where a cell is none; those that are numbers in JSON too six times as fast as with `float`."""
    try:
        numbers = msgspec.json.decode(f"[{','.join(cells)}]", type=list[float])
    except msgspec.MsgspecError:
        numbers = []
    return np.array(numbers if len(numbers) == len(cells) else list(map(_number, cells)), np.float64)


def _number(cell: str) -> float:
    return float(cell) if _NUMBER.fullmatch(cell) else float("nan")
