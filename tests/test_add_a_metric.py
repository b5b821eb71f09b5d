"""CONTRIBUTING's "Add a metric", followed: its entry, in a copy of the catalogue, shows up wherever metrics do."""

import csv
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from textwrap import indent

import numpy as np
import pytest
from doc_pages import ROOT, blocks, read, section
from PIL import Image
from sklearn.metrics import jaccard_score

pytest.importorskip("onnx")
from onnx_cases import import_rows

NAME, HEADING = "macro_jaccard", "Macro Jaccard index"
CLASSES = 10
JOB = """\
[model]
bundle = "{bundle}"
[scoring.directories.photos]
path = "photos"
labels = "folders"
[[gate.rules]]
metric = "macro_jaccard"
min = 0.999
[[gate.rules]]
metric = "macro_jaccard"
against = "first"
max_rise = 1.0
[baselines]
first = "{first}"
[report]
format = ["html", "json", "md"]
[publish]
reports = "reports"
[notify]
prometheus = "photos.prom"
"""


class Copy:
    """A copy of the package with the entry of CONTRIBUTING, and a job of two runs by two models."""

    def __init__(self, folder, entry):
        self.folder, self.package = folder, folder / "site" / "batchclf"
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / "batchclf", self.package, ignore=ignored)
        shutil.copytree(ROOT / "templates", self.package / "templates", ignore=ignored)
        catalog = self.package / "core" / "metrics" / "catalog.py"
        text = catalog.read_text(encoding="utf-8")
        before = '    Entry(\n        "macro_f1",'
        assert text.count(before) == 1
        catalog.write_text(text.replace(before, entry + before), encoding="utf-8")

    def python(self, *arguments):
        path = os.pathsep.join([str(self.package.parent), str(ROOT / "tests")])
        done = subprocess.run(
            [sys.executable, *map(str, arguments)],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": path, "XDG_CACHE_HOME": str(self.folder / "cache")},
            capture_output=True,
            text=True,
            timeout=300,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return done

    def batchclf(self, *arguments, code=0):
        done = self.python("-m", "batchclf", *arguments)
        assert done.returncode == code, done.stderr
        return done.stdout

    def run(self, seed, first):
        """Run the job with a model of its own; returns the run directory."""
        bundle = import_rows(self.folder, seed, size=8).rename(self.folder / f"rows-{seed}").name
        (self.folder / "photos.toml").write_text(JOB.format(bundle=bundle, first=first))
        self.batchclf("run", "photos.toml", "--quiet", code=3)
        return (self.folder / "reports" / "photos" / "latest").resolve()


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """The copy after two runs; the second fails its rule."""
    (entry,) = [block for block in blocks(section(read("CONTRIBUTING.md"), "Add a metric"), "python")]
    made = Copy(tmp_path_factory.mktemp("copy"), indent(f"{entry.rstrip()},\n", "    "))
    rows = np.random.default_rng(5).integers(0, 2, (60, 8, 1), np.uint8) * np.uint8(255)
    for number, image in enumerate(np.repeat(rows, 8, axis=2)):
        place = made.folder / "photos" / str(number % CLASSES) / f"{number:02}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(place)
    first = made.run(6, "nothing-yet")
    made.runs = first, made.run(8, first.name)
    return made


def metric_of(folder):
    return json.loads((folder / "metrics.json").read_text())["splits"]["photos"][NAME]


def judged(folder):
    """The metric by scikit-learn, from the run's predictions."""
    with (folder / "predictions.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    labels, predictions = ([row[name] for row in rows] for name in ("label", "prediction"))
    return jaccard_score(labels, predictions, average="macro", zero_division=0)


def test_metrics_json_has_it_with_interval_and_baseline(program):
    for folder in program.runs:
        found = metric_of(folder)
        assert found["value"] == pytest.approx(judged(folder))
        assert found["low"] < found["value"] < found["high"]
        # All images as the first class, a tenth of them rightly: J is 0.1 for one class of ten.
        assert found["baseline"] == pytest.approx(0.1 / CLASSES)


def test_every_form_of_the_report_shows_it(program):
    folder = program.runs[1]
    shown = f"{judged(folder):.4f}"
    page = (folder / "report.html").read_text(encoding="utf-8")
    row = re.search(rf"<tr>(?:(?!</tr>).)*{HEADING}.*?</tr>", page, re.DOTALL)[0]
    assert shown in row
    assert "mean over the classes" in row
    assert f"| {HEADING} | {shown} | " in (folder / "report.md").read_text(encoding="utf-8")
    document = json.loads((folder / "report.json").read_text())
    (split,) = document["splits"]
    (found,) = [each for each in split["labelled"]["metrics"] if each["name"] == NAME]
    assert found["value"] == pytest.approx(judged(folder))
    assert found["method"] == "bootstrap"


def test_rules_bound_its_value_and_its_change(program):
    value, change = json.loads((program.runs[1] / "run.json").read_text())["gates"][:2]
    assert (value["name"], value["passed"]) == (f"{NAME}[photos]", False)
    assert value["value"] == pytest.approx(judged(program.runs[1]))
    assert "photos macro Jaccard index 0." in value["sentence"]
    assert change["name"] == f"{NAME}[photos] against first"
    assert change["value"] == pytest.approx(judged(program.runs[1]) - judged(program.runs[0]))


def test_a_bound_beyond_its_range_and_a_wrong_name_are_mistakes(program):
    job = JOB.format(bundle="rows-6", first=program.runs[0].name)
    for text, words in (
        (job.replace("min = 0.999", "min = 2.0"), "beyond what macro_jaccard can be"),
        (job.replace('metric = "macro_jaccard"\nmin', 'metric = "jaccard"\nmin'), "did you mean 'macro_jaccard'"),
    ):
        (program.folder / "wrong.toml").write_text(text)
        assert words in program.python("-m", "batchclf", "run", "wrong.toml").stderr


def test_the_history_keeps_and_shows_it(program):
    with sqlite3.connect(program.folder / "reports" / "history.sqlite") as database:
        rows = database.execute("SELECT value, low FROM metrics WHERE name = ? ORDER BY run", (NAME,)).fetchall()
    assert rows == [(each["value"], each["low"]) for each in map(metric_of, program.runs)]
    lines = program.batchclf("history", "show", "photos", program.runs[1].name).splitlines()
    names = [line.split()[1] for line in lines if line.startswith("photos ") and len(line.split()) > 2]
    assert names.index(NAME) == names.index("macro_f1") - 1
    program.batchclf("history", "export", "--out", "all.csv")
    with (program.folder / "all.csv").open(newline="") as handle:
        exported = list(csv.DictReader(handle))
    assert [float(row[NAME]) for row in exported] == [metric_of(folder)["value"] for folder in program.runs]
    assert all(float(row[f"{NAME}_low"]) < float(row[f"{NAME}_high"]) for row in exported)


def test_two_runs_are_compared_by_it(program):
    program.batchclf("report", *program.runs, "--format", "html,json,md", "--out", "compared")
    folder = program.folder / "compared"
    document = json.loads((folder / "comparison.json").read_text())["comparison"]
    (found,) = [each for each in document["metrics"] if each["name"] == NAME]
    assert (found["first"], found["second"]) == pytest.approx(tuple(map(judged, program.runs)))
    assert found["interval"]["low"] < found["difference"] < found["interval"]["high"]
    assert f"| {HEADING} | " in (folder / "comparison.md").read_text(encoding="utf-8")
    assert HEADING in (folder / "comparison.html").read_text(encoding="utf-8")


def test_prometheus_gets_it(program):
    text = (program.folder / "photos.prom").read_text()
    assert "# HELP batchclf_macro_jaccard Mean Jaccard index over the classes.\n" in text
    (value,) = re.findall(
        r'^batchclf_macro_jaccard\{batchclf_job="photos",subset="photos"\} (\S+)$', text, re.MULTILINE
    )
    assert float(value) == metric_of(program.runs[1])["value"]


def test_the_tables_of_the_docs_have_it(program):
    docs = shutil.copytree(ROOT / "docs", program.folder / "docs", ignore=shutil.ignore_patterns("__pycache__"))
    program.python(docs / "tables.py")
    meaning = "mean Jaccard index of the classes that occur as label or prediction"
    for page, after, row in (
        ("jobs.md", "| `macro_f1` |", f"| `{NAME}` | {meaning} | 0 to 1 | more | bootstrap |"),
        ("run-directory.md", "| `splits.*.macro_f1` |", f"| `splits.*.{NAME}` | {meaning}; bootstrap interval |"),
        (
            "notify.md",
            "| `batchclf_macro_f1` |",
            f"| `batchclf_{NAME}` | `subset` | mean Jaccard index over the classes |",
        ),
    ):
        lines = (docs / page).read_text(encoding="utf-8").splitlines()
        place = lines.index(row)
        assert lines[place + 1].startswith(after), page
        assert [line for line in lines if line != row] == (ROOT / "docs" / page).read_text("utf-8").splitlines()
