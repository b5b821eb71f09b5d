"""The tables that a run directory's CSV files are, with the type of each column."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from batchclf.storage.images.duplicates import DUPLICATES_FILE
from batchclf.storage.images.facts import IMAGES_FILE
from batchclf.storage.predictions.data_dictionary import describe_column
from batchclf.storage.predictions.flips import FLIPS_FILE
from batchclf.storage.predictions.write import CSV_FILE
from batchclf.storage.run.directory import SKIPPED_FILE
from batchclf.storage.run.metrics import SLICES_FILE

CellType = Literal["text", "number", "whole", "boolean"]
PREDICTIONS = "predictions"
_OF_DICTIONARY: Mapping[str, CellType] = {"string": "text", "number": "number", "boolean": "boolean"}


@dataclass(frozen=True, slots=True)
class RunTable:
    """A CSV of a run directory; columns that are not named have the type `others`."""

    file: str
    types: Mapping[str, CellType]
    others: CellType


_WHOLE: CellType = "whole"
_NUMBER: CellType = "number"
_TEXT: CellType = "text"
TABLES = {
    PREDICTIONS: RunTable(CSV_FILE, {}, _TEXT),
    "images": RunTable(
        IMAGES_FILE, {"width": _WHOLE, "height": _WHOLE, "brightness": _NUMBER, "contrast": _NUMBER}, _TEXT
    ),
    "per_class": RunTable(
        "per_class.csv",
        {"split": _TEXT, "class": _TEXT, "support": _WHOLE, "predicted": _WHOLE, "correct": _WHOLE},
        _NUMBER,
    ),
    "confusion": RunTable("confusion.csv", {"split": _TEXT, "label": _TEXT}, _WHOLE),
    "slices": RunTable(
        SLICES_FILE,
        {**dict.fromkeys(("split", "slice", "words", "kind"), _TEXT), "images": _WHOLE, "correct": _WHOLE},
        _NUMBER,
    ),
    "skipped": RunTable(SKIPPED_FILE, {}, _TEXT),
    "duplicates": RunTable(DUPLICATES_FILE, {"correlation": _NUMBER}, _TEXT),
    "flips": RunTable(FLIPS_FILE, {"earlier_confidence": _NUMBER, "confidence": _NUMBER}, _TEXT),
}
"""Table → the file it is read from; each is there only where the file is."""


def cell_type(table: str, column: str) -> CellType:
    """Tell the type of a column; those of predictions.csv are the data dictionary's."""
    if table == PREDICTIONS:
        described = describe_column(column)
        return "text" if described is None else _OF_DICTIONARY[described.type]
    known = TABLES[table]
    return known.types.get(column, known.others)


def tables_in(folder: Path) -> list[str]:
    """List the tables whose files are in a run directory."""
    return [name for name, table in TABLES.items() if (folder / table.file).is_file()]
