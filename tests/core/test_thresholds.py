"""Thresholds, compared with scikit-learn's curve and with looking at every threshold."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import precision_recall_curve, precision_score, recall_score

from batchclf.core.metrics.thresholds import Scored, refusal, two_classes


def scored(seed, n=400, digits=3):
    rng = np.random.default_rng(seed)
    positive = rng.random(n) < 0.4
    scores = np.round(1 / (1 + np.exp(-rng.normal(np.where(positive, 1.0, -1.0), 1.3))), digits)
    return Scored(scores, positive), rng.random(n) < 0.5


def judged(of, half, **options):
    chosen = {"threshold": 0.5, "at_recall": 0.9, "at_precision": 0.9, **options}
    return two_classes(of, half, "defect", assumed=False, **chosen)


class TestTwoClasses:
    @given(st.integers(0, 10_000), st.sampled_from([0.5, 0.8, 0.9, 0.99, 1.0]), st.integers(1, 4))
    def test_the_chosen_thresholds_are_the_best_of_scikit_learns_curve(self, seed, target, digits):
        of, half = scored(seed, digits=digits)
        first, second = of.only(~half), of.only(half)
        precision, recall, thresholds = precision_recall_curve(first.positive, first.scores)
        precision, recall = precision[:-1], recall[:-1]
        found = judged(of, half, at_recall=target, at_precision=target)
        for kept, gained, chosen in ((recall, precision, found.at_recall), (precision, recall, found.at_precision)):
            allowed = kept >= target
            if not allowed.any():
                assert chosen.judged is None
                assert chosen.missing.startswith("no threshold reaches this")
                continue
            t = chosen.judged.threshold
            place = np.searchsorted(thresholds, t)  # the same images as at the next score above
            assert kept[place] >= target
            assert gained[place] == gained[allowed].max()
            says = second.scores >= t
            assert chosen.judged.recall.value == pytest.approx(recall_score(second.positive, says))
            if says.any():
                assert chosen.judged.precision.value == pytest.approx(precision_score(second.positive, says))

    def test_a_given_threshold_is_judged_on_all_images(self):
        of, half = scored(1)
        fixed = judged(of, half, threshold=0.7).fixed
        assert (fixed.threshold, fixed.images) == (0.7, 400)
        assert fixed.precision.value == pytest.approx(precision_score(of.positive, of.scores >= 0.7))
        assert fixed.recall.value == pytest.approx(recall_score(of.positive, of.scores >= 0.7))

    def test_what_has_no_image_is_not_zero(self):
        of = Scored(np.array([0.2, 0.3]), np.array([False, False]))
        found = judged(of, np.array([True, False]))
        assert (found.fixed.precision, found.fixed.recall) == (None, None)
        assert found.at_recall.missing == "a half of the images has none of the positive class"


class TestRefusal:
    @given(st.integers(0, 10_000), st.sampled_from([0.0, 1.0, 3.0, 20.0]), st.sampled_from([0.0, 0.5, 1.0]))
    def test_no_other_threshold_costs_less_on_the_half_that_it_was_chosen_on(self, seed, error_cost, review_cost):
        of, half = scored(seed, n=120)
        confidence, right = np.maximum(of.scores, 1 - of.scores), (of.scores >= 0.5) == of.positive
        found = refusal(confidence, right, half, error_cost=error_cost, review_cost=review_cost)

        def cost(t, side):
            kept = confidence[side] >= t
            return (error_cost * (kept & ~right[side]).sum() + review_cost * (~kept).sum()) / side.sum()

        least = min(cost(t, ~half) for t in [0.0, *confidence[~half]])
        assert cost(found.best.threshold, ~half) == pytest.approx(least)
        assert found.best.cost == pytest.approx(cost(found.best.threshold, half))
        assert found.keep_all.cost == pytest.approx(error_cost * (~right[half]).mean())
        assert (found.best.images, found.chosen_on) == (half.sum(), (~half).sum())

    def test_the_table_is_of_all_images_and_the_curve_ends_with_all(self):
        of, half = scored(3, n=5000)
        confidence, right = np.maximum(of.scores, 1 - of.scores), (of.scores >= 0.5) == of.positive
        found = refusal(confidence, right, half, error_cost=None, review_cost=None)
        assert found.best is None
        for row in found.rows:
            kept = confidence >= row.threshold
            assert row.coverage.value == pytest.approx(kept.mean())
            assert row.accuracy.value == pytest.approx(right[kept].mean())
            assert row.cost is None
        assert found.curve[0][1:] == pytest.approx((1.0, right.mean()))
        for threshold, coverage, accuracy in found.curve:
            kept = confidence >= threshold
            assert (kept.mean(), right[kept].mean()) == pytest.approx((coverage, accuracy))

    def test_the_threshold_is_a_short_decimal_that_moves_no_image(self):
        confidence = np.array([0.5123456, 0.6123456, 0.9, 0.95] * 20)
        right = np.array([False, False, True, True] * 20)
        found = refusal(confidence, right, np.arange(80) >= 40, error_cost=5.0, review_cost=1.0)
        assert found.best.threshold == 0.9
        assert found.best.accuracy.value == 1.0
        assert found.best.cost == pytest.approx(0.5)
