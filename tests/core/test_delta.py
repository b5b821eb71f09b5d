"""The delta method against derivatives of scikit-learn's metrics, and each class's influence against a whole matrix."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm
from sklearn import metrics as oracle

from batchclf.core.metrics.bootstrap import agreement
from batchclf.core.metrics.class_sums import ClassSums
from batchclf.core.metrics.confusion import ConfusionCounts
from batchclf.core.metrics.delta import delta_intervals, influences

NUMBERS = {"zero_division": 0}
ORACLES = {
    "balanced_accuracy": (oracle.balanced_accuracy_score, {}),
    "macro_precision": (oracle.precision_score, {"average": "macro", **NUMBERS}),
    "macro_f1": (oracle.f1_score, {"average": "macro", **NUMBERS}),
    "weighted_precision": (oracle.precision_score, {"average": "weighted", **NUMBERS}),
    "weighted_recall": (oracle.recall_score, {"average": "weighted", **NUMBERS}),
    "weighted_f1": (oracle.f1_score, {"average": "weighted", **NUMBERS}),
    "mcc": (oracle.matthews_corrcoef, {}),
    "kappa": (oracle.cohen_kappa_score, {}),
}


@pytest.fixture(scope="module")
def confusion():
    random = np.random.default_rng(4)
    counts = random.integers(20, 60, (6, 6)) + np.diag([100, 200, 400, 800, 1_600, 3_200])
    return ConfusionCounts(tuple("abcdef"), counts)


@pytest.mark.parametrize("name", ORACLES)
def test_intervals_are_those_of_scikit_learns_derivatives(confusion, name):
    """The weight of a cell's images is moved a little: the infinitesimal jackknife itself."""
    function, options = ORACLES[name]
    cells = confusion.cells()
    weights = cells.counts.astype(float)

    def value(at):
        return function(cells.labels, cells.predictions, sample_weight=at, **options)

    step = 1e-3 * np.eye(len(weights))
    slopes = np.array([(value(weights + each) - value(weights - each)) / 2e-3 for each in step])
    half = norm.ppf(0.975) * np.sqrt(cells.counts @ (slopes - cells.counts @ slopes / cells.counts.sum()) ** 2)
    values = {each: float(number) for each, number in agreement(confusion.sums).items()}
    found = delta_intervals(confusion.sums, cells, values)[name]
    assert (found.low + found.high) / 2 == pytest.approx(value(weights))
    # One whole image is not quite a little one.
    assert (found.high - found.low) / 2 == pytest.approx(half, rel=0.01)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 7), st.integers(1, 60), st.integers(0, 2**32 - 1))
def test_one_class_moves_a_metric_as_if_all_were_computed_again(classes, images, seed):
    random = np.random.default_rng(seed)
    counts = np.zeros((classes, classes), np.int64)
    np.add.at(counts, tuple(random.integers(0, classes, (2, images))), 1)
    sums = ConfusionCounts(tuple(map(str, range(classes))), counts).sums
    labels, predictions = (place.ravel() for place in np.indices(counts.shape))
    found = influences(sums, labels, predictions)
    before = agreement(sums)
    margins = np.array([sums.correct, sums.support, sums.predicted])
    for cell, (label, prediction) in enumerate(zip(labels, predictions, strict=True)):
        expected = dict.fromkeys(before, 0.0)
        for place, one, counted in ((0, label, label == prediction), (1, label, True), (2, prediction, True)):
            more = margins.copy()
            more[place, one] += 1
            after = agreement(ClassSums.of(*more))
            expected = {name: moved + counted * (after[name] - before[name]) for name, moved in expected.items()}
        assert {name: each[cell] for name, each in found.items()} == pytest.approx(expected, abs=1e-12)
