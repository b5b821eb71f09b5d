"""Slices of an evaluation in memory: what is known of its images, and what comes of it as a table."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from batchclf.api.arrays import Column, column
from batchclf.api.failures import warn_caller
from batchclf.api.rows import Rows
from batchclf.core.records.studies import Studies
from batchclf.core.slices.result import SliceFindings
from batchclf.data.metadata_table import MetadataTable
from batchclf.errors import UsageError
from batchclf.jobs.config.options import SliceOptions, ThresholdOptions
from batchclf.jobs.evaluate.predictions import Studying
from batchclf.jobs.evaluate.studies import Plan

if TYPE_CHECKING:
    import pandas as pd

NAME = "metadata"


def metadata_columns(metadata: object) -> list[Column]:
    """Read the columns of a data frame or a mapping of columns, one value a row each; raises UsageError."""
    names = list(metadata) if isinstance(metadata, Mapping) else getattr(metadata, "columns", None)
    if names is None:
        raise UsageError(
            f"{NAME} is a {type(metadata).__name__}; columns with names are expected",
            hint="give a data frame, or a dict of columns: {'camera': cameras}",
        )
    if wrong := [name for name in names if not isinstance(name, str) or not name]:
        raise UsageError(f"{NAME} has a column {wrong[0]!r}; a name is expected", hint="name the column")
    if not len(names):
        raise UsageError(f"{NAME} has no column", hint="give at least one")
    of: Any = metadata
    return [column(of[name], f"{NAME}[{name!r}]") for name in names]


def metadata_table(metadata: object, columns: list[Column], paths: tuple[str, ...]) -> MetadataTable:
    """Make of columns what a CSV of metadata would be; `paths` name the images. Raises UsageError if they repeat."""
    rows = {path: row for row, path in enumerate(paths)}
    if len(rows) < len(paths):
        raise UsageError(
            f"{NAME} cannot be given for images that stand in several splits under one path",
            hint="give images= with a path of its own for each",
        )
    of: Any = metadata
    names = list(of) if isinstance(of, Mapping) else list(of.columns)
    found = {}
    for name, each in zip(names, columns, strict=True):
        places: dict[str, int] = {}
        codes = [places.setdefault(_text(value), len(places)) for value in each.values.tolist()]
        found[name] = (tuple(places), np.array(codes, np.int32))
    return MetadataTable(Path(NAME), rows, found)


def _text(value: object) -> str:
    """Write a value as a CSV would have it; "" if it is missing."""
    # nan and pandas' NaT are not equal to themselves, its NA is neither true nor false
    if value is None or type(value).__name__ in ("NAType", "NaTType") or value != value:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


def plan_of(rows: Rows) -> Plan | None:
    """Say what is to be studied of rows; None without metadata."""
    return None if rows.metadata is None else Plan(SliceOptions(), ThresholdOptions(), rows.metadata)


def studies_of(rows: Rows) -> Studies | None:
    """Slice the labelled rows and set thresholds on them, as a run does; None without labels."""
    studying = Studying(None, plan_of(rows))
    for piece in rows.pieces():
        studying.take(piece)
    return studying.studies(warn_caller)


def slices_table(found: SliceFindings | None) -> "pd.DataFrame":
    """Give a row a slice: counts as int64, all else as float64, nan for what cannot be known."""
    import pandas as pd

    slices = () if found is None else found.slices
    rows: list[list[Any]] = []
    for each in slices:
        row: list[Any] = [each.images, each.correct]
        for estimate in (each.accuracy, each.difference):
            row += [np.nan] * 3 if estimate is None else [estimate.value, estimate.interval.low, estimate.interval.high]
        row.append(np.nan if each.class_mix is None else each.class_mix)
        beyond = each.beyond
        row += [np.nan] * 3 if beyond is None else [beyond.value, beyond.interval.low, beyond.interval.high]
        rows.append(row)
    names = ["images", "correct"]
    for name in ("accuracy", "difference"):
        names += [name, f"{name}_low", f"{name}_high"]
    names += ["class_mix", "beyond", "beyond_low", "beyond_high"]
    index = pd.Index([each.name for each in slices], dtype="str", name="slice")
    table = pd.DataFrame(rows, columns=names, index=index)
    return table.astype({name: "int64" if name in ("images", "correct") else "float64" for name in names})
