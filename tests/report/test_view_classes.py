"""The table of the classes, against scikit-learn and scipy."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_cases import FASHION, both_splits, evaluate, of_probabilities, sample
from scipy.stats import binomtest
from sklearn import metrics

from batchclf.core.estimate import Estimate, Interval
from batchclf.core.metrics.labelled import ClassMetrics
from batchclf.core.metrics.ranking import ClassRanking
from batchclf.report.sections.classes import classes_view, f1_interval


def names(size):
    return tuple(f"class {i}" for i in range(size))


@pytest.mark.parametrize("size", [2, 10, 100])
def test_classes_agree_with_scikit_learn(size):
    of = sample(names(size), 40 * size, seed=size)
    rows = classes_view(evaluate(of).labelled, None).rows
    precision, recall, f1, support = metrics.precision_recall_fscore_support(
        of.labels, of.predictions, labels=range(size), zero_division=0
    )
    predicted = np.bincount(of.predictions, minlength=size)
    assert [float(row.recall.text.rstrip("%")) for row in rows] == sorted(float(f"{100 * v:.2f}") for v in recall)
    for row in rows:
        i = names(size).index(row.name)
        assert (row.support, row.recall.text, row.f1.text) == (str(support[i]), f"{recall[i]:.2%}", f"{f1[i]:.4f}")
        assert row.precision.text == (f"{precision[i]:.2%}" if predicted[i] else "–")
        right = round(recall[i] * support[i])
        interval = binomtest(right, int(support[i])).proportion_ci(method="wilson")
        assert row.recall.interval == f"{interval.low:.2%} to {interval.high:.2%}"


def test_most_frequent_mistake_is_the_largest_cell_of_the_row():
    of = sample(FASHION, 800, skill=0.4)
    matrix = metrics.confusion_matrix(of.labels, of.predictions)
    np.fill_diagonal(matrix, 0)
    for row in classes_view(evaluate(of).labelled, None).rows:
        mistakes = matrix[FASHION.index(row.name)]
        assert row.mistaken_count == str(mistakes.max())
        assert row.mistaken == FASHION[mistakes.argmax()]


def test_gap_stands_beside_the_class_and_is_bold_beyond_chance():
    samples, evaluations, gap = both_splits()
    classes = classes_view(evaluations[0].labelled, gap)
    recalls = {split: metrics.recall_score(of.labels, of.predictions, average=None) for split, of in samples.items()}
    assert classes.with_gap
    for row in classes.rows:
        i = FASHION.index(row.name)
        shown = float(row.gap.text.replace("\u2212", "-"))
        assert shown == pytest.approx(100 * (recalls["train"][i] - recalls["test"][i]), abs=0.0501)
        low, high = (float(each.replace("\u2212", "-")) for each in row.gap.interval.split(" to "))
        assert low <= shown <= high
        assert row.clear == (low > 0 or high < 0)
    assert not classes_view(evaluations[0].labelled, None).with_gap


def test_auc_stands_beside_the_class_where_there_is_one():
    evaluation = evaluate(sample(names(3), 60))
    auc = Estimate(0.912, Interval(0.9, 0.93), 60)
    ranking = tuple(
        ClassRanking(name, 20, 40, auc if name != "class 2" else None, 0.0, None, None, (), ()) for name in names(3)
    )
    classes = classes_view(replace(evaluation.labelled, ranking=ranking), None)
    shown = {row.name: row.auc for row in classes.rows}
    assert (shown["class 0"].text, shown["class 0"].interval) == ("0.9120", "0.9000 to 0.9300")
    assert shown["class 2"].text == "–"
    assert not classes_view(replace(evaluation.labelled, ranking=None), None).with_auc


def test_class_without_images_and_class_never_predicted():
    probabilities = np.array([[0.8, 0.2, 0.0], [0.6, 0.4, 0.0], [0.7, 0.3, 0.0]])
    of = of_probabilities(("a", "b", "c"), probabilities, np.array([0, 0, 1]))
    classes = classes_view(evaluate(of).labelled, None)
    assert (classes.unseen, classes.never_predicted) == (("c",), ("b", "c"))
    rows = {row.name: row for row in classes.rows}
    assert (rows["b"].recall.text, rows["b"].precision.text) == ("0.00%", "–")
    assert (rows["c"].recall.text, rows["c"].precision.text, rows["c"].f1.text) == ("–", "–", "–")
    assert rows["c"].f1.interval == ""
    assert rows["c"].bar is None
    assert classes.rows[-1].name == "c"


def test_of_many_missing_classes_some_are_named():
    of = of_probabilities(names(60), np.eye(60)[:5], np.arange(5))
    classes = classes_view(evaluate(of).labelled, None)
    assert classes.unseen == (*names(60)[5:25], "35 more")


@given(st.integers(0, 300), st.integers(0, 300), st.integers(0, 300))
def test_f1_interval_is_that_of_the_jaccard_index(right, missed, false):
    of_class = ClassMetrics("a", right + missed, right + false, right, None, None, None)
    interval = f1_interval(of_class)
    either = right + missed + false
    if not either:
        assert interval is None
        return
    bounds = binomtest(right, either).proportion_ci(method="wilson")
    assert interval.low == pytest.approx(2 * bounds.low / (1 + bounds.low))
    assert interval.high == pytest.approx(2 * bounds.high / (1 + bounds.high))
    f1 = 2 * right / (2 * right + missed + false)
    assert interval.low - 1e-12 <= f1 <= interval.high + 1e-12
