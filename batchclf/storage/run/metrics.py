"""metrics.json, per_class.csv and confusion.csv: an evaluation for programs and spreadsheets."""

import csv
import io
import json
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from batchclf import atomic
from batchclf.core.estimate import Estimate
from batchclf.core.metrics.catalog import formulas_of
from batchclf.core.metrics.evaluation import Evaluation
from batchclf.core.metrics.formulas import OfCalibration
from batchclf.core.text import plain_text, utf8_text
from batchclf.errors import RunError
from batchclf.storage.csv_files.cells import safe_cell
from batchclf.storage.run.directory import PREDICTIONS_FILE

if TYPE_CHECKING:
    from batchclf.core.metrics.gap import Gap
    from batchclf.core.metrics.overall import Metric
    from batchclf.core.metrics.ranking import ClassRanking
    from batchclf.core.metrics.temperature import WithoutTemperature
    from batchclf.core.records.studies import Studies

METRICS_FORMAT = 2
METRICS_FILE = "metrics.json"
FILES = (METRICS_FILE, "per_class.csv", "confusion.csv")
SLICES_FILE = "slices.csv"
PER_CLASS = (
    *("support", "predicted", "correct"),
    *(f"{name}{end}" for name in ("recall", "precision") for end in ("", "_low", "_high")),
    *("f1", "gap", "gap_low", "gap_high", "auc", "auc_low", "auc_high", "average_precision"),
    *("auc_error", "average_precision_error"),
)
"""The columns of per_class.csv after the split and the class."""

_FIRST_COLUMNS = {
    "per_class.csv": ["split", "class", "support"],
    "confusion.csv": ["split", "label"],
    SLICES_FILE: ["split", "slice", "words"],
}


class _OfOurs(msgspec.Struct):
    format: int
    splits: dict[str, Any]


class _Format(msgspec.Struct):
    format: int


def write_metrics(
    folder: Path, evaluations: Sequence[Evaluation], gap: "Gap | None", studies: "Studies | None" = None
) -> None:
    """Write the three files into an existing folder, each in one step; with slices slices.csv, too. Raises OSError.

    Without labels per_class.csv holds only the counts of predictions and confusion.csv only its header, and there are
    no `studies`.
    """
    content = json.dumps(metrics_dict(evaluations, gap, studies), indent=2, ensure_ascii=False)
    atomic.write_text(folder / "metrics.json", content + "\n")
    atomic.write_text(folder / "per_class.csv", _per_class_csv(evaluations, gap))
    atomic.write_text(folder / "confusion.csv", _confusion_csv(evaluations))
    if studies is not None:
        from batchclf.storage.run.studies import slices_csv

        atomic.write_text(folder / SLICES_FILE, slices_csv(studies))


def refuse_to_replace_others(folder: Path) -> None:
    """Make sure that `write_metrics` replaces nothing in the folder that it did not write.

    Its own metrics.json has `format` and `splits`, its CSVs begin with its columns. Raises RunError.
    """
    for name in (*FILES, SLICES_FILE):
        path = folder / name
        try:
            ours = not path.exists() or _is_ours(path)
        except (OSError, UnicodeDecodeError, csv.Error, msgspec.MsgspecError):
            ours = False
        if not ours:
            raise RunError(
                f"{path} was not written by batchclf evaluate and would be replaced",
                hint="write into another folder: --out DIR",
            )


def _is_ours(path: Path) -> bool:
    if path.suffix == ".json":
        msgspec.json.decode(path.read_bytes(), type=_OfOurs)
        return True
    with path.open(encoding="utf-8-sig", newline="") as handle:
        columns = next(csv.reader(handle), [])
    first = _FIRST_COLUMNS[path.name]
    others = columns[len(first) :] if path.name == "confusion.csv" else []
    return columns[: len(first)] == first and all(name.startswith("predicted:") for name in others)


def metrics_dict(
    evaluations: Sequence[Evaluation], gap: "Gap | None", studies: "Studies | None" = None
) -> dict[str, Any]:
    """Turn evaluations into plain JSON values; shares are 0 to 1, what cannot be known is null.

    With `studies` there are `slices` and `thresholds`, too, by split.
    """
    values = {
        "format": METRICS_FORMAT,
        "splits": {evaluation.split: _split_dict(evaluation) for evaluation in evaluations},
        "gap": None if gap is None else _gap_dict(gap),
    }
    if studies is None:
        return values
    from batchclf.storage.run.studies import studies_dict

    return values | studies_dict(studies)


def read_metrics(folder: Path) -> dict[str, Any]:
    """Read the metrics.json of a run directory as the plain JSON values that `metrics_dict` tells.

    Raises RunError where it is missing, damaged or of another format.
    """
    return read_metrics_file(folder / FILES[0])


def read_metrics_file(path: Path) -> dict[str, Any]:
    """Read a metrics.json of any name, as `read_metrics` does."""
    again = f"make it again with: batchclf evaluate {shlex.quote(str(path.with_name(PREDICTIONS_FILE)))}"
    try:
        content = path.read_bytes()
        found = msgspec.json.decode(content, type=_Format).format
        values = msgspec.json.decode(content, type=dict[str, Any])
    except OSError as error:
        raise RunError(f"{path} cannot be read: {error.strerror}", hint=again) from error
    except msgspec.MsgspecError as error:
        raise RunError(f"{path} is damaged: {error}", hint=again) from error
    if found > METRICS_FORMAT:
        raise RunError(
            f"{path} has format {found}, which is newer than this batchclf, with format {METRICS_FORMAT}",
            hint="update batchclf",
        )
    if found < METRICS_FORMAT:
        raise RunError(
            f"{path} has format {found}, which is too old for this batchclf, with format {METRICS_FORMAT}", hint=again
        )
    return values


@dataclass(frozen=True, slots=True)
class ClassCounts:
    """What the metrics of a class in a split follow from: its images, how often it is predicted, how often rightly."""

    support: int
    predicted: int
    correct: int


def read_class_counts(path: Path) -> dict[str, dict[str, ClassCounts]]:
    """Read the counts of a per_class.csv, by split and class; classes of a split without labels are left out.

    Raises RunError where it is missing or damaged.
    """
    found: dict[str, dict[str, ClassCounts]] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as handle:
            for row in csv.DictReader(handle):
                if row["support"]:
                    counts = ClassCounts(*(int(row[name]) for name in ("support", "predicted", "correct")))
                    if not 0 <= counts.correct <= min(counts.support, counts.predicted):
                        raise ValueError(f"{counts} cannot be")
                    found.setdefault(plain_text(row["split"]), {})[plain_text(row["class"])] = counts
    except OSError as error:
        raise RunError(f"{path} cannot be read: {error.strerror}", hint="put it beside metrics.json") from error
    except (KeyError, TypeError, ValueError, csv.Error) as error:
        raise RunError(f"{path} is damaged: {error}", hint="make it again with: batchclf evaluate") from error
    return found


def _split_dict(evaluation: Evaluation) -> dict[str, Any]:
    values: dict[str, Any] = {
        "images": evaluation.total,
        "mean_confidence": None if isnan(evaluation.mean_confidence) else evaluation.mean_confidence,
        "predicted": dict(zip(evaluation.class_names, evaluation.predicted_counts.tolist(), strict=True)),
    }
    of = evaluation.labelled
    if of is None:
        return {**values, "labelled": 0, "accuracy": None}
    calibration = of.calibration
    return {
        **values,
        "labelled": of.total,
        "correct": of.correct,
        **{metric.name: _metric(metric) for metric in of.overall},
        **{
            name: None if calibration is None else formula.value(calibration)
            for name, formula in formulas_of(OfCalibration).items()
        },
        "without_temperature": _without_temperature(of.without_temperature),
    }


def _without_temperature(found: "WithoutTemperature | None") -> dict[str, float] | None:
    if found is None:
        return None
    names = ("temperature", "log_loss", "ece", "overconfidence")
    return {name: getattr(found, name) for name in names}


def _metric(metric: "Metric") -> dict[str, float | None]:
    low, high = (None, None) if metric.interval is None else (metric.interval.low, metric.interval.high)
    return {"value": metric.value, "low": low, "high": high, "baseline": metric.baseline}


def _gap_dict(gap: "Gap") -> dict[str, Any]:
    return {
        "train_accuracy": _estimate(gap.train),
        "test_accuracy": _estimate(gap.test),
        "gap": _estimate(gap.gap),
        "overfitting": gap.overfitting,
        "sentence": gap.sentence,
        "train_log_loss": _estimate(gap.train_loss),
        "test_log_loss": _estimate(gap.test_loss),
        "log_loss_gap": _estimate(gap.loss_gap),
    }


def _estimate(estimate: Estimate | None) -> dict[str, float] | None:
    if estimate is None:
        return None
    return {"value": estimate.value, "low": estimate.interval.low, "high": estimate.interval.high}


def per_class_rows(evaluation: Evaluation, gap: "Gap | None") -> list[list[Any]]:
    """Give the PER_CLASS values of each class, in the order of the classes; None for what cannot be known."""
    if evaluation.labelled is None:
        unknown: list[Any] = [None] * (len(PER_CLASS) - 2)
        return [[None, count, *unknown] for count in evaluation.predicted_counts.tolist()]
    gaps = {} if gap is None else {each.name: each.gap for each in gap.per_class}
    rankings = {each.name: each for each in evaluation.labelled.ranking or ()}
    return [
        [
            *(each.support, each.predicted, each.correct),
            *(*_cells(each.recall), *_cells(each.precision), each.f1),
            *_cells(gaps.get(each.name) if evaluation.split == "test" else None),
            *_ranking_cells(rankings.get(each.name)),
        ]
        for each in evaluation.labelled.per_class
    ]


def _per_class_csv(evaluations: Sequence[Evaluation], gap: "Gap | None") -> str:
    rows = (
        [safe_cell(evaluation.split), safe_cell(name), *values]
        for evaluation in evaluations
        for name, values in zip(evaluation.class_names, per_class_rows(evaluation, gap), strict=True)
    )
    return _csv(["split", "class", *PER_CLASS], rows)


def _confusion_csv(evaluations: Sequence[Evaluation]) -> str:
    names = evaluations[0].class_names if evaluations else ()
    rows = (
        [safe_cell(evaluation.split), safe_cell(name), *counts.tolist()]
        for evaluation in evaluations
        if evaluation.labelled is not None
        for name, counts in zip(names, evaluation.labelled.confusion.counts, strict=True)
    )
    return _csv(["split", "label", *(utf8_text(f"predicted:{name}") for name in names)], rows)


def _ranking_cells(ranking: "ClassRanking | None") -> list[Any]:
    if ranking is None:
        return [None] * 6
    return [*_cells(ranking.auc), ranking.average_precision, ranking.auc_error, ranking.average_precision_error]


def _cells(estimate: Estimate | None) -> list[Any]:
    return [None] * 3 if estimate is None else [estimate.value, estimate.interval.low, estimate.interval.high]


def _csv(header: list[str], rows: Iterable[list[Any]]) -> str:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(chain([header], rows))
    return text.getvalue()
