"""What a kill leaves: the next command removes it, and nothing that may still be somebody's."""

import os
import signal
import subprocess
import sys
import time

import pytest
from run_cases import NAMES, drawn, write_run

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


def batchclf(*arguments, cwd, script=None, at=(), tmp=None):
    start = ["-m", "batchclf"] if script is None else ["-c", script, *at]
    done = subprocess.run(
        [sys.executable, *start, *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, **({} if tmp is None else {"TMPDIR": str(tmp), "PYTHONDONTWRITEBYTECODE": ""})},
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


def test_a_folder_for_temporary_files_is_removed_likewise(reports, tmp_path):
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    command = ("report", reports / "nightly" / "20260302T023000Z", "--format", "md")
    batchclf(*command, cwd=tmp_path, script=KILLED_COMPARING, tmp=temporary)
    (left,) = temporary.glob("batchclf-report-*")
    others = [temporary / f"batchclf-report-{os.getpid()}-abc", temporary / "batchclf-reports", temporary / "tmpabc"]
    for path in others:
        path.mkdir()
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "thesis").write_text("1")
    dead = left.name.split("-")[2]
    link = temporary / f"batchclf-report-{dead}-link"
    link.symlink_to(precious)
    batchclf(*command, cwd=tmp_path, tmp=temporary)
    assert left.is_dir()
    for path in (left, link, *others):
        age(path)
    batchclf(*command, cwd=tmp_path, tmp=temporary)
    assert sorted(temporary.glob("batchclf-*")) == sorted(others[:2])
    assert others[2].is_dir()
    assert (precious / "thesis").read_text() == "1"


def test_a_bundle_that_was_not_finished_and_the_code_of_tensorflow_are_removed(digits_bundle, tmp_path):
    assert digits_bundle  # TensorFlow is there
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    foreign = second / "__autograph_generated_filexyz.py"
    foreign.write_text("somebody's")
    train = ("train", "--dataset", "digits", "--recipe", "mlp", "--epochs", "1", "--out", "models/new")
    batchclf(*train, cwd=tmp_path, script=KILLED_AT, at=["new"], tmp=first)
    (left,) = partials(tmp_path / "models")
    assert (left / "model.json").is_file()
    age(left)
    batchclf(*train, cwd=tmp_path, tmp=second)
    assert partials(tmp_path / "models") == []
    assert (tmp_path / "models" / "new" / "model.json").is_file()
    assert [path.name for path in second.rglob("*") if "autograph" in path.name] == [foreign.name]
    assert list(first.glob("__autograph_generated_file*"))  # so it does write them
