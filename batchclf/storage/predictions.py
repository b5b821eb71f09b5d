"""predictions.csv, format 1: written as the scores come, read back in pieces."""

import csv
import json
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from batchclf.core.types import BatchScores, PredictionRows
from batchclf.errors import PredictionsError

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
PROBABILITY = "prob:"
_PLAIN = re.compile(r"[A-Za-z0-9_/][A-Za-z0-9_/. +-]*")
_NEEDS_QUOTES = re.compile(r'[",\r\n]')
REQUIRED_COLUMNS = ("path", "label", "prediction", "confidence")
READ_COLUMNS = (*REQUIRED_COLUMNS, "split", "margin")
ROWS_PER_PIECE = 50_000


def safe_cell(text: str) -> str:
    """Keep a spreadsheet from running a cell: put `'` before text that would start a formula (or a `'`).

    Bytes of a file name that are no UTF-8 become `\\udcXX` escapes.
    """
    text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return "'" + text if text.startswith((*FORMULA_STARTS, "'")) else text


def csv_cell(text: str) -> str:
    """Write a text as a cell of a CSV file: made safe by `safe_cell`, in quotes where RFC 4180 asks for them."""
    if _PLAIN.fullmatch(text):
        return text
    text = safe_cell(text)
    return '"' + text.replace('"', '""') + '"' if _NEEDS_QUOTES.search(text) else text


def plain_text(cell: str) -> str:
    """Undo the `'` of `safe_cell`."""
    return cell[1:] if cell.startswith("'") else cell


def column_names(class_names: tuple[str, ...], topk: int, probabilities: bool) -> list[str]:
    """List the columns in their order."""
    names = ["path", "split", "label", "prediction", "correct", "confidence", "margin"]
    for rank in range(2, topk + 1):
        names += [f"top{rank}_prediction", f"top{rank}_confidence"]
    return names + [PROBABILITY + name for name in class_names] * probabilities


class PredictionWriter:
    """Writes predictions.csv row by row; use as a context manager. Counts what it wrote in `rows`.

    Needs at least two classes and 1 <= topk <= classes. UTF-8, RFC 4180 (CRLF line ends), probabilities with 7
    significant digits. Raises OSError where the disk refuses.
    """

    def __init__(self, path: Path, class_names: tuple[str, ...], *, topk: int, probabilities: bool) -> None:
        self.rows = 0
        self._topk = topk
        self._probabilities = probabilities
        self._cells = [csv_cell(name) for name in class_names]
        # One format string a row: formatting cell by cell takes longer than scoring a small image.
        tops = ",%s,%.7g" * (topk - 1)
        every = ",%.7g" * (len(class_names) * probabilities)
        self._row = f"%s,%s,%s,%s,%s,%.7g,%.7g{tops}{every}\r\n"
        self._handle = path.open("w", encoding="utf-8", newline="")
        csv.writer(self._handle).writerow(column_names(class_names, topk, probabilities))

    def __enter__(self) -> "PredictionWriter":
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self._handle.close()

    def write(self, scores: BatchScores, split: str) -> None:
        """Append one row for each image of the batch."""
        matrix = scores.probabilities
        # A stable sort of the negated scores gives ties to the class that comes first, as argmax does.
        order = np.argsort(-matrix, axis=1, kind="stable")[:, : max(2, self._topk)]
        best = np.take_along_axis(matrix, order, axis=1)
        margins = (best[:, 0] - best[:, 1]).tolist()
        classes, tops = order.tolist(), best.tolist()
        every: list[list[float]] = matrix.tolist() if self._probabilities else [[]] * len(matrix)
        cells, ranks = self._cells, range(1, self._topk)
        rows = []
        for ref, of_row, top, margin, probabilities in zip(scores.refs, classes, tops, margins, every, strict=True):
            prediction = cells[of_row[0]]
            label = "" if ref.label is None else csv_cell(ref.label)
            correct = "" if ref.label is None else ("true" if label == prediction else "false")
            more = [value for rank in ranks for value in (cells[of_row[rank]], top[rank])]
            row = (csv_cell(ref.path), split, label, prediction, correct, top[0], margin, *more, *probabilities)
            rows.append(self._row % row)
        self._handle.write("".join(rows))
        self.rows += len(rows)


def class_names_of(path: Path) -> tuple[str, ...]:
    """Tell the classes of a predictions CSV, in the model's order where it can be known.

    From its probability columns, else from the run.json beside it, else the sorted labels and predictions.
    Raises PredictionsError where the file cannot be read or lacks columns.
    """
    columns = _header(path)
    from_columns = tuple(name.removeprefix(PROBABILITY) for name in columns if name.startswith(PROBABILITY))
    if from_columns:
        return from_columns
    try:
        return tuple(json.loads(path.with_name("run.json").read_bytes())["model"]["class_names"])
    except (OSError, ValueError, KeyError, TypeError):
        seen: set[str] = set()
        for piece in _pieces(path, ["label", "prediction"]):
            seen.update(piece["label"].unique(), piece["prediction"].unique())
        return tuple(sorted(plain_text(name) for name in seen - {""}))


def read_predictions(path: Path, class_names: tuple[str, ...] | None = None) -> Iterator[PredictionRows]:
    """Read a predictions CSV in pieces of 50,000 rows, in the file's order.

    `split` may be missing (then ""), `margin` too (then nan). Raises PredictionsError, with the line, where the
    file cannot be read, lacks columns, names a class that is not in `class_names` or holds no number where one
    must be.
    """
    names = class_names or class_names_of(path)
    columns = _header(path)
    # Compared without the `'`, which somebody else's file has not; what cannot be written stands as its escape.
    index = {plain_text(safe_cell(name)): number for number, name in enumerate(names)}
    wanted = [PROBABILITY + name for name in names]
    has_probabilities = bool(wanted) and set(wanted) <= set(columns)
    keep = [*REQUIRED_COLUMNS, *(name for name in ("split", "margin") if name in columns)]
    first = 0  # the row that a piece begins with
    for piece in _pieces(path, keep + wanted * has_probabilities):
        labels = _classes(path, piece, "label", {**index, "": -1}, first)
        predictions = _classes(path, piece, "prediction", index, first)
        yield PredictionRows(
            names,
            tuple(map(plain_text, piece["path"])),
            tuple(piece["split"]) if "split" in columns else ("",) * len(piece),
            labels,
            predictions,
            _shares(path, piece, "confidence", first),
            _shares(path, piece, "margin", first) if "margin" in columns else np.full(len(piece), np.nan),
            _of_label(path, piece, wanted, labels, first) if has_probabilities else None,
        )
        first += len(piece)


def _header(path: Path) -> list[str]:
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
    used = (name for name in columns if name in READ_COLUMNS or name.startswith(PROBABILITY))
    doubled = [name for name, times in Counter(used).items() if times > 1]
    if doubled:
        raise PredictionsError(f"{path} has the column '{doubled[0]}' twice", hint="remove one of them")
    return columns


def _pieces(path: Path, columns: list[str]) -> Iterator[Any]:
    import pandas as pd

    try:
        with pd.read_csv(
            path,
            usecols=columns,
            dtype=str,
            index_col=False,  # or a comma at the end of each line would shift the columns
            keep_default_na=False,
            chunksize=ROWS_PER_PIECE,
            encoding="utf-8-sig",
        ) as pieces:
            # A short line leaves its last cells missing.
            yield from (piece.fillna("") for piece in pieces)
    except (pd.errors.ParserError, UnicodeDecodeError) as error:
        raise PredictionsError(f"{path} is damaged: {error}", hint="score again, or repair the line") from error


def _classes(path: Path, piece: Any, column: str, index: dict[str, int], first: int) -> NDArray[np.int64]:
    codes, cells = piece[column].factorize()
    found = [index.get(plain_text(cell)) for cell in cells]
    if None in found:
        unknown = found.index(None)
        line = _line(path, first + int(np.argmax(codes == unknown)))
        known = ", ".join(name for name in index if name)
        raise PredictionsError(
            f"{path}, line {line}: the {column} '{plain_text(cells[unknown])}' is not one of the classes {known}",
            hint="give the CSV that this model wrote, or correct the cell",
        )
    return np.asarray(np.array(found, np.int64)[codes])


def _shares(path: Path, piece: Any, column: str, first: int) -> NDArray[np.float64]:
    import pandas as pd

    values = pd.to_numeric(piece[column], errors="coerce").to_numpy(np.float64)
    wrong = ~((values >= 0) & (values <= 1.000001))
    if wrong.any():
        at = int(np.argmax(wrong))
        raise PredictionsError(
            f"{path}, line {_line(path, first + at)}: {column} is '{piece[column].iloc[at]}'; "
            "a number from 0 to 1 is expected",
            hint="score again, or correct the cell",
        )
    return np.asarray(np.minimum(values, 1.0))


def _of_label(path: Path, piece: Any, wanted: list[str], labels: NDArray[np.int64], first: int) -> NDArray[np.float64]:
    probabilities = np.stack([_shares(path, piece, name, first) for name in wanted], axis=1)
    chosen = np.take_along_axis(probabilities, np.maximum(labels, 0)[:, None], axis=1)[:, 0]
    return np.where(labels >= 0, chosen, np.nan)


def _line(path: Path, row: int) -> int:
    """Find the line that a row (from 0, after the header) begins in: cells may hold line breaks, lines be blank."""
    number, begin = -1, 1
    with suppress(csv.Error), path.open(encoding="utf-8-sig", newline="") as handle:
        reader = csv.reader(handle)
        for cells in reader:
            if len(cells) > 1 or "".join(cells).strip():  # pandas leaves blank lines out
                if number == row:
                    return begin
                number += 1
            begin = reader.line_num + 1
    return row + 2
