"""A bad run of several folders: its report says what failed, since when, and where to look; each cause once."""

import json
import shutil
from datetime import date

import numpy as np
import onnx
import pytest
from job_cases import Watching
from PIL import Image

from batchclf.cli.main import main
from batchclf.jobs.config.load import load_job
from batchclf.jobs.notify.problems import troubles
from batchclf.jobs.run.job_run import run_job

JOB = """
[model]
bundle = "model"
[publish]
reports = "reports"
[scoring.directories.golden]
path = "golden"
fixed = true
[scoring.directories.incoming]
path = "incoming"
[[gate.rules]]
metric = "accuracy"
subset = "incoming"
min = 0.7
"""


class Days:
    """A job with a folder that stays and one that is filled every day; the first run is good."""

    def __init__(self, folder, bundle, digits):
        self.folder, self.digits = folder, digits
        (folder / "nightly.toml").write_text(JOB)
        shutil.copytree(bundle, folder / "model")
        self.put("golden", range(200, 300))
        self.put("incoming", range(60))
        assert self.run(1).status == "ok"
        shutil.rmtree(folder / "incoming")

    def put(self, name, rows, change=lambda pixels: pixels):
        split = self.digits.test
        for row in rows:
            folder = self.folder / name / self.digits.class_names[split.labels[row]]
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(change(split.images[row, ..., 0])).save(folder / f"{row:04d}.png")

    def run(self, day):
        job = load_job(self.folder / "nightly.toml", date(2026, 11, day))
        self.record, self.reports = run_job(job, Watching(), ["batchclf", "run", "nightly.toml"])
        return self.record

    def verdict(self):
        out = self.folder / "out"
        assert main(["report", str(self.reports), "--format", "json,md", "--out", f"{out}/"]) == 0
        return json.loads((out / "report.json").read_text())["verdict"], (out / "report.md").read_text()


@pytest.fixture
def days(tmp_path, digits_bundle, digits):
    return Days(tmp_path, digits_bundle, digits)


def test_other_images_under_the_same_model(days):
    days.put("incoming", range(60, 120), lambda pixels: 255 - pixels)
    assert days.run(2).status == "gate failed"
    verdict, markdown = days.verdict()
    assert verdict["headline"] == "Gate failed on incoming: 1 rule failed"
    right = _right(days, "incoming")
    assert verdict["reason"].startswith(f"Accuracy on incoming is {right / 60:.2%} (95% interval ")
    assert verdict["cause"] == (
        "A data problem, not the model: golden has the same images and predictions as in the last good run "
        "(2026-11-01), with the same model. Look at the images and labels of incoming."
    )
    assert "is below the minimum of 70%; " in markdown
    assert "% in the last good run (2026-11-01)" in markdown
    assert "batchclf run nightly.toml --date 2026-11-02" in markdown


def _right(days, name):
    """Count the right predictions of a folder, by pandas."""
    import pandas as pd

    rows = pd.read_csv(days.reports / "predictions.csv", dtype=str, keep_default_na=False)
    rows = rows[rows["split"] == name]
    return int((rows["label"] == rows["prediction"]).sum())


def test_another_model(days):
    graph = onnx.load(days.folder / "model" / "model.onnx")
    weights = next(each for each in graph.graph.initializer if each.data_type == onnx.TensorProto.FLOAT)
    weights.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(weights) * 1.01, weights.name))
    onnx.save(graph, days.folder / "other.onnx")
    shutil.rmtree(days.folder / "model")
    assert main(["model", "import", str(days.folder / "other.onnx"), "--out", str(days.folder / "model")]) == 0
    days.put("incoming", range(60, 120), lambda pixels: 255 - pixels)
    assert days.run(2).status == "gate failed"
    verdict, _ = days.verdict()
    then = "the last good run (2026-11-01)"
    assert verdict["cause"] == f"The model is another one than in {then}: look at the model first."


@pytest.mark.parametrize("fault, alarm", [("a folder that is no class", "class-folders"), ("no images", "no-images")])
def test_a_rule_that_an_alarm_keeps_from_being_checked_is_not_reported_twice(days, fault, alarm):
    if fault == "no images":
        (days.folder / "incoming").mkdir()
    else:
        days.put("incoming", range(60, 120))
        (days.folder / "incoming" / "unsorted").mkdir()
        Image.fromarray(np.zeros((8, 8), np.uint8)).save(days.folder / "incoming" / "unsorted" / "new.png")
    record = days.run(2)
    rule = next(gate for gate in record.gates if gate.kind != "alarm")
    assert (rule.outcome, rule.passed, rule.because) == ("missing", False, f"{alarm}[incoming]")
    (trouble,) = troubles(record, days.reports)
    assert trouble.message.endswith("; so rule accuracy[incoming] was not checked")
    verdict, markdown = days.verdict()
    assert verdict["headline"] == "Gate failed on incoming: 1 alarm raised"
    assert verdict["cause"] is None
    assert markdown.count("not checked") == 2  # beside the alarm, and in the count of all
    assert "no labels are used:" not in markdown


def test_a_rule_that_failed_before_says_nothing_of_the_cause(days):
    job = days.folder / "nightly.toml"
    job.write_text(job.read_text() + '[[gate.rules]]\nmetric = "accuracy"\nsubset = "golden"\nmin = 0.99999\n')
    days.put("incoming", range(60, 120))
    days.run(2)
    verdict, _ = days.verdict()
    assert (verdict["headline"], verdict["cause"]) == ("Gate failed on golden: 1 rule failed", None)
