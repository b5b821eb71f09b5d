"""Ways to use one model, judged on the same images."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, ttest_rel

from batchclf.core.compare.alternatives import LEVEL, Trial, judge, judge_by_loss


def trial(right, loss=None):
    right = np.asarray(right, bool)
    return Trial("p", "g", "o", "u", "", right, np.zeros(len(right)) if loss is None else np.asarray(loss, float))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=80), st.integers(1, 500))
def test_each_is_judged_by_the_binomial_test_times_the_looks(pairs, looks):
    first, second = (np.array(each) for each in zip(*pairs, strict=True))
    (_, found) = judge([trial(first), trial(second)], 0, looks)
    gained, lost = int((second & ~first).sum()), int((first & ~second).sum())
    exact = binomtest(gained, gained + lost).pvalue if gained + lost else 1.0
    assert found.p_value == pytest.approx(min(1.0, exact * looks))
    assert found.accuracy.value == pytest.approx(second.mean())
    expected = "within chance" if found.p_value >= LEVEL else "better" if gained > lost else "worse"
    assert found.outcome == expected


def test_ways_that_are_equally_good_are_seldom_called_better_or_worse():
    random, false_alarms = np.random.default_rng(3), 0
    for _ in range(400):
        trials = [trial(random.random(200) < 0.7) for _ in range(40)]
        false_alarms += any(each.outcome in ("better", "worse") for each in judge(trials, 0, 40))
    assert false_alarms <= 400 * LEVEL


def test_a_way_that_is_better_by_ten_points_is_found_in_500_images():
    random, found = np.random.default_rng(5), 0
    for _ in range(100):
        known = random.random(500) < 0.8
        better = known | (random.random(500) < 0.5)
        found += judge([trial(known), trial(better)], 0, 300)[1].outcome == "better"
    assert found == 100


def test_losses_are_judged_by_the_paired_t_test():
    random = np.random.default_rng(7)
    first, second = random.exponential(size=60), random.exponential(size=60) + 1
    right = np.ones(60, bool)
    found = judge_by_loss(trial(right, second), trial(right, first), 7)
    assert found.p_value == pytest.approx(min(1.0, ttest_rel(first, second).pvalue * 7))
    assert (found.outcome, found.log_loss) == ("worse", pytest.approx(second.mean()))
    assert judge_by_loss(trial(right, first), trial(right, second), 7).outcome == "better"
    assert judge_by_loss(trial(right, first), trial(right, first), 7).p_value == 1
