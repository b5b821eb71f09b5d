"""`run` with [notify]: silent after a good run, and all are notified of every bad one, in every way."""

import json
import xml.etree.ElementTree as ET

import pytest


@pytest.fixture
def job(tmp_path, job_reports):
    """Writes a job that scores the digits with a model that is there, and keeps what commands are told."""

    def write(gate="min_test_accuracy = 0.5", directory=""):
        (tmp_path / "jobs").mkdir(exist_ok=True)
        data = f'directory = "{directory}"' if directory else 'dataset = "digits"'
        (tmp_path / "jobs" / "n.toml").write_text(
            f'[data]\n{data}\n[model]\nbundle = "{job_reports / "digits" / "model"}"\n'
            f'[scoring]\nsplits = ["test"]\n[gate]\n{gate}\n'
            '[notify]\non_success = ["sh", "-c", "cat > good.json; echo told"]\n'
            'on_failure = ["sh", "-c", "cat > bad.json; echo told"]\n'
            'prometheus = "n.prom"\njunit = "n.xml"\nwebhook = "${HOOK}"\ntimeout = 1\n'
        )
        return tmp_path / "jobs" / "n.toml"

    return write


@pytest.fixture(autouse=True)
def hook(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOOK", "http://user:SECRET@127.0.0.1:1/SECRET?token=SECRET")


def told(folder, name):
    return json.loads((folder / "jobs" / name).read_text())


def counts(folder):
    suite = ET.parse(folder / "jobs" / "n.xml").getroot()[0]
    return suite.get("failures"), suite.get("errors")


def exit_code_of(folder):
    text = (folder / "jobs" / "n.prom").read_text()
    return text.split("\nbatchclf_last_run_exit_code{", 1)[1].split("} ")[1].split("\n")[0]


def test_a_good_run_is_silent_and_whoever_asked_is_notified(cli, job, tmp_path):
    assert cli("run", job(), "--quiet") == (0, "", "")
    summary = told(tmp_path, "good.json")
    assert (summary["status"], summary["exit_code"]) == ("ok", 0)
    assert not (tmp_path / "jobs" / "bad.json").exists()
    assert counts(tmp_path) == ("0", "0")
    assert exit_code_of(tmp_path) == "0"
    in_the_run = ET.parse(tmp_path / "reports" / "n" / "latest" / "junit.xml").getroot()[0]
    assert [case.get("name") for case in in_the_run.iter("testcase")] == ["the run", "min_test_accuracy"]


def test_a_failed_gate_is_told_by_all_and_no_secret_with_it(cli, job, tmp_path):
    code, out, err = cli("run", job("min_test_accuracy = 1.0"), "--quiet")
    assert (code, out) == (3, "")
    assert "gate failed: test accuracy" in err
    assert "the webhook http://127.0.0.1:1 was not reached within 1 s" in err
    assert told(tmp_path, "bad.json")["status"] == "gate failed"
    assert counts(tmp_path) == ("1", "0")
    assert exit_code_of(tmp_path) == "3"
    written = [path for path in (tmp_path / "reports").rglob("*") if path.is_file()]
    assert not [path for path in written if b"SECRET" in path.read_bytes()]
    assert "SECRET" not in err


def test_json_is_what_the_command_was_told(cli, job, tmp_path):
    code, summary, _ = cli.json("run", job())
    assert code == 0
    assert summary == told(tmp_path, "good.json")


def test_a_run_that_publishes_nothing_is_told(cli, job, tmp_path):
    code, _, err = cli("run", job(directory="nowhere"), "--quiet")
    assert code == 1
    assert "nowhere" in err
    summary = told(tmp_path, "bad.json")
    assert "nowhere" in summary["error"]
    assert summary["run"] is None
    assert counts(tmp_path) == ("0", "1")
    assert exit_code_of(tmp_path) == "1"
    assert "SECRET" not in err


def test_json_of_a_run_that_publishes_nothing(cli, job, tmp_path):
    code, summary, err = cli.json("run", job(directory="nowhere"))
    assert code == summary["exit_code"] == 1
    assert "nowhere" in summary["error"]
    assert "nowhere" in err
    # The hint also tells whom the failure could not be told to.
    assert {**summary, "hint": ""} == {**told(tmp_path, "bad.json"), "hint": ""}


def test_a_good_run_that_could_not_be_told_is_an_error(cli, job, tmp_path):
    path = job()
    path.write_text(path.read_text().replace('"cat > good.json; echo told"', '"echo no mail today; exit 9"'))
    code, out, err = cli("run", path, "--quiet")
    assert (code, out) == (1, "")
    assert "on_success: sh -c" in err
    assert "exit code 9; the end of its output: no mail today" in err
    assert (tmp_path / "reports" / "n" / "latest" / "run.json").exists()
