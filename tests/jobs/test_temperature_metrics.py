"""Calibration without the model's temperature, through the command line: from a run directory to its files."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from run_cases import NAMES, write_run
from scipy.special import softmax
from sklearn.metrics import log_loss

from batchclf.cli import main as cli_main
from batchclf.core.training_record import TemperatureRecord, TrainingRecord
from batchclf.storage.csv_files import read as csv_pieces
from batchclf.storage.run.directory import write_record

TEMPERATURE = 2.2
ROWS = 120


def scored_rows(split, logits, labels):
    """Rows of predictions.csv as a model with the temperature writes them: seven digits."""
    rows = []
    for number, (of_image, label) in enumerate(zip(softmax(logits / TEMPERATURE, axis=1), labels, strict=True)):
        order = np.argsort(-of_image, kind="stable")
        row = {
            "path": f"{split}/{number:05d}.png",
            "split": split,
            "label": NAMES[label],
            "prediction": NAMES[order[0]],
            "confidence": f"{of_image[order[0]]:.7g}",
        }
        rows.append(row | {f"prob:{name}": f"{value:.7g}" for name, value in zip(NAMES, of_image, strict=True)})
    return rows


@pytest.fixture
def run(tmp_path):
    """A run directory of a model with a temperature, and the logits and labels of each split."""
    rng = np.random.default_rng(11)
    splits, rows = {}, []
    for split in ("test", "train"):
        logits = rng.normal(0, 3, (ROWS, len(NAMES)))
        labels = np.where(rng.random(ROWS) < 0.8, logits.argmax(axis=1), rng.integers(0, len(NAMES), ROWS))
        splits[split] = logits, labels
        rows += scored_rows(split, logits, labels)
    folder = tmp_path / "20260301T023000Z"
    record = write_run(folder, rows, metrics=False)
    fitted = TemperatureRecord(TEMPERATURE, 50, (0.5, 0.4), (0.1, 0.02))
    training = TrainingRecord(100, 50, "validation", 3, 3, 3, 1.0, temperature=fitted)
    write_record(folder, replace(record, model=replace(record.model, training=training)))
    return folder, splits


def check(found, logits, labels):
    before = softmax(logits, axis=1)
    confidence, right = before.max(axis=1), before.argmax(axis=1) == labels
    assert found["temperature"] == TEMPERATURE
    assert found["log_loss"] == pytest.approx(log_loss(labels, before, labels=range(len(NAMES))), rel=1e-5)
    assert found["overconfidence"] == pytest.approx(confidence.mean() - right.mean(), abs=1e-6)
    bins = np.minimum((confidence * 20).astype(int), 19)
    gaps = [abs(right[bins == b].sum() - confidence[bins == b].sum()) for b in range(20)]
    assert found["ece"] == pytest.approx(sum(gaps) / len(labels), abs=1e-5)


def test_evaluate_takes_the_temperature_from_the_run(run, tmp_path, monkeypatch):
    monkeypatch.setattr(csv_pieces, "ROWS_PER_PIECE", 50)
    folder, splits = run
    assert cli_main.main(["evaluate", str(folder / "predictions.csv"), "--quiet"]) == 0
    shown = json.loads((folder / "metrics.json").read_text())["splits"]
    for split, (logits, labels) in splits.items():
        check(shown[split]["without_temperature"], logits, labels)
        after = log_loss(labels, softmax(logits / TEMPERATURE, axis=1), labels=range(len(NAMES)))
        assert shown[split]["log_loss"]["value"] == pytest.approx(after, rel=1e-5)
    alone = tmp_path / "alone"
    alone.mkdir()
    shutil.copy(folder / "predictions.csv", alone)
    assert cli_main.main(["evaluate", str(alone / "predictions.csv"), "--quiet", "--out", str(alone / "run")]) == 0
    bare = json.loads((alone / "run" / "metrics.json").read_text())["splits"]
    for split in splits:
        # From a table's probabilities follow further classes, too.
        same = {key: bare[split][key] for key in shown[split]}
        assert same == {**shown[split], "without_temperature": None}


def test_a_run_json_that_cannot_be_read_tells_no_temperature(run):
    folder, _ = run
    (folder / "run.json").write_text("{")
    assert cli_main.main(["evaluate", str(folder / "predictions.csv"), "--quiet"]) == 0
    assert json.loads((folder / "metrics.json").read_text())["splits"]["test"]["without_temperature"] is None


def test_the_report_tells_both_in_every_form(run, tmp_path):
    folder, splits = run
    out = tmp_path / "out"
    assert cli_main.main(["report", str(folder), "--format", "html,json,md", "--out", str(out), "--quiet"]) == 0
    document = json.loads((out / "report.json").read_text())
    assert document["run"]["model"]["training"]["temperature"]["temperature"] == TEMPERATURE
    for part in document["splits"]:
        check(part["labelled"]["without_temperature"], *splits[part["split"]])
    ece = document["splits"][0]["labelled"]["without_temperature"]["ece"]
    assert f"- Temperature 2.2000: calibration error (ECE) {ece:.4f} without it" in (out / "report.md").read_text()
    assert "120 labelled images of this run" in (out / "report.html").read_text()
