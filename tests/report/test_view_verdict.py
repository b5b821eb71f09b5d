"""The verdict: what is said first, by status, gates, age and what has changed since the last run."""

from dataclasses import replace
from datetime import timedelta

import pytest
from report_cases import FASHION, GENERATED, HOSTILE, evaluate, record, sample, split_target, view_of

from batchclf.core.comparison import Comparison, Flip, MetricChange
from batchclf.core.history import RunSummary
from batchclf.core.intervals import Interval, wilson
from batchclf.core.run_record import GateResult

MET = GateResult("accuracy", 0.9, 0.8, True, "Test accuracy 90.0% is at least 80.0%.")
MISSED = GateResult("gap", 0.07, 0.05, False, "The gap of 7.0 points is above 5.0 points.")
JUST_MET, JUST_MISSED = replace(MET, certain=False), replace(MISSED, certain=False)
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
    lost=(),
    gained=(),
    other=(),
    sentence="",
)


def moved(difference, low, high, p_value, **changes):
    metric = MetricChange("accuracy", 0.8, 0.8 + difference, difference, Interval(low, high))
    return replace(UNCHANGED, changed=9, metrics=(metric,), p_value=p_value, **changes)


def verdict_of(**others):
    run = record(**others.pop("run", {}))
    return view_of(run, [evaluate(sample(FASHION, 50))], **others).verdict


@pytest.mark.parametrize(
    "status, gates, state, headline, words",
    [
        ("ok", [MET], "passed", "Gate passed", "the bound is met"),
        ("ok", [MET, MET], "passed", "Gate passed", "all 2 bounds are met"),
        ("ok", [], "none", "Scored, no gate set", "no bound was set"),
        ("gate failed", [MET, MISSED], "failed", "Gate failed", "1 of 2 bounds is not met"),
        ("gate failed", [MISSED], "failed", "Gate failed", "the bound is not met"),
        ("ok", [JUST_MET], "uncertain", "Not enough evidence", "the gate is passed (exit code 0)"),
        ("gate failed", [JUST_MISSED], "uncertain", "Not enough evidence", "the gate is failed (exit code 3)"),
        ("gate failed", [MET, JUST_MISSED], "uncertain", "Not enough evidence", "1 of 2 bounds lies within"),
        ("gate failed", [JUST_MET, MISSED], "failed", "Gate failed", "1 of 2 bounds is not met"),
        ("partial", [], "partial", "Partial result", "Only 50 of 53 images could be scored"),
        ("partial", [JUST_MET], "partial", "Partial result", "Only 50 of 53 images could be scored"),
        ("partial", [MISSED], "partial", "Partial result, gate failed", "Only 50 of 53 images"),
    ],
)
def test_verdict_says_status_reason_and_accuracy(status, gates, state, headline, words):
    evaluation = evaluate(sample(FASHION, 50))
    run = record(status=status, gates=gates, targets=[split_target("test", 50, skipped=3)])
    verdict = view_of(run, [evaluation]).verdict
    assert (verdict.state, verdict.headline) == (state, headline)
    assert words in verdict.reason
    assert f"{evaluation.labelled.accuracy.value:.1%}" in verdict.reason
    assert len(verdict.gates) == len(gates)


@pytest.mark.parametrize(
    "gate, state, word",
    [
        (MET, "met", "Met"),
        (MISSED, "missed", "Not met"),
        (JUST_MET, "uncertain", "Just met"),
        (JUST_MISSED, "uncertain", "Just missed"),
    ],
)
def test_each_bound_says_how_it_went(gate, state, word):
    (line,) = verdict_of(run={"gates": [gate]}).gates
    assert (line.state, line.word, line.sentence) == (state, word, gate.sentence)


def test_old_numbers_are_told_from_fresh_ones():
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
        (moved(0.004, -0.002, 0.01, 0.21), "better", "(95% interval −0.2 to +1.0, McNemar's test p = 0.21)"),
        (moved(0.004, -0.002, 0.01, 0.21), "better", "this can be chance"),
        (moved(-0.05, -0.07, -0.03, 0.0001), "worse", "5.0 points worse than"),
        (moved(-0.05, -0.07, -0.03, 0.0001), "worse", "p < 0.001): this is more than chance"),
        (moved(0.0, -0.01, 0.01, 1.0, only_first_right=3, only_second_right=3), "same", "6 images flipped"),
        (moved(0.1, 0.02, 0.2, 0.02, only_second=7, labelled=40), "better", "on the 40 images that both have"),
        (moved(0.1, 0.02, 0.2, None), "unknown", "9 answers differ"),
    ],
)
def test_a_change_says_how_much_and_whether_it_can_be_chance(change, direction, words):
    shown = verdict_of(history=(LAST,), change=change).change
    assert shown.direction == direction
    assert words in shown.sentence
    assert "the run of Sat 2026-02-28 03:00 UTC+01:00" in shown.sentence


def test_nothing_changed_is_said_plainly():
    same = verdict_of(history=(LAST,), change=UNCHANGED).change
    assert same.sentence.startswith("Same model, same images, same answers as in the run of Sat 2026-02-28")
    other = verdict_of(history=(replace(LAST, model_digest="f" * 64),), change=UNCHANGED).change
    assert other.sentence.startswith("Another model, but the same answers")


def test_runs_that_cannot_be_compared_are_still_named():
    change = verdict_of(history=(LAST,)).change
    assert change.sentence.startswith("Not comparable image by image with the run of Sat 2026-02-28")
    assert "80.0% accuracy" in change.sentence


def test_hostile_run_names_cannot_forge_the_sentence():
    flip = Flip(HOSTILE[0], None, HOSTILE[1], 0.5, HOSTILE[2], 0.5)
    change = replace(UNCHANGED, first_run="\u202e\n<b>", changed=1, p_value=None, other=(flip,))
    assert r"run \u202e\n<b>" in verdict_of(change=change).change.sentence
