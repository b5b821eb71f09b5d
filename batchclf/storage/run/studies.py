"""Slices and thresholds in metrics.json, and slices.csv: a row for each slice."""

import csv
import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from batchclf.core.estimate import Estimate
from batchclf.core.metrics.catalog import formulas_of
from batchclf.core.metrics.formulas import OfClasses
from batchclf.core.metrics.thresholds import ThresholdFindings
from batchclf.core.records.studies import Studies
from batchclf.core.slices.result import SliceFindings, SliceMetrics
from batchclf.errors import RunError
from batchclf.storage.csv_files.cells import safe_cell, utf8_values

SLICE = (
    *("images", "correct", "accuracy", "accuracy_low", "accuracy_high"),
    *("difference", "difference_low", "difference_high", "class_mix", "beyond", "beyond_low", "beyond_high"),
)
"""The columns of slices.csv that say what is measured of a slice."""

_ESTIMATE = {"value", "interval", "n"}
_FLAT = {"value", "low", "high", "n"}


class _Stored(msgspec.Struct):
    slices: dict[str, SliceFindings] = {}
    thresholds: dict[str, ThresholdFindings] = {}


def studies_dict(studies: Studies) -> dict[str, Any]:
    """Turn slices and thresholds into plain JSON values: `slices` and `thresholds`, by split; nan is null."""
    return {
        name: utf8_values(_flattened(msgspec.to_builtins(found)))
        for name, found in (("slices", dict(studies.slices)), ("thresholds", dict(studies.thresholds)))
    }


def read_studies(content: bytes, path: Path) -> Studies:
    """Read slices and thresholds back from the bytes of a metrics.json; a file of an earlier batchclf has none.

    Raises RunError if they are damaged; `path` names the file.
    """
    try:
        values = msgspec.json.decode(content, type=dict[str, Any])
        found = {name: values[name] for name in ("slices", "thresholds") if values.get(name) is not None}
        stored = msgspec.convert(_nested(found), _Stored)
    except msgspec.MsgspecError as error:
        raise RunError(f"{path} is damaged: {error}", hint="make it again with: batchclf evaluate") from error
    return Studies(stored.slices, stored.thresholds)


def slices_csv(studies: Studies) -> str:
    """Write slices.csv: first each slice of a column on all images, then what the search has judged, in its order."""
    names = list(formulas_of(OfClasses))
    header = ["split", "slice", "words", "kind", *SLICE, "p_value", "adjusted_p_value", *names]
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(header)
    for split, found in studies.slices.items():
        writer.writerows(_rows(split, found, names))
    return text.getvalue()


def _rows(split: str, found: SliceFindings, names: Iterable[str]) -> Iterable[list[Any]]:
    for each in found.slices:
        yield _row(split, "column", each, ["", ""], names)
    for weak in found.search.weakest if found.search else ():
        yield _row(split, "weakest", weak.judged, [weak.p_value, weak.adjusted], names)


def _row(split: str, kind: str, of: SliceMetrics, p_values: list[Any], names: Iterable[str]) -> list[Any]:
    row: list[Any] = [safe_cell(split), safe_cell(of.name), safe_cell(of.words), kind]
    row += ["" if value is None else value for value in slice_values(of)]
    return [*row, *p_values, *(of.metrics.get(name, "") for name in names)]


def slice_values(of: SliceMetrics) -> list[float | None]:
    """Give the values of the columns SLICE, None for what cannot be known."""
    return [of.images, of.correct, *_ends(of.accuracy), *_ends(of.difference), of.class_mix, *_ends(of.beyond)]


def _ends(estimate: Estimate | None) -> list[float | None]:
    return [None] * 3 if estimate is None else [estimate.value, estimate.interval.low, estimate.interval.high]


def _flattened(value: Any) -> Any:
    """Write each estimate as all of metrics.json does: low and high beside its value."""
    if isinstance(value, list | tuple):
        return [_flattened(each) for each in value]
    if not isinstance(value, dict):
        return None if isinstance(value, float) and value != value else value
    if value.keys() == _ESTIMATE:
        return {"value": value["value"], **value["interval"], "n": value["n"]}
    return {key: _flattened(each) for key, each in value.items()}


def _nested(value: Any) -> Any:
    if isinstance(value, list):
        return [_nested(each) for each in value]
    if not isinstance(value, dict):
        return value
    if value.keys() == _FLAT:
        interval = {"low": value["low"], "high": value["high"]}
        return {"value": value["value"], "interval": interval, "n": value["n"]}
    # A confidence or margin that is not known
    nan = {key: float("nan") for key in ("confidence", "margin") if key in value and value[key] is None}
    return {key: _nested(each) for key, each in value.items()} | nan
