"""What goes wrong after a run is published: it is reported as published, and whoever is to be notified is."""

import json
import os
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from batchclf.jobs.history import retention
from batchclf.storage.run.directory import RunLog

FULL = Path("/dev/full")
needs_full = pytest.mark.skipif(not FULL.exists(), reason="there is no /dev/full")
PUBLISHED = "hint: the run was published all the same: "


@pytest.fixture
def job(digits_bundle, tmp_path):
    """A job whose model is there; it notes on disk what each of its runs has notified of."""

    def write(least=0.5, **keys):
        tables = {"report": "", "retention": "", **keys}
        command = "cat > told.json; echo $BATCHCLF_REPORT > report.txt; echo done"
        path = tmp_path / "nightly.toml"
        path.write_text(
            f"[data]\ndataset = 'digits'\n[model]\nbundle = '{digits_bundle}'\n[scoring]\nsplits = ['test']\n"
            f"[gate]\nmin_test_accuracy = {least}\n[publish]\nreports = 'reports'\n"
            f"[notify]\non_success = ['sh', '-c', '{command}']\n"
            f"on_failure = ['sh', '-c', '{command}']\njunit = 'j.xml'\n"
            + "".join(f"[{name}]\n{text}\n" for name, text in tables.items() if text)
        )
        return path

    return write


def run(*arguments, cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE):
    command = [sys.executable, "-m", "batchclf", *map(str, arguments)]
    streams = {"stdin": subprocess.DEVNULL, "stdout": stdout, "stderr": stderr}
    return subprocess.run(command, cwd=cwd, text=True, timeout=300, check=False, **streams)


def broken(kind):
    """Give a standard output that cannot be written."""
    if kind == "full":
        return os.open(FULL, os.O_WRONLY)
    read, write = os.pipe()
    os.close(read)
    return write


def published(folder, job="nightly"):
    """The one run of a job, which is whole."""
    link = folder / "reports" / job / "latest"
    assert (link / "run.json").is_file()
    assert list(link.parent.glob("failed-*")) == []
    assert list(link.parent.glob(".*.partial")) == []
    return link.resolve()


def told(folder):
    return json.loads((folder / "told.json").read_text())


@needs_full
@pytest.mark.parametrize(
    ("kind", "least", "own", "ends", "options"),
    [
        ("full", 0.5, 0, 1, []),
        ("pipe", 0.999, 3, 3, []),
        ("full", 0.999, 3, 3, ["--json"]),
        ("pipe", 0.5, 0, 1, ["--json"]),
    ],
)
def test_a_job_whose_output_cannot_be_written_is_published(job, tmp_path, kind, least, own, ends, options):
    output = broken(kind)
    done = run("run", job(least), *options, cwd=tmp_path, stdout=output)
    os.close(output)
    folder = published(tmp_path)
    assert done.returncode == ends
    assert (told(tmp_path)["run"], told(tmp_path)["exit_code"]) == (str(folder), own)
    assert "error: standard output cannot be written (" in done.stderr
    assert f"{PUBLISHED}{folder}" in done.stderr
    assert "nothing was published" not in done.stderr
    assert "Traceback" not in done.stderr
    last = json.loads((folder / "log.jsonl").read_text().splitlines()[-1])
    assert last["message"].endswith("done")


@needs_full
@pytest.mark.parametrize(("kind", "options"), [("full", ["--json"]), ("pipe", []), ("full", ["--out", "mine"])])
def test_a_scored_folder_whose_output_cannot_be_written_is_published(digits_bundle, tmp_path, kind, options):
    output = broken(kind)
    command = ["score", "--split", "test", "--model", digits_bundle, *options]
    done = run(*command, cwd=tmp_path, stdout=output)
    os.close(output)
    folder = tmp_path / "mine" if "--out" in options else published(tmp_path, "score")
    assert (folder / "report.html").is_file()
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(f"  {PUBLISHED}")
    assert done.stderr.splitlines()[-1].endswith(folder.name)
    assert "Traceback" not in done.stderr


@needs_full
def test_a_job_whose_errors_cannot_be_written_keeps_its_exit_code(job, tmp_path):
    with FULL.open("wb") as errors:
        assert run("run", job(0.999), cwd=tmp_path, stderr=errors).returncode == 3
        assert told(tmp_path)["run"] == str(published(tmp_path))


@needs_full
def test_a_command_that_only_prints_says_that_it_could_not(tmp_path):
    with FULL.open("wb") as output:
        done = run("data", "describe", "digits", "--json", cwd=tmp_path, stdout=output)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-2:] == [
        "batchclf: error: standard output cannot be written (No space left on device)",
        "  hint: see what standard output leads to, or use --quiet",
    ]
    (tmp_path / "reports").mkdir()
    output = broken("pipe")
    done = run("history", "list", cwd=tmp_path, stdout=output)
    os.close(output)
    assert (done.returncode, done.stderr) == (1, "")


def test_a_link_that_cannot_be_turned_is_reported_after_the_run(job, cli, tmp_path):
    (tmp_path / "reports" / "nightly" / "latest").mkdir(parents=True)
    code, out, err = cli("run", job())
    folder = Path(told(tmp_path)["run"])
    assert code == 1
    assert "latest does not lead to" in err
    assert f"{PUBLISHED}{folder}" in err
    assert "ok after" in out
    summary = told(tmp_path)
    assert (summary["exit_code"], summary["status"], summary["error"]) == (1, "ok", None)
    assert summary["message"].startswith("published, but ")
    assert "latest does not lead to" in summary["text"]
    assert (folder.with_name("last-good")).resolve() == folder
    assert folder.name in cli("history", "list", "nightly")[1]


def test_a_link_that_score_cannot_turn_is_reported_after_the_run(digits_bundle, cli, tmp_path):
    (tmp_path / "reports" / "score" / "latest").mkdir(parents=True)
    code, values, err = cli.json("score", "--split", "test", "--model", digits_bundle)
    assert (code, values["exit_code"], values["status"], values["error"]) == (1, 1, "ok", None)
    assert (Path(values["run"]) / "run.json").is_file()
    assert "latest does not lead to" in err
    assert PUBLISHED in err


def test_a_log_that_cannot_be_written_any_more_skips_no_notification(job, cli, tmp_path, monkeypatch):
    write = RunLog.write

    def full_once_published(self, message, **level):
        if not self.path.parent.name.startswith("."):
            raise OSError(28, "No space left on device")
        write(self, message, **level)

    monkeypatch.setattr(RunLog, "write", full_once_published)
    code, out, err = cli("run", job())
    folder = published(tmp_path)
    assert code == 1
    assert told(tmp_path)["run"] == str(folder)
    assert (tmp_path / "j.xml").is_file()
    assert "ok after" in out
    assert err == (
        f"batchclf: error: {folder / 'log.jsonl'} cannot be written any more: No space left on device\n"
        "  hint: check the disk's free space and the permissions\n"
    )


def test_quiet_does_not_hide_what_went_wrong_after_the_run(job, cli, tmp_path, monkeypatch):
    path = job(retention="keep_runs = 1")
    assert cli("run", path, "--quiet") == (0, "", "")
    time.sleep(1)  # of runs that begin in one second none is surely the older one, so both would stay
    (tmp_path / "reports" / "index.html").unlink()
    (tmp_path / "reports" / "index.html").mkdir()

    def refuse(path):
        raise OSError(16, "Device or resource busy")

    monkeypatch.setattr(retention, "_remove", refuse)
    old = published(tmp_path)
    code, out, err = cli("run", path, "--quiet")
    assert (code, out) == (0, "")
    assert f"warning: {old} could not be removed: Device or resource busy" in err
    assert f"warning: {tmp_path / 'reports' / 'index.html'} could not be written" in err
    code, _, err = cli("history", "prune", path, "--quiet")
    assert code == 1
    assert f"warning: {old} could not be removed" in err
    assert "index.html could not be written" in cli("history", "rebuild", "--quiet")[2]


@pytest.mark.parametrize(("formats", "name"), [('"md", "json"', "report.md"), ('"json"', "report.json")])
def test_a_report_that_is_no_page_is_named(job, cli, tmp_path, formats, name):
    path = job(0.999, report=f"format = [{formats}]")
    code, out, err = cli("run", path)
    report = published(tmp_path) / name
    assert code == 3
    assert f"report: {report} (also {report.parent.with_name('latest') / name})" in out
    assert f"hint: read {report}" in err
    assert "report.html" not in out + err
    assert told(tmp_path)["report"] == str(report)
    assert told(tmp_path)["hint"] == f"read {report}"
    assert (tmp_path / "report.txt").read_text() == f"{report}\n"
    for file, expected in ((tmp_path / "j.xml", str(report)), (report.with_name("junit.xml"), name)):
        properties = {each.get("name"): each.get("value") for each in ET.parse(file).iter("property")}
        assert properties["report"] == expected
    assert "report.html" not in (tmp_path / "reports" / "index.html").read_text()
