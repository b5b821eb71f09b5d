"""All that the history keeps of a run, read from its run directory."""

import csv
import hashlib
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import msgspec

from batchclf.core.metrics.catalog import METRICS
from batchclf.core.records.history import ClassValues, FileDigest, MetricValue, RunDetails
from batchclf.core.records.run import SubsetRecord
from batchclf.core.text import plain_text, utf8_text
from batchclf.errors import RunError
from batchclf.storage.predictions.write import PARTS_FOLDER
from batchclf.storage.run.directory import LOG_FILE, RECORD_FILE
from batchclf.storage.run.metrics import FILES
from batchclf.storage.run.run_json import decode_run
from batchclf.storage.run.summaries import read_summary

_RENEWED = ("report.", "comparison.", LOG_FILE)
"""How the names of files begin that are made or written again after the run."""

_COUNTS = ("images", "labelled", "correct")
_OF_ALL_IMAGES = [name for name, entry in METRICS.items() if entry.source == "scores"]
_GAPS = [name for name, entry in METRICS.items() if entry.source == "gap"]
_CLASS_NUMBERS = [field.name for field in fields(ClassValues)][2:]
_CLASS_COUNTS = ("support", "predicted", "correct")


class _Path(msgspec.Struct):
    path: str


class _Name(msgspec.Struct):
    name: str


class _Run(msgspec.Struct):
    model: _Path
    subsets: list[SubsetRecord]
    command: list[str] = []
    dataset: _Name | None = None
    versions: dict[str, str] = {}


def read_details(folder: Path) -> RunDetails:
    """Read a run directory's run.json, metrics.json and per_class.csv; the latter two may be missing or damaged.

    Raises RunError where run.json is missing, damaged or of another format, OSError where the folder goes meanwhile.
    """
    summary = read_summary(folder)
    path = folder / RECORD_FILE
    try:
        run = decode_run(path.read_bytes(), path, _Run)
    except msgspec.MsgspecError as error:
        raise RunError(f"{path} is damaged: {error}", hint="score again") from error
    return RunDetails(
        summary=summary,
        complete=all(subset.complete for subset in run.subsets),
        dataset=run.dataset.name if run.dataset else None,
        model=run.model.path,
        command=tuple(run.command),
        batchclf=run.versions.get("batchclf", ""),
        subsets=tuple(replace(subset, cached=0, precision=None, timings={}) for subset in run.subsets),
        metrics=tuple(sorted(_metrics(folder / FILES[0]), key=lambda each: (each.split, each.name))),
        classes=tuple(sorted(_classes(folder / FILES[1]), key=lambda each: (each.split, each.class_name))),
    )


def digest_files(folder: Path) -> list[FileDigest]:
    """Digest the files of a run directory, but its log and those that are made again. Raises OSError."""
    found = []
    for path in sorted([*folder.iterdir(), *(folder / PARTS_FOLDER).glob("part-*.parquet")]):
        if path.is_file() and not path.is_symlink() and not path.name.startswith((".", *_RENEWED)):
            with path.open("rb") as handle:
                digest = hashlib.file_digest(handle, "sha256").hexdigest()
            found.append(FileDigest(utf8_text(path.relative_to(folder).as_posix()), digest, path.stat().st_size))
    return found


def _metrics(path: Path) -> Iterator[MetricValue]:
    try:
        content = msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
    except (OSError, msgspec.MsgspecError):
        return
    splits = _tables(content.get("splits"))
    for split, values in splits.items():
        for name, value in values.items():
            if name not in _COUNTS:
                images = values.get("images" if name in _OF_ALL_IMAGES else "labelled")
                yield from _metric(split, name, value, images)
    for values in _tables({"gap": content.get("gap")}).values():
        labelled = [splits.get(split, {}).get("labelled", 0) for split in ("test", "train")]
        for name in _GAPS:
            yield from _metric("test", name, values.get(name), min(labelled))


def _tables(value: Any) -> dict[str, dict[str, Any]]:
    return {key: each for key, each in value.items() if isinstance(each, dict)} if isinstance(value, dict) else {}


def _metric(split: str, name: str, value: Any, images: Any) -> Iterator[MetricValue]:
    """Read `{"value": …, "low": …}`, or a bare number, as the first format of metrics.json had more of them."""
    values = value if isinstance(value, dict) else {"value": value}
    number, low, high, baseline = (_number(values.get(key)) for key in ("value", "low", "high", "baseline"))
    if number is not None:
        yield MetricValue(split, name, number, low, high, baseline, images if isinstance(images, int) else 0)


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _classes(path: Path) -> Iterator[ClassValues]:
    try:
        with path.open(newline="", encoding="utf-8") as handle:
            seen = set()
            for row in csv.DictReader(handle):
                key = (plain_text(row["split"]), plain_text(row["class"]))
                numbers = {name: _cell(name, row.get(name)) for name in _CLASS_NUMBERS}
                if key not in seen:
                    seen.add(key)
                    yield ClassValues(*key, **numbers)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, csv.Error):
        return


def _cell(name: str, text: str | None) -> Any:
    if not text:
        return None
    return int(text) if name in _CLASS_COUNTS else float(text)
