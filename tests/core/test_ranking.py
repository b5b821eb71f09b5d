"""ROC and precision-recall against scikit-learn, DeLong's interval against all pairs."""

import tracemalloc
from math import sqrt

import hypothesis
import numpy as np
import pytest
from core_cases import random_probabilities
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, softmax
from scipy.stats import norm
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score, roc_curve

from batchclf.core.metrics.intervals import wilson
from batchclf.core.metrics.probability_bins import LARGEST_HISTOGRAMS, ProbabilityBins
from batchclf.core.metrics.ranking import CURVE_POINTS, LARGEST_ERROR
from batchclf.core.metrics.ranking_counts import MOST_KEPT, RankingCounts

MODULE = "batchclf.core.metrics.ranking_counts.MOST_KEPT"


def ranking_of(labels, probabilities, cuts=(), *, kept=MOST_KEPT):
    """The rankings of probabilities that come in pieces, cut before the rows `cuts`; `kept` of them are exact."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MODULE, kept)
        counts = RankingCounts(tuple(f"class {number}" for number in range(probabilities.shape[1])))
        pieces = (np.split(np.asarray(each), sorted(cuts)) for each in (labels, probabilities))
        for of_piece, rows in zip(*pieces, strict=True):
            counts.update(of_piece, np.asarray(rows, np.float64))
    return counts.ranking()


def of_scores(positive, scores):
    """One class's ranking from its probabilities."""
    scores = np.asarray(scores, np.float64)
    _, ranking = ranking_of(np.asarray(positive, np.int64), np.column_stack([1 - scores, scores]))
    return ranking


def realistic(seed, rows, classes, *, sharp=4.0):
    """Probabilities of a model that is mostly right, as they stand in a CSV: float32, 7 digits."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, rows)
    logits = rng.normal(0, 1.5, (rows, classes))
    logits[np.arange(rows), labels] += sharp + rng.normal(0, 2, rows)
    probabilities = softmax(logits, axis=1).astype(np.float32)
    digits = 10.0 ** (6 - np.floor(np.log10(probabilities.astype(np.float64))))
    return labels, np.minimum(np.round(probabilities * digits) / digits, 1.0)


def de_long(positive, scores):
    """DeLong's variance from all pairs."""
    ones, zeros = scores[positive], scores[~positive]
    wins = (ones[:, None] > zeros) + 0.5 * (ones[:, None] == zeros)
    return wins.mean(), wins.mean(axis=1).var(ddof=1) / len(ones) + wins.mean(axis=0).var(ddof=1) / len(zeros)


scored = st.lists(
    st.tuples(
        st.booleans(),
        st.sampled_from([0.0, 1e-30, 0.1, 0.25, 0.3, 0.5, 0.75, 0.9, 0.9999999, 1.0]) | st.floats(0, 1, width=32),
    ),
    min_size=4,
    max_size=60,
).map(lambda pairs: (np.array([p for p, _ in pairs]), np.array([s for _, s in pairs])))


@settings(max_examples=60)
@given(st.integers(1, 80), st.integers(2, 5), st.data())
def test_areas_are_those_of_scikit_learn(rows, classes, data):
    probabilities = data.draw(random_probabilities(rows, classes))
    labels = np.random.default_rng(data.draw(st.integers(0, 99))).integers(0, classes, rows)
    cuts = data.draw(st.lists(st.integers(0, rows), max_size=4))
    for number, found in enumerate(ranking_of(labels, probabilities, cuts)):
        positive = labels == number
        assert (found.name, found.positives) == (f"class {number}", positive.sum())
        assert found.negatives == rows - found.positives
        assert (found.auc is None) == (found.roc == ()) == (positive.all() or not positive.any())
        assert (found.average_precision is None) == (found.precision_recall == ()) == (not positive.any())
        if found.auc is not None:
            assert found.auc.value == pytest.approx(roc_auc_score(positive, probabilities[:, number]), abs=1e-12)
            assert (found.auc.n, found.auc_error) == (rows, 0)
        if found.average_precision is not None:
            assert found.average_precision == pytest.approx(average_precision_score(positive, probabilities[:, number]))


close = st.lists(
    st.tuples(st.booleans(), st.sampled_from([0.3, 0.3, 0.9, 1 - 1e-7]), st.integers(0, 6)), min_size=2, max_size=80
).map(lambda rows: (np.array([p for p, _, _ in rows]), np.array([s * (1 - 2e-4 * step) for _, s, step in rows])))
"""Probabilities of which many share a bin without being equal."""


@settings(max_examples=300)
@given(scored | close)
def test_the_errors_of_binned_areas_hold(case):
    positive, scores = case
    probabilities = np.column_stack([1 - scores, scores])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("batchclf.core.metrics.ranking.LARGEST_ERROR", 1.0)
        _, found = ranking_of(positive.astype(int), probabilities, kept=0)
    _, exact = ranking_of(positive.astype(int), probabilities)
    assert (found.positives, found.negatives) == (exact.positives, exact.negatives)
    assert (found.auc is None) == (exact.auc is None)
    if exact.auc is not None:
        assert abs(found.auc.value - roc_auc_score(positive, scores)) <= found.auc_error + 1e-12
    if exact.average_precision is not None:
        expected = average_precision_score(positive, scores)
        assert abs(found.average_precision - expected) <= found.average_precision_error + 1e-12


@settings(max_examples=100)
@given(st.integers(0, 6), st.integers(0, 6), st.integers(0, 6), st.integers(0, 6), st.integers(0, 99))
def test_the_error_of_a_binned_precision_is_no_larger_than_its_bins_leave_open(ones, zeros, later, others, seed):
    """Of all orders within the two bins, the worst reaches the lower end, and equal positives first the upper one."""
    hypothesis.assume(ones + later)
    positive = np.repeat([True, False, True, False], [ones, zeros, later, others])
    rng = np.random.default_rng(seed)
    # Steps that stay within the two bins
    step = np.concatenate([rng.permutation(ones + zeros), rng.permutation(later + others)])
    at = np.repeat([0.7, 0.2], [ones + zeros, later + others])
    worst = np.concatenate([np.arange(ones + zeros), np.arange(later + others)]) * 1e-6
    best = np.repeat([2e-5, 0.0, 2e-5, 0.0], [ones, zeros, later, others])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("batchclf.core.metrics.ranking.LARGEST_ERROR", 1.0)
        scores = at + step * 1e-6
        _, found = ranking_of(positive.astype(int), np.column_stack([1 - scores, scores]), kept=0)
    low, high = (average_precision_score(positive, at + each) for each in (worst, best))
    middle, error = found.average_precision, found.average_precision_error
    assert (middle - error, middle + error) == (pytest.approx(low), pytest.approx(high))


def test_few_images_of_many_classes_are_ranked_exactly():
    labels, probabilities = realistic(0, 3_000, 1_000, sharp=7.0)
    for number, found in enumerate(ranking_of(labels, probabilities, range(0, 3_000, 256))[:250]):
        positive, scores = labels == number, probabilities[:, number]
        if found.positives:
            assert found.auc.value == pytest.approx(roc_auc_score(positive, scores), abs=1e-12)
            assert found.average_precision == pytest.approx(average_precision_score(positive, scores), abs=1e-12)
            assert (found.auc_error, found.average_precision_error) == (0, 0)


def test_more_probabilities_than_are_kept_are_binned_however_they_are_cut():
    classes = 1_000
    rows = MOST_KEPT // classes + 200
    labels, probabilities = realistic(0, rows, classes, sharp=8.0)
    found = ranking_of(labels, probabilities, range(0, rows, 512))
    assert found == ranking_of(labels, probabilities, [5, 8_000, 8_400])
    errors = [each.average_precision_error for each in found if each.average_precision is not None]
    assert 0 < max(errors) <= LARGEST_ERROR
    assert len(errors) > 900
    for number, each in enumerate(found[:100]):
        positive, scores = labels == number, probabilities[:, number]
        assert each.auc.value == pytest.approx(roc_auc_score(positive, scores), abs=each.auc_error + 1e-12)
        if each.average_precision is not None:
            expected = average_precision_score(positive, scores)
            assert each.average_precision == pytest.approx(expected, abs=each.average_precision_error + 1e-12)


def test_an_area_that_bins_do_not_give_to_two_decimals_is_left_out():
    scores = np.array([0.9, 0.9 - 1e-9, 0.2, 0.1])
    positive = np.array([True, False, False, True])
    _, found = ranking_of(positive.astype(int), np.column_stack([1 - scores, scores]), kept=0)
    assert (found.auc, found.auc_error, found.average_precision, found.average_precision_error) == (None,) * 4
    assert found.roc
    assert found.precision_recall


def test_the_interval_of_a_binned_area_is_wider_by_its_error():
    labels, probabilities = realistic(3, 3_000, 3)
    for binned, exact in zip(ranking_of(labels, probabilities, kept=0), ranking_of(labels, probabilities), strict=True):
        assert binned.auc_error > 0
        wider = binned.auc.interval.high - binned.auc.interval.low - 2 * binned.auc_error
        assert wider == pytest.approx(exact.auc.interval.high - exact.auc.interval.low, abs=1e-5)


def points(first, second):
    return np.column_stack([first, second])


def all_among(curve, expected):
    distances = np.abs(np.asarray(curve)[:, None] - expected).max(axis=2)
    return distances.min(axis=1).max() < 1e-12


@settings(max_examples=60)
@given(scored)
def test_the_points_of_short_curves_are_all_those_of_scikit_learn(case):
    positive, scores = case
    found = of_scores(positive, scores)
    if found.roc:
        false, true, _ = roc_curve(positive, scores, drop_intermediate=False)
        np.testing.assert_allclose(found.roc, points(false, true), atol=1e-12)
    if found.precision_recall:
        precision, recall, _ = precision_recall_curve(positive, scores)
        np.testing.assert_allclose(found.precision_recall, points(recall, precision)[::-1], atol=1e-12)


@pytest.mark.parametrize("sharp", [0.3, 4.0, 12.0])
def test_long_curves_are_thinned_without_a_change_to_be_seen(sharp):
    labels, probabilities = realistic(1, 6_000, 10, sharp=sharp)
    for number, found in enumerate(ranking_of(labels, probabilities)[:5]):
        positive, scores = labels == number, probabilities[:, number]
        false, true, _ = roc_curve(positive, scores, drop_intermediate=False)
        precision, recall, _ = precision_recall_curve(positive, scores)
        assert len(false) > CURVE_POINTS
        for curve, all_points in (
            (found.roc, points(false, true)),
            (found.precision_recall, points(recall, precision)[::-1]),
        ):
            assert 50 < len(curve) <= CURVE_POINTS
            assert all_among(curve, all_points)
            assert (np.diff([x for x, _ in curve]) >= 0).all()
        assert (found.roc[0], found.roc[-1]) == ((0, 0), (1, 1))
        assert found.precision_recall[0] == (0, 1)
        assert found.precision_recall[-1] == (1, pytest.approx(positive.mean()))
        shown = np.array(found.roc)
        assert np.trapezoid(shown[:, 1], shown[:, 0]) == pytest.approx(found.auc.value, abs=0.001)
        # No point of the whole curve is farther away than a line of the chart is wide.
        assert np.abs(np.interp(false + true, shown.sum(axis=1), shown[:, 1]) - true).max() < 0.01


def test_a_perfect_ranking_keeps_its_corner():
    scores = np.linspace(0, 1, 1_001)
    found = of_scores(scores > 0.6, scores)
    assert (0.0, 1.0) in found.roc
    assert (1.0, 1.0) in found.precision_recall


@settings(max_examples=100)
@given(scored)
def test_the_interval_is_de_longs(case):
    positive, scores = case
    found, pairs = of_scores(positive, scores).auc, min(positive.sum(), (~positive).sum())
    if found is None:
        assert pairs == 0
        return
    low, high = found.interval.low, found.interval.high
    assert 0 <= low <= found.value <= high <= 1
    area, variance = (0, 0) if pairs == 1 else de_long(positive, scores)
    if found.value in (0, 1):
        expected = wilson(pairs if found.value else 0, pairs).interval
        assert (low, high) == (expected.low, expected.high)
    elif pairs == 1:
        assert (low, high) == (0, 1)
    else:
        assert found.value == pytest.approx(area)
        half = norm.ppf(0.975) * sqrt(variance)
        assert (low, high) == pytest.approx((max(0, area - half), min(1, area + half)), abs=1e-12)


def test_the_interval_of_many_images():
    labels, probabilities = realistic(3, 3_000, 5)
    for number, found in enumerate(ranking_of(labels, probabilities)):
        area, variance = de_long(labels == number, probabilities[:, number])
        assert found.auc.value == pytest.approx(area, abs=1e-12)
        assert found.auc.interval.low == pytest.approx(area - norm.ppf(0.975) * sqrt(variance), abs=1e-12)


def test_the_interval_holds_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(0)
    positive, truth, held = np.arange(200) < 60, norm.cdf(1 / sqrt(2)), 0
    for _ in range(300):
        interval = of_scores(positive, expit(rng.normal(positive * 1.0))).auc.interval
        held += interval.low <= truth <= interval.high
    assert 0.91 < held / 300 < 0.98


@pytest.mark.parametrize("constant", [0.0, 0.5, 1.0])
def test_equal_probabilities_rank_nothing(constant):
    found = of_scores([True, False, False, True, False], np.full(5, constant))
    assert found.auc.value == 0.5
    assert found.average_precision == pytest.approx(0.4)
    assert found.roc == ((0, 0), (1, 1))
    assert found.precision_recall == ((0, 1), (1, 0.4))


@given(st.lists(st.floats(0, 1) | st.floats(0, 1e-30) | st.floats(1 - 1e-12, 1), min_size=2), st.integers(0, 8))
def test_bins_keep_the_order_and_are_narrow(values, steps):
    values, bins = np.sort(np.array(values)), ProbabilityBins(steps)
    found = bins.of(values)
    assert (np.diff(found) >= 0).all()
    assert (found == 0).tolist() == (values == 0).tolist()
    assert (found == bins.count - 1).tolist() == (values == 1).tolist()
    same = values[(found == found[0]) & (values > 2.0**-149)]
    if len(same):
        width, tail = same[-1] - same[0], min(same[0], 1 - same[-1])
        assert width <= tail / 2**steps


@pytest.mark.parametrize("classes", [1, 2, 10, 100, 1_000])
def test_memory_is_bounded(classes):
    assert 8 * classes * ProbabilityBins.for_classes(classes).count <= LARGEST_HISTOGRAMS == 64 * 2**20
    rows = MOST_KEPT // classes // 3
    labels, probabilities = np.zeros(rows, np.int64), np.full((rows, classes), 0.5)
    counts = RankingCounts(tuple(map(str, range(classes))))
    tracemalloc.start()
    try:
        for _ in range(5):
            counts.update(labels, probabilities)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # What was kept and the histograms that it is poured into, the labels, and the temporaries of a piece
    assert most <= 2 * LARGEST_HISTOGRAMS + 8 * 3 * rows + 9 * probabilities.nbytes
