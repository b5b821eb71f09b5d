"""Drift: scipy is the judge of statistics and p values."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import special, stats

from batchclf.core.images.drift import (
    KOLMOGOROV_SMIRNOV,
    LARGE_PSI,
    MONTE_CARLO,
    SURE_P,
    chi_squared,
    chi_squared_tail,
    drift_of_classes,
    drift_of_values,
    images_needed,
    kolmogorov_smirnov,
    kolmogorov_tail,
    stability_index,
)
from batchclf.core.images.statistics import Histogram

SMALL = st.integers(2, 4).flatmap(
    lambda bins: st.tuples(*[st.lists(st.integers(0, 4), min_size=bins, max_size=bins)] * 2)
)
COUNTS = st.integers(2, 12).flatmap(
    lambda bins: st.tuples(*[st.lists(st.integers(0, 300), min_size=bins, max_size=bins)] * 2)
)


def _histogram(counts, high=255.0):
    return Histogram(0.0, high, tuple(int(count) for count in counts))


def _values(counts):
    return [np.repeat(np.arange(len(each)), each) for each in counts]


@settings(deadline=None, max_examples=100)
@given(COUNTS)
def test_the_kolmogorov_smirnov_test_of_many_images_is_that_of_scipy(counts):
    first, second = (np.array(each) + 60 for each in counts)
    test, statistic, p_value = kolmogorov_smirnov(first, second)
    expected = stats.ks_2samp(*_values((first, second)), method="asymp")
    assert test == KOLMOGOROV_SMIRNOV
    assert statistic == pytest.approx(expected.statistic, abs=1e-12)
    # scipy takes the distribution for as many images as the two samples are worth, which is no whole number.
    assert p_value == pytest.approx(expected.pvalue, abs=0.03)


def _chance(first, second, statistic):
    """Add up the chance of every table with these margins that is as extreme, by scipy's distribution."""
    pooled, n = np.add(first, second), sum(first)
    seen = statistic(np.array(first), np.array(second))
    tables = [rows for rows in itertools.product(*(range(of + 1) for of in pooled)) if sum(rows) == n]
    extreme = [rows for rows in tables if statistic(np.array(rows), pooled - rows) >= seen - 1e-9]
    return sum(stats.multivariate_hypergeom.pmf(rows, pooled, n) for rows in extreme)


def _ks(first, second):
    with np.errstate(divide="ignore"):  # in the p value of one image a side
        return stats.ks_2samp(*_values((first, second)), method="asymp").statistic


def _pearson(first, second):
    table = np.stack([first, second])[:, first + second > 0]
    return stats.chi2_contingency(table, correction=False).statistic


@settings(deadline=None, max_examples=25)
@given(SMALL)
def test_of_few_images_both_p_values_are_those_of_all_tables(counts):
    first, second = map(np.array, counts)
    assume(first.any() and second.any())
    for function, statistic in ((kolmogorov_smirnov, _ks), (chi_squared, _pearson)):
        test, found, p_value = function(first, second)
        exact = _chance(*counts, statistic)
        assert test.endswith(MONTE_CARLO)
        assert found == pytest.approx(statistic(first, second), abs=1e-9)
        assert p_value == pytest.approx(exact, abs=5 * max(exact / 10, math.sqrt(exact / 999)) + 0.001)
        assert function(first, second) == (test, found, p_value)  # to the digit


def test_without_ties_the_p_value_is_the_exact_one_of_scipy():
    random = np.random.default_rng(3)
    for shift in (0, 5, 12):
        places = random.permutation(60)[:40]
        first, second = np.zeros(60 + shift, np.int64), np.zeros(60 + shift, np.int64)
        first[places[:20] + shift] = 1
        second[places[20:]] = 1
        exact = stats.ks_2samp(*_values((first, second)), method="exact").pvalue
        _, _, p_value = kolmogorov_smirnov(first, second)
        assert p_value == pytest.approx(exact, abs=5 * max(exact / 10, math.sqrt(exact / 999)) + 0.001)


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
def test_the_chi_squared_test_of_many_images_is_that_of_scipy(counts):
    first, second = map(np.array, counts)
    assume(first.any() and second.any())
    table = np.stack([first, second])[:, (first + second) > 0]
    judge = stats.chi2_contingency(table, correction=False)
    test, statistic, p_value = chi_squared(first, second)
    assert statistic == pytest.approx(judge.statistic, rel=1e-9, abs=1e-9)
    assert test.endswith(MONTE_CARLO) == (judge.expected_freq.min() < 5)
    if not test.endswith(MONTE_CARLO):
        assert p_value == pytest.approx(judge.pvalue, rel=1e-7, abs=1e-12)


@settings(deadline=None, max_examples=60)
@given(COUNTS)
def test_the_stability_index_is_the_sum_of_both_relative_entropies(counts):
    first, second = map(np.array, counts)
    added = 0.5 * min(1, 10 / len(first))
    p, q = ((each + added) / (each + added).sum() for each in (first, second))
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
        if not found.test:
            assert (found.statistic, found.p_value, found.psi, found.drifted) == (None, None, None, False)
            assert "not checked: too few images" in found.sentence
            continue
        assert 0 <= found.p_value <= 1
        assert found.psi >= 0
        assert found.drifted == (found.p_value < SURE_P and found.psi >= LARGE_PSI)
        assert found.sentence.startswith("Drift in ") == found.drifted
        assert not any(math.isnan(value) for value in (found.statistic, found.p_value, found.psi))
    if of_classes is not None:
        assert of_classes.names == names
        assert of_classes.scored.counts == tuple(counts[0])


@pytest.mark.parametrize("counts", [(0, 12), (0, 9, 31), (5, 0, 3, 0), (9000, 0, 1)])
def test_nothing_has_drifted_from_itself(counts):
    values = drift_of_values("contrast", "", "itself", _histogram(counts), _histogram(counts))
    classes = drift_of_classes("", "itself", counts, counts, tuple("abcd"[: len(counts)]))
    for found in (values, classes):
        assert (found.statistic, found.p_value, found.psi, found.drifted) == (0, 1, 0, False)
        assert found.sentence.startswith("No drift")


@pytest.mark.parametrize(
    ("scored", "expected", "why"),
    [
        ((0, 1), (1000, 0), "too few images: 1 scored, the test needs 5"),
        ((0, 4), (1000, 0), "too few images: 4 scored, the test needs 5"),
        ((0, 7), (500, 500), "too few images: 7 scored, the test needs 8"),
        ((0, 900), (4, 0), "too few images: the reference has 4, the test needs 5"),
        ((9,), (90,), "there is only one class"),
    ],
)
def test_too_few_images_are_not_checked(scored, expected, why):
    values = drift_of_values("brightness", "", "many", _histogram(scored), _histogram(expected))
    classes = drift_of_classes("", "many", scored, expected, tuple("ab"[: len(scored)]))
    for found in (values, classes):
        assert found.sentence == f"Drift in {found.quantity} not checked: {why}."
        assert (found.p_value, found.psi, found.drifted) == (None, None, False)


@pytest.mark.parametrize(("expected", "rare"), [(1000, 0), (1000, 500), (60, 6), (12, 9), (5, 0)])
def test_the_images_needed_are_the_fewest_that_can_be_sure(expected, rare):
    needed = images_needed(expected, rare, SURE_P)
    for n, enough in ((needed, True), (needed - 1, False)):
        chance = stats.hypergeom.sf(n - 1, n + expected, n + rare, n)
        assert (chance < SURE_P) == enough


def test_a_small_folder_of_one_class_is_drift():
    names = ("T-shirt", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Boot")
    found = drift_of_classes("", "the test images", [0] * 8 + [38, 0], [1000] * 10, names)
    assert found.drifted
    assert "Bag 100.00%, reference 10.00%" in found.sentence
    assert (found.test, found.p_value) == ("chi-squared (Monte Carlo)", 0.001)


def test_many_images_that_hardly_differ_are_no_drift():
    even, uneven = [100_000] * 10, [101_000] * 5 + [99_000] * 5
    found = drift_of_values("brightness", "", "many", _histogram(uneven), _histogram(even))
    assert found.p_value < 0.01
    assert not found.drifted
    assert "only a small difference" in found.sentence


def test_a_shift_and_another_mixture_are_drift():
    shape = stats.norm(100, 20).pdf(np.arange(51) * 5 + 2.5)
    shifted = np.roll(shape, 4)
    found = drift_of_values("brightness", "", "before", _histogram(shifted * 1e5), _histogram(shape * 1e5))
    assert found.drifted
    assert "mean 120, reference 100" in found.sentence
    assert "p < 0.0001" in found.sentence
    classes = drift_of_classes("", "before", [50, 100], [100, 50], ("cat", "dog"))
    assert classes.drifted
    assert "cat 33.33%, reference 66.67%" in classes.sentence


SIZES = (10, 38, 100, 1000)
TRIALS = {10: 300, 100: 100, 1000: 25}


@pytest.mark.parametrize("classes", TRIALS)
def test_the_same_mixture_is_drift_in_one_of_a_hundred_folders_at_most(classes):
    random = np.random.default_rng(classes)
    shares, names = random.dirichlet(np.full(classes, 3.0)), tuple(map(str, range(classes)))
    alarms = [
        drift_of_classes("", "", random.multinomial(n, shares), random.multinomial(5000, shares), names).drifted
        for n in SIZES
        for _ in range(TRIALS[classes])
    ]
    # Exceeded by chance in less than one of a thousand seeds; a test at 5% exceeds it
    assert sum(alarms) <= stats.binom.isf(1e-3, len(alarms), SURE_P)


@pytest.mark.parametrize("bins", [10, 51])
@pytest.mark.parametrize("reference", [60, 5000])
def test_values_of_the_same_distribution_are_drift_in_one_of_a_hundred_folders_at_most(bins, reference):
    random = np.random.default_rng(bins + reference)
    shares = random.dirichlet(np.full(bins, 1.0))
    alarms = []
    for n in SIZES:
        for _ in range(200):
            scored, expected = (_histogram(random.multinomial(size, shares)) for size in (n, reference))
            found = drift_of_values("brightness", "", "", scored, expected)
            alarms.append(found.drifted)
    assert sum(alarms) <= stats.binom.isf(1e-3, len(alarms), SURE_P)


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("classes", TRIALS)
def test_a_folder_that_turns_to_one_class_is_drift(classes, n):
    random = np.random.default_rng(classes * n)
    shares, names = np.full(classes, 1 / classes), tuple(map(str, range(classes)))
    tries = 4
    found = {n: 0, n // 2: 0}
    for of_one in found:
        for _ in range(tries):
            scored = random.multinomial(n - of_one, shares)
            scored[0] += of_one
            found[of_one] += drift_of_classes("", "", scored, random.multinomial(5000, shares), names).drifted
    assert found[n] == tries
    assert found[n // 2] == tries or n == 10  # five of ten images are seldom enough
