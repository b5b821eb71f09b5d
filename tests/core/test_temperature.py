"""What the scores would be without the temperature: against the softmax of the logits themselves."""

import numpy as np
import pytest
from core_cases import evaluate, make_rows
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax
from sklearn.metrics import log_loss

from batchclf.core.metrics.evaluation import Tally
from batchclf.core.metrics.temperature import untempered


def drawn(seed, temperature, rows=300, classes=4):
    """Logits, labels that they tell something of, and rows as a graph with this temperature scores them."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 4, (rows, classes))
    labels = np.where(rng.random(rows) < 0.7, logits.argmax(axis=1), rng.integers(0, classes, rows))
    return logits, labels, make_rows(softmax(logits / temperature, axis=1), labels)


def ece_by_definition(confidence, correct):
    """Guo 2017, equation 3, over 20 bins of equal width."""
    bins = np.minimum((confidence * 20).astype(int), 19)
    error = 0.0
    for number in range(20):
        inside = bins == number
        if inside.any():
            error += inside.mean() * abs(correct[inside].mean() - confidence[inside].mean())
    return error


def counted(rows, temperature, pieces=1):
    """The labelled metrics of rows that a model with this temperature scored, tallied in pieces."""
    whole = Tally("test", rows.class_names, temperature)
    for piece in np.array_split(np.arange(len(rows)), pieces):
        whole.update(rows.only(np.isin(np.arange(len(rows)), piece)))
    return whole.evaluation().labelled


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.3, 8.0).filter(lambda t: t != 1), st.sampled_from([1, 3]))
def test_scores_without_temperature_are_those_of_the_logits(seed, temperature, pieces):
    logits, labels, rows = drawn(seed, temperature)
    before = softmax(logits, axis=1)
    found = counted(rows, temperature, pieces).without_temperature
    confidence, correct = before.max(axis=1), before.argmax(axis=1) == labels
    assert found.temperature == temperature
    assert found.log_loss == pytest.approx(log_loss(labels, before, labels=range(4)), rel=1e-9)
    assert found.ece == pytest.approx(ece_by_definition(confidence, correct), abs=1e-9)
    assert found.overconfidence == pytest.approx(confidence.mean() - correct.mean(), abs=1e-9)
    assert sum(each.images for each in found.bins) == len(rows)
    assert sum(each.correct for each in found.bins) == correct.sum()


def test_what_is_told_with_the_temperature_stays_the_same():
    _, _, rows = drawn(5, 2.5)
    plain, tempered = evaluate(rows).labelled, counted(rows, 2.5)
    assert plain.without_temperature is None
    assert tempered.without_temperature is not None
    assert tempered.overall == plain.overall
    assert tempered.calibration == plain.calibration


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.05, 30.0))
def test_zeros_stay_zeros_rows_add_up_to_one_and_keep_their_order(seed, temperature):
    rng = np.random.default_rng(seed)
    rows = rng.dirichlet(np.full(6, 0.3), 20)
    rows[rng.random(rows.shape) < 0.2] = 0.0
    rows[rows.sum(axis=1) == 0, 0] = 1.0
    # As small as a float32 of the graph can get.
    rows[:, 1] = np.where(rows[:, 1] > 0, 1e-38, 0.0)
    before = untempered(rows, temperature)
    assert ((before == 0) | (rows > 0)).all()
    filled = rows.sum(axis=1) > 0
    assert before[filled].sum(axis=1) == pytest.approx(1.0)
    assert (np.diff(np.take_along_axis(before, rows.argsort(axis=1), axis=1), axis=1) >= 0).all()


def test_rows_of_a_damaged_file_that_are_all_zeros_cost_nothing():
    assert untempered(np.zeros((2, 3)), 2.0).tolist() == [[0.0] * 3] * 2


def test_without_probabilities_or_labels_nothing_is_told():
    _, labels, rows = drawn(1, 3.0)
    bare = make_rows(rows.probabilities, labels, with_probabilities=False)
    assert counted(bare, 3.0).without_temperature is None
    tally = Tally("test", rows.class_names, 3.0)
    tally.update(rows)
    tally.update(bare)
    assert tally.evaluation().labelled.without_temperature is None
    unknown = make_rows(rows.probabilities, np.full(len(labels), -1))
    assert counted(unknown, 3.0) is None
