"""The fitted temperature against scikit-learn's, a dense grid, and what must hold for any logits."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax, softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import log_loss

from batchclf.training.temperature import LEAST, LEAST_IMAGES, MOST, fit_temperature


def drawn(seed, *, count=400, classes=5, sharpness=3.0):
    """Give logits of images whose classes are drawn from their softmax, so that the right temperature is near 1."""
    random = np.random.default_rng(seed)
    logits = random.normal(scale=sharpness, size=(count, classes))
    labels = np.array([random.choice(classes, p=row) for row in softmax(logits, axis=1)])
    return logits, labels


def loss(logits, labels, temperature=1.0):
    return -log_softmax(logits / temperature, axis=1)[np.arange(len(labels)), labels].mean()


class Given(ClassifierMixin, BaseEstimator):
    """A classifier of scikit-learn whose decision function is what it is given."""

    def fit(self, inputs, labels):
        self.classes_ = np.unique(labels)
        return self

    def decision_function(self, inputs):
        return inputs

    def predict(self, inputs):
        return self.classes_[inputs.argmax(axis=1)]


@pytest.mark.parametrize("factor", [0.4, 1.0, 3.5])
def test_it_is_scikit_learns(factor):
    logits, labels = drawn(1)
    logits *= factor
    judge = CalibratedClassifierCV(FrozenEstimator(Given().fit(logits, labels)), method="temperature", ensemble=False)
    expected = judge.fit(logits, labels).predict_proba(logits)
    found = fit_temperature(logits, labels)
    np.testing.assert_allclose(softmax(logits / found.temperature, axis=1), expected, atol=1e-6)
    assert found.images == 400
    assert found.log_loss == pytest.approx((log_loss(labels, softmax(logits, axis=1)), log_loss(labels, expected)))


def test_no_temperature_of_a_grid_is_better():
    logits, labels = drawn(2, classes=3)
    found = fit_temperature((logits * 2).astype(np.float32), labels)
    grid = np.geomspace(LEAST, MOST, 2_000)
    losses = [loss((logits * 2).astype(np.float32).astype(np.float64), labels, each) for each in grid]
    assert found.temperature == pytest.approx(grid[np.argmin(losses)], rel=0.004)
    assert found.log_loss[1] <= min(losses) + 1e-12


def test_the_ece_is_that_of_twenty_bins():
    logits, labels = drawn(3, count=1_000)
    found = fit_temperature(logits * 2, labels)
    for ece, temperature in zip(found.ece, (1.0, found.temperature), strict=True):
        shares = softmax(2 * logits / temperature, axis=1)
        confidence, right = shares.max(axis=1), shares.argmax(axis=1) == labels
        bins = np.minimum((confidence * 20).astype(int), 19)
        expected = sum(abs((right[bins == b] - confidence[bins == b]).sum()) for b in range(20)) / 1_000
        assert ece == pytest.approx(expected)
    assert found.ece[1] < found.ece[0] / 2


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.integers(2, 6), st.floats(0.3, 3), st.floats(-1000, 1000))
def test_for_any_logits(seed, classes, factor, shift):
    logits, labels = drawn(seed, count=150, classes=classes, sharpness=2.0)
    found = fit_temperature(logits, labels)
    assert LEAST <= found.temperature <= MOST
    assert found.log_loss[1] <= found.log_loss[0] == pytest.approx(loss(logits, labels))
    np.testing.assert_array_equal((logits / found.temperature).argmax(axis=1), logits.argmax(axis=1))
    scaled = fit_temperature(logits * factor + shift, labels)
    if min(found.temperature, found.temperature * factor) > LEAST and found.temperature * max(1, factor) < MOST:
        assert scaled.temperature == pytest.approx(found.temperature * factor, rel=1e-6)
    assert scaled.log_loss[1] <= scaled.log_loss[0]


def test_large_logits_overflow_nowhere():
    logits, labels = drawn(4)
    found = fit_temperature(logits * 5 + 1e5, labels)
    assert found.temperature == pytest.approx(fit_temperature(logits, labels).temperature * 5, rel=1e-5)
    assert np.isfinite([*found.log_loss, *found.ece]).all()
    assert fit_temperature(logits * 1e6, labels).temperature == MOST


def test_predictions_that_are_worse_than_chance_get_the_highest_temperature():
    logits, labels = drawn(5)
    assert fit_temperature(-logits, labels).temperature == MOST


def test_the_lowest_temperature_is_the_end():
    """Nearly right everywhere: one image is wrong by next to nothing."""
    logits = np.tile([1.0, 0.0], (200, 1))
    logits[0] = [0.0, 1e-9]
    found = fit_temperature(logits, np.zeros(200, np.int64))
    assert found.temperature == LEAST


def test_logits_that_say_nothing_stay_as_they_are():
    found = fit_temperature(np.zeros((200, 4)), np.arange(200) % 4)
    assert found.temperature == 1
    assert found.log_loss == pytest.approx((np.log(4), np.log(4)))


def test_where_there_is_nothing_to_go_by():
    logits, labels = drawn(6)
    right = logits.argmax(axis=1)
    assert fit_temperature(logits, right) is None
    assert fit_temperature(logits[: LEAST_IMAGES - 1], labels[: LEAST_IMAGES - 1]) is None
    assert fit_temperature(logits[:LEAST_IMAGES], labels[:LEAST_IMAGES]) is not None
    assert fit_temperature(logits[:0], labels[:0]) is None
    for wrong in (np.nan, np.inf):
        damaged = logits.copy()
        damaged[7, 2] = wrong
        assert fit_temperature(damaged, labels) is None
