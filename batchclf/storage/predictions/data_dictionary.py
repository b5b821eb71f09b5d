"""The data dictionary of predictions.csv: what each column holds, in words and as predictions.schema.json.

The file is a Table Schema of the Data Package standard, version 2 (https://datapackage.org/standard/table-schema/).
What the standard has no name for is told by keys of our own beside its own, as it allows.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import msgspec

from batchclf.core.records.run import RunRecord
from batchclf.core.text import utf8_text
from batchclf.storage.csv_files.cells import safe_cell
from batchclf.storage.predictions.columns import PROBABILITY, column_names

SCHEMA_FILE = "predictions.schema.json"
PREDICTIONS_FORMAT = 1
"""The format of predictions.csv that is described."""
_PROFILE = "https://datapackage.org/profiles/2.0/tableschema.json"

ColumnType = Literal["string", "number", "boolean"]
_SHARE = "probability"


@dataclass(frozen=True, slots=True)
class PredictionColumn:
    """One column of predictions.csv.

    `meaning` is Markdown. `may_be_empty` says whether a cell can be empty. `of_classes` columns hold class names.
    Numbers are in `unit`, from 0 to 1.
    """

    name: str
    type: ColumnType
    meaning: str
    may_be_empty: bool = False
    of_classes: bool = False
    unit: str = ""


_FIXED = (
    PredictionColumn("path", "string", "relative to the scored folder, with `/`; in a split `SPLIT/NUMBER`"),
    PredictionColumn(
        "split",
        "string",
        "`test` or `train`; where a job scores several folders, the folder's name; empty for a single folder",
        may_be_empty=True,
    ),
    PredictionColumn("label", "string", "the true class; empty where unknown", may_be_empty=True, of_classes=True),
    PredictionColumn("prediction", "string", "the most probable class", of_classes=True),
    PredictionColumn("correct", "boolean", "`true` or `false`; empty where the label is unknown", may_be_empty=True),
    PredictionColumn("confidence", "number", "the probability of the prediction", unit=_SHARE),
    PredictionColumn(
        "margin",
        "number",
        "`confidence` minus the probability of the second class",
        unit="difference of two probabilities",
    ),
)
_ORDINALS = {2: "second", 3: "third"}


_OF_CSV: dict[str, Any] = {
    "title": "predictions.csv",
    "description": "One row an image that was scored. A text cell that begins with `'` has one `'` more than the "
    "text: take one away.",
    "format": PREDICTIONS_FORMAT,
    "encoding": "utf-8",
    "dialect": {"delimiter": ",", "lineTerminator": "\r\n", "quoteChar": '"', "doubleQuote": True, "header": True},
}
_OF_PARTS: dict[str, Any] = {
    "title": "predictions/part-*.parquet",
    "description": "One row an image that was scored, in Parquet files that follow one another by name. What is not "
    "known is null.",
    "format": PREDICTIONS_FORMAT,
}


def describe_column(name: str) -> PredictionColumn | None:
    """Say what a column of predictions.csv holds, by its name; None for one that batchclf does not write."""
    fixed = next((each for each in _FIXED if each.name == name), None)
    if fixed is not None:
        return fixed
    if name.startswith(PROBABILITY):
        return PredictionColumn(
            name, "number", "the probability of this class; one column a class, in the model's order", unit=_SHARE
        )
    ranked = re.fullmatch(r"top([2-9]|[1-9]\d+)_(prediction|confidence)", name)
    if ranked is None:
        return None
    if ranked[2] == "prediction":
        rank = int(ranked[1])
        return PredictionColumn(name, "string", f"the {_ORDINALS.get(rank, f'{rank}th')} class", of_classes=True)
    return PredictionColumn(name, "number", "its probability", unit=_SHARE)


def describe_columns(class_names: Sequence[str], topk: int, probabilities: bool) -> Iterator[PredictionColumn]:
    """Say what each column holds that predictions are written with, in their order."""
    for name in column_names(tuple(map(utf8_text, class_names)), topk, probabilities):
        column = describe_column(name)
        assert column is not None, name
        yield column


def data_dictionary(record: RunRecord) -> dict[str, Any]:
    """Describe the predictions.csv of a run, or its parts, as a Table Schema.

    Texts stand in `enum` as in the CSV, so with the `'` that guards a cell; `classes` has the names without it. Parts
    have no such `'`.
    """
    classes, as_stored = record.model.class_names, utf8_text if record.is_partitioned else safe_cell
    splits = list(dict.fromkeys(subset.split for subset in record.subsets))
    several = "" not in splits
    allowed = {"split": list(map(as_stored, splits))} if several else {}
    cells = list(map(as_stored, classes))
    return {
        "$schema": _PROFILE,
        **(_OF_PARTS if record.is_partitioned else _OF_CSV),
        "rows": sum(subset.scored for subset in record.subsets),
        "classes": [utf8_text(name) for name in classes],
        "fieldsMatch": "exact",
        "fields": [
            _field(_as_known(each, record), cells if each.of_classes else allowed.get(each.name))
            for each in describe_columns(classes, record.topk, record.probabilities)
        ],
        # Only the empty cell, so that a class named NA stays one (decision 082)
        "missingValues": [""],
        "primaryKey": ["split", "path"] if several else ["path"],
    }


def _as_known(column: PredictionColumn, record: RunRecord) -> PredictionColumn:
    """Give a column as it can be: predictions of something else may lack all but path and prediction."""
    needed = not record.is_of_predictions or column.name in ("path", "prediction")
    return column if needed else replace(column, may_be_empty=True)


def write_data_dictionary(folder: Path, record: RunRecord) -> None:
    """Write predictions.schema.json of a run that is not published yet. Raises OSError."""
    content = msgspec.json.encode(data_dictionary(record))
    (folder / SCHEMA_FILE).write_bytes(msgspec.json.format(content, indent=1) + b"\n")


def _field(column: PredictionColumn, values: Sequence[str] | None) -> dict[str, Any]:
    required = not column.may_be_empty or (column.name == "split" and values is not None)
    constraints: dict[str, Any] = {"required": required}
    if column.type == "number":
        constraints |= {"minimum": 0, "maximum": 1}
    if values is not None:
        constraints["enum"] = list(values)
    field: dict[str, Any] = {"name": column.name, "type": column.type, "description": column.meaning}
    if column.type == "boolean":
        field |= {"trueValues": ["true"], "falseValues": ["false"]}
    if column.unit:
        field["unit"] = column.unit
    return {**field, "constraints": constraints}
