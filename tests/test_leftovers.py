"""What a kill leaves: the next command removes it, and nothing that may still be somebody's."""

import os
import signal
import subprocess
import sys
import time

import pytest
from run_cases import NAMES, drawn, write_run, write_runs

KILLED_AT = """
import os, signal, sys
name = sys.argv.pop(1)

def killing(real):
    def call(source, target, **more):
        if os.path.basename(target) == name:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(source, target, **more)
    return call

os.replace, os.rename = killing(os.replace), killing(os.rename)
from batchclf.cli.main import entry
entry()
"""
"""Runs a command that is killed where a file, folder or link would get the name given first."""

KILLED_COMPARING = """
import os, signal, sys
from batchclf.jobs.report import rewrite
rewrite.write_flips = lambda *arguments, **more: os.kill(os.getpid(), signal.SIGKILL)
from batchclf.cli.main import entry
entry()
"""


KILLED_SCORING = """
import os, signal, sys
from batchclf.jobs.run import folder_run
folder_run.finish = lambda *arguments, **more: os.kill(os.getpid(), signal.SIGKILL)
from batchclf.cli.main import entry
entry()
"""

KILLED_REMOVING = """
import os, shutil, signal, sys
shutil.rmtree = lambda *arguments, **more: os.kill(os.getpid(), signal.SIGKILL)
from batchclf.cli.main import entry
entry()
"""

BRANCHING = """
import keras
import tensorflow as tf

@tf.function
def scale(most):
    return 1 / most if most > 1 else most

def net(input_shape, classes):
    layers = keras.layers
    return keras.Sequential([
        keras.Input(input_shape, dtype="uint8"), layers.Rescaling(float(scale(tf.constant(255.0)))), layers.Flatten(),
        layers.Dense(classes),
    ])
"""
"""A recipe that needs autograph: a graph has no `if` of Python."""


def batchclf(*arguments, cwd, script=None, at=(), tmp=None, more=()):
    start = ["-m", "batchclf"] if script is None else ["-c", script, *at]
    done = subprocess.run(
        [sys.executable, *start, *map(str, arguments)],
        cwd=cwd,
        env={
            **os.environ,
            **({} if tmp is None else {"TMPDIR": str(tmp), "PYTHONDONTWRITEBYTECODE": ""}),
            **dict(more),
        },
        capture_output=True,
        text=True,
        timeout=300,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    assert done.returncode == (0 if script is None else -signal.SIGKILL), done.stderr
    return done


def age(path):
    """Make something two hours old."""
    then = time.time() - 7200
    os.utime(path, (then, then), follow_symlinks=False)


def partials(folder):
    return sorted(folder.glob(".*.partial"))


def test_a_kill_before_the_link_is_turned_costs_the_published_run_nothing(digits_bundle, tmp_path):
    (tmp_path / "nightly.toml").write_text(
        f"[data]\ndataset = 'digits'\n[model]\nbundle = '{digits_bundle}'\n[scoring]\nsplits = ['test']\n"
        "[publish]\nreports = 'reports'\n"
    )
    folder = tmp_path / "reports" / "nightly"
    batchclf("run", "nightly.toml", cwd=tmp_path, script=KILLED_AT, at=["latest"])
    (run,) = folder.glob("2*")
    (link,) = partials(folder)
    assert link.is_symlink()
    log = (run / "log.jsonl").read_bytes()
    done = batchclf("run", "nightly.toml", cwd=tmp_path)
    assert "was killed" not in done.stdout
    assert (run / "log.jsonl").read_bytes() == log
    assert list(folder.glob("failed-*")) == partials(folder) == []
    shown = batchclf("history", "list", "nightly", cwd=tmp_path).stdout
    assert run.name in shown
    assert "killed" not in shown


@pytest.fixture
def reports(tmp_path):
    for name, seed in (("20260301T023000Z", 1), ("20260302T023000Z", 2)):
        write_run(tmp_path / "reports" / "nightly" / name, drawn(NAMES, 60, seed=seed, skill=0.8))
    return tmp_path / "reports"


@pytest.fixture
def run_folder(reports):
    return reports / "nightly" / "20260302T023000Z"


def test_a_page_that_was_half_written_is_removed_when_it_is_old_and_its_writer_gone(reports, tmp_path):
    batchclf("history", "rebuild", cwd=tmp_path, script=KILLED_AT, at=["index.html"])
    (left,) = partials(reports)
    assert left.name.startswith(".index.html.")
    batchclf("history", "rebuild", cwd=tmp_path)
    assert partials(reports) == [left]  # it may be of another machine that writes now
    age(left)
    running = reports / f".index.html.{os.getpid()}-0a1b2c3d.partial"
    others = reports / left.name.replace("index.html", "index.html.old")
    for path in (running, others):
        path.write_text("somebody's")
        age(path)
    batchclf("history", "rebuild", cwd=tmp_path)
    assert partials(reports) == sorted([running, others])


def test_the_folder_for_temporary_files_is_removed_likewise(reports, tmp_path):
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    command = ("report", reports / "nightly" / "20260302T023000Z", "--format", "md")
    batchclf(*command, cwd=tmp_path, script=KILLED_COMPARING, tmp=temporary)
    (left,) = temporary.iterdir()
    assert list(left.iterdir())
    others = [temporary / f"batchclf-{os.getpid()}-abc", temporary / "batchclf-reports", temporary / "tmpabc"]
    for path in others:
        path.mkdir()
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "thesis").write_text("1")
    dead = left.name.split("-")[1]
    link = temporary / f"batchclf-{dead}-link"
    link.symlink_to(precious)
    batchclf(*command, cwd=tmp_path, tmp=temporary)
    assert left.is_dir()
    for path in (left, link, *others):
        age(path)
    batchclf(*command, cwd=tmp_path, tmp=temporary)
    assert sorted(temporary.iterdir()) == sorted(others)
    assert (precious / "thesis").read_text() == "1"


@pytest.mark.slow
def test_a_bundle_that_was_not_finished_and_the_code_of_tensorflow_are_removed(digits_bundle, tmp_path):
    assert digits_bundle  # TensorFlow is there
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    foreign = temporary / "__autograph_generated_filexyz.py"
    foreign.write_text("somebody's")
    (tmp_path / "branching.py").write_text(BRANCHING)
    train = ("train", "--dataset", "digits", "--recipe", "branching:net", "--epochs", "1", "--out", "models/new")
    batchclf(*train, cwd=tmp_path, script=KILLED_AT, at=["new"], tmp=temporary)
    (left,) = partials(tmp_path / "models")
    assert (left / "model.json").is_file()
    (code,) = temporary.glob("batchclf-*")
    assert list(code.glob("__autograph_generated_file*"))  # so it does write them
    for path in (left, code, foreign):
        age(path)
    batchclf(*train, cwd=tmp_path, tmp=temporary)
    assert partials(tmp_path / "models") == []
    assert (tmp_path / "models" / "new" / "model.json").is_file()
    assert list(temporary.iterdir()) == [foreign]


def test_a_recipe_of_ours_has_tensorflow_write_no_code_at_all(digits_bundle, tmp_path):
    assert digits_bundle
    train = ("train", "--dataset", "digits", "--recipe", "mlp", "--epochs", "1", "--out", "models/new")
    batchclf(*train, cwd=tmp_path, script=KILLED_AT, at=["new"], tmp=tmp_path)
    assert len(list(tmp_path.glob("batchclf-*"))) == 1
    assert list(tmp_path.rglob("*autograph*")) == []


def test_matplotlib_without_a_home_folder_leaves_nothing(run_folder, tmp_path):
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    command = ("report", run_folder, "--out", "report.html")
    no_home = {"HOME": os.devnull, "XDG_CACHE_HOME": "", "XDG_CONFIG_HOME": "", "MPLCONFIGDIR": ""}
    batchclf(*command, cwd=tmp_path, script=KILLED_AT, at=["report.html"], tmp=temporary, more=no_home)
    (left,) = temporary.iterdir()
    assert list(left.glob("matplotlib-*"))  # so it does make a folder
    age(left)
    batchclf(*command, cwd=tmp_path, tmp=temporary, more=no_home)
    assert (tmp_path / "report.html").is_file()
    assert list(temporary.iterdir()) == []


def test_a_folder_for_temporary_files_that_is_not_there_stops_no_command(run_folder, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(
        "import tempfile\ndef none():\n    raise FileNotFoundError(2, 'No usable temporary directory')\n"
        "tempfile._get_default_tempdir = none\n"
    )
    path = [str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])]
    batchclf("history", "list", "nightly", cwd=tmp_path, more={"PYTHONPATH": os.pathsep.join(path)})


def split_of(bundle):
    return ("score", "--split", "test", "--dataset", "digits", "--model", bundle)


@pytest.mark.parametrize("out", [(), pytest.param(("--out", "mine"), marks=pytest.mark.slow)])
def test_what_a_killed_scoring_of_a_split_leaves_is_removed_by_the_next(digits_bundle, tmp_path, out):
    batchclf(*split_of(digits_bundle), *out, cwd=tmp_path, script=KILLED_SCORING)
    folder = tmp_path if out else tmp_path / "reports" / "score"
    (left,) = partials(folder)
    resumable = folder / left.name.replace(".partial", "0.partial")
    resumable.mkdir()
    (resumable / "journal.jsonl").write_text("{}")
    foreign = folder / f".models{left.name[left.name.index('.', 1) :]}"
    foreign.mkdir()
    for path in (left, resumable, foreign):
        age(path)
    batchclf(*split_of(digits_bundle), *out, cwd=tmp_path)
    assert partials(folder) == sorted([resumable, foreign])


def test_what_a_killed_prune_leaves_is_no_run_and_is_removed_by_the_next(tmp_path):
    folder = tmp_path / "reports" / "nightly"
    write_runs(folder, 2)
    prune = ("history", "prune", "nightly", "--keep-runs", "1")
    batchclf(*prune, cwd=tmp_path, script=KILLED_REMOVING)
    (left,) = folder.glob(".*.pruned")
    assert (left / "predictions.csv").is_file()
    (left / "log.jsonl").write_text("")  # which alone would tell a killed run
    batchclf(*prune, cwd=tmp_path)
    assert left.is_dir()
    age(left)
    batchclf(*prune, cwd=tmp_path)
    assert not left.exists()
    assert "killed" not in batchclf("history", "list", "nightly", cwd=tmp_path).stdout
    assert list(folder.glob("failed-*")) == []
