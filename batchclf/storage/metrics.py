"""metrics.json, per_class.csv and confusion.csv: an evaluation for programs and spreadsheets."""

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from batchclf import atomic
from batchclf.core.evaluation import Evaluation
from batchclf.core.gap import Gap
from batchclf.core.intervals import Estimate
from batchclf.storage.cells import safe_cell

METRICS_FORMAT = 1
FILES = ("metrics.json", "per_class.csv", "confusion.csv")


def write_metrics(folder: Path, evaluations: Sequence[Evaluation], gap: Gap | None) -> None:
    """Write the three files into an existing folder, each in one step. Raises OSError.

    Without labels per_class.csv holds only the counts of predictions and confusion.csv only its header.
    """
    content = json.dumps(metrics_dict(evaluations, gap), indent=2, ensure_ascii=False)
    atomic.write_text(folder / "metrics.json", content + "\n")
    atomic.write_text(folder / "per_class.csv", _per_class_csv(evaluations, gap))
    atomic.write_text(folder / "confusion.csv", _confusion_csv(evaluations))


def metrics_dict(evaluations: Sequence[Evaluation], gap: Gap | None) -> dict[str, Any]:
    """Turn evaluations into plain JSON values; shares are 0 to 1, what cannot be known is null."""
    return {
        "format": METRICS_FORMAT,
        "splits": {evaluation.split: _split_dict(evaluation) for evaluation in evaluations},
        "gap": None if gap is None else _gap_dict(gap),
    }


def _split_dict(evaluation: Evaluation) -> dict[str, Any]:
    values: dict[str, Any] = {
        "images": evaluation.total,
        "mean_confidence": evaluation.mean_confidence if evaluation.total else None,
        "predicted": dict(zip(evaluation.class_names, evaluation.predicted_counts.tolist(), strict=True)),
    }
    of = evaluation.labelled
    if of is None:
        return {**values, "labelled": 0, "accuracy": None}
    averages = {
        f"{kind}_{metric}": getattr(average, metric)
        for kind, average in (("macro", of.macro), ("weighted", of.weighted))
        for metric in ("precision", "recall", "f1")
    }
    return {
        **values,
        "labelled": of.total,
        "correct": of.correct,
        "accuracy": _estimate(of.accuracy),
        "balanced_accuracy": of.balanced_accuracy,
        **averages,
        "log_loss": of.log_loss,
    }


def _gap_dict(gap: Gap) -> dict[str, Any]:
    return {
        "train_accuracy": _estimate(gap.train),
        "test_accuracy": _estimate(gap.test),
        "gap": _estimate(gap.gap),
        "overfitting": gap.overfitting,
        "sentence": gap.sentence,
        "train_log_loss": gap.train_loss,
        "test_log_loss": gap.test_loss,
        "log_loss_gap": gap.loss_gap,
    }


def _estimate(estimate: Estimate) -> dict[str, float]:
    return {"value": estimate.value, "low": estimate.interval.low, "high": estimate.interval.high}


def _per_class_csv(evaluations: Sequence[Evaluation], gap: Gap | None) -> str:
    header = ["split", "class", "support", "predicted", "correct"]
    header += [f"{name}{end}" for name in ("recall", "precision") for end in ("", "_low", "_high")]
    header += ["f1", "gap", "gap_low", "gap_high"]
    gaps = {} if gap is None else {each.name: each.gap for each in gap.per_class}
    rows = []
    for evaluation in evaluations:
        split = safe_cell(evaluation.split)
        if evaluation.labelled is None:
            for name, count in zip(evaluation.class_names, evaluation.predicted_counts.tolist(), strict=True):
                rows.append([split, safe_cell(name), "", count] + [""] * 11)
            continue
        for each in evaluation.labelled.per_class:
            row = [split, safe_cell(each.name), each.support, each.predicted, each.correct]
            row += _cells(each.recall) + _cells(each.precision) + ["" if each.f1 is None else each.f1]
            rows.append(row + _cells(gaps.get(each.name) if evaluation.split == "test" else None))
    return _csv(header, rows)


def _confusion_csv(evaluations: Sequence[Evaluation]) -> str:
    names = evaluations[0].class_names if evaluations else ()
    rows: list[list[Any]] = []
    for evaluation in evaluations:
        if evaluation.labelled is not None:
            for name, counts in zip(names, evaluation.labelled.confusion.counts.tolist(), strict=True):
                rows.append([safe_cell(evaluation.split), safe_cell(name), *counts])
    return _csv(["split", "label", *(f"predicted:{name}" for name in names)], rows)


def _cells(estimate: Estimate | None) -> list[Any]:
    return ["", "", ""] if estimate is None else [estimate.value, estimate.interval.low, estimate.interval.high]


def _csv(header: list[str], rows: list[list[Any]]) -> str:
    text = io.StringIO(newline="")
    csv.writer(text).writerows([header, *rows])
    return text.getvalue()
