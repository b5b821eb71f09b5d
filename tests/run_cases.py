"""Run directories made by hand: what `run` and `score` write, without a model."""

import csv
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
from PIL import Image

from batchclf.core.records.run import DatasetRecord, GateResult, ModelRecord, RunRecord, SubsetRecord
from batchclf.jobs.evaluate.predictions import evaluate_predictions
from batchclf.storage.csv_files.cells import safe_cell
from batchclf.storage.images.facts import COLUMNS as IMAGES_COLUMNS
from batchclf.storage.run.directory import write_record
from batchclf.storage.run.metrics import write_metrics
from batchclf.storage.run.skipped import COLUMNS as SKIPPED_COLUMNS

NAMES = ("cat", "dog", "eel")
STARTED = datetime(2026, 3, 1, 2, 30, tzinfo=UTC)


def rows_of(names, labels, predictions, *, split="test", paths=None, confidence=0.9, probabilities=True):
    """Rows of predictions.csv: dicts by column; a label of None is unknown, `confidence` is one or one for each."""
    confidence = np.broadcast_to(confidence, len(labels)).tolist()
    rows = []
    for i, (label, given) in enumerate(zip(labels, predictions, strict=True)):
        rest = (1 - confidence[i]) / max(1, len(names) - 1)
        row = {
            "path": safe_cell(paths[i] if paths else f"{split or 'img'}/{i:05d}.png"),
            "split": split,
            "label": "" if label is None else safe_cell(names[label]),
            "prediction": safe_cell(names[given]),
            "correct": "" if label is None else str(label == given).lower(),
            "confidence": f"{confidence[i]:.7g}",
            "margin": f"{max(0.0, confidence[i] - rest):.7g}",
        }
        if probabilities:
            row |= {
                f"prob:{name}": f"{confidence[i] if number == given else rest:.7g}" for number, name in enumerate(names)
            }
        rows.append(row)
    return rows


def drawn(names, n, *, seed, skill, split="test", truth=0, **others):
    """Rows of `n` images: the same labels for the same `truth`, a share `skill` of them right."""
    labels = np.random.default_rng(truth).integers(0, len(names), n)
    random = np.random.default_rng(seed)
    given = np.where(random.random(n) < skill, labels, random.integers(0, len(names), n))
    return rows_of(
        names, labels.tolist(), given.tolist(), split=split, confidence=random.uniform(0.4, 1, n).round(4), **others
    )


def write_predictions(path, rows):
    with path.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def write_images(folder, images):
    """Write images.csv of a run directory: for each image a row of predictions.csv and a number, its content."""
    with (folder / "images.csv").open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle)
        writer.writerow(IMAGES_COLUMNS)
        for row, content in images:
            digest = f"{content:016x}" * 2
            writer.writerow([row["path"], row["split"], 28, 28, "grayscale", "100.00", "20.00", "0" * 32, digest])


def run_record(run_id, names, subsets, **changes):
    model = ModelRecord(
        path="/srv/models/m",
        digest=changes.pop("digest", "0123456789abcdef" * 4),
        recipe="mlp",
        settings={"epochs": 3},
        class_names=list(names),
        input_shape=(28, 28, 1),
        color_mode="grayscale",
        parameters=101_770,
        trained_on="digits, 100 images",
        created="2026-02-01T03:00:00+00:00",
        history={"loss": [0.5, 0.4]},
    )
    record = RunRecord(
        run_id=run_id,
        job="nightly",
        command=["batchclf", "run", "nightly.toml"],
        status="ok",
        started=STARTED.isoformat(),
        seconds=12.5,
        runtime="onnx",
        batch_size=128,
        topk=1,
        probabilities=True,
        model=model,
        subsets=subsets,
        dataset=DatasetRecord("photos", "a test", 100, 100),
        timings={"score": 1.0},
        versions={"batchclf": "0.1.0"},
    )
    return replace(record, **changes)


def write_run(folder, rows, *, names=NAMES, skipped=(), kind="split", source="photos", metrics=True, **changes):
    """Make a run directory; `rows` may be of several splits, `skipped` are (path, reason)."""
    folder.mkdir(parents=True)
    write_predictions(folder / "predictions.csv", rows)
    splits = list(dict.fromkeys(row["split"] for row in rows))
    with (folder / "skipped.csv").open("w", newline="", encoding="utf-8") as handle:
        csv.writer(handle).writerows([SKIPPED_COLUMNS, *([path, splits[0], "", reason] for path, reason in skipped)])
    subsets = []
    for split in splits:
        scored, unread = sum(row["split"] == split for row in rows), len(skipped) if split == splits[0] else 0
        subsets.append(SubsetRecord(split, kind, source, "folders", scored + unread, scored, unread, 0, seconds=0.5))
    record = run_record(folder.name, names, subsets, **changes)
    write_record(folder, record)
    if metrics:
        evaluations, gap = evaluate_predictions(folder / "predictions.csv", tuple(names))
        write_metrics(folder, evaluations, gap)
    (folder / "report.html").write_text("<p>a report</p>")
    return record


def write_runs(folder, number, *, seed=0, **changes):
    """A job's folder with a run a day: the names of the run directories, oldest first."""
    ids = []
    for day in range(number):
        started = STARTED + timedelta(days=day)
        run_id = f"{started:%Y%m%dT%H%M%SZ}"
        rows = drawn(NAMES, 60, seed=seed + day, skill=0.8)
        rows += drawn(NAMES, 60, seed=100 + seed + day, skill=0.9, split="train")
        write_run(folder / run_id, rows, started=started.isoformat(), **changes)
        ids.append(run_id)
    return ids


def missed_gate():
    sentence = "test accuracy 70.00% is below the minimum of 90%"
    return GateResult("min_test_accuracy", 0.7, 0.9, False, sentence)


def write_png(path, value=128, size=12):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((size, size), value, np.uint8)).save(path)
