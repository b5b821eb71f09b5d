"""The numbers: tiles and table, against scikit-learn and scipy, and what is said where a number is missing."""

from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
from report_cases import FASHION, both_splits, evaluate, of_probabilities, record, sample
from scipy.stats import binomtest
from sklearn import metrics

from batchclf.core.estimate import Interval
from batchclf.core.metrics.calibration import Calibration
from batchclf.core.metrics.overall import IntervalMethod, Metric
from batchclf.core.records.findings import Findings
from batchclf.report.sections.metrics import numbers_view

OVERALL = (
    Metric("accuracy", 0.8, Interval(0.7, 0.9), "wilson", 0.1),
    Metric("macro_f1", 0.75, Interval(0.7, 0.8), "bootstrap", None),
    Metric("top3_accuracy", 0.95, Interval(0.9, 0.99), "wilson", 0.3),
    Metric("log_loss", 1.25, Interval(1.1, 1.4), "logit", 2.3),
    Metric("brier", 0.5, None, "none", 0.9),
    Metric("mcc", -0.1, None, "none", 0.0),
)


def measures(numbers):
    return {measure.name: measure for measure in numbers.measures}


def rows(numbers):
    return {row.name: row for row in numbers.rows}


def with_metrics(evaluation, overall=OVERALL, **changes):
    return replace(evaluation, labelled=replace(evaluation.labelled, overall=overall, **changes))


def numbers_of(evaluation, gap=None):
    return numbers_view(Findings(record(), (evaluation,), gap))


def test_summary_agrees_with_scikit_learn_and_scipy():
    samples, evaluations, gap = both_splits()
    of, train = samples["test"], samples["train"]
    shown = measures(numbers_view(Findings(record(), tuple(evaluations), gap)))
    right = int((of.labels == of.predictions).sum())
    interval = binomtest(right, len(of.labels)).proportion_ci(method="wilson")
    assert shown["Test accuracy"].value == f"{metrics.accuracy_score(of.labels, of.predictions):.2%}"
    assert shown["Test accuracy"].interval == f"95% interval {interval.low:.2%} to {interval.high:.2%}"
    balanced = metrics.balanced_accuracy_score(of.labels, of.predictions)
    assert shown["Balanced accuracy"].value == f"{balanced:.2%}"
    assert shown["Macro F1"].value == f"{metrics.f1_score(of.labels, of.predictions, average='macro'):.4f}"
    assert shown["Log loss"].value == f"{metrics.log_loss(of.labels, of.probabilities):.4f}"
    of_train = metrics.accuracy_score(train.labels, train.predictions)
    assert shown["Train accuracy"].value == f"{of_train:.2%}"
    of_test = metrics.accuracy_score(of.labels, of.predictions)
    assert shown["Overfitting gap"].value == f"+{100 * (of_train - of_test):.1f} points"
    assert shown["Overfitting gap"].note == gap.overfitting


def test_the_table_has_every_metric_with_interval_method_and_baseline():
    shown = rows(numbers_of(with_metrics(evaluate(sample(FASHION, 30)))))
    assert list(shown) == [
        "Accuracy",
        "Macro F1",
        "Top-3 accuracy",
        "Log loss",
        "Brier score",
        "Matthews correlation (MCC)",
    ]
    accuracy = shown["Accuracy"]
    assert (accuracy.value, accuracy.interval, accuracy.method, accuracy.baseline) == (
        "80.00%",
        "70.00% to 90.00%",
        "Wilson",
        "10.00%",
    )
    assert (shown["Macro F1"].value, shown["Macro F1"].method, shown["Macro F1"].baseline) == (
        "0.7500",
        "bootstrap",
        "–",
    )
    assert shown["Top-3 accuracy"].meaning == "the true class is among the 3 most probable"
    assert (shown["Log loss"].interval, shown["Log loss"].bar) == ("1.1000 to 1.4000", None)
    mcc = shown["Matthews correlation (MCC)"]
    assert (mcc.value, mcc.interval, mcc.method, mcc.baseline) == ("\u22120.1000", "", "", "0.0000")


def test_tiles_show_the_baseline():
    shown = measures(numbers_of(with_metrics(evaluate(sample(FASHION, 30)))))
    assert shown["Test accuracy"].note.endswith("right, baseline 10.00%")
    assert shown["Log loss"].note == "baseline 2.3000"
    assert shown["Macro F1"].interval == "0.7000 to 0.8000"


def test_bars_show_value_interval_and_baseline_within_their_box():
    shown = rows(numbers_of(with_metrics(evaluate(sample(FASHION, 30)))))
    assert shown["Accuracy"].bar.value == "M0 0h80v8H0"
    assert shown["Accuracy"].bar.interval == "M70 3h20v2h-20"
    assert shown["Accuracy"].bar.mark == "M10 0h1v8h-1"
    assert shown["Matthews correlation (MCC)"].bar.value == "M0 0h0v8H0"


@pytest.mark.parametrize(
    "over, words", [(0.012, "1.2 points overconfident"), (-0.03, "3.0 points underconfident"), (0.0001, "neither")]
)
def test_calibration_error_says_in_which_direction(over, words):
    calibration = Calibration((), 0.034, over, ())
    shown = measures(numbers_of(with_metrics(evaluate(sample(FASHION, 30)), calibration=calibration)))
    assert shown["Calibration error"].value == "0.0340"
    assert words in shown["Calibration error"].note


def test_what_needs_probabilities_says_so():
    few = tuple(metric for metric in OVERALL if metric.name not in ("log_loss", "brier"))
    numbers = numbers_of(with_metrics(evaluate(sample(FASHION, 20)), few))
    assert "Log loss" not in measures(numbers)
    for name in ("Log loss", "Brier score"):
        assert (rows(numbers)[name].value, rows(numbers)[name].interval) == ("–", "needs --probabilities")


def test_without_a_second_split_there_is_no_gap():
    shown = measures(numbers_of(evaluate(sample(FASHION, 20))))
    assert not shown.keys() & {"Overfitting gap", "Train accuracy"}


def test_without_labels_there_are_only_confidences():
    of = sample(FASHION, 90, "", labelled=0.0)
    numbers = numbers_of(evaluate(of, ""))
    shown = measures(numbers)
    assert numbers.rows == ()
    assert shown["Images scored"].value == "90"
    assert shown["Mean confidence"].value == f"{of.rows.confidence.mean():.2%}"
    assert shown["Lowest confidence"].value == f"{of.rows.confidence.min():.2%}"
    assert shown["Classes predicted"].value == f"{len(np.unique(of.rows.predictions))} of 10"


def test_one_image_makes_no_number_that_is_not_one():
    of = of_probabilities(("a", "b"), np.array([[0.2, 0.8]]), np.array([1]))
    shown = measures(numbers_of(evaluate(of)))
    assert shown["Test accuracy"].value == "100.00%"
    assert not any("nan" in measure.value for measure in shown.values())


@pytest.mark.parametrize("method", [method for method in get_args(IntervalMethod) if method != "none"])
def test_every_method_of_an_interval_is_named(method):
    metric = Metric("kappa", 0.5, Interval(0.4, 0.6), method, 0.0)
    row, *_ = numbers_of(with_metrics(evaluate(sample(FASHION, 20)), (metric,))).rows
    assert row.method
