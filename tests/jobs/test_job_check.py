"""`batchclf job check` as a function: everything that can be known is told, each with its line and key."""

import json
import os
import shutil
import sys
from datetime import date

import numpy as np
import pytest
from PIL import Image

from batchclf.jobs.config.load import load_job
from batchclf.jobs.setup.check import check_job
from batchclf.jobs.setup.check_subsets import needed_extras

RUN_DATE = date(2026, 11, 25)
DIGITS = tuple(str(digit) for digit in range(10))


@pytest.fixture
def photos(tmp_path):
    """Two class folders of images; returns the folder."""
    folder = tmp_path / "photos"
    for name in ("3", "7"):
        (folder / name).mkdir(parents=True)
        for number in range(2):
            Image.fromarray(np.full((8, 8), 20 * number, np.uint8)).save(folder / name / f"{number}.png")
    return folder


@pytest.fixture
def check(tmp_path, digits_bundle):
    """Check a job file's text in a folder with a model trained on the digits: topic → (state, line, message, hint)."""
    (tmp_path / "model").symlink_to(digits_bundle)

    def run(text):
        path = tmp_path / "nightly.toml"
        path.write_text(text)
        job, checks = check_job(path, RUN_DATE)
        assert all(each.hint for each in checks if each.state != "ok")
        assert all(each.state == "ok" for each in checks) or job is not None
        return {each.topic: each for each in checks}

    return run


FOLDERS = "[model]\nbundle = 'model'\n[publish]\nreports = 'reports'\n[scoring.directories.shop]\npath = 'photos'\n"


def test_a_good_job(check, photos):
    found = check(FOLDERS)
    assert {each.state for each in found.values()} == {"ok"}
    assert list(found) == ["job file", "model", "directory shop", "gate", "reports"]
    assert "scores shop; run date 2026-11-25" in found["job file"].message
    assert "10 classes" in found["model"].message
    assert "labels from the 2 class folders" in found["directory shop"].message
    assert not (photos.parent / "reports").exists()


def test_a_wrong_file_tells_all_that_is_wrong(tmp_path):
    path = tmp_path / "nightly.toml"
    path.write_text("nmae = 1\n[data]\ndataset = '${NO_SUCH_VARIABLE}'\n[gate]\nmax_gap = 5\n")
    job, checks = check_job(path)
    assert job is None
    assert [(each.state, each.line, each.key) for each in checks] == [
        ("error", 3, "data.dataset"),
        ("error", 1, "nmae"),
        ("error", 5, "gate.max_gap"),
    ]
    assert "NO_SUCH_VARIABLE is not set" in checks[0].message
    (tmp_path / "none.toml").write_bytes(b"[")
    for missing in ("none.toml", "no-such.toml"):
        assert [each.state for each in check_job(tmp_path / missing)[1]] == ["error"]


def test_folders_of_the_run_date_may_still_be_missing(check, photos):
    found = check(FOLDERS + "[scoring.directories.new]\npath = 'incoming/{date:%Y/%m/%d}'\n")
    assert found["directory new"].state == "warning"
    assert found["directory new"].line == 8
    assert str(photos.parent / "incoming" / "2026" / "11" / "25") in found["directory new"].message
    found = check(FOLDERS + "[scoring.directories.new]\npath = 'incoming'\n")
    assert (found["directory new"].state, found["directory new"].line) == ("error", 8)
    assert found["directory new"].key == "scoring.directories.new.path"


def test_a_folder_without_images_and_a_file(check, photos):
    (photos.parent / "empty").mkdir()
    (photos.parent / "file").touch()
    found = check(
        FOLDERS
        + "[scoring.directories.empty]\npath = 'empty'\n[scoring.directories.none]\npath = 'photos'\nglob = ['*.gif']\n"
        "[scoring.directories.file]\npath = 'file'\n"
    )
    assert "holds no image" in found["directory empty"].message
    assert (found["directory empty"].state, found["directory none"].state) == ("warning", "warning")
    assert (found["directory file"].state, found["directory file"].line) == ("error", 13)


def test_class_folders_against_the_model(check, photos):
    (photos / "7").rename(photos / "seven")
    found = check(FOLDERS)["directory shop"]
    assert (found.state, found.line) == ("warning", 5)
    assert "no labels are used: the folder 'seven' holds images and is not a class" in found.message
    found = check(FOLDERS + "labels = 'folders'\n")["directory shop"]
    assert (found.state, found.line) == ("error", 7)
    assert "'seven'" in found.message


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"path,label\n3/0.png,3\n7/1.png,\n", None),
        (b"path,label\n3/0.png,drei\n", "'drei' in line 2"),
        (b"file;class\n", "no header"),
        (b"path,label\n\xff,3\n", "not UTF-8"),
        (None, "cannot be read"),
    ],
)
def test_label_csv(check, photos, content, told):
    if content is not None:
        (photos.parent / "labels.csv").write_bytes(content)
    found = check(FOLDERS + "labels = 'labels.csv'\n")["directory shop"]
    if told is None:
        assert (found.state, "labels of 1 file" in found.message) == ("ok", True)
    else:
        assert (found.state, found.line) == ("error", 7)
        assert told in found.message


def test_a_model_that_is_missing_or_damaged(check, photos, digits_bundle):
    text = FOLDERS.replace("'model'", "'other'")
    assert "there is no model bundle" in check(text)["model"].message
    shutil.copytree(digits_bundle, photos.parent / "other")
    assert check(text)["model"].state == "ok"
    onnx = photos.parent / "other" / "model.onnx"
    onnx.write_bytes(onnx.read_bytes()[:-1])
    found = check(text)
    assert (found["model"].state, found["model"].line) == ("error", 2)
    assert "labels are not known" in found["directory shop"].message


def test_a_job_that_trains(check, photos):
    found = check("[data]\ndataset = 'digits'\n[publish]\nreports = 'reports'\n")
    assert "recipe mlp will be trained: there is none yet" in found["model"].message
    assert found["data"].state == "ok"
    text = "[data]\ndirectory = 'photos'\n[publish]\nreports = 'reports'\n"
    assert "2 class folders" in check(text)["data"].message
    (photos / "7").rename(photos.parent / "7")
    assert "needs at least two" in check(text)["data"].message
    assert check(text.replace("photos", "nowhere"))["data"].line == 2


def test_a_recipe_of_ones_own(check, tmp_path):
    """The job file is read without it; the check imports it from the folder of the job file."""
    text = "[data]\ndataset = 'digits'\n[publish]\nreports = 'reports'\n[model]\nrecipe = 'checked_nets:small'\n"
    assert load_job_text(tmp_path, text).spec.model.recipe == "checked_nets:small"
    found = check(text)["model"]
    assert (found.state, found.line, found.key) == ("error", 6, "model.recipe")
    assert "there is no module 'checked_nets'" in found.message
    (tmp_path / "checked_nets.py").write_text("def small(input_shape, classes): ...\n")
    assert "recipe checked_nets:small will be trained" in check(text)["model"].message
    found = check(text.replace(":small", ":smal"))["model"]
    assert (found.state, found.line, found.hint) == ("error", 6, "did you mean small?")
    (tmp_path / "broken_nets.py").write_text("import json\njson.loads('[')\n")
    found = check(text.replace("checked_", "broken_"))["model"]
    assert (found.state, found.line) == ("error", 6)
    assert f"({tmp_path / 'broken_nets.py'}, line 2)" in found.message


def load_job_text(folder, text):
    path = folder / "nightly.toml"
    path.write_text(text)
    return load_job(path)


def test_data_against_the_model_that_is_loaded(check, photos):
    (photos / "7").rename(photos / "seven")
    found = check("[data]\ndirectory = 'photos'\n[model]\nbundle = 'model'\n[publish]\nreports = 'reports'\n")
    assert (found["model"].state, found["data"].state) == ("ok", "error")
    assert "the class 'seven'" in found["data"].message


def test_a_data_set_that_is_not_here(check, monkeypatch, tmp_path):
    monkeypatch.delenv("BATCHCLF_DATA_DIR", raising=False)
    monkeypatch.delenv("BATCHCLF_OFFLINE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setattr("batchclf.data.providers.SYSTEM_FOLDER", tmp_path / "system")
    fetching = tmp_path / "programs" / "apt-get"
    fetching.parent.mkdir()
    fetching.write_text(f"#!/bin/sh\ntouch {tmp_path}/fetched\nexit 1\n")
    fetching.chmod(0o755)
    monkeypatch.setenv("PATH", f"{fetching.parent}:{os.environ['PATH']}")
    monkeypatch.setattr("batchclf.data.providers._fetch_with_keras", lambda files, say: (tmp_path / "fetched").touch())
    text = "[data]\ndataset = 'fashion-mnist'\n[publish]\nreports = 'reports'\n"
    assert check(text)["data"].state == "warning"
    assert "fashion-mnist is not on this machine; the first run will fetch it" in check(text)["data"].message
    assert not (tmp_path / "fetched").exists()
    assert "batchclf data fetch fashion-mnist" in check(text)["data"].hint
    assert "BATCHCLF_OFFLINE" not in os.environ
    monkeypatch.setenv("BATCHCLF_OFFLINE", "1")
    assert check(text)["data"].state == "error"
    assert os.environ["BATCHCLF_OFFLINE"] == "1"
    found = check(text.replace("[publish]", "data_dir = 'nowhere'\n[publish]"))["data"]
    assert (found.state, found.line) == ("error", 3)


def test_rules_that_name_no_class_of_the_model(check, photos):
    rule = "[[gate.rules]]\nmetric = 'recall'\nmin = 0.5\nclass = '{}'\n"
    found = check(FOLDERS + rule.format("3") + rule.format("drei"))["gate"]
    assert (found.state, found.line, found.key) == ("error", 14, "gate.rules[1].class")
    assert "'drei'" in found.message
    assert "choose one of: 0, 1" in found.hint
    assert check(FOLDERS + rule.format("*"))["gate"].state == "ok"


def test_baselines(check, photos):
    base = photos.parent
    run = base / "reports" / "nightly" / "20261101T010203Z"
    run.mkdir(parents=True)
    metrics = {"format": 2, "splits": {"shop": {"predicted": dict.fromkeys(DIGITS, 1)}}, "gap": None}
    (run / "metrics.json").write_text(json.dumps(metrics))
    (base / "other").mkdir()
    metrics["splits"]["shop"]["predicted"]["drei"] = 1
    (base / "other" / "metrics.json").write_text(json.dumps(metrics))
    found = check(
        FOLDERS + "[baselines]\na = '20261101T010203Z'\nb = 'reports/nightly/20261101T010203Z/metrics.json'\n"
        "c = 'reports/nightly/20261101T010203Z'\nd = '20261101T010204Z'\ne = 'other'\nf = 'photos'\n"
    )
    assert [found[f"baseline {name}"].state for name in "abcdef"] == ["ok"] * 3 + ["error"] * 3
    assert [found[f"baseline {name}"].line for name in "def"] == [11, 12, 13]
    assert "'drei' is in one only" in found["baseline e"].message


def test_reports_that_cannot_be_written(check, photos):
    (photos.parent / "reports").touch()
    found = check(FOLDERS)["reports"]
    assert (found.state, found.line) == ("error", 4)
    assert "is not a folder" in found.message


def test_a_full_disk(check, photos, monkeypatch):
    usage = shutil.disk_usage(photos)
    for free, state in ((50_000_000, "error"), (1_000_000_000, "warning"), (3_000_000_000, "ok")):
        monkeypatch.setattr("shutil.disk_usage", lambda _, free=free: usage._replace(free=free))
        assert check(FOLDERS)["reports"].state == state


def test_a_damaged_history(check, photos):
    (photos.parent / "reports").mkdir()
    (photos.parent / "reports" / "history.sqlite").write_bytes(b"no database")
    assert check(FOLDERS)["history"].state == "error"


def test_templates(check, photos):
    folder = photos.parent / "mine"
    text = FOLDERS + "[report]\ntemplates = 'mine'\n"
    assert check(text)["templates"].line == 8
    folder.mkdir()
    (folder / "report.html").write_text("{% extends 'batchclf/report.html' %}\n{% block gap %}{% endblock %}\n")
    assert check(text)["templates"].state == "ok"
    (folder / "report.html").write_text("\n{% block %}")
    assert "report.html, line 2" in check(text)["templates"].message


def test_who_is_told(check, photos):
    base = photos.parent
    (base / "tell.sh").write_text("#!/bin/sh\n")
    text = (
        FOLDERS + "[notify]\non_success = ['./tell.sh']\non_failure = ['no-such-program']\n"
        "webhook = 'https://host/x'\nprometheus = 'none/x.prom'\njunit = 'photos'\n"
    )
    found = check(text)
    assert [found[name].state for name in ("on_success", "on_failure", "prometheus", "junit")] == ["error"] * 4
    assert [found[name].line for name in ("on_success", "on_failure", "prometheus", "junit")] == [8, 9, 11, 12]
    (base / "tell.sh").chmod(0o755)
    found = check(text.replace("none/x", "x"))
    assert [found[name].state for name in ("on_success", "prometheus", "webhook")] == ["ok"] * 3
    assert check(text.replace("none/x.prom", "x.txt"))["prometheus"].state == "error"


def test_extras(check, photos, monkeypatch, tmp_path):
    text = FOLDERS + "[scoring]\nformat = ['csv', 'parquet']\nprecision = 'bf16'\n"
    (tmp_path / "x.toml").write_text(text)
    needed = needed_extras(load_job(tmp_path / "x.toml"))
    assert needed == {"openvino": ("scoring", "precision"), "parquet": ("scoring", "format")}
    monkeypatch.setattr("batchclf.jobs.setup.check_subsets.find_spec", lambda name: None)
    found = check(text)["packages"]
    assert (found.state, found.line) == ("error", 8)
    assert found.hint == "pip install 'batchclf[parquet]'"
    found = check("[data]\ndataset = 'digits'\n[publish]\nreports = 'reports'\n")["packages"]
    assert found.hint == "pip install 'batchclf[train]'"


def test_a_runtime_that_is_missing_is_named_with_how_to_install_it(check, photos, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    check(FOLDERS)
    _, checks = check_job(tmp_path / "nightly.toml", RUN_DATE)
    (found,) = [each for each in checks if each.state == "error"]
    assert "onnxruntime is needed for --runtime onnx" in found.message
    assert found.hint == "install it with: pip install 'onnxruntime'"
    monkeypatch.undo()
    monkeypatch.setattr("batchclf.jobs.setup.check_subsets.find_spec", lambda name: None)
    found = check(FOLDERS + "[scoring]\nruntime = 'tensorflow'\n")["packages"]
    assert (found.state, found.line, found.key) == ("error", 8, "scoring.runtime")
    assert found.hint == "pip install 'batchclf[train]'"


def test_bf16_does_not_go_with_tensorflow(check, photos, tmp_path):
    check(FOLDERS + "[scoring]\nruntime = 'tensorflow'\nprecision = 'bf16'\n")
    _, checks = check_job(tmp_path / "nightly.toml", RUN_DATE)
    (found,) = [each for each in checks if each.topic == "model" and each.state == "error"]
    assert (found.line, found.key) == (9, "scoring.precision")
