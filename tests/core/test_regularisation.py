"""Variants of a training: which is best on the validation images, and what the difference is worth."""

from dataclasses import replace
from math import hypot

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from batchclf.core.records.regularisation import compare_variants
from batchclf.core.training_record import Right, Variant


def variant(name, options, train, validation, test, *, seconds=20.0, images=1000):
    """A variant with shares that are right, of as many images each."""
    counts = [Right(round(share * images), images) for share in (train, validation, test)]
    return Variant(name, options, 10, 8, *counts, seconds)


AS_IS = variant("as it is", "", 0.97, 0.88, 0.90)
DROPOUT = variant("dropout", "--dropout 0.3", 0.93, 0.89, 0.88, seconds=30.0)


def newcombe(first, second):
    """Newcombe 1998, method 10, from SciPy's Wilson intervals."""
    shares = [each.correct / each.images for each in (first, second)]
    ends = [binomtest(each.correct, each.images).proportion_ci(method="wilson") for each in (first, second)]
    value = shares[0] - shares[1]
    return (
        value - hypot(shares[0] - ends[0].low, ends[1].high - shares[1]),
        value + hypot(ends[0].high - shares[0], shares[1] - ends[1].low),
    )


def test_the_validation_images_choose_and_not_the_test_images():
    found = compare_variants([AS_IS, DROPOUT])
    assert (found.base, found.best) == (0, 1)
    assert found.better.value == pytest.approx(0.01)
    expected = newcombe(DROPOUT.validation, AS_IS.validation)
    assert (found.better.interval.low, found.better.interval.high) == pytest.approx(expected)
    gap = found.variants[1].gap
    assert (gap.interval.low, gap.interval.high) == pytest.approx(newcombe(DROPOUT.train, DROPOUT.test))
    assert found.sentence.startswith(
        "'dropout' has the best accuracy on the validation images: 89.00% against 88.00% of 'as it is', "
        "1.0 points more (95% interval \u22121.8 to +3.8), which is within what chance does. "
        "Its gap between train and test is +5.0 points, 2.0 less (95% interval "
    )
    assert found.sentence.endswith("It trained for 30 s instead of 20 s.")


def test_a_difference_that_is_more_than_chance_is_told_as_such():
    better = variant("augmentation", "--augment shift=2", 0.91, 0.94, 0.90)
    found = compare_variants([DROPOUT, AS_IS, better])
    sentence = found.sentence
    assert (
        "94.00% against 88.00% of 'as it is', 6.0 points more (95% interval +3.5 to +8.5), which is more than"
        in sentence
    )
    (low, high), (base_low, base_high) = (newcombe(each.train, each.test) for each in (better, AS_IS))
    ends = (-0.06 - hypot(0.01 - low, base_high - 0.07), -0.06 + hypot(high - 0.01, 0.07 - base_low))
    assert (found.gap_change.interval.low, found.gap_change.interval.high) == pytest.approx(ends)
    told = (
        f"is +1.0 points, 6.0 less (95% interval {100 * ends[0]:+.1f} to {100 * ends[1]:+.1f}), which is "
        "more than chance."
    )
    assert told.replace("interval -", "interval \u2212").replace("to -", "to \u2212") in sentence
    assert "trained for" not in sentence


def test_where_the_recipe_as_it_is_is_as_good_as_any_nothing_speaks_for_a_change():
    equal = replace(DROPOUT, validation=AS_IS.validation)
    found = compare_variants([equal, AS_IS])
    assert (found.base, found.best, found.better, found.gap_change) == (1, 1, None, None)
    assert found.sentence == (
        "Nothing speaks for a change: 'as it is' has the best accuracy on the validation images, 88.00%; no other "
        "variant is better. Its gap is +7.0 points."
    )


def test_without_validation_images_nothing_is_chosen():
    bare = [replace(each, validation=Right(0, 0)) for each in (AS_IS, DROPOUT)]
    found = compare_variants(bare)
    assert (found.best, found.better) == (None, None)
    assert "no variant can be chosen" in found.sentence
    assert compare_variants([]) is None
    nothing = replace(AS_IS, train=Right(0, 0), test=Right(0, 0))
    (alone,) = compare_variants([nothing]).variants
    assert (alone.train, alone.test, alone.gap) == (None, None, None)


rights = st.integers(1, 500).flatmap(lambda n: st.builds(Right, st.integers(0, n), st.just(n)))


@given(st.lists(st.tuples(rights, rights, rights), min_size=1, max_size=5))
def test_the_best_has_the_highest_validation_accuracy(counts):
    variants = [Variant(f"v{i}", "" if i == 0 else f"--x {i}", 5, 5, *each, 1.0) for i, each in enumerate(counts)]
    found = compare_variants(variants)
    best = variants[found.best]
    assert best.validation.accuracy == max(each.validation.accuracy for each in variants)
    assert (found.better is None) == (found.best == found.base)
    assert repr(best.name) in found.sentence
