"""The runs in a reports folder: in order, and tolerant of what is broken."""

import json

import pytest
from run_cases import NAMES, drawn, missed_gate, write_run, write_runs

from batchclf.jobs.history.runs import all_histories, earlier_runs, job_history
from batchclf.storage.run.metrics import read_metrics


@pytest.fixture
def job(tmp_path):
    folder = tmp_path / "reports" / "nightly"
    return folder, write_runs(folder, 4)


def test_runs_come_oldest_first_with_the_numbers_of_their_files(job):
    folder, ids = job
    (folder / "latest").symlink_to(ids[-1])
    runs = earlier_runs(folder, None)
    assert [run.run_id for run in runs] == [run.folder for run in runs] == ids
    metrics, run = read_metrics(folder / ids[1]), runs[1]
    accuracy, gap = metrics["splits"]["test"]["accuracy"], metrics["gap"]["gap"]
    assert (run.accuracy.value, run.accuracy.interval.low, run.accuracy.n) == (accuracy["value"], accuracy["low"], 60)
    assert (run.gap.value, run.gap.interval.high) == (gap["value"], gap["high"])
    assert run.train_accuracy.value == metrics["splits"]["train"]["accuracy"]["value"]
    assert run.macro_f1 == metrics["splits"]["test"]["macro_f1"]["value"]
    assert run.ece == metrics["splits"]["test"]["ece"]
    assert (run.split, run.images, run.skipped, run.status, run.overfitting) == (
        "test",
        60,
        0,
        "ok",
        metrics["gap"]["overfitting"],
    )
    assert "predictions.csv" in run.files


def test_only_runs_before_the_named_one(job):
    folder, ids = job
    assert [run.folder for run in earlier_runs(folder, ids[2])] == ids[:2]
    assert [run.folder for run in earlier_runs(folder, ids[0])] == []
    # CurrentRun's run, which is not published yet.
    assert [run.folder for run in earlier_runs(folder, "20270101T023000Z")] == ids
    assert earlier_runs(folder / "nowhere", None) == ()


def test_what_is_broken_costs_its_own_entry_only(job):
    folder, ids = job
    (folder / ids[0] / "run.json").write_text("{")
    record = json.loads((folder / ids[1] / "run.json").read_text())
    (folder / ids[1] / "run.json").write_text(json.dumps({**record, "format": 99}))
    (folder / ids[2] / "metrics.json").write_text("[1, 2")
    (folder / "model").mkdir()
    (folder / ".hidden.partial").mkdir()
    (folder / "notes.txt").write_text("mine")
    found = job_history(folder)
    assert [run.folder for run in found.runs] == ids[2:]
    assert (found.runs[0].accuracy, found.runs[0].gap, found.runs[0].images) == (None, None, 60)
    assert [each.folder for each in found.unread] == ids[:2]
    assert "cannot be read" in found.unread[0].reason
    assert "has format 99; this batchclf reads formats 1 and 2" in found.unread[1].reason
    assert len(earlier_runs(folder, None)) == 2


def test_metrics_of_the_first_format_are_read(job):
    folder, ids = job
    path = folder / ids[0] / "metrics.json"
    metrics = json.loads(path.read_text())
    metrics["format"] = 1
    for split in metrics["splits"].values():
        split["macro_f1"] = split["macro_f1"]["value"]
        del split["accuracy"]["baseline"], split["ece"]
    path.write_text(json.dumps(metrics))
    run = earlier_runs(folder, None)[0]
    assert run.macro_f1 == metrics["splits"]["test"]["macro_f1"]
    assert run.accuracy is not None
    assert run.ece is None


def test_failed_runs_are_told_by_their_logs(job):
    folder, _ = job
    lines = [
        {"time": "2026-03-02T02:30:00.000+00:00", "level": "info", "message": "began"},
        {
            "time": "2026-03-02T02:30:05.000+00:00",
            "level": "error",
            "message": "Traceback\n  File\nValueError: no disk",
        },
    ]
    text = "\n".join(map(json.dumps, lines)) + "\n"
    (folder / "failed-20260302T023000Z.log.jsonl").write_text(text)
    (folder / "failed-killed.log.jsonl").write_text('{"time": "2026-03-03T02:')
    found = job_history(folder).failed
    assert [each.run_id for each in found] == ["killed", "20260302T023000Z"]
    assert found[1].message == "ValueError: no disk"
    assert found[1].started == "2026-03-02T02:30:00.000+00:00"
    assert (found[0].message, found[0].started) == ("", "")


def test_long_logs_are_read_at_their_end(job):
    folder, _ = job
    line = json.dumps({"time": "2026-03-02T02:30:00+00:00", "level": "warning", "message": "x" * 500}) + "\n"
    error = json.dumps({"time": "2026-03-02T02:31:00+00:00", "level": "error", "message": "the end"}) + "\n"
    (folder / "failed-long.log.jsonl").write_text(line * 1_000 + error)
    assert job_history(folder).failed[0].message == "the end"


def test_all_jobs_and_the_runs_of_score(tmp_path):
    reports = tmp_path / "reports"
    write_runs(reports / "b", 1)
    write_runs(reports / "a", 1, gates=[missed_gate()], status="gate failed")
    rows = drawn(NAMES, 20, seed=1, skill=0.5, split="")
    write_run(reports / "score" / "one", rows, kind="directory", source="/srv/photos", job=None, dataset=None)
    (reports / "cache").mkdir()
    (reports / "README.md").write_text("x")
    found = all_histories(reports)
    assert [job.name for job in found] == ["a", "b", "score"]
    assert found[0].runs[0].gates == (missed_gate(),)
    assert (found[2].runs[0].sources, found[2].runs[0].split, found[2].runs[0].job) == (("/srv/photos",), "", None)
    assert all_histories(tmp_path / "nowhere") == ()
