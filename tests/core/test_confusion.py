import numpy as np
import pandas as pd
import pytest
from core_cases import random_rows
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix

from batchclf.core.metrics.confusion import ConfusedPair, ConfusionCounts


def _count(rows):
    return _counts(rows.class_names, rows.labels, rows.predictions)


def _counts(class_names, labels, predictions):
    counts = ConfusionCounts.empty(class_names)
    counts.update(np.asarray(labels), np.asarray(predictions))
    return counts


@given(random_rows(unknown=True))
def test_counts_are_those_of_scikit_learn_over_the_labelled_rows(rows):
    confusion, known = _count(rows), rows.labels >= 0
    classes = range(len(rows.class_names))
    if known.any():
        expected = confusion_matrix(rows.labels[known], rows.predictions[known], labels=list(classes))
    else:
        expected = np.zeros((len(classes), len(classes)))
    assert confusion.counts.dtype == np.int64
    np.testing.assert_array_equal(confusion.counts, expected)
    np.testing.assert_array_equal(confusion.support, [(rows.labels == c).sum() for c in classes])
    np.testing.assert_array_equal(confusion.predicted, [(rows.predictions[known] == c).sum() for c in classes])
    both = rows.labels == rows.predictions
    np.testing.assert_array_equal(confusion.correct, [(both & (rows.labels == c)).sum() for c in classes])


@given(random_rows())
def test_rows_are_normalised_as_by_scikit_learn(rows):
    confusion = _count(rows)
    shares = confusion.row_normalised()
    classes = list(range(len(rows.class_names)))
    expected = confusion_matrix(rows.labels, rows.predictions, labels=classes, normalize="true")
    with_images = confusion.support > 0
    np.testing.assert_allclose(shares[with_images], expected[with_images])
    assert np.isnan(shares[~with_images]).all()


@given(random_rows(), st.integers(0, 120))
def test_counts_of_pieces_are_the_counts_of_all(rows, cut):
    first, second = rows.only(np.arange(len(rows)) < cut), rows.only(np.arange(len(rows)) >= cut)
    for one, other in ((first, second), (second, first)):
        counts = _count(one)
        counts.update(other.labels, other.predictions)
        np.testing.assert_array_equal(counts.counts, _count(rows).counts)


def test_a_copy_stays_as_it_is():
    counts = _counts(("a", "b"), [0], [1])
    copy = counts.copy()
    counts.update(np.array([1]), np.array([1]))
    assert copy.counts.tolist() == [[0, 1], [0, 0]]
    assert counts.counts.tolist() == [[0, 1], [0, 1]]


@given(random_rows(), st.integers(0, 12))
def test_confused_pairs_are_the_largest_cells_off_the_diagonal(rows, most):
    names = rows.class_names
    frame = pd.DataFrame({"label": rows.labels, "prediction": rows.predictions})
    wrong = frame[frame.label != frame.prediction].groupby(["label", "prediction"]).size().reset_index(name="count")
    wrong = wrong.sort_values(["count", "label", "prediction"], ascending=[False, True, True]).head(most)
    support = frame.label.value_counts()
    expected = [
        ConfusedPair(names[row.label], names[row.prediction], row.count_, row.count_ / support[row.label])
        for row in wrong.rename(columns={"count": "count_"}).itertuples()
    ]
    pairs = _count(rows).confused_pairs(most)
    assert [(p.label, p.prediction, p.count) for p in pairs] == [(e.label, e.prediction, e.count) for e in expected]
    assert [p.share for p in pairs] == pytest.approx([e.share for e in expected])


def test_a_model_that_is_always_right_confuses_nothing():
    assert _counts(("a", "b", "c"), [0, 1, 1, 2], [0, 1, 1, 2]).confused_pairs(10) == ()
