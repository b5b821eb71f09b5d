from itertools import pairwise
from math import sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, norm

from batchclf.core.metrics.intervals import difference, wilson


@st.composite
def proportions(draw):
    n = draw(st.one_of(st.integers(1, 30), st.integers(1, 100_000)))
    return draw(st.integers(0, n)), n


@given(proportions())
def test_wilson_is_that_of_scipy(proportion):
    successes, n = proportion
    estimate = wilson(successes, n)
    expected = binomtest(successes, n).proportion_ci(confidence_level=0.95, method="wilson")
    assert estimate.value == successes / n
    assert estimate.n == n
    assert estimate.interval.low == pytest.approx(expected.low, abs=1e-9)
    assert estimate.interval.high == pytest.approx(expected.high, abs=1e-9)
    assert 0 <= estimate.interval.low <= estimate.value <= estimate.interval.high <= 1


@pytest.mark.parametrize("n", [1, 2, 10, 3_333, 10_000])
def test_wilson_at_the_ends_reaches_them_exactly(n):
    assert wilson(0, n).interval.low == 0.0
    assert wilson(n, n).interval.high == 1.0
    assert 0 < wilson(0, n).interval.high < 1
    assert 0 < wilson(n, n).interval.low < 1


@pytest.mark.parametrize(("successes", "n"), [(1, 0), (0, 0), (-1, 5), (6, 5), (0, -3)])
def test_what_is_no_proportion_is_refused(successes, n):
    with pytest.raises(ValueError, match="is not a proportion"):
        wilson(successes, n)


# The examples (a) to (h) of Newcombe 1998, table II, method 10.
NEWCOMBE = [
    ((56, 70), (48, 80), 0.0524, 0.3339),
    ((9, 10), (3, 10), 0.1705, 0.8090),
    ((6, 7), (2, 7), 0.0582, 0.8062),
    ((5, 56), (0, 29), -0.0381, 0.1926),
    ((0, 10), (0, 20), -0.1611, 0.2775),
    ((0, 10), (0, 10), -0.2775, 0.2775),
    ((10, 10), (0, 20), 0.6791, 1.0000),
    ((10, 10), (0, 10), 0.6075, 1.0000),
]


@pytest.mark.parametrize(("first", "second", "low", "high"), NEWCOMBE)
def test_difference_gives_newcombes_published_examples(first, second, low, high):
    estimate = difference(wilson(*first), wilson(*second))
    assert (estimate.interval.low, estimate.interval.high) == pytest.approx((low, high), abs=5.1e-5)
    assert estimate.n == min(first[1], second[1])


def _score_limits(successes, n):
    """The Wilson limits as Newcombe gives them: the roots in p of |p - share| = z * sqrt(p(1 - p) / n)."""
    z2 = norm.ppf(0.975) ** 2
    share = successes / n
    roots = np.roots([n + z2, -(2 * n * share + z2), n * share**2])
    return float(np.min(roots.real)), float(np.max(roots.real))


@given(proportions(), proportions())
def test_difference_is_newcombes_formula(first, second):
    estimate = difference(wilson(*first), wilson(*second))
    p1, p2 = first[0] / first[1], second[0] / second[1]
    (l1, u1), (l2, u2) = _score_limits(*first), _score_limits(*second)
    theta = p1 - p2
    assert estimate.value == pytest.approx(theta, abs=1e-12)
    assert estimate.interval.low == pytest.approx(theta - sqrt((p1 - l1) ** 2 + (u2 - p2) ** 2), abs=1e-6)
    assert estimate.interval.high == pytest.approx(theta + sqrt((u1 - p1) ** 2 + (p2 - l2) ** 2), abs=1e-6)
    assert -1 <= estimate.interval.low <= estimate.value <= estimate.interval.high <= 1


@given(proportions(), proportions())
def test_difference_turns_its_sign_with_the_order(first, second):
    forth, back = difference(wilson(*first), wilson(*second)), difference(wilson(*second), wilson(*first))
    assert forth.value == -back.value
    assert (forth.interval.low, forth.interval.high) == pytest.approx((-back.interval.high, -back.interval.low))


def test_more_images_make_the_interval_narrower():
    widths = [wilson(9 * n, 10 * n).interval for n in (1, 10, 100, 1_000)]
    assert all(a.high - a.low > b.high - b.low for a, b in pairwise(widths))
