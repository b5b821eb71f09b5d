"""`score --resume`: whatever moment a run was killed at, the next one ends with the files of a run that was not."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
from onnx_cases import import_rows
from PIL import Image

SLOW = pytest.mark.slow

FILES = (
    "predictions.csv",
    "predictions.jsonl",
    "predictions.parquet",
    "images.csv",
    "skipped.csv",
    "metrics.json",
    "confusion.csv",
)
ARGUMENTS = ("--batch-size", "20", "--format", "csv,jsonl,parquet", "--probabilities")


@pytest.fixture(scope="module")
def wide_bundle(tmp_path_factory):
    """A model for 512x512 images, which come in blocks of one batch."""
    return import_rows(tmp_path_factory.mktemp("wide"), 0, size=512)


@pytest.fixture(scope="module")
def photos(digits, tmp_path_factory):
    """1,000 digits in class folders (some twice), and some files that cannot be scored."""
    root = tmp_path_factory.mktemp("resume") / "photos"
    split = digits.train
    for name in digits.class_names:
        (root / name).mkdir(parents=True)
    for number in range(1000):
        index = number % 700
        path = root / digits.class_names[split.labels[index]] / f"{number:04d}.png"
        Image.fromarray(split.images[index][..., 0]).save(path)
    for number in range(0, 60, 3):
        (root / str(number % 10) / f"bad {number}.png").write_bytes(b"no image")
        (root / str(number % 10) / f"note {number}.{'txt' if number % 4 else 'TXT.bak'}").write_text("excluded")
    return root


@pytest.fixture
def here(photos, tmp_path):
    """A copy of the photos that a test may change."""
    shutil.copytree(photos, tmp_path / "photos", copy_function=os.link)
    return tmp_path


def _command(here, model, out, *more):
    return [sys.executable, "-m", "batchclf", "score", here / "photos", "--model", model, "--out", out, *more]


def _start(here, model, out, *more):
    return subprocess.Popen(
        [str(part) for part in _command(here, model, out, *more)],
        cwd=here,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
    )


def _contents(run):
    (subset,) = json.loads((run / "run.json").read_text())["subsets"]
    files = {name: (run / name).read_bytes() for name in FILES if (run / name).exists()}
    counted = {name: subset[name] for name in ("excluded_suffixes", "folders", "among_labelled")}
    return {**files, **counted, "files": _written(run)}


def _written(run):
    """What run.json says of the files, which must be so."""
    files = json.loads((run / "run.json").read_text())["files"]
    for name, written in files.items():
        assert written["sha256"] == hashlib.sha256((run / name).read_bytes()).hexdigest(), name
    return files


def _journals(here):
    return list(here.glob(".*.partial/journal.jsonl"))


def _kill_after(process, here, blocks, sign=signal.SIGKILL):
    """Kill a run once its journal has so many blocks."""
    for _ in range(3000):
        journals = _journals(here)
        if journals and journals[0].read_bytes().count(b"\n") > blocks:
            break
        if process.poll() is not None:
            return False
        time.sleep(0.002)
    process.send_signal(sign)
    process.communicate(timeout=60)
    return True


@pytest.fixture(scope="module")
def whole(photos, wide_bundle, tmp_path_factory):
    """The files of a run that nobody has killed."""
    folder = tmp_path_factory.mktemp("whole")
    command = _command(photos.parent, wide_bundle, folder / "run", *ARGUMENTS)
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    return _contents(folder / "run")


@pytest.mark.parametrize("blocks", [0, pytest.param(1, marks=SLOW), 7, pytest.param(30, marks=SLOW), 51])
def test_a_killed_run_is_gone_on_with_to_the_same_files(cli, here, wide_bundle, whole, blocks):
    process = _start(here, wide_bundle, here / "run", *ARGUMENTS)
    killed = _kill_after(process, here, blocks)
    assert killed or blocks > 40
    if killed:
        assert not (here / "run").exists()
        code, out, err = cli(
            "score", here / "photos", "--model", wide_bundle, "--out", here / "run", *ARGUMENTS, "--resume"
        )
        assert (code, err) == (0, "")
        assert "going on with the run that was killed after" in out
    assert _contents(here / "run") == whole
    assert _journals(here) == []
    assert sorted(path.name for path in here.iterdir()) == ["photos", "run"]


@pytest.mark.slow
def test_a_run_killed_again_and_again_comes_to_its_end(cli, here, wide_bundle, whole):
    rounds = 0
    for blocks in (3, 11, 20, 33, 45):
        process = _start(here, wide_bundle, here / "run", *ARGUMENTS, "--resume", "--workers", str(1 + blocks % 3))
        rounds += _kill_after(process, here, blocks)
    assert rounds >= 4
    if not (here / "run").exists():
        assert (
            cli("score", here / "photos", "--model", wide_bundle, "--out", here / "run", *ARGUMENTS, "--resume")[0] == 0
        )
    assert _contents(here / "run") == whole


@pytest.mark.parametrize("sign", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=SLOW)])
def test_an_interrupted_run_says_that_it_can_be_gone_on_with(cli, here, wide_bundle, whole, sign):
    process = _start(here, wide_bundle, here / "run", *ARGUMENTS)
    assert _kill_after_saying(process, here, sign)
    code, out, _ = cli("score", here / "photos", "--model", wide_bundle, "--out", here / "run", *ARGUMENTS, "--resume")
    assert code == 0
    assert "going on with the run" in out
    assert _contents(here / "run") == whole


def _kill_after_saying(process, here, sign):
    for _ in range(3000):
        journals = _journals(here)
        if journals and journals[0].read_bytes().count(b"\n") > 4:
            break
        time.sleep(0.002)
    process.send_signal(sign)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted; nothing was published" in err
    assert "the same command with --resume goes on" in err
    return True


def _damage_first(here):
    first = min((here / "photos" / "2").glob("*.png"))
    other = max((here / "photos" / "7").glob("[0-9]*.png"))
    content = other.read_bytes()
    first.unlink()
    first.write_bytes(content)
    return first


CHANGES = {
    "an image": _damage_first,
    "a new file": lambda here: (here / "photos" / "1" / "0000 new.png").write_bytes(
        min((here / "photos" / "2").glob("[0-9]*.png")).read_bytes()
    ),
    "a file that is gone": lambda here: min((here / "photos" / "1").glob("*.png")).unlink(),
    "an image that can be read now": lambda here: _mended(here),
}


def _mended(here):
    bad = here / "photos" / "0" / "bad 0.png"
    content = min((here / "photos" / "2").glob("[0-9]*.png")).read_bytes()
    bad.unlink()
    bad.write_bytes(content)


@pytest.mark.parametrize("change", [each if "image" in each else pytest.param(each, marks=SLOW) for each in CHANGES])
def test_what_has_changed_since_is_scored_again(cli, here, wide_bundle, change):
    process = _start(here, wide_bundle, here / "run", *ARGUMENTS)
    assert _kill_after(process, here, 25)
    CHANGES[change](here)
    command = ("score", here / "photos", "--model", wide_bundle, *ARGUMENTS)
    code, out, err = cli(*command, "--out", here / "run", "--resume")
    assert (code, err) == (0, "")
    assert "has changed; scoring again from file" in out
    assert cli(*command, "--out", here / "fresh")[0] == 0
    assert _contents(here / "run") == _contents(here / "fresh")


@pytest.mark.slow
def test_nothing_of_another_model_or_of_other_options_is_mixed_in(cli, here, wide_bundle, tmp_path_factory):
    other = import_rows(tmp_path_factory.mktemp("other"), 1, size=512)
    process = _start(here, wide_bundle, here / "run", *ARGUMENTS)
    assert _kill_after(process, here, 25)
    code, out, _ = cli("score", here / "photos", "--model", other, "--out", here / "run", *ARGUMENTS, "--resume")
    assert code == 0
    assert "had another model" in out
    assert cli("score", here / "photos", "--model", other, "--out", here / "fresh", *ARGUMENTS)[0] == 0
    assert _contents(here / "run") == _contents(here / "fresh")

    shutil.rmtree(here / "run")
    process = _start(here, wide_bundle, here / "run", *ARGUMENTS)
    assert _kill_after(process, here, 25)
    code, out, _ = cli(
        "score", here / "photos", "--model", wide_bundle, "--out", here / "run", "--topk", "1", "--labels", "none",
        "--batch-size", "20", "--no-probabilities", "--resume",
    )  # fmt: skip
    assert code == 0
    assert "another number of classes a row" in out
    assert "another source of labels" in out
    assert "another choice of probability columns" in out
    assert list(pd.read_csv(here / "run" / "predictions.csv").columns)[-1] == "margin"


def test_a_model_whose_classes_have_other_names_is_another_one(cli, here, wide_bundle):
    """The digest of a model is that of its graph, which knows no names."""
    model = here / "model"
    shutil.copytree(wide_bundle, model)
    process = _start(here, model, here / "run", *ARGUMENTS)
    assert _kill_after(process, here, 10)
    content = json.loads((model / "model.json").read_text())
    content["class_names"].reverse()
    (model / "model.json").write_text(json.dumps(content))
    command = ("score", here / "photos", "--model", model, *ARGUMENTS)
    code, out, _ = cli(*command, "--out", here / "run", "--resume")
    assert code == 0
    assert "had another list of classes" in out
    assert cli(*command, "--out", here / "fresh")[0] == 0
    assert _contents(here / "run") == _contents(here / "fresh")


def test_without_resume_a_run_begins_anew_and_clears_up(cli, here, wide_bundle, whole):
    process = _start(here, wide_bundle, here / "run", *ARGUMENTS)
    assert _kill_after(process, here, 25)
    code, out, _ = cli("score", here / "photos", "--model", wide_bundle, "--out", here / "run", *ARGUMENTS)
    assert code == 0
    assert "going on" not in out
    assert _contents(here / "run") == whole
    assert _journals(here) == []


def test_a_run_that_is_under_way_is_not_taken_over(cli, here, wide_bundle, whole):
    process = _start(here, wide_bundle, here / "run", *ARGUMENTS)
    while not _journals(here):
        time.sleep(0.002)
    process.send_signal(signal.SIGSTOP)
    try:
        code, out, _ = cli(
            "score", here / "photos", "--model", wide_bundle, "--out", here / "other", *ARGUMENTS, "--resume"
        )
        assert code == 0
        assert "going on" not in out
        assert _contents(here / "other") == whole
    finally:
        process.send_signal(signal.SIGCONT)
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert _contents(here / "run") == whole


def test_nightly_runs_without_a_name_find_what_was_killed(cli, here, wide_bundle):
    command = ["score", here / "photos", "--model", wide_bundle, "--batch-size", "20", "--resume"]
    process = subprocess.Popen(
        [sys.executable, "-m", "batchclf", *map(str, command)],
        cwd=here,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    for _ in range(3000):
        found = list((here / "reports" / "score").glob(".*.partial/journal.jsonl"))
        if found and found[0].read_bytes().count(b"\n") > 10:
            break
        time.sleep(0.002)
    process.kill()
    process.wait()
    code, out, _ = cli(*command)
    assert code == 0
    assert "going on with the run that was killed after" in out
    assert [path.name for path in (here / "reports" / "score").iterdir() if path.name.startswith(".")] == []
    rows = pd.read_csv(here / "reports" / "score" / "latest" / "predictions.csv")
    assert len(rows) == 1000
    assert rows["path"].is_unique


@pytest.mark.parametrize("workers", [1, 2, 8])
def test_the_number_of_workers_changes_no_byte(cli, here, wide_bundle, whole, workers):
    run = here / "run"
    assert cli("score", here / "photos", "--model", wide_bundle, "--out", run, *ARGUMENTS, "--workers", workers)[0] == 0
    assert _contents(run) == whole


def test_the_inputs_are_never_changed(cli, here, wide_bundle):
    def state():
        return {
            str(path): (path.lstat().st_mtime_ns, path.lstat().st_size, path.lstat().st_mode, path.lstat().st_ino)
            for path in sorted((here / "photos").rglob("*"))
        }

    before = state()
    contents = {path: path.read_bytes() for path in (here / "photos").rglob("*.png")}
    command = ("score", here / "photos", "--model", wide_bundle, "--cache", *ARGUMENTS)
    for out in ("one", "two"):
        assert cli(*command, "--out", here / out)[0] == 0
    assert state() == before
    assert {path: path.read_bytes() for path in contents} == contents


def test_a_journal_that_breaks_off_or_is_garbled_costs_only_its_end(cli, here, wide_bundle, whole):
    process = _start(here, wide_bundle, here / "run", *ARGUMENTS)
    assert _kill_after(process, here, 25)
    (journal,) = _journals(here)
    lines = journal.read_bytes().split(b"\n")
    journal.write_bytes(b"\n".join(lines[:9]) + b"\n" + lines[9][: len(lines[9]) // 2])
    # What was written after the last whole line must not count, whatever it is.
    with (journal.parent / "predictions.csv").open("ab") as rows:
        rows.write(np.random.default_rng(0).bytes(1000))
    code, out, _ = cli("score", here / "photos", "--model", wide_bundle, "--out", here / "run", *ARGUMENTS, "--resume")
    assert code == 0
    assert "killed after 160 files" in out
    assert _contents(here / "run") == whole
