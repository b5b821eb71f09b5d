"""The predictions of a run as one pandas DataFrame, whatever format they are in."""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import count, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from batchclf import atomic
from batchclf.core.types import Say, unheard
from batchclf.errors import PredictionsError
from batchclf.storage.csv_files.read import Cells, line_of_row
from batchclf.storage.predictions.columns import PROBABILITY
from batchclf.storage.predictions.parquet import CLASSES_KEY, check_pyarrow, is_pyarrow_there
from batchclf.storage.predictions.read import RowReader, class_indices, class_names_of, known_class_names, shares
from batchclf.storage.predictions.read_parts import PartsTable
from batchclf.storage.predictions.write import CSV_FILE, PARQUET_FILE, predictions_in

if TYPE_CHECKING:
    import pandas as pd

_CLASS_COLUMN = re.compile(r"label|prediction|top\d+_prediction")
_NUMBER_COLUMN = re.compile(rf"confidence|margin|top\d+_confidence|{PROBABILITY}.*", re.DOTALL)
_ROWS_PER_PIECE = 5_000
_AGAIN = "score again"
_CORRECT = {"true": True, "false": False, "": None}


def predictions_file(path: Path) -> Path:
    """Choose the file of predictions that a path means: that file, or the most exact one of a run directory.

    In a run directory predictions.parquet is taken before predictions.jsonl before predictions.csv; of one with parts
    it is their folder. Raises PredictionsError if there is none.
    """
    path = atomic.followed(path)
    if path.is_dir() and (predictions_in(path).is_dir() or any(path.glob("part-*.parquet"))):
        return predictions_in(path) if predictions_in(path).is_dir() else path
    file = _file_in(path) if path.is_dir() else path
    if not file.is_file():
        raise PredictionsError(f"there is no file {file}", hint="give a run directory or the predictions of a run")
    return file


def read_table(file: Path, warn: Say = unheard) -> "pd.DataFrame":
    """Read a file of predictions, or the parts in a folder; `warn` gets a line if rows stand twice, which come once.

    Raises PredictionsError if it is damaged, or if rows contradict themselves or each other, RunError if pyarrow is
    needed and not installed.
    """
    if file.is_dir():
        return _each_once(file, _joined([_read_parquet(part) for part in PartsTable(file).files]), warn)
    suffix = file.suffix.lower()
    return _each_once(file, _READERS.get(suffix, _read_csv)(file), warn)


def _each_once(file: Path, table: "pd.DataFrame", warn: Say) -> "pd.DataFrame":
    """Leave rows out that stand twice; raises PredictionsError if two rows of a path and split differ."""
    image = [name for name in ("split", "path") if name in table]
    again = table.duplicated(image)
    if again.any():
        again &= np.array(list(map(bool, table["path"])))  # rows without a path are of no image
    if not again.any():
        return table
    from batchclf.storage.predictions.repeats import conflict, repeated

    said = [name for name in table if _CLASS_COLUMN.fullmatch(name) or _NUMBER_COLUMN.fullmatch(name)]
    differs = again & ~table.duplicated([*image, *said])
    row = int((differs if differs.any() else again).to_numpy().argmax())
    same_image = (table[image] == table[image].iloc[row]).all(axis=1)
    before = int(same_image.to_numpy().argmax())
    places = _place(file, before), _place(file, row)
    if differs.any():
        one, other = (table[said].iloc[number].astype("object") for number in (before, row))
        column = next(name for name in said if one[name] != other[name] and not (one.isna() & other.isna())[name])
        split = str(table["split"].iloc[row]) if "split" in table else ""
        raise conflict(file, (str(table["path"].iloc[row]), split), column, (one[column], other[column]), places)
    warn(repeated(file, int(again.sum()), places))
    return table[~again].reset_index(drop=True)


def _place(file: Path, row: int) -> str:
    """Name the place of a row, from 0."""
    if file.is_dir():
        return PartsTable(file).place(row)
    suffix = file.suffix.lower()
    if suffix == ".parquet":
        return f"row {row + 1:,}"
    return f"line {row + 1 if suffix == '.jsonl' else line_of_row(file, row)}"


def _file_in(folder: Path) -> Path:
    there = [f"predictions{suffix}" for suffix in _READERS if (folder / f"predictions{suffix}").is_file()]
    usable = [name for name in there if name != PARQUET_FILE or is_pyarrow_there()]
    if not usable:
        raise PredictionsError(f"{folder} holds no {CSV_FILE}", hint="give a folder that `batchclf` has scored into")
    return folder / usable[0]


def _read_csv(path: Path) -> "pd.DataFrame":
    reader = RowReader(path, class_names_of(path))
    frames = [_csv_frame(reader, first, cells) for first, cells in reader.pieces(reader.header)]
    return _joined(frames or [_csv_frame(reader, 0, {name: [] for name in reader.header})])


def _csv_frame(reader: RowReader, first: int, cells: Cells) -> "pd.DataFrame":
    import pandas as pd

    path, names, rows = reader.path, reader.names, reader.rows(first, cells)
    codes = {"label": rows.labels, **dict(zip(reader.ranks, rows.ranked.T, strict=True))}
    numbers = {"confidence": rows.confidence, "margin": rows.margin}
    if rows.probabilities is not None:
        numbers |= dict(zip(reader.of_classes, rows.probabilities.T, strict=True))

    def column(name: str) -> Any:
        if _CLASS_COLUMN.fullmatch(name):
            code = codes[name] if name in codes else class_indices(reader.source, cells, name, names, first)
            return pd.Categorical.from_codes(code, list(names))
        if _NUMBER_COLUMN.fullmatch(name):
            return numbers[name] if name in numbers else shares(reader.source, cells, name, first, may_be_empty=True)
        if name == "correct":
            return pd.array(_correct(path, cells[name], first), dtype="boolean")
        return pd.Series(rows.paths if name == "path" else cells[name], dtype="str")

    return pd.DataFrame({name: column(name) for name in reader.header})


def _correct(path: Path, cells: Sequence[str], first: int) -> list[bool | None]:
    wrong = next((row for row, cell in enumerate(cells) if cell not in _CORRECT), None)
    if wrong is not None:
        raise PredictionsError(
            f"{path}, line {line_of_row(path, first + wrong)}: correct is '{cells[wrong]}'; true, false or nothing "
            "is expected",
            hint="score again, or correct the cell",
        )
    return [_CORRECT[cell] for cell in cells]


def _read_jsonl(path: Path) -> "pd.DataFrame":
    columns = next(_json_pieces(path), None)
    if columns is None:
        raise PredictionsError(f"{path} has no rows", hint="score again")
    names = known_class_names(path, list(columns))
    if names is None:
        of_class = [name for name in columns if _CLASS_COLUMN.fullmatch(name)]
        seen = {value for piece in _json_pieces(path) for name in of_class for value in piece[name]}
        names = tuple(sorted(seen - {None}))
    return _joined([_typed(path, piece, names) for piece in _json_pieces(path)])


def _json_pieces(path: Path) -> Iterator[dict[str, list[Any]]]:
    """Read column → values, some rows at a time; all rows must have the columns of the first."""
    decoder = msgspec.json.Decoder(dict[str, str | bool | float | None])
    columns: list[str] = []
    with path.open("rb") as lines:
        for number in count(1, _ROWS_PER_PIECE):
            rows = []
            for line in islice(lines, _ROWS_PER_PIECE):
                try:
                    row = decoder.decode(line)
                    columns = columns or list(row)
                    rows.append([row[name] for name in columns])
                except (msgspec.MsgspecError, UnicodeDecodeError, KeyError) as error:
                    why = f"the column {error} is missing" if isinstance(error, KeyError) else error
                    raise PredictionsError(
                        f"{path} is damaged: line {number + len(rows)}: {why}", hint=_AGAIN
                    ) from error
            if not rows:
                return
            yield dict(zip(columns, map(list, zip(*rows, strict=True)), strict=True))


def _read_parquet(path: Path) -> "pd.DataFrame":
    check_pyarrow()
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        # Not as a Dataset, for which the names of the folders would mean something.
        with pq.ParquetFile(path) as file:
            table = file.read()
    except (OSError, pa.ArrowException) as error:
        raise PredictionsError(f"{path} is damaged: {error}", hint=_AGAIN) from error
    names = (table.schema.metadata or {}).get(CLASSES_KEY)
    if names is None:
        raise PredictionsError(f"{path} was not written by batchclf", hint="read it with pandas.read_parquet")
    return _typed(path, dict(table.to_pandas().items()), msgspec.json.decode(names, type=tuple[str, ...]))


_READERS = {".parquet": _read_parquet, ".jsonl": _read_jsonl, ".csv": _read_csv}
"""By suffix, the most exact one first."""


def _typed(path: Path, columns: Mapping[str, Sequence[Any]], names: tuple[str, ...]) -> "pd.DataFrame":
    """Give columns that have their real types already the same types as those of a CSV."""
    import pandas as pd

    def column(name: str, values: Any) -> Any:
        if _CLASS_COLUMN.fullmatch(name):
            cells = pd.Series(values, dtype="object")
            codes = pd.Index(list(names), dtype="object").get_indexer(cells)
            if ((codes < 0) & cells.notna()).any():
                raise ValueError(f"the column {name} holds more than the classes {', '.join(names)}")
            return pd.Categorical.from_codes(codes, list(names))
        if _NUMBER_COLUMN.fullmatch(name):
            return np.asarray(values, np.float32).astype(np.float64)  # the digits of JSON lines mean a float32
        return pd.Series(values, dtype="boolean" if name == "correct" else "str")

    try:
        return pd.DataFrame({name: column(name, values) for name, values in columns.items()})
    except (TypeError, ValueError) as error:
        raise PredictionsError(f"{path} is damaged: {error}", hint=_AGAIN) from error


def _joined(frames: list["pd.DataFrame"]) -> "pd.DataFrame":
    import pandas as pd

    return frames[0] if len(frames) == 1 else pd.concat(frames, ignore_index=True)
