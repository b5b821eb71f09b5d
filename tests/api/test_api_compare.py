"""Two evaluations of the same images, paired by place or path: McNemar's test against SciPy's binomial one."""

import numpy as np
import pytest
from scipy.stats import binomtest

import batchclf
from batchclf.errors import ComparisonError

NAMES = ("cat", "dog", "eel")


def drawn(seed, *, n=200, skill=0.7):
    labels = np.random.default_rng(0).integers(0, 3, n)
    random = np.random.default_rng(seed)
    return labels, np.where(random.random(n) < skill, labels, random.integers(0, 3, n))


def names(numbers):
    return np.array(NAMES)[numbers]


@pytest.fixture
def pair():
    (labels, first), (_, second) = drawn(1), drawn(2, skill=0.9)
    return labels, first, second


def check(comparison, labels, first, second):
    only_first = int(((first == labels) & (second != labels)).sum())
    only_second = int(((first != labels) & (second == labels)).sum())
    assert (comparison.only_first_right, comparison.only_second_right) == (only_first, only_second)
    assert comparison.p_value == pytest.approx(binomtest(only_first, only_first + only_second).pvalue)
    accuracy = comparison.metrics[0]
    assert accuracy.difference == pytest.approx((second == labels).mean() - (first == labels).mean())
    assert accuracy.interval.low < accuracy.difference < accuracy.interval.high
    assert str(comparison) == comparison.sentence


def test_rows_go_by_their_places(pair):
    labels, first, second = pair
    one, other = (batchclf.evaluate(names(labels), names(given)) for given in (first, second))
    check(one.compare(other), labels, first, second)
    assert batchclf.compare(one, other).metrics == one.compare(other).metrics
    # Classes in another order, and one that only one of them names, change nothing.
    again = batchclf.evaluate(names(labels), names(second), classes=["eel", "fox", "cat", "dog"])
    for mine, expected in zip(one.compare(again).metrics, one.compare(other).metrics, strict=True):
        assert (mine.name, mine.first, mine.difference) == pytest.approx(
            (expected.name, expected.first, expected.difference)
        )


def test_rows_go_by_their_paths_in_any_order_and_the_images_of_both_count(pair):
    labels, first, second = pair
    paths = [f"photos/{row:03d}.png" for row in range(200)]
    mixed = np.random.default_rng(3).permutation(200)[:150]
    one = batchclf.evaluate(names(labels), names(first), images=paths)
    shares = np.eye(3)[second[mixed]] * 0.7 + 0.1
    other = batchclf.evaluate(
        names(labels[mixed]), probabilities=shares, classes=NAMES, images=[paths[row] for row in mixed]
    )
    comparison = one.compare(other)
    check(comparison, labels[mixed], first[mixed], second[mixed])
    assert (comparison.images, comparison.only_first, comparison.only_second) == (150, 50, 0)
    turned = other.compare(one)
    assert turned.metrics[0].difference == -comparison.metrics[0].difference


def test_what_cannot_be_paired_is_refused(pair):
    labels, first, _ = pair
    one = batchclf.evaluate(names(labels), names(first))
    paths = [f"{row}.png" for row in range(200)]
    for other, said in (
        (batchclf.evaluate(names(labels[1:]), names(first[1:])), "200 rows, the second 199"),
        (batchclf.evaluate(names(labels[::-1]), names(first)), "rows have another label in the second evaluation"),
        (batchclf.evaluate(names(labels), names(first), images=paths), "only the second evaluation has the paths"),
    ):
        with pytest.raises(ComparisonError, match=said) as caught:
            one.compare(other)
        assert "images=" in caught.value.hint
    given = batchclf.evaluate(labels, first, classes=NAMES)
    with pytest.raises(ComparisonError, match="different classes: only one of them has 'fox'"):
        given.compare(batchclf.evaluate(labels, first, classes=("cat", "dog", "fox")))
    apart = batchclf.evaluate(labels, first, classes=NAMES, images=[f"other/{path}" for path in paths])
    with pytest.raises(ComparisonError, match="no image in common"):
        apart.compare(batchclf.evaluate(labels, first, classes=NAMES, images=paths))
