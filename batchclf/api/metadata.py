"""What is known of images besides their labels, as columns in memory."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from batchclf.api.arrays import Column, column
from batchclf.data.metadata_table import MetadataTable
from batchclf.errors import UsageError

NAME = "metadata"


def metadata_columns(metadata: object) -> dict[str, Column]:
    """Read the columns of a data frame or a mapping of columns, one value a row each, by name; raises UsageError."""
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
    return {name: column(of[name], f"{NAME}[{name!r}]") for name in names}


def metadata_table(columns: Mapping[str, Column], paths: tuple[str, ...]) -> MetadataTable:
    """Make of columns what a CSV of metadata would be; `paths` name the images. Raises UsageError if they repeat."""
    rows = {path: row for row, path in enumerate(paths)}
    if len(rows) < len(paths):
        raise UsageError(
            f"{NAME} cannot be given for images that stand in several splits under one path",
            hint="give images= with a path of its own for each",
        )
    found = {}
    for name, each in columns.items():
        places: dict[str, int] = {}
        codes = [places.setdefault(_text(value), len(places)) for value in each.values.tolist()]
        found[name] = (tuple(places), np.array(codes, np.int32))
    return MetadataTable(Path(NAME), {None: rows}, found)


def _text(value: object) -> str:
    """Write a value as a CSV would have it; "" if it is missing."""
    # nan and pandas' NaT are not equal to themselves, its NA is neither true nor false
    if value is None or type(value).__name__ in ("NAType", "NaTType") or value != value:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()
