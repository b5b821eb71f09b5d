"""The verdict: what is said first, by status, gates, age and what has changed since the last run."""

from dataclasses import replace
from datetime import timedelta

import pytest
from report_cases import (
    FASHION,
    GENERATED,
    HOSTILE,
    directory_subset,
    evaluate,
    record,
    sample,
    split_subset,
    view_of,
)

from batchclf.core.compare.result import Comparison, Flip, MetricChange
from batchclf.core.estimate import Interval
from batchclf.core.metrics.intervals import wilson
from batchclf.core.records.history import RunSummary
from batchclf.core.records.run import GateResult

MET = GateResult("accuracy", 0.9, 0.8, True, "Test accuracy 90.00% is at least 80.00%.")
MISSED = GateResult("gap", 0.07, 0.05, False, "The gap of 7.0 points is above 5.0 points.")
JUST_MET, JUST_MISSED = replace(MET, certain=False), replace(MISSED, certain=False)
QUIET = GateResult("same-images", None, None, True, "The images are others than in the last run.", kind="alarm")
ALARM = GateResult(
    "fewer-images", 40, 100, False, "inbox has 40 images, the last run 100.", kind="alarm", subset="inbox"
)
ABSENT = GateResult("ece", None, 0.05, False, "There is no ECE without labels.", missing=True)
WAITING = GateResult(
    "accuracy", None, None, True, "No earlier good run.", missing=True, kind="change", against="last-good"
)
LAST = RunSummary(
    run_id="20260228T020000Z",
    folder="20260228T020000Z",
    started="2026-02-28T03:00:00+01:00",
    seconds=80.0,
    status="ok",
    split="test",
    images=50,
    skipped=0,
    accuracy=wilson(40, 50),
    train_accuracy=None,
    gap=None,
    overfitting=None,
    macro_f1=0.8,
    ece=0.02,
    model_digest="0123456789abcdef" * 4,
    gates=(),
)
UNCHANGED = Comparison(
    first_run=LAST.run_id,
    second_run="20260301T020000Z-ab12",
    split="test",
    images=50,
    labelled=50,
    relabelled=0,
    only_first=0,
    only_second=0,
    both_right=40,
    only_first_right=0,
    only_second_right=0,
    both_wrong=10,
    changed=0,
    p_value=1.0,
    metrics=(MetricChange("accuracy", 0.8, 0.8, 0.0, Interval(0.0, 0.0)),),
    negative_flips=(),
    positive_flips=(),
    other=(),
    sentence="",
)


def moved(difference, low, high, p_value, **changes):
    metric = MetricChange("accuracy", 0.8, 0.8 + difference, difference, Interval(low, high))
    return replace(UNCHANGED, changed=9, metrics=(metric,), p_value=p_value, **changes)


def verdict_of(**others):
    run = record(**others.pop("run", {}))
    return view_of(run, [evaluate(sample(FASHION, 50))], **others).verdict


SKIPPED = "More images were skipped than allowed: 50 of 53 images were scored."


@pytest.mark.parametrize(
    "status, gates, state, headline, words",
    [
        ("ok", [MET], "passed", "Gate passed", "; the rule passed."),
        ("ok", [MET, MET, QUIET], "passed", "Gate passed", "; all 2 rules passed; no alarm was raised."),
        (
            "ok",
            [QUIET, replace(QUIET, certain=False)],
            "uncertain",
            "Not enough evidence",
            "; 1 alarm was not checked; no other alarm was raised. The run counts as passed (exit code 0).",
        ),
        ("ok", [QUIET], "passed", "Gate passed", "; no alarm was raised."),
        ("ok", [], "none", "Scored, no gate set", "no gate is set"),
        ("gate failed", [MET, MISSED], "failed", "Gate failed: 1 rule failed", "50 images."),
        ("gate failed", [MISSED], "failed", "Gate failed: 1 rule failed", "50 images."),
        (
            "gate failed",
            [MET, ALARM],
            "failed",
            "Gate failed: 1 alarm raised",
            "50 images.",
        ),
        (
            "gate failed",
            [MISSED, ALARM, QUIET, MISSED],
            "failed",
            "Gate failed: 1 alarm raised, 2 rules failed",
            "50 images.",
        ),
        ("gate failed", [], "failed", "Gate failed", "the gate failed"),
        ("gate failed", [ABSENT], "failed", "Gate failed: 1 rule not checked", "50 images."),
        (
            "ok",
            [WAITING, QUIET],
            "passed",
            "No earlier good run yet",
            "1 rule not checked: no earlier",
        ),
        ("ok", [MET, WAITING], "passed", "Gate passed", "; 1 of 2 rules passed; 1 rule not checked: no earlier"),
        (
            "ok",
            [JUST_MET],
            "uncertain",
            "Not enough evidence",
            "not enough evidence for the rule. The run counts",
        ),
        ("ok", [JUST_MET], "uncertain", "Not enough evidence", "passed (exit code 0)"),
        ("gate failed", [JUST_MISSED], "uncertain", "Not enough evidence", "counts as failed (exit code 3)"),
        ("gate failed", [MET, JUST_MISSED], "uncertain", "Not enough evidence", "not enough evidence for 1 of 2 rules"),
        ("gate failed", [JUST_MET, MISSED], "failed", "Gate failed: 1 rule failed", "50 images."),
        ("partial", [], "partial", "Partial result", ""),
        ("partial", [JUST_MET], "partial", "Partial result", "not enough evidence for the rule"),
        ("partial", [MISSED], "partial", "Partial result, gate failed: 1 rule failed", "the rule failed"),
    ],
)
def test_verdict_says_status_reason_and_accuracy(status, gates, state, headline, words):
    evaluation = evaluate(sample(FASHION, 50))
    run = record(status=status, gates=gates, subsets=[split_subset("test", 50, skipped=3)])
    view = view_of(run, [evaluation])
    verdict = view.verdict
    assert (verdict.state, verdict.headline) == (state, headline)
    assert view.title.startswith(f"{headline} · ")
    assert words in verdict.reason
    assert f"{evaluation.labelled.accuracy.value:.2%}" in verdict.reason
    assert len(verdict.gates) == len(gates)
    assert verdict.partial == (SKIPPED if status == "partial" else "")


@pytest.mark.parametrize(
    "cut, words",
    [
        ([("test", 4000)], "The deadline passed: 4,000 of 10,000 images of the test split were scored."),
        (
            [("test", 0), ("train", 0)],
            "The deadline passed: the test split was not started and the train split was not started.",
        ),
        ([("inbox", 70)], "The deadline passed: inbox was cut off after 70 images."),
        (
            [(f"d{number}", 0) for number in range(8)],
            f"The deadline passed: {', '.join(f'd{number} was not started' for number in range(5))} and "
            "3 more subsets cut off.",
        ),
    ],
)
def test_what_the_deadline_cut_is_named(cut, words):
    subsets = [
        replace(split_subset(name, scored), complete=False)
        if name in ("test", "train")
        else replace(directory_subset(scored, name=name), complete=False)
        for name, scored in cut
    ]
    verdict = verdict_of(run={"status": "partial", "subsets": subsets})
    assert verdict.partial == words
    assert verdict.headline == "Partial result"
    lossy = [*subsets, replace(split_subset("archive", 5, skipped=2), kind="directory")]
    assert verdict_of(run={"status": "partial", "subsets": lossy}).partial == f"{words} 2 images could not be read."


@pytest.mark.parametrize(
    "gate, state, word, effect",
    [
        (MET, "passed", "Passed", ""),
        (MISSED, "failed", "Failed", ""),
        (JUST_MET, "uncertain", "Not enough evidence", "counts as passed"),
        (JUST_MISSED, "uncertain", "Not enough evidence", "counts as failed"),
        (ALARM, "failed", "Alarm", ""),
        (QUIET, "passed", "No alarm", ""),
        (ABSENT, "missing", "Not checked", "counts as failed"),
        (WAITING, "missing", "Not checked", "counts as passed"),
    ],
)
def test_each_rule_and_alarm_says_how_it_went(gate, state, word, effect):
    (line,) = verdict_of(run={"gates": [gate]}).gates
    assert (line.state, line.word, line.effect, line.sentence) == (state, word, effect, gate.sentence)


def test_a_line_of_the_gate_says_what_it_is_about():
    subsets = [split_subset("test", 50), directory_subset(5, name="inbox")]
    each = replace(MISSED, name="recall[test, *] against baseline", class_name="*", subset="test", against="baseline")
    one = replace(each, name="recall[test, Coat] against last-good", class_name="Coat", against="last-good")
    run = record(status="gate failed", subsets=subsets, gates=[each, one, ALARM])
    view = view_of(run, [evaluate(sample(FASHION, 50))])
    assert view.gate is None  # all of them stand in the verdict
    alarm, first, second = view.verdict.gates
    assert (alarm.kind, alarm.name, alarm.place, alarm.group) == ("alarm", "fewer-images", "inbox", "")
    assert (first.kind, first.name, first.place, first.group) == ("rule", "recall", "test split", "each class")
    assert (first.against, second.against) == ("baseline", "the last good run")
    assert second.group == "class Coat"


def test_of_several_subsets_the_change_names_its_own():
    subsets = [split_subset("test", 50), directory_subset(5, name="inbox")]
    change = verdict_of(history=(LAST,), change=UNCHANGED, run={"subsets": subsets}).change
    assert change.sentence.startswith("Test split: same model, same images, same predictions as in the run of")


def test_of_many_rules_those_that_did_not_pass_are_in_the_verdict():
    gates = [MET] * 20 + [JUST_MET, WAITING, MISSED, ALARM] + [QUIET] * 6
    view = view_of(record(status="gate failed", gates=gates), [evaluate(sample(FASHION, 50))])
    assert [line.word for line in view.verdict.gates] == ["Alarm", "Failed", "Not checked", "Not enough evidence"]
    assert view.verdict.more_gates == view.gate.sentence
    assert [line.word for line in view.gate.lines] == [line.word for line in view.verdict.gates]
    assert [line.word for line in view.gate.folded] == ["Passed"] * 20 + ["No alarm"] * 6
    assert view.gate.sentence == ("23 rules: 1 failed, 1 not checked, 1 uncertain, 20 passed. 7 alarms: 1 raised.")


def test_a_rule_for_each_of_a_thousand_classes_is_cut():
    gates = [replace(MISSED, class_name=f"c{i}") for i in range(600)] + [replace(MET, class_name="x")] * 400
    view = view_of(record(status="gate failed", gates=gates), [evaluate(sample(FASHION, 50))])
    assert (len(view.gate.lines), len(view.gate.folded)) == (200, 200)
    assert view.gate.left_out == "600 further results: all of them are in run.json"
    assert len(view.verdict.gates) == 8


def test_the_run_date_is_shown_where_it_is_not_the_date():
    assert verdict_of(run={"run_date": "2026-03-01"}).when == "Run of Sun 2026-03-01 03:00 UTC+01:00, took 1 min 23 s"
    assert verdict_of(run={"run_date": "2026-02-28"}).when.startswith("Run of 2026-02-28, started Sun 2026-03-01 03:00")


def test_old_numbers_are_distinguished_from_fresh_ones():
    assert verdict_of().old == ""
    late = verdict_of(generated=GENERATED + timedelta(days=3))
    assert late.old == "3 days"
    assert "2026-03-01 03:00 UTC+01:00" in late.when


def test_the_first_run_of_a_job_has_nothing_to_be_compared_with():
    assert "First run of this job" in verdict_of().change.sentence
    assert verdict_of(run={"job": None}).change is None


@pytest.mark.parametrize(
    "change, direction, words",
    [
        (moved(0.004, -0.002, 0.01, 0.21), "better", "0.4 points better than"),
        (moved(0.004, -0.002, 0.01, 0.21), "better", "(95% interval −0.2 to +1.0, McNemar's test p = 0.2100)"),
        (moved(0.004, -0.002, 0.01, 0.21), "better", "can be chance"),
        (moved(-0.05, -0.07, -0.03, 0.0001), "worse", "5.0 points worse than"),
        (moved(-0.05, -0.07, -0.03, 0.0001), "worse", "p = 0.0001): beyond chance"),
        (moved(0.0, -0.01, 0.01, 1.0, only_first_right=3, only_second_right=3), "same", "6 images flipped"),
        (moved(0.1, 0.02, 0.2, 0.02, only_second=7, labelled=40), "better", "on the 40 images in both"),
        (moved(0.1, 0.02, 0.2, None), "unknown", "9 predictions differ"),
    ],
)
def test_a_change_says_how_much_and_whether_it_can_be_chance(change, direction, words):
    shown = verdict_of(history=(LAST,), change=change).change
    assert shown.direction == direction
    assert words in shown.sentence
    assert "the run of Sat 2026-02-28 03:00 UTC+01:00" in shown.sentence


def test_nothing_changed_is_said_plainly():
    same = verdict_of(history=(LAST,), change=UNCHANGED).change
    assert same.sentence.startswith("Same model, same images, same predictions as in the run of Sat 2026-02-28")
    other = verdict_of(history=(replace(LAST, model_digest="f" * 64),), change=UNCHANGED).change
    assert other.sentence.startswith("Different model, same predictions")


def test_runs_that_cannot_be_compared_are_still_named():
    change = verdict_of(history=(LAST,)).change
    assert change.sentence.startswith("Not comparable image by image with the run of Sat 2026-02-28")
    assert "80.00% accuracy" in change.sentence


def test_hostile_run_names_cannot_forge_the_sentence():
    flip = Flip(HOSTILE[0], None, HOSTILE[1], 0.5, HOSTILE[2], 0.5)
    change = replace(UNCHANGED, first_run="\u202e\n<b>", changed=1, p_value=None, other=(flip,))
    assert r"run \u202e\n<b>" in verdict_of(change=change).change.sentence
