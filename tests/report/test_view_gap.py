"""The section on overfitting: the gap against scikit-learn, duplicates, learning curves and earlier runs."""

from dataclasses import replace
from math import isfinite

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from report_cases import (
    FASHION,
    HOSTILE,
    both_splits,
    directory_subset,
    evaluate,
    of_probabilities,
    page_of,
    record,
    sample,
    view_of,
)
from sklearn import metrics

from batchclf.core.estimate import Estimate, Interval
from batchclf.core.images.duplicates import DuplicatePair, Duplicates
from batchclf.core.metrics.gap import gap_of_counts, overfitting_gap
from batchclf.core.metrics.intervals import wilson
from batchclf.core.records.history import RunSummary
from batchclf.core.text import class_name, decimal, signed, visible
from batchclf.report.sections.learning import learning_view

BROKEN = float("nan")


def gap_of(samples, **others):
    evaluations = [evaluate(samples[split], split) for split in ("test", "train")]
    return view_of(record(), evaluations, overfitting_gap(evaluations[1].labelled, evaluations[0].labelled), **others)


def pair(first="Shirt", second="Shirt", kind="exact", path="train/00001"):
    return DuplicatePair(kind, "train", path, first, "test", "test/00002", second)


def duplicates_of(exact=0, near=0, contradicting=0, pairs=(), without=(90, 100), gap=None):
    accuracy = wilson(*without) if without else None
    return Duplicates("test", 600, exact, near, contradicting, "what was compared", tuple(pairs), accuracy, gap)


def run(day, right=85, train=90, **changes):
    values = {
        "run_id": f"r{day}",
        "folder": f"2026-03-{day:02d} run",
        "started": f"2026-03-{day:02d}T03:00:00+01:00",
        "seconds": 5.0,
        "status": "ok",
        "split": "test",
        "images": 100,
        "skipped": 0,
        "accuracy": wilson(right, 100),
        "train_accuracy": wilson(train, 100),
        "gap": gap_of_counts((train, 100), (right, 100)),
        "overfitting": "mild",
        "macro_f1": 0.8,
        "ece": 0.1,
        "model_digest": "ab",
        "gates": (),
        "files": ("report.html",),
    }
    return RunSummary(**(values | changes))


def test_gap_rows_are_sorted_and_bold_only_beyond_chance():
    samples, evaluations, gap = both_splits()
    view = view_of(record(), evaluations, gap).gap
    recalls = {split: metrics.recall_score(of.labels, of.predictions, average=None) for split, of in samples.items()}
    differences = recalls["train"] - recalls["test"]
    order = [FASHION[i] for i in np.argsort(-differences, kind="stable")]
    assert [row.name for row in view.rows] == order
    assert [d.name for d in view.dumbbells] == order
    for row, drawn in zip(view.rows, view.dumbbells, strict=True):
        i = FASHION.index(row.name)
        assert row.gap == signed(100 * differences[i], 1)
        assert row.clear == (row.gap_interval[0] != "\u2212" and row.gap_interval[:3] != "0.0")
        assert (drawn.train, drawn.test) == pytest.approx((recalls["train"][i], recalls["test"][i]))
        assert (row.train, row.test) == (f"{recalls['train'][i]:.2%}", f"{recalls['test'][i]:.2%}")
    assert view.part == ""


def test_overall_rows_are_accuracy_and_log_loss():
    samples, evaluations, gap = both_splits()
    accuracy, loss = view_of(record(), evaluations, gap).gap.overall
    hits = {split: metrics.accuracy_score(of.labels, of.predictions) for split, of in samples.items()}
    losses = {split: metrics.log_loss(of.labels, of.probabilities) for split, of in samples.items()}
    assert (accuracy.train, accuracy.test) == (f"{hits['train']:.2%}", f"{hits['test']:.2%}")
    assert accuracy.gap == signed(100 * (hits["train"] - hits["test"]), 1)
    assert (loss.train, loss.test) == (f"{losses['train']:.4f}", f"{losses['test']:.4f}")
    assert loss.gap == signed(losses["test"] - losses["train"], 3)
    # Each mean's own interval, joined by MOVER; test_gap.py compares the ends with scipy.
    interval = gap.loss_gap.interval
    assert loss.gap_interval == f"{signed(interval.low, 3)} to {signed(interval.high, 3)}"


@pytest.mark.parametrize(
    "level, state, headline",
    [
        ("no evidence", "passed", "No evidence of overfitting"),
        ("mild", "partial", "Mild overfitting"),
        ("strong", "failed", "Strong overfitting"),
        ("underfitting", "partial", "Underfitting"),
    ],
)
def test_the_level_comes_first_in_words(level, state, headline):
    _, evaluations, gap = both_splits()
    page = page_of(record(), evaluations, replace(gap, overfitting=level))
    assert f'<strong class="level {state}">{headline}</strong>' in page.html
    title = "Overfitting gap: train against test"
    assert page.sections["gap"].startswith(f"{title} {headline} {gap.sentence}")


@pytest.mark.parametrize("probabilities, words", [(False, "score with --probabilities"), (True, "at least two images")])
def test_a_missing_gap_in_loss_is_explained(probabilities, words):
    _, evaluations, gap = both_splits()
    bare = replace(gap, train_loss=None, test_loss=None, loss_gap=None)
    view = view_of(record(probabilities=probabilities), evaluations, bare).gap
    assert [row.name for row in view.overall] == ["Accuracy"]
    assert words in view.no_loss


def test_of_many_classes_the_largest_gaps_are_shown():
    names = tuple(f"class {i:02d}" for i in range(40))
    view = gap_of(
        {split: sample(names, 900, split, seed=i, skill=0.6) for i, split in enumerate(("test", "train"))}
    ).gap
    assert len(view.rows) == len(view.dumbbells) == 25
    assert view.part == "the 25 largest gaps of 40 classes"
    gaps = [each.train - each.test for each in view.dumbbells]
    assert gaps == sorted(gaps, reverse=True)


def test_a_class_without_images_in_a_split_is_left_out_of_the_chart():
    labels = {"test": np.arange(60) % 9, "train": np.arange(60) % 10}
    view = gap_of({split: sample(FASHION, 60, split, labels=labels[split]) for split in labels}).gap
    assert FASHION[9] not in [row.name for row in view.rows]
    assert len(view.rows) == 9


@pytest.mark.parametrize("names", [("only",), ("a", "b")])
def test_few_classes_and_few_images(names):
    for n in (1, 7):
        samples = {split: sample(names, n, split, seed=n) for split in ("test", "train")}
        evaluations = [evaluate(of, split) for split, of in samples.items()]
        gap = overfitting_gap(evaluations[1].labelled, evaluations[0].labelled)
        page = page_of(record(names), evaluations, gap)
        assert gap.sentence in page.sections["gap"]
        assert len(page.tables["gaps"]) == (2 if n == 1 else 3)


@pytest.mark.parametrize(
    "splits, labelled, words",
    [
        (["test"], 1.0, "only the test split was scored"),
        ([""], 1.0, "scored a directory"),
        (["test", "train"], 0.0, "have no labels"),
        (["test", "train"], 1.0, "not scored with the same model"),
    ],
)
def test_missing_gap_is_explained(splits, labelled, words):
    evaluations = [evaluate(sample(FASHION, 30, split, labelled=labelled), split) for split in splits]
    view = view_of(record(), evaluations).gap
    assert words in view.missing
    assert not view.rows
    assert view.duplicates is None
    assert [curve.metric for curve in view.learning.curves] == ["accuracy", "loss"]


def test_duplicates_that_were_not_looked_for_or_not_found():
    _, evaluations, gap = both_splits()
    for duplicates, words in ((None, "did not check"), (duplicates_of(), "None of 600 checked images of test")):
        view = view_of(record(), evaluations, gap, duplicates=duplicates).gap.duplicates
        assert words in view.sentence
        assert (view.found, view.rows, view.effect) == (False, (), "")


@pytest.mark.parametrize(
    ("hidden", "words"),
    [
        (0.012, "hide 1.2 points of it"),
        (0.0, "do not hide any of it"),
        (-0.02, "do not hide any of it"),
    ],
)
def test_duplicates_and_what_they_hide(hidden, words):
    _, evaluations, gap = both_splits()
    without = Estimate(gap.gap.value + hidden, Interval(0.01, 0.09), 500)
    pairs = [pair("Shirt", "Coat"), pair("Bag", "Bag", "near"), pair(None, "Bag")]
    found = duplicates_of(3, 9, 1, pairs, gap=without)
    view = view_of(record(), evaluations, gap, duplicates=found).gap.duplicates
    assert view.sentence == "12 of 600 images of test (2.00%) are also in train: 3 exact and 9 near."
    assert words in view.effect
    assert "test accuracy is 90.00% (95% interval 82.56% to 94.48%)" in view.effect
    assert f"the gap {signed(100 * without.value, 1)} points (+1.0 to +9.0)" in view.effect
    assert view.contradicting == "1 pair has two different labels: one of the two must be wrong."
    assert [row.contradicting for row in view.rows] == [True, False, False]
    assert [row.kind for row in view.rows] == ["exact", "near", "exact"]
    assert [row.first_label for row in view.rows] == ["Shirt", "Bag", "–"]
    assert view.part == "showing 3 of 12"


def test_where_all_labelled_images_are_duplicates_there_is_no_gap_without_them():
    _, evaluations, gap = both_splits()
    view = view_of(
        record(), evaluations, gap, duplicates=duplicates_of(1, 0, pairs=[pair()], without=None)
    ).gap.duplicates
    assert view.sentence.startswith("1 of 600 images of test (0.17%) is also in train: 1 exact.")
    assert "no labelled image is left" in view.effect
    assert view.part == ""


@settings(max_examples=30, deadline=None)
@given(st.lists(st.one_of(st.just(BROKEN), st.just(float("inf")), st.floats(0, 5)), min_size=2, max_size=12))
def test_the_best_epoch_has_the_lowest_test_loss(losses):
    view = learning_view({"loss": [0.5] * len(losses), "val_loss": losses}, None, {})
    finite = [loss for loss in losses if isfinite(loss)]
    if not finite:
        assert view.best is None
        assert "so the best epoch is unknown" in view.sentence
        return
    assert view.best == losses.index(min(finite)) + 1
    assert f"lowest after epoch {view.best} of {len(losses)} ({decimal(min(finite))})" in view.sentence
    assert ("more epochs may help" in view.sentence) == (view.best == len(losses))
    assert ("diverged" in view.sentence) == (not isfinite(losses[-1]))
    assert [row.note == "best" for row in view.rows] == [epoch == view.best for epoch in range(1, len(losses) + 1)]
    assert [row.values[1] for row in view.rows] == [decimal(loss) for loss in losses]


def test_learning_curves_of_one_epoch_none_and_part_of_the_metrics():
    assert "by a job have one" in learning_view({}, None, {}).missing
    assert "by a job have one" in learning_view({"loss": [BROKEN], "lr": [0.1]}, None, {}).missing
    one = learning_view({"loss": [0.4], "val_loss": [0.5], "accuracy": [0.9]}, None, {})
    assert (one.best, one.columns) == (None, ("Train accuracy", "Train loss", "Test loss"))
    assert "one epoch" in one.sentence
    view = learning_view({"loss": [BROKEN, BROKEN], "accuracy": [0.5, 0.6], "val_accuracy": [0.4]}, None, {})
    assert [(curve.metric, curve.train, curve.held) for curve in view.curves] == [("accuracy", (0.5, 0.6), (0.4,))]
    assert [row.values for row in view.rows] == [("50.00%", "40.00%"), ("60.00%", "–")]


def test_of_many_epochs_the_table_shows_some_and_the_best():
    losses = [1 + abs(epoch - 777) / 1000 for epoch in range(1, 2001)]
    view = learning_view({"loss": losses, "val_loss": losses}, None, {})
    assert view.best == 777
    assert [row.epoch for row in view.rows if row.note == "best"] == ["777"]
    assert (view.rows[0].epoch, view.rows[-1].epoch) == ("1", "2,000")
    assert view.part == f"showing {len(view.rows)} of 2,000 epochs"
    assert len(view.rows) <= 100


def test_no_earlier_run_is_explained():
    _, evaluations, gap = both_splits()
    for job, history, words in (
        (None, (), "The reports of a job"),
        ("nightly", (), "First run of this job"),
        ("nightly", (run(1, accuracy=None, gap=None),), "No earlier run of this job has labels"),
        ("nightly", (run(1, split=""),), "No earlier run of this job has labels"),
    ):
        earlier = view_of(record(job=job), evaluations, gap, history=history).gap.earlier_runs
        assert words in earlier.missing
        assert earlier.rows == ()


def test_earlier_runs_go_from_the_oldest_to_this_one_and_the_table_back():
    _, evaluations, gap = both_splits()
    history = (run(1, 85, 90), run(2, 80, 92, gap=None), run(3, accuracy=Estimate(BROKEN, Interval(0, 1), 5)))
    earlier = view_of(record(started="2026-03-04T03:00:00+01:00"), evaluations, gap, history=history).gap.earlier_runs
    assert earlier.dates == ("2026-03-01", "2026-03-02", "2026-03-03", "2026-03-04")
    assert earlier.names[0] == "Sun 2026-03-01 03:00 UTC+01:00"
    assert earlier.test == (wilson(85, 100), wilson(80, 100), None, gap.test)
    assert earlier.train == (wilson(90, 100), wilson(92, 100), wilson(90, 100), gap.train)
    assert earlier.gap == (history[0].gap, None, history[2].gap, gap.gap)
    assert [row.address for row in earlier.rows] == [
        "",
        *(f"../2026-03-{day:02d}%20run/report.html" for day in (3, 2, 1)),
    ]
    assert [row.gap for row in earlier.rows] == [signed(100 * gap.gap.value, 1), "+5.0", "–", "+5.0"]
    assert f"the gap went from +5.0 to {signed(100 * gap.gap.value, 1)} points" in earlier.sentence
    assert f"accuracy went from 85.00% to {gap.test.value:.2%}" in earlier.sentence


def test_the_last_thirty_runs_are_shown():
    _, evaluations, gap = both_splits()
    history = tuple(run(1 + i % 28, run_id=f"r{i}") for i in range(45))
    earlier = view_of(record(), evaluations, gap, history=history).gap.earlier_runs
    assert len(earlier.dates) == len(earlier.rows) == len(earlier.gap) == 30
    assert earlier.part == "the last 30 of 46 runs"


def test_earlier_runs_of_a_directory_show_accuracy_alone():
    inbox = evaluate(sample(FASHION, 90, ""), "")
    bare = {"train_accuracy": None, "gap": None, "overfitting": None, "split": ""}
    page_record = record(subsets=[directory_subset(90)], dataset=None)
    earlier = view_of(page_record, [inbox], history=(run(1, **bare),)).gap.earlier_runs
    assert (earlier.train, earlier.gap) == ((), ())
    assert earlier.sentence.startswith("Over these 2 runs accuracy went from 85.00%")
    page = page_of(page_record, [inbox], history=(run(1, **bare),))
    assert page.tables["earlier-runs"][0] == ["Run", "Accuracy"]
    assert 'id="runs-accuracy-title"' in page.html
    assert 'id="runs-gap-title"' not in page.html


def test_hostile_names_are_text():
    samples = {split: sample(HOSTILE, 400, split, seed=i) for i, split in enumerate(("test", "train"))}
    evaluations = [evaluate(samples[split], split) for split in samples]
    gap = overfitting_gap(evaluations[1].labelled, evaluations[0].labelled)
    pairs = [pair(name, name, path=name) for name in HOSTILE]
    history = [run(1, folder=name, overfitting=name) for name in HOSTILE]
    page = page_of(record(HOSTILE), evaluations, gap, duplicates=duplicates_of(9, 0, 1, pairs), history=history)
    assert not [tag for tag, _ in page.tags if tag == "script"][3:]
    assert {row[0] for row in page.tables["duplicates"][1:]} == {" ".join(visible(name).split()) for name in HOSTILE}
    assert {row[0] for row in page.tables["class-gaps"][1:]} == {" ".join(class_name(n).split()) for n in HOSTILE}
    links = [a["href"] for a in page.having("a") if a["href"].startswith("../")]
    assert len(links) == len(HOSTILE)
    assert not [link for link in links if set(link) & set("<>\"' \n\u202e")]


def test_gap_of_equal_predictions_is_zero():
    probabilities = np.full((30, 10), 0.1)
    view = gap_of(
        {split: of_probabilities(FASHION, probabilities, np.arange(30) % 10, split) for split in ("test", "train")}
    )
    assert (view.gap.overall[0].gap, view.gap.overall[1].gap) == ("0.0", "0.000")
    assert not view.gap.overall[0].clear
