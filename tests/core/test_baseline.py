"""The baseline against scikit-learn's DummyClassifier."""

import numpy as np
import pytest
from core_cases import evaluate, predicted_rows
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as oracle
from sklearn.dummy import DummyClassifier

from batchclf.core.metrics.baseline import baseline_metrics


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 5), min_size=2, max_size=60).filter(lambda labels: len(set(labels)) > 1))
def test_the_baseline_is_that_of_scikit_learn(labels):
    labels = np.array(labels)
    blank = np.zeros((len(labels), 1))
    oracle_baseline = DummyClassifier(strategy="prior").fit(blank, labels)
    probabilities, predictions = oracle_baseline.predict_proba(blank), oracle_baseline.predict(blank)
    found = baseline_metrics(np.bincount(labels, minlength=6), 3)
    assert found["accuracy"] == pytest.approx(oracle.accuracy_score(labels, predictions))
    assert found["balanced_accuracy"] == pytest.approx(oracle.balanced_accuracy_score(labels, predictions))
    for kind in ("macro", "weighted"):
        expected = oracle.precision_recall_fscore_support(labels, predictions, average=kind, zero_division=0)
        for name, value in zip(("precision", "recall", "f1"), expected, strict=False):
            assert found[f"{kind}_{name}"] == pytest.approx(value), (kind, name)
    assert found["log_loss"] == pytest.approx(oracle.log_loss(labels, probabilities))
    assert found["brier"] == pytest.approx(oracle.brier_score_loss(labels, probabilities, scale_by_half=False))
    assert found["mcc"] == pytest.approx(oracle.matthews_corrcoef(labels, predictions), abs=1e-12)
    assert found["kappa"] == pytest.approx(oracle.cohen_kappa_score(labels, predictions), abs=1e-12)


def test_top_k_names_the_most_frequent_classes():
    found = baseline_metrics(np.array([1, 5, 0, 4]), 5)
    assert found["accuracy"] == 0.5
    assert [found[f"top{rank}_accuracy"] for rank in (2, 3, 4, 5)] == [0.9, 1.0, 1.0, 1.0]


def test_one_class_is_always_right():
    found = baseline_metrics(np.array([0, 3, 0]), 2)
    assert found["accuracy"] == found["macro_f1"] == found["top2_accuracy"] == 1.0
    assert found["log_loss"] == found["brier"] == found["mcc"] == found["kappa"] == 0.0
    assert not np.signbit(list(found.values())).any()


def test_every_metric_has_its_baseline():
    metrics = evaluate(predicted_rows([0, 0, 1, 2], [0, 1, 1, 1], 3)).labelled.overall
    expected = baseline_metrics(np.array([2, 1, 1]), 3)
    assert {metric.name: metric.baseline for metric in metrics} == expected
