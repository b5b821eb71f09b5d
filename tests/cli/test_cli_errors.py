"""What a user can get wrong ends with a message that names it, never with a traceback."""

import json
import os
import shutil

import pytest

from batchclf.core.renames import OPTIONS


def check(result, code, *named):
    assert result[0] == code, result
    assert result[1] == ""
    assert "Traceback" not in result[2]
    assert result[2].startswith("batchclf: error: ")
    assert "\n  hint: " in result[2]
    for text in named:
        assert str(text) in result[2]


def test_missing_folder(cli, tmp_path, digits_bundle):
    check(cli("score", tmp_path / "none", "--model", digits_bundle), 1, tmp_path / "none")


def test_file_instead_of_folder(cli, tmp_path, digits_bundle):
    (tmp_path / "a.png").write_bytes(b"x")
    check(cli("score", tmp_path / "a.png", "--model", digits_bundle), 1, "a.png", "is a file")


@pytest.mark.parametrize("name", [None, "notes.txt"])
def test_folder_without_images(cli, tmp_path, digits_bundle, name):
    folder = tmp_path / "photos"
    folder.mkdir()
    if name:
        (folder / name).write_text("not an image")
    code, _, err = cli("score", folder, "--model", digits_bundle, "--quiet")
    assert code == 5
    assert "there is no image to score" in err
    assert str(folder) in err
    assert not list(tmp_path.glob("reports/score/2*"))


def test_no_model_yet(cli, tmp_path):
    (tmp_path / "photos").mkdir()
    check(cli("score", "photos"), 1, "no --model", "--model BUNDLE")


def test_model_is_not_a_bundle(cli, tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "model").mkdir()
    check(cli("score", "photos", "--model", "model"), 1, "model.json")


def test_damaged_model(cli, tmp_path, digits_bundle):
    (tmp_path / "photos").mkdir()
    shutil.copytree(digits_bundle, tmp_path / "model")
    with (tmp_path / "model" / "model.onnx").open("ab") as handle:
        handle.write(b"more")
    check(cli("score", "photos", "--model", "model"), 1, "model.onnx", "SHA-256")


def test_model_of_other_classes(cli, tmp_path, digits_bundle):
    (tmp_path / "photos" / "cat").mkdir(parents=True)
    result = cli("score", "photos", "--model", digits_bundle, "--labels", "folders", "--quiet")
    check(result, 1, "'cat'", "is not a class of the model")


def test_run_directory_is_never_overwritten(cli, tmp_path, job_reports):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "keep").write_text("kept")
    model = job_reports / "digits" / "model"
    result = cli("score", "--split", "test", "--model", model, "--out", "mine", "--quiet")
    check(result, 1, "mine is there already")
    assert (tmp_path / "mine" / "keep").read_text() == "kept"


def test_csv_that_lacks_columns(cli, tmp_path):
    (tmp_path / "p.csv").write_text("path,label\na.png,cat\n")
    check(cli("evaluate", "p.csv"), 2, "p.csv", "path, label", "--prediction-column")


def test_missing_csv_and_run(cli):
    check(cli("evaluate", "none.csv"), 1, "none.csv")
    check(cli("report", "none"), 1, "none")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('[data]\ndatset = "digits"\n', ("line 2", "datset", "did you mean 'dataset'?")),
        ('[data]\ndataset = "digits"\n[model]\nepochs = "ten"\n', ("line 4", "model.epochs", "int")),
        ('[data]\ndataset = "digits"\n[modle]\nepochs = 3\n', ("line 3", "modle", "did you mean 'model'?")),
        ("[data\n", ("line 1",)),
        ("", ("[data]",)),
    ],
)
def test_job_file(cli, tmp_path, text, named):
    (tmp_path / "j.toml").write_text(text)
    result = cli("run", "j.toml", "--dry-run")
    check(result, 1, "j.toml", *named)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["j.toml"]


def test_missing_job_file(cli):
    check(cli("run", "jobs/none.toml"), 1, "jobs/none.toml")


def test_data_that_is_nowhere(cli, tmp_path):
    check(cli("data", "describe", "fashion-mnist", "--data-dir", tmp_path / "none"), 1, tmp_path / "none")


def test_error_as_json(cli, tmp_path):
    code, result, err = cli.json("evaluate", "none.csv")
    assert code == 1
    assert result["exit_code"] == 1
    assert "none.csv" in result["error"]
    assert result["hint"]
    assert err.startswith("batchclf: error: ")


def test_disk_that_refuses(process, tmp_path, job_reports):
    """A file size limit stands for the full disk: the write of predictions.csv fails in the middle."""
    script = (
        "import resource, signal, sys\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))\n"
        "from batchclf.cli.main import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    model = job_reports / "digits" / "model"
    done = process("-c", script, "score", "--split", "train", "--model", model, "--out", "run", "--quiet", cwd=tmp_path)
    assert done.returncode == 1
    assert "the system refused (File too large)" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "run").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["failed-run.log.jsonl"]
    assert json.loads((tmp_path / "failed-run.log.jsonl").read_text().splitlines()[-1])["level"] == "error"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_folder_that_cannot_be_written(cli, tmp_path, job_reports):
    (tmp_path / "reports").mkdir(mode=0o500)
    model = job_reports / "digits" / "model"
    code, _, err = cli("score", "--split", "test", "--model", model, "--quiet")
    assert code == 1
    assert "Permission denied" in err


@pytest.mark.parametrize(("old", "new"), [pair for pair in OPTIONS.items() if not pair[1].startswith(pair[0])])
@pytest.mark.parametrize("written", ["{} 3", "{}=3"])
def test_an_old_option_of_train_is_refused_with_its_new_name(cli, tmp_path, old, new, written):
    options = [] if old.startswith("--no-") or "mirrored" in old else written.format(old).split()
    code, out, err = cli("train", "--dataset", "digits", "--recipe", "mlp", "--out", "m", *(options or [old]))
    assert (code, out) == (2, "")
    assert f"unknown option {old}\n  hint: {old} is called {new} now\n" in err
    assert list(tmp_path.iterdir()) == []


def test_old_options_that_begin_as_the_new_ones_do_are_these():
    """They are abbreviations, which mean the new option."""
    assert [old for old, new in OPTIONS.items() if new.startswith(old)] == ["--validation"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("score", ""),
        ("score", "photos", "--reports", ""),
        ("score", "photos", "--out", ""),
        ("score", "photos", "--model", ""),
        ("run", ""),
        ("report", ""),
        ("evaluate", ""),
        ("model", "check", "bundle", ""),
    ],
)
def test_an_empty_path_is_not_the_current_folder(cli, tmp_path, monkeypatch, arguments):
    """As `score "$PHOTOS"` gives one if the variable is not set."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    code, out, err = cli(*arguments)
    assert (code, out) == (2, "")
    assert "it is empty, and a path is expected; the current folder is ." in err
    assert not list((tmp_path / "here").iterdir())
