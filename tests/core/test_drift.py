"""Drift: scipy is the judge of statistics and p values."""

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import special, stats

from batchclf.core.images.drift import (
    LARGE_PSI,
    SURE_P,
    chi_squared,
    chi_squared_tail,
    drift_of_classes,
    drift_of_values,
    kolmogorov_smirnov,
    kolmogorov_tail,
    stability_index,
)
from batchclf.core.images.statistics import Histogram

COUNTS = st.integers(2, 12).flatmap(
    lambda bins: st.tuples(*[st.lists(st.integers(0, 300), min_size=bins, max_size=bins)] * 2)
)


def _histogram(counts, high=255.0):
    return Histogram(0.0, high, tuple(int(count) for count in counts))


@settings(deadline=None, max_examples=100)
@given(COUNTS)
def test_the_kolmogorov_smirnov_test_is_that_of_scipy(counts):
    first, second = map(np.array, counts)
    assume(first.sum() >= 4 and second.sum() >= 4)
    statistic, p_value = kolmogorov_smirnov(first, second)
    values = [np.repeat(np.arange(len(each)), each) for each in (first, second)]
    expected = stats.ks_2samp(*values, method="asymp")
    assert statistic == pytest.approx(expected.statistic, abs=1e-12)
    # scipy takes the distribution for as many images as the two samples are worth, which is no whole number.
    worth = first.sum() * second.sum() / (first.sum() + second.sum())
    assert p_value == pytest.approx(expected.pvalue, abs=0.02 if worth > 20 else 0.2)


@settings(deadline=None, max_examples=200)
@given(st.floats(1e-3, 12))
def test_kolmogorovs_distribution_is_that_of_scipy(x):
    assert kolmogorov_tail(x) == pytest.approx(special.kolmogorov(x), rel=1e-9, abs=1e-14)
    assert kolmogorov_tail(0.0) == 1


@settings(deadline=None, max_examples=200)
@given(st.floats(0, 3000), st.integers(1, 1200))
def test_the_chi_squared_distribution_is_that_of_scipy(x, freedom):
    assert chi_squared_tail(x, freedom) == pytest.approx(stats.chi2.sf(x, freedom), rel=1e-8, abs=1e-14)


@settings(deadline=None, max_examples=100)
@given(COUNTS)
def test_the_chi_squared_test_is_that_of_scipy(counts):
    first, second = map(np.array, counts)
    assume(first.any() and second.any())
    table = np.stack([first, second])[:, (first + second) > 0]
    expected = table.sum(axis=0) * table.sum(axis=1, keepdims=True) / table.sum()
    rare = expected.min(axis=0) < 5
    if rare.any():
        table = np.concatenate([table[:, ~rare], table[:, rare].sum(axis=1, keepdims=True)], axis=1)
    statistic, p_value = chi_squared(first, second)
    judge = stats.chi2_contingency(table, correction=False)
    assert statistic == pytest.approx(judge.statistic, rel=1e-9, abs=1e-9)
    assert p_value == pytest.approx(judge.pvalue, rel=1e-7, abs=1e-12)


@settings(deadline=None, max_examples=60)
@given(COUNTS)
def test_the_stability_index_is_the_sum_of_both_relative_entropies(counts):
    first, second = map(np.array, counts)
    p, q = ((each + 0.5) / (each + 0.5).sum() for each in (first, second))
    assert stability_index(first, second) == pytest.approx(stats.entropy(p, q) + stats.entropy(q, p), abs=1e-12)


@settings(deadline=None, max_examples=100)
@given(COUNTS)
def test_drift_needs_a_small_p_value_and_a_large_index(counts):
    scored, expected = (_histogram(each) for each in counts)
    names = tuple(f"class {number}" for number in range(len(counts[0])))
    of_values = drift_of_values("brightness", "test", "the reference", scored, expected)
    of_classes = drift_of_classes("test", "the reference", *counts, names)
    for found in (of_values, of_classes):
        if not any(counts[0]) or not any(counts[1]):
            assert found is None
            continue
        assert 0 <= found.p_value <= 1
        assert found.psi >= 0
        assert found.drifted == (found.p_value < SURE_P and found.psi >= LARGE_PSI)
        assert ("has drifted" in found.sentence) == found.drifted
        assert not any(math.isnan(value) for value in (found.statistic, found.p_value, found.psi))
    if of_classes is not None:
        assert of_classes.names == names
        assert of_classes.scored.counts == tuple(counts[0])


@pytest.mark.parametrize("counts", [(1,), (0, 1), (5, 0, 3)])
def test_nothing_has_drifted_from_itself(counts):
    values = drift_of_values("contrast", "", "itself", _histogram(counts), _histogram(counts))
    classes = drift_of_classes("", "itself", counts, counts, tuple("abc"[: len(counts)]))
    for found in (values, classes):
        assert (found.statistic, found.p_value, found.psi, found.drifted) == (0, 1, 0, False)
        assert found.sentence.startswith("No drift")


def test_one_image_is_never_drift():
    one, many = [0] * 50 + [1], [1000] + [0] * 50
    assert not drift_of_values("brightness", "", "many", _histogram(one), _histogram(many)).drifted


def test_many_images_that_hardly_differ_are_no_drift():
    even, uneven = [100_000] * 10, [101_000] * 5 + [99_000] * 5
    found = drift_of_values("brightness", "", "many", _histogram(uneven), _histogram(even))
    assert found.p_value < 0.01
    assert not found.drifted
    assert "differs, but not by much" in found.sentence


def test_a_shift_and_another_mixture_are_drift():
    shape = stats.norm(100, 20).pdf(np.arange(51) * 5 + 2.5)
    shifted = np.roll(shape, 4)
    found = drift_of_values("brightness", "", "before", _histogram(shifted * 1e5), _histogram(shape * 1e5))
    assert found.drifted
    assert "its mean is 120, 100 in the reference" in found.sentence
    assert "p < 0.0001" in found.sentence
    classes = drift_of_classes("", "before", [50, 100], [100, 50], ("cat", "dog"))
    assert classes.drifted
    assert "cat is 33.33% of the predictions, 66.67% in the reference" in classes.sentence


@pytest.mark.parametrize("classes", [2, 1000])
def test_the_same_mixture_drawn_twice_is_no_drift(classes):
    random = np.random.default_rng(classes)
    shares = random.dirichlet(np.full(classes, 5.0))
    names = tuple(map(str, range(classes)))
    drifted = [
        drift_of_classes("", "same", random.multinomial(5000, shares), random.multinomial(8000, shares), names).drifted
        for _ in range(50)
    ]
    assert sum(drifted) <= 3
