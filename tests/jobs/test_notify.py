"""Who is notified of a run, of what, and what one that fails does to the others."""

import json
import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from notify_cases import (
    DOUBTED,
    DOUBTFUL,
    FAILED,
    FIRST,
    NEGATIVE,
    PASSED,
    Notifying,
    documented,
    published_run,
    response,
    script,
    serving,
    unpublished_run,
)

from batchclf.jobs.notify.summary import outcome_summary
from batchclf.storage.exports.junit import THE_RUN

junitparser = pytest.importorskip("junitparser")
parser = pytest.importorskip("prometheus_client.parser")


def gauges(path):
    """The samples of a .prom file: values by name and labels."""
    families = parser.text_string_to_metric_families(Path(path).read_text())
    return {
        (sample.name.removeprefix("batchclf_"), *(v for k, v in sample.labels.items() if k != "batchclf_job")): (
            sample.value
        )
        for family in families
        for sample in family.samples
    }


def test_gauges_of_a_good_run(good, tmp_path):
    path = tmp_path / "nightly.prom"
    assert Notifying(tmp_path, prometheus=path)(good) == []
    found, metrics = gauges(path), json.loads((good.folder / "metrics.json").read_text())
    ended = good.started.timestamp() + 12.5
    assert found["last_run_timestamp_seconds",] == found["last_success_timestamp_seconds",] == ended
    assert found["last_run_exit_code",] == 0
    assert found["last_run_duration_seconds",] == 12.5
    for split in ("test", "train"):
        of = metrics["splits"][split]
        assert found["images_scored", split] == found["images_found", split] == 40
        assert found["images_skipped", split] == found["images_excluded", split] == 0
        assert found["subset_complete", split] == 1
        assert found["accuracy", split] == of["accuracy"]["value"]
        assert found["macro_f1", split] == of["macro_f1"]["value"]
        assert found["ece", split] == of["ece"]
    assert found["gap",] == metrics["gap"]["gap"]["value"]
    assert found["gate_passed", "min_test_accuracy"] == found["gate_certain", "min_test_accuracy"] == 1
    assert 'batchclf_job="nightly"' in path.read_text()


def test_the_page_lists_the_gauges(good, tmp_path):
    path = tmp_path / "nightly.prom"
    Notifying(tmp_path, prometheus=path)(good)
    text, names = documented("Prometheus")
    assert names == [family.name for family in parser.text_string_to_metric_families(path.read_text())]
    (rules,) = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    assert set(re.findall(r"batchclf_\w+", rules)) - {"batchclf_job"} <= set(names)


def test_gauges_of_gates(tmp_path):
    gates = [PASSED, FAILED, DOUBTFUL, DOUBTED, replace(FIRST, subset="test"), NEGATIVE, replace(PASSED, passed=False)]
    path = tmp_path / "nightly.prom"
    assert Notifying(tmp_path, prometheus=path)(published_run(tmp_path / "r", gates=gates, status="gate failed")) == []
    found = gauges(path)
    assert found["gate_passed", FAILED.name, "test", "cat"] == 0
    assert (found["gate_passed", "macro_f1[test]", "test"], found["gate_certain", "macro_f1[test]", "test"]) == (1, 0)
    assert (found["gate_passed", "gap"], found["gate_certain", "gap"]) == (0, 0)
    assert (found["gate_passed", FIRST.name, "test"], found["gate_passed", NEGATIVE.name]) == (1, 0)
    # Two rules of one name: the one that failed must not go unseen.
    assert found["gate_passed", "min_test_accuracy"] == 0
    assert found["last_run_exit_code",] == 3
    assert ("last_success_timestamp_seconds",) not in found


def test_the_last_success_stays_over_bad_runs(good, bad, tmp_path):
    path = tmp_path / "nightly.prom"
    tell = Notifying(tmp_path, prometheus=path)
    assert tell(good) == []
    success = gauges(path)["last_success_timestamp_seconds",]
    for outcome in (unpublished_run(1), bad, unpublished_run(130), unpublished_run(75)):
        assert tell(outcome) == []
        found = gauges(path)
        assert found["last_success_timestamp_seconds",] == success
        assert found["last_run_exit_code",] == outcome.exit_code
    assert ("accuracy", "test") not in found
    path.unlink()
    assert tell(bad, last_good=good.folder) == []
    assert gauges(path)["last_success_timestamp_seconds",] == success
    path.unlink()
    assert tell(bad, last_good=tmp_path / "none") == []
    assert ("last_success_timestamp_seconds",) not in gauges(path)


def test_two_jobs_share_a_folder(good, tmp_path):
    other = replace(good, job="other", record=replace(good.record, job="other"))
    Notifying(tmp_path, prometheus=tmp_path / "a.prom")(good)
    Notifying(tmp_path, prometheus=tmp_path / "b.prom")(other)
    both = (tmp_path / "a.prom").read_text() + (tmp_path / "b.prom").read_text()
    series = [line.rsplit(" ", 1)[0] for line in both.splitlines() if not line.startswith("#")]
    assert len(set(series)) == len(series)


def test_a_prometheus_file_that_nobody_would_read(good, tmp_path):
    (error,) = Notifying(tmp_path, prometheus=tmp_path / "nightly.txt")(good)
    assert "does not end in .prom" in error.message
    assert error.hint == "write for example nightly.prom"
    (error,) = Notifying(tmp_path, prometheus=tmp_path / "none" / "nightly.prom")(good)
    assert "there is no folder" in error.message


def test_junit_of_every_run(bad, tmp_path):
    path = tmp_path / "results" / "nightly.xml"
    tell = Notifying(tmp_path, junit=path)
    assert tell(bad) == []
    (suite,) = junitparser.JUnitXml.fromfile(str(path))
    assert (suite.name, suite.tests, suite.failures) == ("nightly 2026-03-01", 3, 1)
    assert {each.name: each.value for each in suite.properties()}["report"] == str(bad.folder / "report.html")
    assert tell(unpublished_run(75)) == []
    (suite,) = junitparser.JUnitXml.fromfile(str(path))
    ((case,), errors) = list(suite), suite.errors
    assert (case.name, case.result[0].message, errors) == (THE_RUN, "already running: the disk is full", 1)


def test_the_webhook_is_told_of_failures_and_on_request_of_all(good, bad, tmp_path):
    with serving(response(200)) as server:
        tell = Notifying(tmp_path, webhook=server.address("/SECRET"))
        assert tell(good) == []
        assert server.requests == []
        assert tell(bad) == []
        good = replace(good, started=bad.started + timedelta(days=1))
        assert Notifying(tmp_path, webhook=server.address(), webhook_on="always")(good) == []
    bodies = [json.loads(body) for _, _, body in server.requests]
    assert bodies == [outcome_summary(bad), outcome_summary(good)]
    keys = {headers["idempotency-key"] for _, headers, _ in server.requests}
    assert len(keys) == 2
    assert tell.lines == [f"notified http://127.0.0.1:{server.port} (response 200)"]


def test_one_that_fails_does_not_keep_the_others_from_being_told(bad, tmp_path, monkeypatch):
    run = script(tmp_path / "tell.sh", "touch told")
    with serving(response(200)) as server:
        files = {"prometheus": tmp_path / "b.txt", "junit": bad.folder / "run.json" / "j.xml"}
        tell = Notifying(tmp_path, on_failure=[run], webhook=server.address(), **files)
        errors = tell(bad)
    assert (tmp_path / "told").exists()
    assert len(server.requests) == 1
    assert ["prometheus" in errors[0].message, "junit" in errors[1].message] == [True, True]
    assert len(errors) == 2
    assert all(error.exit_code == 1 and error.hint for error in errors)

    monkeypatch.setattr("batchclf.jobs.notify.send.run_command", lambda *_: 1 / 0)
    tell = Notifying(tmp_path, junit=tmp_path / "j.xml", on_failure=["true"])
    (error,) = tell(bad)
    assert "unexpected ZeroDivisionError" in error.message
    assert (tmp_path / "j.xml").exists()


def test_nobody_to_tell(good, tmp_path):
    assert Notifying(tmp_path)(good) == []
