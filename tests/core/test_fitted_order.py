"""Class names in another order than the model's outputs, found from the confusion matrix."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import binomtest

from batchclf.core.compare import fitted_order as module
from batchclf.core.compare.fitted_order import LEAST_GAIN, fitted_order, fitted_order_sentence

NAMES = tuple(map(str, range(12)))


def counts_of(random, classes, images, accuracy, spread="even"):
    """Images by true and predicted class of a model that is right with one accuracy in every class."""
    wrong = np.full((classes, classes), 1.0)
    if spread == "one class":
        # Of that class itself the errors are spread: else it would look as if swapped with one other.
        wrong[1:, 1:] = 0
    np.fill_diagonal(wrong, 0)
    chances = wrong / wrong.sum(axis=1, keepdims=True) * (1 - accuracy) + np.eye(classes) * accuracy
    return random.multinomial(images, chances)


def test_names_sorted_as_numbers_for_a_model_sorted_as_text():
    counts = counts_of(np.random.default_rng(0), 12, 20, 0.92)
    as_text = sorted(NAMES)
    # Column j is what the model's output j says, under the name that was given to it, NAMES[j].
    given_names = counts[:, [NAMES.index(name) for name in as_text]]
    order = fitted_order(NAMES, given_names)
    assert order.names == tuple(as_text)
    assert order.moved == tuple(place for place in range(12) if as_text[place] != NAMES[place])
    assert (order.given, order.fitted) == (given_names.trace(), counts.trace())
    sentence = fitted_order_sentence(order, "order.txt")
    assert (
        "in the order 0, 1, 10, 11, 2, 3, 4, 5, 6, 7, 8, 9; import the model again with --classes order.txt" in sentence
    )
    assert fitted_order(NAMES, counts) is None


def test_two_classes_swapped_of_ten():
    counts = counts_of(np.random.default_rng(0), 10, 50, 0.97)
    swapped = counts[:, [0, 1, 2, 8, 4, 5, 6, 7, 3, 9]]
    order = fitted_order(NAMES[:10], swapped)
    # Two of ten gain less than 0.2 if some images are wrong anyway, but most of their own images.
    assert counts.trace() - swapped.trace() < LEAST_GAIN * swapped.sum()
    assert order.moved == (3, 8)
    everything_right = np.diag(np.full(10, 50))[:, [0, 1, 2, 8, 4, 5, 6, 7, 3, 9]]
    order = fitted_order(NAMES[:10], everything_right)
    assert order.moved == (3, 8)
    assert order.p_value == pytest.approx(binomtest(100, 100).pvalue)


@given(st.permutations(range(5)), st.integers(0, 2**32 - 1))
def test_the_fitted_order_is_the_best_of_all(order, seed):
    counts = counts_of(np.random.default_rng(seed), 5, 30, 0.9)[:, order]
    found = fitted_order(NAMES[:5], counts)
    best = max(permutations(range(5)), key=lambda columns: sum(counts[i, j] for i, j in enumerate(columns)))
    gain = (sum(counts[i, j] for i, j in enumerate(best)) - counts.trace()) / counts.sum()
    if found is None:
        assert gain < 0.35  # an order of three or more moved classes gains more
    else:
        assert gain >= LEAST_GAIN
        assert tuple(found.names[j] for j in best) == NAMES[:5]


@pytest.mark.parametrize("spread", ["even", "one class"])
@pytest.mark.parametrize(("classes", "runs"), [(10, 150), (100, 60), (1000, 2)])
@pytest.mark.parametrize("accuracy", [0.1, 0.3, 0.6, 0.9])
def test_a_model_in_its_order_is_left_alone_however_bad(classes, runs, accuracy, spread):
    random = np.random.default_rng(classes)
    names = tuple(map(str, range(classes)))
    for images in (10, 40):
        counts = [counts_of(random, classes, images, accuracy, spread) for _ in range(runs)]
        assert [fitted_order(names, each) for each in counts] == [None] * runs


@pytest.mark.parametrize("accuracy", [0.75, 0.97])
def test_two_classes_swapped_of_many(accuracy):
    random = np.random.default_rng(7)
    for classes in (10, 100, 1_000):
        names = tuple(map(str, range(classes)))
        for _ in range(20 if classes < 1_000 else 2):
            counts = counts_of(random, classes, 50, accuracy)
            places = np.arange(classes)
            first, second = random.choice(classes, 2, replace=False)
            places[[first, second]] = second, first
            found = fitted_order(names, counts[:, places])
            assert found is not None
            assert set(found.moved) == {first, second}
            assert fitted_order(names, counts) is None


@pytest.mark.parametrize(("of_large", "of_small"), [(1_000, 10), (100, 40), (5_000, 400)])
def test_a_large_class_that_is_taken_for_a_small_one_is_no_order(of_large, of_small):
    """The order that fits most images would lose all those of the small class."""
    counts = np.diag([0, of_small, 200, 200])
    counts[0, 1] = of_large
    assert fitted_order(NAMES[:4], counts) is None
    counts[1] = of_small, 0, 0, 0
    assert fitted_order(NAMES[:4], counts).moved == (0, 1)


def test_guesses_among_many_classes_are_no_order():
    """The order that is fitted to guesses has right images by chance, which halves of the images give away."""
    random = np.random.default_rng(3)
    for classes in (10, 100, 300):
        for _ in range(30):
            counts = random.multinomial(10, np.full(classes, 1 / classes), classes)
            assert fitted_order(tuple(map(str, range(classes))), counts) is None


def test_too_few_images_say_nothing():
    nine = np.roll(np.diag(np.full(10, 9)), 1, axis=1)
    assert fitted_order(NAMES[:10], nine) is None
    assert fitted_order(NAMES[:10], nine + np.roll(np.eye(10, dtype=int), 1, axis=1)) is not None
    assert fitted_order(NAMES[:3], np.zeros((3, 3), np.int64)) is None


def test_classes_without_images_keep_their_place_if_they_can():
    counts = np.zeros((12, 12), np.int64)
    counts[0, 1] = counts[1, 0] = counts[2, 2] = 30
    order = fitted_order(NAMES, counts)
    assert order.names == ("1", "0", *NAMES[2:])
    assert order.moved == (0, 1)


@given(arrays(np.int64, (4, 4), elements=st.integers(0, 3) | st.integers(0, 200)))
def test_the_bound_leaves_out_no_order_that_fits(counts):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_gains_too_little", lambda halves, enough: False)
        without = fitted_order(tuple("abcd"), counts)
    assert fitted_order(tuple("abcd"), counts) == without


def test_a_model_that_knows_one_class_only_needs_no_fit(monkeypatch):
    monkeypatch.setattr(module, "_assignment", lambda counts: pytest.fail("nothing is to be fitted"))
    counts = np.zeros((4, 4), np.int64)
    counts[:, 2] = 500
    assert fitted_order(tuple("abcd"), counts) is None


def test_many_names_are_not_all_in_the_sentence():
    order = fitted_order(tuple(map(str, range(1000))), np.roll(np.diag(np.full(1000, 10)), 1, axis=1))
    assert len(order.moved) == 1000
    sentence = fitted_order_sentence(order, "order.txt")
    assert "with 1,000 names moved, 999 at place 1, 0 at place 2, 1 at place 3 and 997 more; import" in sentence
