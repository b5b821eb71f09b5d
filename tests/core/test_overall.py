"""Every overall metric against scikit-learn, and the edge cases."""

import numpy as np
import pytest
from core_cases import evaluate, make_rows, predicted_rows, random_rows
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, logit
from scipy.stats import t as student
from sklearn import metrics as oracle

from batchclf.core.metrics.confusion import ConfusionCounts
from batchclf.core.metrics.formulas import HIGHEST_LOG_LOSS
from batchclf.core.metrics.intervals import wilson
from batchclf.core.metrics.overall import DRAWN_CELLS, overall_metrics

FROM_MATRIX = ("balanced_accuracy", "macro_f1", "weighted_precision", "weighted_recall", "weighted_f1", "mcc", "kappa")


def by_name(rows):
    return {metric.name: metric for metric in evaluate(rows).labelled.overall}


def with_interval(metrics):
    return {name for name, metric in metrics.items() if metric.interval is not None}


def expected_values(labels, predictions):
    values = {
        "accuracy": oracle.accuracy_score(labels, predictions),
        "balanced_accuracy": np.mean(
            oracle.recall_score(labels, predictions, labels=np.unique(labels), average=None, zero_division=0)
        ),
    }
    for kind in ("macro", "weighted"):
        of_kind = oracle.precision_recall_fscore_support(labels, predictions, average=kind, zero_division=0)
        values |= {f"{kind}_{name}": of_kind[i] for i, name in enumerate(("precision", "recall", "f1"))}
    if len({*labels, *predictions}) > 1:
        values["mcc"] = oracle.matthews_corrcoef(labels, predictions)
        values["kappa"] = oracle.cohen_kappa_score(labels, predictions)
    else:
        values |= {"mcc": 0.0, "kappa": 0.0}
    return values


@settings(max_examples=60, deadline=None)
@given(random_rows())
def test_what_follows_from_the_confusion_matrix_is_that_of_scikit_learn(rows):
    metrics = by_name(rows)
    for name, expected in expected_values(rows.labels, rows.predictions).items():
        assert metrics[name].value == pytest.approx(expected, abs=1e-12), name
        interval = metrics[name].interval
        assert interval is None or interval.low <= metrics[name].value + 1e-12
        assert interval is None or interval.high >= metrics[name].value - 1e-12


@settings(max_examples=40, deadline=None)
@given(st.integers(3, 7), st.integers(1, 60), st.integers(0, 2**32 - 1))
def test_what_follows_from_probabilities_is_that_of_scikit_learn(classes, count, seed):
    random = np.random.default_rng(seed)
    probabilities = random.dirichlet(np.ones(classes), count)
    labels = random.integers(0, classes, count)
    metrics = by_name(make_rows(probabilities, labels, topk=classes - 1))
    every = np.arange(classes)
    for rank in range(2, classes):
        expected = oracle.top_k_accuracy_score(labels, probabilities, k=rank, labels=every)
        assert metrics[f"top{rank}_accuracy"].value == pytest.approx(expected)
        hits = round(expected * count)
        assert metrics[f"top{rank}_accuracy"].interval == wilson(hits, count).interval
    assert metrics["log_loss"].value == pytest.approx(oracle.log_loss(labels, probabilities, labels=every))
    expected = oracle.brier_score_loss(labels, probabilities, labels=every)
    assert metrics["brier"].value == pytest.approx(expected)


def test_the_names_and_their_order():
    averages = [f"{kind}_{name}" for kind in ("macro", "weighted") for name in ("precision", "recall", "f1")]
    rows = make_rows([[0.5, 0.3, 0.1, 0.1], [0.1, 0.2, 0.3, 0.4]], [0, 1])
    names = ["accuracy", "balanced_accuracy", *averages, "top2_accuracy", "top3_accuracy"]
    assert list(by_name(rows)) == [*names, "log_loss", "brier", "mcc", "kappa"]
    without = make_rows([[0.5, 0.3, 0.1, 0.1]], [0], with_probabilities=False, topk=1)
    assert list(by_name(without)) == ["accuracy", "balanced_accuracy", *averages, "mcc", "kappa"]


def test_methods_of_the_intervals():
    random = np.random.default_rng(0)
    metrics = by_name(make_rows(random.dirichlet(np.ones(4), 200), random.integers(0, 4, 200)))
    assert {name for name, each in metrics.items() if each.method == "wilson"} == {
        "accuracy",
        "top2_accuracy",
        "top3_accuracy",
    }
    assert {name for name, each in metrics.items() if each.method == "logit"} == {"log_loss", "brier"}
    assert {each.method for each in metrics.values()} == {"wilson", "logit", "bootstrap"}


@settings(max_examples=60, deadline=None)
@given(st.integers(3, 90), st.sampled_from([0.6, 1.0, 5.0]), st.integers(0, 2**32 - 1))
def test_log_loss_and_brier_have_students_interval_on_the_logit_scale(count, sharpness, seed):
    random = np.random.default_rng(seed)
    probabilities, labels = random.dirichlet(np.full(3, sharpness), count), random.integers(0, 3, count)
    metrics = by_name(make_rows(probabilities, labels))
    losses = np.minimum(-np.log(np.maximum(probabilities[np.arange(count), labels], 1e-300)), HIGHEST_LOG_LOSS)
    scores = ((probabilities - np.eye(3)[labels]) ** 2).sum(axis=1)
    for name, values, most in (("log_loss", losses, HIGHEST_LOG_LOSS), ("brier", scores, 2.0)):
        share, error = values.mean() / most, values.std(ddof=1) / np.sqrt(count) / most
        low, high = expit(student.interval(0.95, count - 1, logit(share), error / (share * (1 - share))))
        found = metrics[name].interval
        assert 0 < found.low <= metrics[name].value <= found.high < most
        assert logit(found.low / most) == pytest.approx(logit(low), rel=2e-3, abs=2e-3)
        assert logit(found.high / most) == pytest.approx(logit(high), rel=2e-3, abs=2e-3)


def test_sure_of_everything_right_and_of_everything_wrong_are_the_ends_of_the_losses():
    labels = np.arange(6) % 3
    for wrong, loss, score in ((0, 0.0, 0.0), (1, HIGHEST_LOG_LOSS, 2.0)):
        metrics = by_name(make_rows(np.eye(3)[(labels + wrong) % 3], labels))
        for name, value in (("log_loss", loss), ("brier", score)):
            assert metrics[name].value == pytest.approx(value)
            assert metrics[name].interval.low == metrics[name].interval.high == metrics[name].value


def test_all_right_and_all_wrong():
    labels = np.arange(30) % 3
    right, wrong = by_name(predicted_rows(labels, labels, 3)), by_name(predicted_rows(labels, (labels + 1) % 3, 3))
    for name in FROM_MATRIX:
        assert right[name].value == pytest.approx(1.0), name
        assert (right[name].interval, right[name].method) == (None, "none"), name
        assert wrong[name].value <= 0.0, name
    assert right["accuracy"].interval == wilson(30, 30).interval
    assert wrong["accuracy"].interval == wilson(0, 30).interval
    assert -1.0 <= wrong["kappa"].interval.low < wrong["kappa"].value


def test_one_image_has_only_the_intervals_of_its_proportions():
    metrics = by_name(predicted_rows([1], [1], 3))
    assert with_interval(metrics) == {"accuracy", "top2_accuracy", "top3_accuracy"}
    assert metrics["macro_f1"].value == 1.0
    assert metrics["mcc"].value == metrics["kappa"].value == 0.0


def test_one_class_alone():
    confusion = ConfusionCounts(("only",), np.array([[7]]))
    metrics = {metric.name: metric for metric in overall_metrics(confusion, np.array([7]), {})}
    assert metrics["accuracy"].value == metrics["balanced_accuracy"].value == metrics["macro_f1"].value == 1.0
    assert metrics["mcc"].value == metrics["kappa"].value == metrics["mcc"].baseline == 0.0
    assert with_interval(metrics) == {"accuracy"}


def test_a_class_without_images_and_a_class_never_predicted():
    labels, predictions = np.array([0, 0, 0, 1, 1, 3, 3]), np.array([0, 0, 2, 0, 0, 3, 0])
    metrics = by_name(predicted_rows(labels, predictions, 5))
    for name, expected in expected_values(labels, predictions).items():
        assert metrics[name].value == pytest.approx(expected), name


def test_with_very_many_cells_the_intervals_are_about_those_of_drawing():
    """The delta method takes over at a number of cells; just below it the bootstrap gives nearly the same."""
    random = np.random.default_rng(2)
    classes = 100
    counts = np.diag(random.integers(20, 60, classes))
    cells = random.choice(classes**2, DRAWN_CELLS - classes, replace=False)
    counts.reshape(-1)[cells] += random.integers(1, 4, len(cells))
    spare = np.flatnonzero(counts.reshape(-1) == 0)
    few = counts.copy()
    counts.reshape(-1)[spare[: DRAWN_CELLS + 1 - np.count_nonzero(counts)]] += 1
    drawn, moved = (
        {each.name: each for each in overall_metrics(ConfusionCounts(tuple(map(str, range(classes))), c), hits, {})}
        for c, hits in ((few, np.array([few.trace()])), (counts, np.array([counts.trace()])))
    )
    for name in FROM_MATRIX:
        assert (drawn[name].method, moved[name].method) == ("bootstrap", "delta")
        widths = [each[name].interval.high - each[name].interval.low for each in (drawn, moved)]
        assert widths[0] == pytest.approx(widths[1], rel=0.15), name
        assert moved[name].interval.low < moved[name].value < moved[name].interval.high


@pytest.mark.parametrize(("classes", "images"), [(50, 3), (300, 5), (300, 10)])
def test_with_few_images_a_class_the_interval_still_lies_about_the_value(classes, images):
    """Drawing again leaves images out, which alone lowers macro F1 and raises the weighted precision."""
    random = np.random.default_rng(3)
    labels = np.repeat(np.arange(classes), images)
    strays = (labels + random.integers(1, 8, len(labels))) % classes
    counts = np.zeros((classes, classes), np.int64)
    np.add.at(counts, (labels, np.where(random.random(len(labels)) < 0.7, labels, strays)), 1)
    confusion = ConfusionCounts(tuple(map(str, range(classes))), counts)
    for metric in overall_metrics(confusion, np.array([counts.trace()]), {}):
        if metric.method == "bootstrap":
            assert metric.interval.low < metric.value < metric.interval.high, metric.name


def test_the_same_input_gives_the_same_intervals():
    rows = predicted_rows(np.arange(40) % 4, np.arange(40) % 3, 4)
    assert by_name(rows) == by_name(rows)
