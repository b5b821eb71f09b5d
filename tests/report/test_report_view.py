"""The report's data: the verdict, the numbers against scikit-learn and scipy, and what is left out."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_cases import (
    FASHION,
    GENERATED,
    Sample,
    both_splits,
    directory_target,
    evaluate,
    of_probabilities,
    png,
    record,
    sample,
    split_target,
    view_of,
)
from scipy.stats import binomtest
from sklearn import metrics

from batchclf.core.run_record import GateResult
from batchclf.core.types import ImageRef, SkippedImage
from batchclf.report.view_format import age, duration, signed, visible

MET = GateResult("accuracy", 0.9, 0.8, True, "Test accuracy 90.0% is at least 80.0%.")
MISSED = GateResult("gap", 0.07, 0.05, False, "The gap of 7.0 points is above 5.0 points.")


def measures(view):
    return {measure.name: measure for measure in view.measures}


def sections(view):
    return [section.anchor for section in view.contents]


def test_summary_agrees_with_scikit_learn_and_scipy():
    samples, evaluations, gap = both_splits()
    of = samples["test"]
    shown = measures(view_of(record(), evaluations, gap))
    right = int((of.labels == of.predictions).sum())
    interval = binomtest(right, len(of.labels)).proportion_ci(method="wilson")
    assert shown["Test accuracy"].value == f"{metrics.accuracy_score(of.labels, of.predictions):.1%}"
    assert shown["Test accuracy"].interval == f"95% interval {interval.low:.1%} to {interval.high:.1%}"
    balanced = metrics.balanced_accuracy_score(of.labels, of.predictions)
    assert shown["Balanced accuracy"].value == f"{balanced:.1%}"
    assert shown["Macro F1"].value == f"{metrics.f1_score(of.labels, of.predictions, average='macro'):.3f}"
    assert shown["Log loss"].value == f"{metrics.log_loss(of.labels, of.probabilities):.3f}"
    train = samples["train"]
    of_train = metrics.accuracy_score(train.labels, train.predictions)
    assert shown["Train accuracy"].value == f"{of_train:.1%}"
    of_test = metrics.accuracy_score(of.labels, of.predictions)
    assert shown["Overfitting gap"].value == f"+{100 * (of_train - of_test):.1f} points"


@pytest.mark.parametrize("size", [2, 10, 100])
def test_matrix_and_classes_agree_with_scikit_learn(size):
    names = tuple(f"class {i}" for i in range(size))
    of = sample(names, 40 * size, seed=size)
    classes = view_of(record(names), [evaluate(of)]).classes
    expected = metrics.confusion_matrix(of.labels, of.predictions, labels=range(size))
    shares = metrics.confusion_matrix(of.labels, of.predictions, labels=range(size), normalize="true")
    shown = [[cell.count for cell in row.cells] for row in classes.matrix.rows]
    assert shown == [[str(number) for number in row] for row in expected.tolist()]
    for row, row_shares in zip(classes.matrix.rows, shares, strict=True):
        for cell, share in zip(row.cells, row_shares, strict=True):
            assert cell.share == (f"{share:.1%}" if share else "")
    assert [row.total for row in classes.matrix.rows] == [str(n) for n in expected.sum(axis=1)]
    assert list(classes.matrix.predicted) == [str(n) for n in expected.sum(axis=0)]
    precision, recall, f1, support = metrics.precision_recall_fscore_support(
        of.labels, of.predictions, labels=range(size), zero_division=0
    )
    assert [float(row.recall.rstrip("%")) for row in classes.rows] == sorted(
        float(f"{100 * value:.1f}") for value in recall
    )
    for row in classes.rows:
        i = names.index(row.name)
        assert (row.support, row.recall, row.f1) == (str(support[i]), f"{recall[i]:.1%}", f"{f1[i]:.3f}")
        assert row.precision == (f"{precision[i]:.1%}" if expected[:, i].sum() else "–")


def test_pairs_are_the_largest_cells_off_the_diagonal():
    of = sample(FASHION, 800, skill=0.4)
    matrix = metrics.confusion_matrix(of.labels, of.predictions)
    np.fill_diagonal(matrix, 0)
    pairs = view_of(record(), [evaluate(of)]).classes.pairs
    assert [pair.count for pair in pairs] == [str(n) for n in np.sort(matrix, axis=None)[::-1][:10]]
    for pair in pairs:
        row, column = FASHION.index(pair.label), FASHION.index(pair.prediction)
        assert pair.count == str(matrix[row, column])
        assert pair.share == f"{matrix[row, column] / (of.labels == row).sum():.1%}"


@pytest.mark.parametrize(
    "status, gates, state, headline, words",
    [
        ("ok", [MET], "passed", "Gate passed", "the bound is met"),
        ("ok", [MET, MET], "passed", "Gate passed", "all 2 bounds are met"),
        ("ok", [], "none", "Scored, no gate set", "no bound was set"),
        ("gate failed", [MET, MISSED], "failed", "Gate failed", "1 of 2 bounds is not met"),
        ("gate failed", [MISSED], "failed", "Gate failed", "the bound is not met"),
        ("partial", [], "partial", "Partial result", "Only 50 of 53 images could be scored"),
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
    assert [gate.passed for gate in verdict.gates] == [gate.passed for gate in gates]


def test_verdict_tells_old_numbers_from_fresh_ones():
    evaluation = evaluate(sample(FASHION, 50))
    assert view_of(record(), [evaluation]).verdict.old == ""
    late = view_of(record(), [evaluation], generated=GENERATED + timedelta(days=3)).verdict
    assert late.old == "3 days"
    assert "2026-03-01 03:00 UTC+01:00" in late.when


def test_train_only_is_called_train_and_warned_about():
    view = view_of(record(targets=[split_target("train", 80)]), [evaluate(sample(FASHION, 80, "train"), "train")])
    assert "Train accuracy" in measures(view)
    assert "Test accuracy" not in measures(view)
    assert "trained on" in view.notes[0]
    assert "Only the train split was scored" in view.gap.missing


def test_test_split_is_the_main_one_in_any_order():
    _, evaluations, gap = both_splits()
    orders = [view_of(record(), order, gap) for order in (evaluations, evaluations[::-1])]
    assert orders[0].measures == orders[1].measures


def test_gap_rows_are_sorted_and_bold_only_beyond_chance():
    samples, evaluations, gap = both_splits()
    view = view_of(record(), evaluations, gap).gap
    recalls = {split: metrics.recall_score(of.labels, of.predictions, average=None) for split, of in samples.items()}
    differences = recalls["train"] - recalls["test"]
    order = [FASHION[i] for i in np.argsort(-differences, kind="stable")]
    assert [row.name for row in view.rows] == order
    assert [d.name for d in view.dumbbells] == order
    for row in view.rows:
        assert row.gap == signed(100 * differences[FASHION.index(row.name)], 1)
        assert row.clear == (row.gap_interval[0] != "\u2212")
    assert view.losses.gap == signed(
        metrics.log_loss(samples["test"].labels, samples["test"].probabilities)
        - metrics.log_loss(samples["train"].labels, samples["train"].probabilities),
        3,
    )


@pytest.mark.parametrize(
    "splits, labelled, words",
    [
        (["test"], 1.0, "Only the test split was scored"),
        ([""], 1.0, "scored a directory"),
        (["test", "train"], 0.0, "have no labels"),
        (["test", "train"], 1.0, "not scored by the same model"),
    ],
)
def test_missing_gap_is_explained(splits, labelled, words):
    evaluations = [evaluate(sample(FASHION, 30, split, labelled=labelled), split) for split in splits]
    view = view_of(record(), evaluations).gap
    assert words in view.missing
    assert not view.rows
    assert [curve.metric for curve in view.curves] == ["accuracy", "loss"]


def test_history_without_a_finite_value_makes_no_curve():
    run = record(history={"loss": [float("nan")], "accuracy": [0.5], "lr": [0.1]})
    curves = view_of(run, [evaluate(sample(FASHION, 10))]).gap.curves
    assert [(curve.metric, curve.train, curve.test) for curve in curves] == [("accuracy", (0.5,), ())]


def test_unlabelled_shows_what_is_known_and_nothing_else():
    of = sample(FASHION, 90, "", labelled=0.0)
    run = record(targets=[directory_target(90)], dataset=None, job=None)
    view = view_of(run, [evaluate(of, "")])
    assert view.classes is None
    assert not view.errors
    assert not view.histogram
    assert sections(view) == ["facts", "gap", "unlabelled", "skipped"]
    assert "cannot be known without labels" in view.verdict.reason
    shown = {row.name: row for row in view.unlabelled[0].predicted}
    for name, number in zip(FASHION, np.bincount(of.rows.predictions, minlength=10), strict=True):
        assert (shown[name].count, shown[name].share) == (str(number), f"{number / 90:.1%}")
    counts, _ = np.histogram(of.rows.confidence, bins=20, range=(0, 1))
    assert list(view.unlabelled[0].histogram.counts) == counts.tolist()
    least = [shot.confidence for shot in view.unlabelled[0].least_confident]
    assert least == [f"{value:.1%}" for value in np.sort(of.rows.confidence)[:24]]
    assert {file.name for file in view.facts.files}.isdisjoint({"per_class.csv", "confusion.csv"})


def test_partially_labelled_rests_on_the_labelled_and_says_so():
    of = sample(FASHION, 1200, labelled=0.5)
    view = view_of(record(), [evaluate(of)])
    known = int(of.known.sum())
    accuracy = metrics.accuracy_score(of.labels, of.predictions)
    assert measures(view)["Test accuracy"].value == f"{accuracy:.1%}"
    assert view.notes[0].startswith(f"{known:,} of 1,200 images have a label")
    assert view.unlabelled[0].note == f"{1200 - known:,} of 1,200 images have no label."
    assert view.histogram == ()  # wrong ones cannot be told from unlabelled ones


def test_unlabelled_directory_beside_a_labelled_test_split():
    evaluations = [evaluate(sample(FASHION, 50)), evaluate(sample(FASHION, 20, "", labelled=0.0), "")]
    view = view_of(record(targets=[split_target("test", 50), directory_target(20)]), evaluations)
    assert view.classes is not None
    assert [target.split for target in view.unlabelled] == ["/srv/inbox"]
    assert [target.accuracy == "–" for target in view.facts.targets] == [False, True]


def test_right_and_wrong_histograms_add_up_to_all():
    of = sample(FASHION, 300)
    right, wrong = view_of(record(), [evaluate(of)]).histogram
    hits = of.labels == of.predictions
    for panel, chosen in ((right, hits), (wrong, ~hits)):
        counts, _ = np.histogram(of.rows.confidence[chosen], bins=20, range=(0, 1))
        assert list(panel.counts) == counts.tolist()


def test_class_without_images_and_class_never_predicted():
    probabilities = np.array([[0.8, 0.2, 0.0], [0.6, 0.4, 0.0], [0.7, 0.3, 0.0]])
    of = of_probabilities(("a", "b", "c"), probabilities, np.array([0, 0, 1]))
    classes = view_of(record(("a", "b", "c")), [evaluate(of)]).classes
    assert (classes.unseen, classes.never_predicted) == (("c",), ("b", "c"))
    rows = {row.name: row for row in classes.rows}
    assert (rows["b"].recall, rows["b"].precision) == ("0.0%", "–")
    assert (rows["c"].recall, rows["c"].precision, rows["c"].f1) == ("–", "–", "–")
    assert rows["c"].bar is None
    assert classes.rows[-1].name == "c"


@pytest.mark.parametrize("shift, accuracy", [(0, "100.0%"), (1, "0.0%")])
def test_all_right_and_all_wrong(shift, accuracy):
    labels = np.arange(50) % 10
    probabilities = np.full((50, 10), 0.02)
    probabilities[np.arange(50), (labels + shift) % 10] = 0.82
    view = view_of(record(), [evaluate(of_probabilities(FASHION, probabilities, labels))])
    assert view.measures[0].value == accuracy
    assert len(view.errors) == (24 if shift else 0)
    assert [panel.kind for panel in view.histogram] == ["wrong" if shift else "right"]
    assert bool(view.classes.pairs) == bool(shift)


def test_missing_probabilities_leave_out_the_loss():
    rows = replace(sample(FASHION, 20).rows, label_probability=None)
    shown = measures(view_of(record(), [evaluate(Sample(rows, np.empty((0, 10))))]))
    assert (shown["Log loss"].value, shown["Log loss"].note) == ("–", "needs --probabilities")


def test_pictures_are_embedded_with_their_own_size():
    of = sample(FASHION, 40, skill=0.0)
    evaluation = evaluate(of)
    first, second = evaluation.labelled.worst_errors[:2]
    pictures = {("test", first.path): png(28, 20), ("test", second.path): png(100, 90)}
    shots = view_of(record(), [evaluation], pictures=pictures).errors
    assert (shots[0].picture.width, shots[0].picture.height, shots[0].picture.small) == (20, 28, True)
    assert shots[1].picture.small is False
    assert all(shot.picture is None for shot in shots[2:])
    with pytest.raises(ValueError, match="PNG"):
        view_of(record(), [evaluation], pictures={("test", first.path): b"GIF89a"})


def test_a_report_needs_an_evaluation():
    with pytest.raises(ValueError, match="at least one evaluation"):
        view_of(record(), [])


def test_nothing_scored_is_said_plainly():
    empty = evaluate(sample(FASHION, 0, ""), "")
    skipped = [SkippedImage(ImageRef("a.png", None), "cut off")]
    run = record(status="partial", targets=[directory_target(0, skipped=1)], dataset=None)
    view = view_of(run, [empty], skipped=skipped)
    assert view.verdict.reason == "Only 0 of 1 image could be scored."
    assert view.unlabelled == ()


def test_skipped_files_are_cut_at_fifty():
    skipped = [SkippedImage(ImageRef(f"{i}.png", "Coat"), "not an image") for i in range(1250)]
    view = view_of(record(), [evaluate(sample(FASHION, 10))], skipped=skipped).skipped
    assert (len(view.rows), view.more, view.total) == (50, "1,200", 1250)
    assert view.rows[49].path == "49.png"


def test_accounting_that_does_not_add_up_is_marked():
    targets = [split_target("test", 10, 2, 3), split_target("train", 10, found=11)]
    rows = view_of(record(targets=targets), [evaluate(sample(FASHION, 10))]).facts.targets
    assert [(row.found, row.adds_up) for row in rows] == [("15", True), ("11", False)]


def test_facts_name_data_model_and_run():
    view = view_of(record(), [evaluate(sample(FASHION, 10))])
    facts = {f"{group.title}/{fact.term}": fact.value for group in view.facts.groups for fact in group.facts}
    assert facts["Data/Train split"] == "60,000 images"
    assert facts["Model/Settings"] == "epochs 3, dropout 0.25, augment off"
    assert facts["Model/Parameters"] == "101,770"
    assert facts["Model/SHA-256"] == "0123456789ab…"
    assert facts["Model/Created"].endswith("loaded, trained before")
    assert facts["Run/Command"] == "batchclf run 'my job.toml'"
    assert facts["Run/Duration"] == "1 min 23 s"
    assert facts["Run/Timings"] == "train 1 min 14 s · score test 0.50 s"
    trained = view_of(record(trained_in_this_run=True), [evaluate(sample(FASHION, 10))]).facts.groups[1]
    assert any("trained in this run" in fact.value for fact in trained.facts)


@given(st.text(st.characters(exclude_categories=())))
def test_visible_names_can_be_written_and_hide_nothing(name):
    shown = visible(name)
    shown.encode("utf-8")
    assert not any("\x00" <= c < " " or "\u202a" <= c <= "\u202e" or "\u2066" <= c <= "\u2069" for c in shown)
    assert visible(shown) == shown


@pytest.mark.parametrize(
    "seconds, text",
    [
        (0.004, "< 0.01 s"),
        (0.5, "0.50 s"),
        (1.25, "1.2 s"),
        (59.7, "1 min 00 s"),
        (59.2, "59 s"),
        (3599.6, "1 h 00 min"),
        (7380, "2 h 03 min"),
        (86400 * 2 + 3600, "2 days 1 h"),
    ],
)
def test_durations(seconds, text):
    assert duration(seconds) == text


@given(st.floats(-1e6, 1e6))
def test_signed_numbers_carry_the_sign_of_what_is_shown(value):
    text = signed(value, 1)
    number = float(text.replace("\u2212", "-").replace(",", ""))
    assert number == pytest.approx(value, abs=0.0501)
    assert (text[0] in "+\u2212") == (number != 0)


def test_ages():
    hours = [age(timedelta(hours=h)) for h in (0.9, 1, 30, 49)]
    assert hours == ["", "1 hour", "30 hours", "2 days"]
