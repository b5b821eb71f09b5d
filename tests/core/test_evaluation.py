from dataclasses import replace
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from core_cases import evaluate, make_rows, predicted_rows, random_probabilities, random_rows, tally_of
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import (
    accuracy_score,
    brier_score_loss,
    confusion_matrix,
    log_loss,
    precision_recall_fscore_support,
    roc_auc_score,
)

from batchclf.core.metrics.confidence_bins import CALIBRATION_BINS
from batchclf.core.metrics.evaluation import Tally
from batchclf.core.metrics.intervals import wilson
from batchclf.core.metrics.labelled import SHOWN_PAIRS
from batchclf.core.metrics.top_k import TopHits
from batchclf.core.types import SHOWN_IMAGES, Prediction


def _value(labelled, name):
    found = labelled.metric(name)
    return None if found is None else found.value


def _check_against_scikit_learn(rows):
    evaluation = evaluate(rows)
    found, labels, predictions = evaluation.labelled, rows.labels, rows.predictions
    classes = list(range(len(rows.class_names)))
    assert found.total == evaluation.total == len(rows)
    assert found.correct == (labels == predictions).sum()
    assert found.accuracy == wilson(found.correct, found.total)
    assert found.accuracy.value == pytest.approx(accuracy_score(labels, predictions))
    assert _value(found, "accuracy") == pytest.approx(found.accuracy.value)
    np.testing.assert_array_equal(found.confusion.counts, confusion_matrix(labels, predictions, labels=classes))
    each = precision_recall_fscore_support(labels, predictions, labels=classes, average=None, zero_division=np.nan)
    for metrics, precision, recall, f1, support in zip(found.per_class, *each, strict=True):
        of_class = rows.class_names.index(metrics.name)
        assert metrics.support == support
        assert metrics.predicted == (predictions == of_class).sum()
        assert metrics.correct == ((labels == of_class) & (predictions == of_class)).sum()
        for mine, theirs, n in ((metrics.recall, recall, support), (metrics.precision, precision, metrics.predicted)):
            assert (mine is None) == np.isnan(theirs) == (n == 0)
            assert mine is None or mine == wilson(metrics.correct, n)
            assert mine is None or mine.value == pytest.approx(theirs)
        assert (metrics.f1 is None) == np.isnan(f1)
        assert metrics.f1 is None or metrics.f1 == pytest.approx(f1)
    assert found.confused_pairs == found.confusion.confused_pairs(SHOWN_PAIRS)
    return found


@given(random_rows())
def test_every_metric_is_that_of_scikit_learn(rows):
    _check_against_scikit_learn(rows)


@pytest.mark.parametrize(
    ("labels", "predictions"),
    [
        ([1], [1]),
        ([1], [0]),
        ([2] * 7, [2] * 7),
        ([2] * 7, [2, 2, 0, 1, 2, 0, 0]),
        ([0, 1, 2, 0], [0, 1, 1, 1]),
        ([0, 1, 2, 0], [1, 2, 0, 2]),
        ([0, 0, 1], [2, 2, 2]),
    ],
    ids=["one right", "one wrong", "one class", "one class, some wrong", "2 never predicted", "all wrong", "only 2"],
)
def test_the_edge_cases_too(labels, predictions):
    _check_against_scikit_learn(predicted_rows(labels, predictions, 3))


@settings(max_examples=60)
@given(st.data())
def test_log_loss_and_brier_are_those_of_scikit_learn(data):
    count, classes = data.draw(st.integers(1, 60)), data.draw(st.integers(2, 5))
    probabilities = data.draw(random_probabilities(count, classes))
    labels = np.random.default_rng(data.draw(st.integers(0, 99))).integers(0, classes, count)
    found = evaluate(make_rows(probabilities, labels)).labelled
    expected = log_loss(labels, probabilities, labels=range(classes))
    assert _value(found, "log_loss") == pytest.approx(expected, rel=1e-5, abs=1e-6)
    # Not halved for two classes, as scikit-learn would.
    expected = brier_score_loss(labels, probabilities, labels=range(classes), scale_by_half=False)
    assert _value(found, "brier") == pytest.approx(expected)


@pytest.mark.parametrize("of_truth", [0.0, 1.0])
def test_log_loss_of_a_certain_model_stays_finite(of_truth):
    probabilities = np.array([[of_truth, 1 - of_truth]])
    found = _value(evaluate(make_rows(probabilities, [0])).labelled, "log_loss")
    assert found == pytest.approx(log_loss([0], probabilities, labels=[0, 1]), abs=1e-6)
    assert found < 40


def test_without_probability_columns_nothing_rests_on_them():
    with_columns, without = make_rows([[0.7, 0.3]], [0]), make_rows([[0.6, 0.4]], [1], with_probabilities=False)
    tally = tally_of(with_columns)
    tally.update(without)
    tally.update(with_columns)
    for each in (tally_of(without), tally):
        found = each.evaluation().labelled
        assert found.metric("log_loss") is found.metric("brier") is found.ranking is None
        assert found.metric("accuracy") is not None
        assert sum(part.images for part in found.calibration.bins) == found.total


@settings(max_examples=60)
@given(st.data())
def test_top_k_accuracies_count_what_the_rows_name(data):
    count, classes = data.draw(st.integers(1, 60)), data.draw(st.integers(2, 6))
    topk = data.draw(st.integers(1, classes))
    probabilities = data.draw(random_probabilities(count, classes))
    labels = np.random.default_rng(data.draw(st.integers(0, 99))).integers(0, classes, count)
    found = evaluate(make_rows(probabilities, labels, topk=topk)).labelled
    ranked = np.argsort(-probabilities, axis=1, kind="stable")
    for k in range(2, topk + 1):
        hits = [label in row for label, row in zip(labels, ranked[:, :k], strict=True)]
        assert _value(found, f"top{k}_accuracy") == pytest.approx(np.mean(hits))
    assert found.metric(f"top{topk + 1}_accuracy") is None


def test_rows_that_name_fewer_classes_hit_less_often():
    hits = TopHits()
    hits.update(np.array([0, 1, 2, 2]), np.array([[0, 1, 2], [0, 1, -1], [0, -1, -1], [1, 0, 2]]))
    assert hits.counts.tolist() == [1, 2, 3]
    hits.update(np.array([1, 0]), np.array([[0, 1], [0, 1]]))
    assert hits.counts.tolist() == [2, 4]
    hits.update(np.array([0]), np.array([[0, 1, 2]]))
    assert hits.counts.tolist() == [3, 5]


@settings(max_examples=30)
@given(random_rows(unknown=True))
def test_the_ranking_and_the_calibration_are_those_of_the_labelled_rows(rows):
    found = evaluate(rows).labelled
    if found is None:
        return
    known = rows.labels >= 0
    assert [each.name for each in found.ranking] == list(rows.class_names)
    for number, each in enumerate(found.ranking):
        positive = rows.labels[known] == number
        assert (each.positives, each.negatives) == (positive.sum(), (~positive).sum())
        if each.auc is not None:
            scores = rows.probabilities[known, number]
            assert each.auc.value == pytest.approx(roc_auc_score(positive, scores), abs=1e-12)
    right = np.mean(rows.labels[known] == rows.predictions[known])
    assert found.calibration.overconfidence == pytest.approx(rows.confidence[known].mean() - right, abs=1e-12)
    assert found.calibration.coverage[0].images == known.sum()


def test_rows_without_labels_count_but_are_not_judged():
    rows = make_rows([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]], [-1, -1, -1])
    evaluation = evaluate(rows)
    assert evaluation.labelled is None
    assert evaluation.total == 3
    assert evaluation.predicted_counts.tolist() == [2, 1]
    assert evaluation.mean_confidence == pytest.approx((0.9 + 0.8 + 0.6) / 3)
    assert [row.confidence for row in evaluation.least_confident] == [0.6, 0.8, 0.9]
    assert {row.label for row in evaluation.least_confident} == {None}


@given(random_rows(unknown=True))
def test_rows_without_labels_change_no_metric(rows):
    known = rows.only(rows.labels >= 0)
    mixed, labelled = evaluate(rows).labelled, evaluate(known).labelled
    if labelled is None:
        assert mixed is None
        return
    assert mixed.per_class == labelled.per_class
    _same_labelled(mixed, labelled)


def test_nothing_counted_yet():
    evaluation = Tally("test", ("a", "b")).evaluation()
    assert evaluation.total == 0
    assert np.isnan(evaluation.mean_confidence)
    assert evaluation.labelled is None
    assert evaluation.least_confident == ()


@given(random_rows(unknown=True))
def test_confidence_counts_are_a_histogram(rows):
    evaluation = evaluate(rows)
    # Away from the edges, where the rounding of a product decides.
    inner = np.abs(rows.confidence * CALIBRATION_BINS - np.rint(rows.confidence * CALIBRATION_BINS)) > 1e-9
    inner = rows.only(inner)
    counts, _ = np.histogram(inner.confidence, CALIBRATION_BINS, (0, 1))
    found = evaluate(inner)
    np.testing.assert_array_equal(found.confidence_counts, counts)
    correct, _ = np.histogram(inner.confidence[inner.labels == inner.predictions], CALIBRATION_BINS, (0, 1))
    if found.labelled is not None:
        assert [each.correct for each in found.labelled.calibration.bins] == correct.tolist()
    assert evaluation.confidence_counts.sum() == len(rows)
    assert evaluation.mean_confidence == pytest.approx(rows.confidence.mean())
    np.testing.assert_array_equal(
        evaluation.predicted_counts, np.bincount(rows.predictions, minlength=len(rows.class_names))
    )


@pytest.mark.parametrize(("confidence", "bin_number"), [(1.0, 19), (0.95, 19), (0.9499, 18), (0.5, 10), (0.55, 11)])
def test_the_edges_of_the_confidence_bins(confidence, bin_number):
    counts = evaluate(make_rows([[confidence, 1 - confidence]], [0])).confidence_counts
    assert np.flatnonzero(counts).tolist() == [bin_number]


def _same(first, second):
    assert (first.split, first.class_names, first.total) == (second.split, second.class_names, second.total)
    assert first.mean_confidence == pytest.approx(second.mean_confidence)
    for name in ("predicted_counts", "confidence_counts"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
    assert first.least_confident == second.least_confident
    assert (first.labelled is None) == (second.labelled is None)
    if first.labelled is not None:
        _same_labelled(first.labelled, second.labelled)


def _same_labelled(one, other):
    np.testing.assert_array_equal(one.confusion.counts, other.confusion.counts)
    for name in ("accuracy", "per_class", "confused_pairs", "worst_errors", "ranking"):
        assert getattr(one, name) == getattr(other, name)
    assert dict(one.examples) == dict(other.examples)
    assert [metric.name for metric in one.overall] == [metric.name for metric in other.overall]
    for mine, theirs in zip(one.overall, other.overall, strict=True):
        assert mine.value == pytest.approx(theirs.value)
        assert (mine.interval is None) == (theirs.interval is None)
    assert one.calibration.coverage == other.calibration.coverage
    assert one.calibration.ece == pytest.approx(other.calibration.ece, abs=1e-12)


@settings(max_examples=60)
@given(random_rows(unknown=True), st.lists(st.integers(0, 120), max_size=6), st.integers(0, 9))
def test_any_cut_of_rows_in_any_order_gives_the_same_evaluation(rows, cuts, seed):
    tally, position = Tally("test", rows.class_names), np.arange(len(rows))
    numbers = np.random.default_rng(seed).permutation(len(rows))
    rows = replace(rows, paths=tuple(f"{number:03d}" for number in numbers))
    edges = [0, *sorted(cuts), len(rows)]
    for start, stop in pairwise(edges):
        tally.update(rows.only((position >= start) & (position < stop)))
    _same(tally.evaluation(), evaluate(rows))


@settings(max_examples=40)
@given(random_rows(unknown=True, most=200))
def test_the_images_to_look_at_are_those_of_a_sort(rows):
    frame = pd.DataFrame(
        {"path": rows.paths, "label": rows.labels, "prediction": rows.predictions, "confidence": rows.confidence}
    )
    unsure = frame.sort_values(["confidence", "path"]).head(SHOWN_IMAGES)
    wrong = frame[(frame.label >= 0) & (frame.label != frame.prediction)]
    wrong = wrong.sort_values(["confidence", "path"], ascending=[False, True]).head(SHOWN_IMAGES)
    evaluation = evaluate(rows)
    assert [row.path for row in evaluation.least_confident] == list(unsure.path)
    if evaluation.labelled is not None:
        assert [row.path for row in evaluation.labelled.worst_errors] == list(wrong.path)
        assert not any(row.label == row.prediction for row in evaluation.labelled.worst_errors)


def test_a_row_is_its_columns():
    rows = make_rows([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6]], [1, -1])
    first, second = rows.row(0), rows.row(1)
    assert first == Prediction("test/00000.png", "test", "class 1", "class 0", 0.7, pytest.approx(0.5))
    assert (second.label, second.prediction) == (None, "class 2")
    assert rows.only(np.array([False, True])).row(0) == second
    assert len(rows.only(np.array([False, False]))) == 0


def test_rows_by_path_keep_their_columns_together():
    rows = replace(make_rows(np.eye(4), [0, 1, -1, 3]), paths=("c", "a", "b", "a"))
    found = rows.by_path()
    assert found.paths == ("a", "a", "b", "c")
    assert [found.row(i) for i in range(4)] == [rows.row(i) for i in (1, 3, 2, 0)]
    np.testing.assert_array_equal(found.probabilities, rows.probabilities[[1, 3, 2, 0]])
    np.testing.assert_array_equal(found.ranked, rows.ranked[[1, 3, 2, 0]])
    assert found.by_path() is found
