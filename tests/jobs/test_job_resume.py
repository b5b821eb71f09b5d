"""A job that was killed: its next run goes on with the scoring, and ends with the files of a run that was not."""

import json
import os
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from batchclf.cli.main import main

KILLED_AT = """
import os, signal, sys
from batchclf.jobs.run import job_run, publish, scheduled
from batchclf.jobs.score import score_subsets
from batchclf.storage.run import journal, resume

at = sys.argv.pop(1)
score_subsets.files_per_block = lambda *arguments: 20
left = int(at) if at.isdigit() else -1

def killing(room, name):
    def call(*arguments, **more):
        os.kill(os.getpid(), signal.SIGTERM if at == "SIGTERM" else signal.SIGKILL)
    setattr(room, name, call)

def append(self, entry):
    global left
    real(self, entry)
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)

real, journal.Journal.append = journal.Journal.append, append
if at in ("write_metrics", "write_record"):
    killing(publish, at)
if at == "SIGTERM":
    killing(publish, "write_formats")
if at == "publish_folder":
    killing(resume.atomic, at)
if at == "score_subsets":
    killing(job_run, at)
from batchclf.cli.main import entry
entry()
"""
"""Runs a command that is killed after so many blocks of 20 files, or where a function would be called."""

OF_TIMES = ("seconds", "timings", "resumed")
JOB = """
[data]
dataset = "digits"
[model]
bundle = "rows"
[scoring]
splits = ["test"]
format = ["csv", "jsonl", "parquet"]
[scoring.directories.incoming]
path = "incoming"
labels = "none"
max_skipped = "50%"
[scoring.directories.shop]
path = "shop"
[publish]
reports = "reports"
[report]
format = ["json"]
[[gate.rules]]
metric = "accuracy"
subset = "test"
min = 0.99
"""


def batchclf(folder, *arguments, at="no"):
    """Run a command that cuts blocks of 20 files, in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", KILLED_AT, at, *map(str, arguments)],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        stdin=subprocess.DEVNULL,
        check=False,
    )


def run(folder, at="no", *more, code=3):
    """Run the job; the gate fails (3) unless the test says otherwise."""
    done = batchclf(folder, "run", "nightly.toml", *more, at=at)
    assert done.returncode == (-signal.SIGKILL if at not in ("no", "SIGTERM") else code), done.stdout + done.stderr
    return done.stdout + done.stderr


def published(folder):
    return sorted(path for path in (folder / "reports" / "nightly").glob("2*") if path.is_dir())


def partials(folder):
    return sorted(path for path in (folder / "reports" / "nightly").glob(".*.partial"))


def tables(run_folder):
    """All that a run has written, but for what holds its times."""
    with_times = {"log.jsonl", "run.json", "report.json", "README.md", "junit.xml"}
    return {path.name: path.read_bytes() for path in sorted(run_folder.iterdir()) if path.name not in with_times}


def record(run_folder):
    """What run.json says of subsets, gate and status, but for times and what was resumed."""
    home = run_folder.parents[2]
    content = json.loads((run_folder / "run.json").read_text().replace(str(home), "HOME"))
    subsets = [{key: value for key, value in each.items() if key not in OF_TIMES} for each in content["subsets"]]
    return content["status"], content["gates"], content["files"], subsets


def resumed(folder):
    """Images of each subset that the newest run has from a killed one."""
    subsets = json.loads((published(folder)[-1] / "run.json").read_text())["subsets"]
    return {each["split"]: each["resumed"] for each in subsets}


@pytest.fixture(scope="module")
def home(digits, tmp_path_factory):
    """A folder with a model, photos with and without labels, and a job over them and a split that has run once."""
    pytest.importorskip("onnx")
    from onnx_cases import import_rows

    folder = tmp_path_factory.mktemp("resume") / "home"
    folder.mkdir()
    import_rows(folder, 1, size=8)
    incoming = folder / "incoming"
    for number, image in enumerate(digits.train.images[:50]):
        path = incoming / f"camera {number % 3}" / f"{number:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image[..., 0]).save(path)
    for number in range(4):
        (incoming / f"camera {number % 3}" / f"broken {number}.png").write_bytes(b"no image")
    for number in range(6):
        (incoming / f"note {number}.txt").write_text("excluded")
    few = np.flatnonzero(digits.train.labels < 3)[:50]
    for number, index in enumerate(few):
        path = folder / "shop" / str(digits.train.labels[index]) / f"{number:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(digits.train.images[index][..., 0]).save(path)
    gone = folder / "shop" / "3"
    shutil.copytree(folder / "shop" / "2", gone)
    (folder / "nightly.toml").write_text(JOB)
    run(folder, "no", "--date", "2026-01-01")
    assert len(published(folder)) == 1
    shutil.rmtree(gone)
    return folder


@pytest.fixture(scope="module")
def whole(home, tmp_path_factory):
    """The second run of the job, which nobody has killed."""
    folder = tmp_path_factory.mktemp("whole") / "home"
    shutil.copytree(home, folder, symlinks=True)
    run(folder)
    _, second = published(folder)
    _, gates, _, subsets = record(second)
    incoming, shop, _ = subsets
    assert incoming["folders"] == {"camera 0": 19, "camera 1": 18, "camera 2": 17}
    assert (incoming["skipped"], incoming["excluded"]) == (4, 6)
    assert shop["among_labelled"]["images"] == 50
    # Alarms see what a resumed run has counted: that a class folder is gone, and that incoming has no new image.
    alarms = {(each["name"], each["subset"]) for each in gates if each["kind"] == "alarm" and not each["passed"]}
    assert alarms >= {("class-folders[shop]", "shop"), ("same-images[incoming]", "incoming")}
    assert resumed(folder) == {"incoming": 0, "shop": 0, "test": 0}
    return tables(second), record(second)


@pytest.fixture
def here(home, tmp_path):
    """A copy of the folder that a test may change."""
    shutil.copytree(home, tmp_path / "home", symlinks=True)
    return tmp_path / "home"


IMAGES_AFTER = {
    "1": {"incoming": 18},
    "3": {"incoming": 50},
    "4": {"incoming": 50, "shop": 20},
    "6": {"incoming": 50, "shop": 50},
    "7": {"incoming": 50, "shop": 50, "test": 20},
    "24": {"incoming": 50, "shop": 50, "test": 355},
}
"""Blocks until the kill, and how many images of each subset were scored by then."""


QUICK = ("4", "write_metrics", "SIGTERM")
KILLS = [*IMAGES_AFTER, "write_metrics", "write_record", "publish_folder", "SIGTERM"]


def some(names, quick):
    """Parameters of which only the quick ones are run without the slow tests."""
    return [name if name in quick else pytest.param(name, marks=pytest.mark.slow) for name in names]


@pytest.fixture
def again(capsys, monkeypatch):
    """Run the job once more, in this process: what it says."""
    monkeypatch.setattr("batchclf.jobs.score.score_subsets.files_per_block", lambda *arguments: 20)

    def run_again(folder):
        code, said = main(["run", str(folder / "nightly.toml")]), "".join(capsys.readouterr())
        assert code == 3, said
        return said

    return run_again


@pytest.mark.parametrize("at", some(KILLS, QUICK))
def test_the_next_run_goes_on_to_the_same_bytes(here, whole, again, at):
    said = run(here, at, code=130 if at == "SIGTERM" else 3)
    assert len(partials(here)) == len(published(here)) == 1
    if at == "SIGTERM":
        assert "nothing was published" in said
        assert "the scores of 465 files are kept; the next run of the job goes on" in said
    later = again(here)
    assert "going on with the run that was killed after" in later
    assert "scoring again" not in later
    after = IMAGES_AFTER.get(at, IMAGES_AFTER["24"])
    assert resumed(here) == {"incoming": 0, "shop": 0, "test": 0, **after}
    assert (tables(published(here)[-1]), record(published(here)[-1])) == whole
    assert partials(here) == []


def test_the_killed_run_is_in_the_history_and_the_next_one_beside_it(here, again, capsys):
    run(here, "7")
    again(here)
    (log,) = (here / "reports" / "nightly").glob("failed-*.log.jsonl")
    messages = [json.loads(line)["message"] for line in log.read_text().splitlines()]
    assert messages[-1] == "the run was killed, or the machine went down"
    newest = published(here)[-1]
    assert newest.name > log.name.removeprefix("failed-")
    said = [json.loads(line)["message"] for line in (newest / "log.jsonl").read_text().splitlines()]
    assert "going on with the run that was killed after 130 files" in said
    assert main(["history", "list", "nightly", "--reports", str(here / "reports")]) == 0
    shown = capsys.readouterr().out
    assert "the run was killed" in shown
    assert newest.name in shown


@pytest.mark.slow
def test_one_that_is_killed_again_and_again_comes_to_its_end(here, whole):
    after = None
    for at, files in (("2", 40), ("3", 100), ("1", 110), ("write_metrics", 465), ("publish_folder", 465)):
        said = run(here, at)
        assert after is None or f"going on with the run that was killed after {after} files" in said
        after = files
        assert len(partials(here)) == 1
    run(here)
    assert (tables(published(here)[-1]), record(published(here)[-1])) == whole
    assert len(list((here / "reports" / "nightly").glob("failed-*"))) == 5


def test_rows_that_a_power_cut_has_damaged_are_scored_again(here, whole, again):
    run(here, "7")
    (left,) = partials(here)
    size = (left / "predictions.csv").stat().st_size
    with (left / "predictions.csv").open("r+b") as rows:  # its length is on the disk, its last bytes are not
        rows.seek(size - 100)
        rows.write(bytes(100))
    assert "has left predictions.csv damaged, as after a power cut" in again(here)
    assert set(resumed(here).values()) == {0}
    assert (tables(published(here)[-1]), record(published(here)[-1])) == whole


def test_rows_that_a_power_cut_has_cut_off_cost_only_the_last_blocks(here, whole, again):
    run(here, "7")
    (left,) = partials(here)
    entries = [json.loads(line) for line in (left / "journal.jsonl").read_text().splitlines()[1:]]
    os.truncate(left / "images.csv", entries[4]["images"]["images.csv"] + 10)
    assert "going on with the run that was killed after 100 files" in again(here)
    assert resumed(here) == {"incoming": 50, "shop": 40, "test": 0}
    assert (tables(published(here)[-1]), record(published(here)[-1])) == whole


def _replace(path, content):
    path.unlink()
    path.write_bytes(content)


CHANGES = {
    "an image": (
        lambda here: _replace(here / "incoming/camera 0/03.png", (here / "incoming/camera 1/01.png").read_bytes()),
        "incoming",
        1,
    ),
    "a file behind the last block": (
        lambda here: shutil.copy(here / "incoming/camera 1/01.png", here / "incoming/zz.png"),
        "incoming",
        61,
    ),
    "a file that is gone": (lambda here: max(here.glob("shop/2/*.png")).unlink(), "shop", 41),
    "labels": (lambda here: (here / "shop" / "1").rename(here / "shop" / "1.0"), "shop", 1),
    "an image that can be read now": (
        lambda here: _replace(
            here / "incoming/camera 0/broken 0.png", (here / "incoming/camera 1/01.png").read_bytes()
        ),
        "incoming",
        1,
    ),
}


def unbroken(here, to):
    """The run that the job would have made of the folder as it is now, if none had been killed."""
    shutil.copytree(here, to, symlinks=True)
    for left in partials(to):
        shutil.rmtree(left)
    run(to)
    return published(to)[-1]


@pytest.mark.parametrize("change", some(CHANGES, ("a file behind the last block", "labels")))
def test_what_has_changed_since_is_scored_again(here, tmp_path, again, change):
    how, where, from_file = CHANGES[change]
    run(here, "8")
    how(here)
    expected = unbroken(here, tmp_path / "fresh")
    said = again(here)
    assert "going on with the run that was killed after 150 files" in said
    assert f"{where} ({here / where}): an image took too long" in said
    assert f"has changed; scoring again from file {from_file} on" in said
    assert tables(published(here)[-1]) == tables(expected)
    assert record(published(here)[-1]) == record(expected)


def _new_keys(*text):
    def change(here):
        path = here / "nightly.toml"
        path.write_text(path.read_text().replace(*text))

    return change


def _new_model(here):
    from onnx_cases import import_rows

    shutil.rmtree(here / "rows")
    import_rows(here, 2, size=8)


OTHERS = {
    "another model": (_new_model, "model"),
    "fewer formats": (_new_keys('"csv", "jsonl", "parquet"', '"csv"'), "list of formats"),
    "another folder": (_new_keys('path = "shop"', 'path = "incoming/camera 1"'), "source of 'shop'"),
    "one folder less": (_new_keys('[scoring.directories.shop]\npath = "shop"\n', ""), "source of 'shop'"),
    "another batch": (_new_keys("splits =", "batch_size = 16\nsplits ="), "batch size"),
}


@pytest.mark.parametrize("other", some(OTHERS, ("fewer formats",)))
def test_nothing_of_another_job_or_model_is_mixed_in(here, tmp_path, again, other):
    how, named = OTHERS[other]
    run(here, "write_metrics")
    how(here)
    expected = unbroken(here, tmp_path / "fresh")
    assert f"beginning anew: the run that was killed after 465 files had another {named}" in again(here)
    assert set(resumed(here).values()) == {0}
    assert tables(published(here)[-1]) == tables(expected)
    assert partials(here) == []


TRAINING = """
[data]
dataset = "digits"
[model]
epochs = 1
retrain = true
[scoring]
splits = ["test"]
[publish]
reports = "reports"
[report]
format = ["json"]
"""


@pytest.mark.parametrize("at", some(("score_subsets", "7"), ()))
def test_a_training_that_was_through_is_not_repeated(tmp_path, again, at):
    pytest.importorskip("tensorflow")
    (tmp_path / "nightly.toml").write_text(TRAINING)
    assert "epoch 1: loss" in run(tmp_path, at)
    assert not published(tmp_path)
    model = json.loads((tmp_path / "reports/nightly/model/model.json").read_text())
    checkpoint = tmp_path / "reports/nightly/.model.checkpoint"
    assert checkpoint.is_file()
    done = run(tmp_path, code=0)
    assert "epoch 1: loss" not in done
    assert "going on with the training that was ended after 1 epoch" in done
    assert (
        json.loads((tmp_path / "reports/nightly/model/model.json").read_text())["files"]["model.onnx"]
        == (model["files"]["model.onnx"])
    )
    assert resumed(tmp_path) == {"test": 140 if at == "7" else 0}
    assert not checkpoint.exists()
    assert "epoch 1: loss" in run(tmp_path, code=0)  # retrain = true trains in every other run
