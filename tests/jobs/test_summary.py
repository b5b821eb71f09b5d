"""A run in one JSON object, and what a person reads of it on standard error."""

import json
from dataclasses import replace

import pytest
from notify_cases import (
    DOUBTED,
    DOUBTFUL,
    FAILED,
    FIRST,
    NEGATIVE,
    PASSED,
    documented,
    published_run,
    unpublished_run,
)
from run_cases import NAMES, rows_of, write_run

from batchclf.cli.console import Console
from batchclf.cli.summary import say_trouble
from batchclf.core.records.run import SubsetRecord
from batchclf.jobs.notify.summary import outcome_summary, published_outcome, summary_schema

jsonschema = pytest.importorskip("jsonschema")


def checked(outcome):
    """The summary, valid by the schema in the repository, and JSON by the strictest reading."""
    summary = outcome_summary(outcome)
    jsonschema.Draft202012Validator(summary_schema()).validate(summary)
    assert json.loads(json.dumps(summary, allow_nan=False, ensure_ascii=False).encode()) == summary
    return summary


def test_schema_in_the_repository_is_that_of_the_types(repo_root):
    hint = "make it again: python -m batchclf.jobs.notify.summary > docs/summary.schema.json"
    assert json.loads((repo_root / "docs" / "summary.schema.json").read_text()) == summary_schema(), hint


def test_the_page_lists_its_keys(good):
    text, keys = documented("The summary")
    assert keys == list(outcome_summary(good))
    gate = outcome_summary(good)["gates"][0]
    assert all(f"`{key}`" in text for key in gate)


def test_a_good_run_in_one_object(good):
    summary = checked(good)
    metrics = json.loads((good.folder / "metrics.json").read_text())
    assert summary["format"] == 2
    assert (summary["job"], summary["run_date"]) == ("nightly", "2026-03-01")
    assert (summary["status"], summary["exit_code"], summary["error"], summary["message"]) == ("ok", 0, None, "")
    assert summary["run"] == str(good.folder)
    assert summary["report"] == str(good.folder / "report.html")
    assert summary["metrics"] == metrics
    accuracy = {key: metrics["splits"]["test"]["accuracy"][key] for key in ("value", "low", "high")}
    assert summary["headline"]["test"]["accuracy"] == accuracy
    assert summary["headline"]["train"]["ece"] == metrics["splits"]["train"]["ece"]
    assert summary["gap"] == metrics["gap"]["gap"]
    assert summary["subsets"]["test"] == {"found": 40, "scored": 40, "skipped": 0, "excluded": 0, "complete": True}
    assert summary["files"].keys() == {path.name for path in good.folder.iterdir()}
    assert summary["gates"] == [
        {
            "name": "min_test_accuracy",
            "kind": "bound",
            "subset": "",
            "class": "",
            "against": "",
            "value": 0.9,
            "bound": 0.8,
            "outcome": "passed",
            "passed": True,
            "sentence": PASSED.sentence,
            "because": "",
        }
    ]
    assert summary["text"].startswith("nightly, run date 2026-03-01: ok: test accuracy ")


def test_a_failed_gate_is_told_in_words(bad):
    summary = checked(bad)
    assert (summary["status"], summary["exit_code"]) == ("gate failed", 3)
    assert summary["message"] == f"gate failed: {FAILED.sentence}"
    assert summary["error"] is None
    assert "report.html" in summary["hint"]
    assert summary["text"] == f"nightly, run date 2026-03-01: gate failed: {FAILED.sentence}"


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (1, "error"),
        (2, "error"),
        (4, "deadline"),
        (5, "nothing to score"),
        (75, "already running"),
        (130, "interrupted"),
    ],
)
def test_a_run_that_published_nothing(code, status):
    summary = checked(unpublished_run(code))
    assert (summary["status"], summary["exit_code"]) == (status, code)
    assert summary["error"] == summary["message"] == "the disk is full"
    assert summary["hint"] == "make room"
    assert (summary["run"], summary["report"], summary["metrics"], summary["gap"]) == (None,) * 4
    assert summary["subsets"] == summary["files"] == summary["headline"] == {}
    assert summary["text"] == f"nightly, run date 2026-03-01: {status}: the disk is full"


def test_a_directory_goes_by_its_path_and_a_run_without_a_job_has_none(tmp_path):
    rows = rows_of(NAMES, [None, None], [0, 1], split="")
    record = write_run(tmp_path / "d", rows, kind="directory", source="/srv/photos", job=None)
    summary = checked(published_outcome(record, tmp_path / "d"))
    assert (summary["job"], summary["run_date"]) == (None, None)
    assert summary["subsets"].keys() == summary["headline"].keys() == {"/srv/photos"}
    assert summary["headline"]["/srv/photos"]["accuracy"] is None
    assert summary["text"] == "score: ok"


def test_names_from_outside_call_nobody_and_every_number_is_one(tmp_path):
    gates = [replace(FAILED, sentence="<!channel> @here `x` \u202e\udcff", value=float("nan"), bound=float("inf"))]
    summary = checked(published_run(tmp_path / "r", gates=gates, status="gate failed"))
    assert summary["text"].endswith(r"\x3c!channel\x3e \x40here \x60x\x60 \u202e\udcff")
    assert (summary["gates"][0]["value"], summary["gates"][0]["bound"]) == (None, None)


def test_a_thousand_failed_rules_are_a_short_message(tmp_path):
    gates = [replace(FAILED, class_name=f"c{i}", sentence=f"c{i} is bad") for i in range(1000)]
    summary = checked(published_run(tmp_path / "r", gates=gates, status="gate failed"))
    assert summary["message"] == "gate failed: c0 is bad; c1 is bad; c2 is bad; 997 more rules"
    assert len(summary["gates"]) == 1000


def test_a_run_whose_metrics_are_gone_is_told_all_the_same(good):
    (good.folder / "metrics.json").write_text("{")
    assert checked(good)["metrics"] is None


def told(outcome, capsys):
    with Console(quiet=True) as console:
        say_trouble(outcome.record, outcome.folder, console)
    captured = capsys.readouterr()
    assert captured.out == ""
    return captured.err.splitlines()


def test_a_good_run_says_nothing(tmp_path, capsys):
    assert told(published_run(tmp_path / "r", gates=[PASSED, DOUBTFUL], skipped=[("a.png", "damaged")]), capsys) == []


def test_failed_rules_are_told_line_by_line_with_where_to_look(tmp_path, capsys):
    outcome = published_run(tmp_path / "r", gates=[FAILED, PASSED, DOUBTED, NEGATIVE], status="gate failed")
    assert told(outcome, capsys) == [
        f"batchclf: error: gate failed: {FAILED.sentence}",
        f"batchclf: error: gate failed: not enough evidence: {DOUBTED.sentence}",
        f"batchclf: error: gate failed: {NEGATIVE.sentence}",
        f"  hint: read {outcome.folder / 'report.html'}",
    ]


def test_a_missing_reference_is_never_silent(tmp_path, capsys):
    lines = told(published_run(tmp_path / "r", gates=[FIRST, PASSED, replace(FIRST, class_name="cat")]), capsys)
    assert lines == [f"batchclf: warning: {FIRST.sentence} (and 1 more rule)"]


def test_many_failed_rules_do_not_fill_the_mail(tmp_path, capsys):
    outcome = published_run(tmp_path / "r", gates=[FAILED] * 1000, status="gate failed")
    lines = told(outcome, capsys)
    assert len(lines) == 22
    assert lines[-2] == "batchclf: error: gate failed: 980 more rules"


def test_skipped_images_over_the_budget(tmp_path, capsys):
    outcome = published_run(tmp_path / "r", skipped=[("a.png", "damaged")] * 2, status="partial")
    subsets = [replace(subset, over_budget=subset.skipped > 0) for subset in outcome.record.subsets]
    outcome = replace(outcome, record=replace(outcome.record, subsets=subsets))
    assert told(outcome, capsys) == [
        "batchclf: error: partial: 2 of 42 images of the test split were skipped, more than the budget allows",
        f"  hint: see why in {outcome.folder / 'skipped.csv'}",
    ]


def test_a_deadline_is_told_for_each_target_whatever_the_status(tmp_path, capsys):
    outcome = published_run(tmp_path / "r", gates=[FAILED], status="gate failed")
    subsets = [
        SubsetRecord("incoming", "directory", "/srv/in", "folders", 12, 10, 2, 0, 1.0, complete=False),
        SubsetRecord("later", "directory", "/srv/later", "folders", 0, 0, 0, 0, 1.0, complete=False),
        SubsetRecord("test", "split", "digits", "set", 40, 40, 0, 0, 1.0),
    ]
    lines = told(replace(outcome, record=replace(outcome.record, subsets=subsets)), capsys)
    assert lines[2] == (
        "batchclf: error: partial: the deadline passed: of incoming only the first 12 images were scored"
    )
    assert lines[3] == "batchclf: error: partial: the deadline passed: no image of later was scored"
    assert len(lines) == 5
