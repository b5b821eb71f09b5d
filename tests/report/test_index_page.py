"""The index of all runs as a page: from histories to HTML, and in a browser."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from browser_checks import check_in_browser
from report_cases import HOSTILE, read

from batchclf.core.estimate import Estimate, Interval
from batchclf.core.records.history import FailedRun, JobHistory, RunSummary, UnreadRun
from batchclf.core.records.run import GateResult, run_state
from batchclf.core.text import percent
from batchclf.report.charts.trends import trend
from batchclf.report.pages.index import index_view
from batchclf.report.pages.render import render_index
from batchclf.report.sections.run_point import RunPoint
from batchclf.report.sections.verdict import verdict_view

BEGIN = datetime(2026, 3, 1, 2, 30, tzinfo=UTC)
GENERATED = BEGIN + timedelta(days=40)


def estimate(value):
    return Estimate(value, Interval(value - 0.01, value + 0.01), 500)


def summary(day=0, *, value=0.9, **changes):
    started = BEGIN + timedelta(days=day)
    values = {
        "run_id": f"{started:%Y%m%dT%H%M%SZ}",
        "folder": f"{started:%Y%m%dT%H%M%SZ}",
        "started": started.isoformat(),
        "seconds": 12.0,
        "status": "ok",
        "split": "test",
        "images": 500,
        "skipped": 0,
        "accuracy": estimate(value),
        "train_accuracy": estimate(value + 0.03),
        "gap": estimate(0.03),
        "overfitting": "mild",
        "macro_f1": 0.9,
        "ece": 0.02,
        "model_digest": "ab" * 32,
        "gates": (gate(),),
        "sources": ("photos",),
        "files": ("report.html", "predictions.csv", "metrics.json"),
        "job": "nightly",
        "run_date": f"{started:%Y-%m-%d}",
    }
    return RunSummary(**(values | changes))


def gate(passed=True, certain=True):
    return GateResult("min_test_accuracy", 0.9, 0.8, passed, f"the gate is {passed}", certain)


def page_of(*jobs):
    return read(render_index(index_view(jobs, generated=GENERATED)))


def history(name="nightly", runs=(), failed=(), unread=()):
    return JobHistory(name, tuple(runs), tuple(failed), tuple(unread))


@pytest.mark.parametrize(
    "changes, state",
    [
        ({}, "passed"),
        ({"gates": ()}, "none"),
        ({"gates": (gate(False),), "status": "gate failed"}, "failed"),
        ({"gates": (gate(False, False),), "status": "gate failed"}, "uncertain"),
        ({"gates": (gate(certain=False),)}, "uncertain"),
        ({"status": "partial"}, "partial"),
    ],
)
def test_the_state_is_that_of_the_report(changes, state):
    from report_cases import both_splits, record

    from batchclf.core.records.findings import Findings

    run = summary(**changes)
    assert run_state(run.status, run.gates) == state
    _, evaluations, gap = both_splits(n=60)
    of_report = record(gates=list(run.gates), status=run.status)
    assert verdict_view(Findings(of_report, tuple(evaluations), gap), GENERATED).state == state


def test_newest_first_and_failed_runs_between():
    runs = [summary(day, value=0.9 - day / 100) for day in range(3)]
    failed = FailedRun("20260302T120000Z", "failed-20260302T120000Z.log.jsonl", "2026-03-02T12:00:00+00:00", "no disk")
    page = page_of(history(runs=runs, failed=[failed], unread=[UnreadRun("20260228T023000Z", "run.json is damaged")]))
    rows = page.tables["runs"][1:]
    assert [row[0] for row in rows] == [
        "Gate passed last good run",
        "Run failed",
        "Gate passed",
        "Gate passed",
        "Unreadable",
    ]
    assert [row[2].split()[0] for row in rows] == ["88.00%", "no", "89.00%", "90.00%", "run.json"]
    assert "All last runs are good" in page.text
    assert "38 days before this page" in page.text


def test_what_needs_a_look_is_shown():
    alarm = replace(gate(False), kind="alarm", sentence="inbox has 40 images, the last run 200")
    absent = replace(gate(), passed=False, missing=True, sentence="there is no baseline")
    waiting = replace(gate(), missing=True, sentence="there is no earlier good run")
    runs = [
        summary(0, gates=(waiting,)),
        summary(1, gates=(gate(certain=False),)),
        summary(2, gates=(gate(False, False),), status="gate failed"),
        summary(3, status="partial", gates=(gate(False),)),
        summary(4, status="gate failed", gates=(gate(False), alarm, absent, gate())),
    ]
    page = page_of(history(runs=runs))
    states = [row[0] for row in page.tables["runs"][1:]][::-1]
    assert states == [
        "No earlier good run yet",
        "Not enough evidence last good run",
        "Not enough evidence",
        "Partial result, gate failed: 1 rule failed",
        "Gate failed: 1 alarm raised, 1 rule failed, 1 rule not checked",
    ]
    messages = [row[6] for row in page.tables["runs"][1:]][::-1]
    assert "there is no earlier good run" in messages[0]
    assert messages[4].endswith("inbox has 40 images, the last run 200; the gate is False; there is no baseline")
    assert "1 of 1 job needs attention" in page.text
    view = index_view([history(runs=runs)], generated=GENERATED)
    assert [row.bad for row in view.jobs[0].rows] == [True, True, True, False, False]
    assert [point.marked for point in view.jobs[0].accuracy] == [False, False, True, True, True]


def test_removed_runs_have_no_link_and_other_run_dates_are_shown():
    runs = [summary(0, files=()), replace(summary(1), run_date="2026-03-01"), replace(summary(2), run_date="")]
    page = page_of(history(runs=runs))
    rows = page.tables["runs"][1:]
    assert ["files removed" in row[6] for row in rows] == [False, False, True]
    assert ["run date 2026-03-01" in row[1] for row in rows] == [False, True, False]
    assert not [link for link in page.having("a") if runs[0].folder in link["href"]]


def test_runs_of_score_have_no_last_good_one():
    assert "last good" not in page_of(history("score", [summary(0, job=None)])).text


def test_a_new_model_is_marked():
    runs = [summary(0), summary(1, model_digest="cd" * 32), summary(2, model_digest="cd" * 32)]
    rows = page_of(history(runs=runs)).tables["runs"][1:]
    assert ["new model" in row[5] for row in rows] == [False, True, False]


def test_times_with_any_offset_are_in_order():
    first = summary(0, started="2026-03-01T23:30:00-05:00", folder="a")
    second = summary(0, started="2026-03-02T05:00:00+00:00", folder="b")
    page = page_of(history(runs=[first, second]))
    assert page.html.index(">b</bdi>") < page.html.index(">a</bdi>")


def test_one_run_has_no_trend_and_no_gap_no_figure():
    assert page_of(history(runs=[summary()])).having("title")[1:] == []
    runs = [summary(day, gap=None) for day in range(3)]
    assert [t for t in re.findall(r"<title id[^>]*>([^<]*)<", page_of(history(runs=runs)).html)] == ["Accuracy"]


def test_trend_describes_what_it_shows():
    runs = [RunPoint(BEGIN, f"2026-03-0{i + 1}", estimate(0.8 + i / 100), i == 2) for i in range(4)]
    svg = trend("x", "Accuracy <b>", runs, percent)
    assert "<b>" not in svg
    assert "4 runs: first 80.00% on 2026-03-01, last 83.00% on 2026-03-04, lowest 80.00%" in svg
    assert "Not good: 1." in svg
    assert svg.count("<use ") == 4
    assert "&#9;Sun 2026-03-01 02:30 UTC, run date 2026-03-03&#9;82.00% (81.00% to 83.00%)&#9;not good&#10;" in svg


def test_each_run_is_one_step_whenever_it_was():
    hours = [0, 1, 2, 24 * 30]
    runs = [RunPoint(BEGIN + timedelta(hours=each), "", estimate(0.8)) for each in hours]
    steps = {float(x) for x in re.findall(r'<use href="[^"]*" x="([\d.]+)"', trend("x", "Accuracy", runs, percent))}
    assert len({round(b - a) for a, b in pairwise(sorted(steps))}) == 1


@pytest.mark.parametrize("value", [0.0, 1.0, 0.5])
def test_trend_of_values_that_do_not_move(value):
    runs = [RunPoint(BEGIN, "2026-03-01", Estimate(value, Interval(value, value), 1))] * 2
    assert "nan" not in trend("x", "Accuracy", runs, percent)


def hostile():
    jobs = []
    for name in HOSTILE:
        failed = FailedRun(name, f"failed-{name}.log.jsonl", "", name)
        jobs.append(history(name, [summary(0, folder=name, sources=(name,))], [failed], [UnreadRun(name, name)]))
    return jobs


def test_hostile_names_are_only_text():
    page = page_of(*hostile())
    assert "<script>alert" not in page.html
    assert HOSTILE[0] in page.text
    for link in page.having("a"):
        assert re.fullmatch(r"[#\w.~/%-]*", link["href"])


PAGES = {
    "none": [],
    "usual": [
        history(runs=[summary(n, gates=(gate(n != 5),), status="ok" if n != 5 else "gate failed") for n in range(30)]),
        history("broken", failed=[FailedRun("x", "failed-x.log.jsonl", BEGIN.isoformat(), "DataError: gone")]),
        history("score", [summary(n, job=None, gates=(), gap=None, accuracy=None) for n in range(3)]),
    ],
    "hostile": hostile(),
}


@pytest.mark.parametrize("name", PAGES)
def test_in_a_browser(name, browser, tmp_path):
    file = tmp_path / "index.html"
    file.write_text(render_index(index_view(PAGES[name], generated=GENERATED)), "utf-8")
    check_in_browser(browser, file)
