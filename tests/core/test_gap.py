import re

import numpy as np
import pytest
from core_cases import evaluate, make_rows, predicted_rows
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, logit
from scipy.stats import sem
from scipy.stats import t as student

from batchclf.core.metrics.formulas import HIGHEST_LOG_LOSS
from batchclf.core.metrics.gap import STRONG_GAP, gap_of_counts, overfitting_gap
from batchclf.core.metrics.intervals import difference, wilson


def _metrics(correct, total):
    """Two classes of half the images each; `correct` of all are right, the first ones."""
    labels = np.arange(total) % 2
    predictions = np.where(np.arange(total) < correct, labels, 1 - labels)
    return evaluate(predicted_rows(labels, predictions, 2)).labelled


@pytest.mark.parametrize(
    ("train", "test", "level"),
    [
        ((950, 1_000), (950, 1_000), "no evidence"),
        ((900, 1_000), (950, 1_000), "no evidence"),
        ((96, 100), (90, 100), "no evidence"),
        ((9_600, 10_000), (9_400, 10_000), "mild"),
        ((9_600, 10_000), (9_101, 10_000), "mild"),
        ((9_600, 10_000), (9_000, 10_000), "strong"),
        ((3, 4), (0, 2), "no evidence"),
    ],
)
def test_the_level_needs_evidence_and_then_goes_by_size(train, test, level):
    gap = overfitting_gap(_metrics(*train), _metrics(*test))
    assert gap.overfitting == level
    assert gap.train == wilson(*train)
    assert gap.test == wilson(*test)
    assert gap.gap == difference(wilson(*train), wilson(*test))
    assert gap.gap.value == pytest.approx(train[0] / train[1] - test[0] / test[1])


@given(st.integers(0, 400), st.integers(0, 400))
def test_the_level_follows_from_the_interval(of_train, of_test):
    gap = overfitting_gap(_metrics(of_train, 400), _metrics(of_test, 400))
    if gap.gap.interval.low <= 0:
        # The baseline is right on half of the images, so half of the way to all right is three quarters.
        assert gap.overfitting == ("underfitting" if of_train < 300 else "no evidence")
    else:
        assert gap.overfitting == ("strong" if gap.gap.value >= STRONG_GAP else "mild")
    assert "-0.0 " not in gap.sentence


def test_the_sentence_gives_the_numbers_and_what_they_mean():
    gap = overfitting_gap(_metrics(9_600, 10_000), _metrics(8_800, 10_000))
    assert "right on 96.00% of the images it was trained on and on 88.00% of new ones" in gap.sentence
    low, high = 100 * gap.gap.interval.low, 100 * gap.gap.interval.high
    assert (
        f": 8.0 points do not carry over (95% interval {low:+.1f} to {high:+.1f})".replace("-", "\u2212")
        in gap.sentence
    )
    assert "This is strong overfitting" in gap.sentence


def test_the_sentences_of_the_levels_differ_in_what_to_do():
    mild = overfitting_gap(_metrics(9_600, 10_000), _metrics(9_400, 10_000)).sentence
    none = overfitting_gap(_metrics(960, 1_000), _metrics(959, 1_000)).sentence
    assert "This is mild overfitting" in mild
    assert "expect the test accuracy" in mild
    assert "no evidence of overfitting: it can be chance" in none
    assert "This is" not in none
    for sentence in (mild, none):
        assert re.search(r"\(95% interval [+\u2212]?\d+\.\d to [+\u2212]?\d+\.\d\)", sentence)


def test_a_gap_of_nearly_nothing_is_not_minus_zero():
    sentence = overfitting_gap(_metrics(89_999, 100_000), _metrics(90_000, 100_000)).sentence
    assert "A gap of 0.0 points" in sentence


@pytest.mark.parametrize(
    ("train", "test", "level"),
    [
        ((749, 1_000), (740, 1_000), "underfitting"),
        ((750, 1_000), (740, 1_000), "no evidence"),
        ((100, 1_000), (700, 1_000), "underfitting"),
        ((700, 1_000), (600, 1_000), "strong"),
    ],
)
def test_a_model_that_has_not_learnt_its_training_images_is_underfitting(train, test, level):
    gap = overfitting_gap(_metrics(*train), _metrics(*test))
    assert gap.overfitting == level
    assert ("this is underfitting" in gap.sentence) == (level == "underfitting")


def test_how_much_is_learnt_is_compared_with_the_baseline_and_not_against_nothing():
    labels = np.repeat([0, 1], [90, 10])
    always_the_first = evaluate(predicted_rows(labels, np.zeros(100, int), 2)).labelled
    assert always_the_first.accuracy.value == 0.9
    assert overfitting_gap(always_the_first, always_the_first).overfitting == "underfitting"


def test_all_images_of_one_class_leave_nothing_to_learn():
    only = evaluate(predicted_rows([0, 0, 0], [0, 0, 0], 2)).labelled
    assert overfitting_gap(only, only).overfitting == "no evidence"


def test_the_gap_of_counts_is_that_of_the_images():
    assert gap_of_counts((96, 100), (88, 100)) == overfitting_gap(_metrics(96, 100), _metrics(88, 100)).gap
    with pytest.raises(ValueError, match="is not a proportion"):
        gap_of_counts((96, 100), (0, 0))


def test_classes_are_compared_where_both_splits_have_them():
    train = evaluate(predicted_rows([0, 0, 1, 1], [0, 0, 1, 0], 3)).labelled
    test = evaluate(predicted_rows([0, 0, 2], [0, 1, 2], 3)).labelled
    first, second, third = overfitting_gap(train, test).per_class
    assert first.name == "class 0"
    assert first.gap == difference(wilson(2, 2), wilson(1, 2))
    assert (second.train, second.test, second.gap) == (wilson(1, 2), None, None)
    assert (third.train, third.test, third.gap) == (None, wilson(1, 1), None)


def test_the_gap_of_the_losses_is_test_minus_train():
    random = np.random.default_rng(0)
    losses = {}
    metrics = {}
    for split, count in (("train", 300), ("test", 50)):
        probabilities, labels = random.dirichlet(np.ones(3), count), random.integers(0, 3, count)
        losses[split] = -np.log(probabilities[np.arange(count), labels])
        metrics[split] = evaluate(make_rows(probabilities, labels)).labelled
    gap = overfitting_gap(metrics["train"], metrics["test"])
    assert gap.train_loss.value == pytest.approx(losses["train"].mean())
    assert gap.test_loss.value == pytest.approx(losses["test"].mean())
    expected = losses["test"].mean() - losses["train"].mean()
    assert gap.loss_gap.value == pytest.approx(expected)
    ends = {}
    for split, of in losses.items():
        share, error = of.mean() / HIGHEST_LOG_LOSS, sem(of) / HIGHEST_LOG_LOSS
        scale = error / (share * (1 - share))
        ends[split] = HIGHEST_LOG_LOSS * expit(student.interval(0.95, len(of) - 1, logit(share), scale)) - of.mean()
    low = expected - np.hypot(ends["test"][0], ends["train"][1])
    high = expected + np.hypot(ends["test"][1], ends["train"][0])
    assert (gap.loss_gap.interval.low, gap.loss_gap.interval.high) == pytest.approx((low, high), abs=1e-5)
    assert gap.loss_gap.n == 50


def test_a_single_image_has_no_interval_of_its_loss():
    one, two = (evaluate(make_rows([[0.9, 0.1], [0.6, 0.4]][:count], [0, 0][:count])).labelled for count in (1, 2))
    gap = overfitting_gap(two, one)
    assert gap.train_loss is not None
    assert gap.test_loss is None
    assert gap.loss_gap is None


@pytest.mark.parametrize("without", ["train", "test"])
def test_the_gap_of_the_losses_needs_both(without):
    metrics = {
        split: evaluate(make_rows([[0.9, 0.1]] * 2, [0, 0], with_probabilities=split != without)).labelled
        for split in ("train", "test")
    }
    gap = overfitting_gap(metrics["train"], metrics["test"])
    assert gap.loss_gap is None
    assert getattr(gap, f"{without}_loss") is None
