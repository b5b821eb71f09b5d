"""The bootstrap over the cells of a confusion matrix against scipy's over the images."""

import numpy as np
import pytest
from core_cases import evaluate, predicted_rows
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import bootstrap
from sklearn.metrics import balanced_accuracy_score, cohen_kappa_score, f1_score, matthews_corrcoef, precision_score

from batchclf.core.metrics.bootstrap import resampled
from batchclf.core.metrics.class_sums import class_sums


def macro_f1(labels, predictions):
    return f1_score(labels, predictions, average="macro", zero_division=0)


def weighted_precision(labels, predictions):
    return precision_score(labels, predictions, average="weighted", zero_division=0)


ORACLES = {
    "balanced_accuracy": balanced_accuracy_score,
    "macro_f1": macro_f1,
    "weighted_precision": weighted_precision,
    "mcc": matthews_corrcoef,
    "kappa": cohen_kappa_score,
}


@pytest.mark.parametrize("name", ORACLES)
def test_intervals_are_about_those_of_scipy(name):
    random = np.random.default_rng(7)
    labels = random.choice(4, 600, p=[0.5, 0.3, 0.15, 0.05])
    predictions = np.where(random.random(600) < 0.75, labels, random.integers(0, 4, 600))
    expected = bootstrap(
        (labels, predictions),
        ORACLES[name],
        paired=True,
        vectorized=False,
        method="percentile",
        n_resamples=300,
        rng=np.random.default_rng(8),
    ).confidence_interval
    found = evaluate(predicted_rows(labels, predictions, 4)).labelled.metric(name).interval
    width = expected.high - expected.low
    # Of so many draws either end is known to about a seventh of the width.
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=0.15 * width)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 50), min_size=1, max_size=40))
def test_each_draw_has_as_many_images(counts):
    counts = np.array(counts)
    drawn = np.concatenate(list(resampled(counts)))
    assert drawn.shape == (1_000, len(counts))
    assert (drawn.sum(axis=1) == counts.sum()).all()
    assert (drawn == np.concatenate(list(resampled(counts)))).all()
    spread = np.sqrt(counts * (1 - counts / counts.sum()) / len(drawn))
    assert (np.abs(drawn.mean(axis=0) - counts) <= 6 * spread).all()


@pytest.mark.parametrize(("cells", "draws"), [(5_000, 1_000), (10_000, 500), (100_000, 200)])
def test_more_cells_are_drawn_less_often(cells, draws):
    assert sum(len(piece) for piece in resampled(np.ones(cells, np.int64))) == draws


@given(st.integers(1, 6), st.integers(0, 30), st.integers(0, 2**32 - 1))
def test_class_sums_add_up_by_class(size, cells, seed):
    random = np.random.default_rng(seed)
    counts, classes = random.integers(0, 9, (3, cells)), random.integers(0, size, cells)
    expected = [np.bincount(classes, weights=row, minlength=size) for row in counts]
    assert (class_sums(counts, classes, size) == expected).all()
