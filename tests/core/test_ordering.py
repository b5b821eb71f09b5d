"""Which classes stand side by side: hidden orders are found again; scipy's Laplacian is the oracle."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse.csgraph import connected_components, laplacian
from scipy.stats import spearmanr

from batchclf.core.metrics.class_order import most_confused, similarity_order
from batchclf.core.metrics.confusion import ConfusionCounts

seeds = st.integers(0, 2**32 - 1)


def confusion(counts):
    counts = np.asarray(counts, np.int64)
    return ConfusionCounts(tuple(f"class {number}" for number in range(len(counts))), counts)


def random_confusion(seed, classes, errors):
    rng = np.random.default_rng(seed)
    counts = rng.poisson(errors, (classes, classes))
    np.fill_diagonal(counts, rng.integers(0, 100, classes))
    return confusion(counts)


def hidden(counts, seed):
    """The same classes in a random order: the confusion, and where each class stood."""
    stood = np.random.default_rng(seed).permutation(len(counts))
    return confusion(counts[np.ix_(stood, stood)]), stood


@settings(max_examples=60)
@given(seeds, st.integers(1, 40), st.sampled_from([0.0, 0.05, 0.3, 3.0]))
def test_every_class_stands_once_and_the_same_input_gives_the_same_order(seed, classes, errors):
    given_counts = random_confusion(seed, classes, errors)
    order = similarity_order(given_counts)
    assert order.dtype == np.int64
    assert sorted(order.tolist()) == list(range(classes))
    assert order.tolist() == similarity_order(given_counts).tolist()


@settings(max_examples=60)
@given(seeds, st.integers(3, 30))
def test_a_chain_of_neighbours_is_found_again(seed, classes):
    rng = np.random.default_rng(seed)
    counts = np.diag(np.full(classes, 500))
    for place in range(classes - 1):
        counts[place, place + 1], counts[place + 1, place] = rng.integers(5, 50, 2)
    given_counts, stood = hidden(counts, seed)
    order = similarity_order(given_counts)
    assert stood[order].tolist() in (list(range(classes)), list(range(classes))[::-1])
    assert order[0] < order[-1]


@settings(max_examples=30)
@given(seeds, st.integers(2, 8), st.integers(4, 6))  # two of smaller groups may have the same place
def test_groups_that_are_confused_stand_together_among_stray_errors(seed, groups, size):
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(groups), size)
    counts = np.where(group[:, None] == group, 60, rng.random((groups * size, groups * size)) < 0.2)
    np.fill_diagonal(counts, 1_000)
    given_counts, stood = hidden(counts, seed)
    found = group[stood[similarity_order(given_counts)]]
    assert (np.diff(found) != 0).sum() == groups - 1


@settings(max_examples=60)
@given(seeds, st.integers(3, 25), st.sampled_from([0.05, 0.2, 2.0]))
def test_a_linked_group_is_ordered_by_the_fiedler_vector_of_scipys_laplacian(seed, classes, errors):
    given_counts = random_confusion(seed, classes, errors)
    shares = np.nan_to_num(given_counts.row_normalised())
    similarity = ((shares + shares.T) / 2) ** 3
    np.fill_diagonal(similarity, 0)
    order = similarity_order(given_counts)
    number, group_of = connected_components(similarity > 0, directed=False)
    # Groups stay whole, by their first class.
    assert group_of[order].tolist() == sorted(group_of.tolist(), key=lambda g: group_of.tolist().index(g))
    for group in range(number):
        members = np.flatnonzero(group_of == group)
        if len(members) < 3:
            assert [each for each in order if group_of[each] == group] == members.tolist()
            continue
        normed, degrees = laplacian(similarity[np.ix_(members, members)], normed=True, return_diag=True)
        values, vectors = np.linalg.eigh(normed)
        fiedler = dict(zip(members.tolist(), vectors[:, 1] / degrees, strict=True))
        along = np.array([fiedler[each] for each in order.tolist() if group_of[each] == group])
        if values[2] - values[1] > 1e-6:  # else the vector is not the only one
            steps = np.diff(along) / np.abs(along).max()
            assert (steps > -1e-8).all() or (steps < 1e-8).all()


def sparse_confusion(seed, classes, errors, reach):
    """Errors between classes that are at most `reach` apart in a hidden order; and where each class stands in it."""
    rng = np.random.default_rng(seed)
    stood = rng.permutation(classes)
    label = rng.integers(0, classes, errors)
    given_counts = ConfusionCounts.empty(tuple(map(str, range(classes))))
    given_counts.update(stood[label], stood[np.clip(label + rng.integers(-reach, reach + 1, errors), 0, classes - 1)])
    return given_counts, np.argsort(stood)


def test_a_hidden_order_of_many_classes_is_found_again():
    given_counts, place = sparse_confusion(1, 1_500, 24_000, 3)
    assert abs(np.corrcoef(place[similarity_order(given_counts)], np.arange(1_500))[0, 1]) > 0.999


def test_many_classes_are_ordered_as_by_all_eigenvectors():
    given_counts, _ = sparse_confusion(2, 1_200, 6_000, 1_200)
    shares = np.nan_to_num(given_counts.row_normalised())
    similarity = ((shares + shares.T) / 2) ** 3
    np.fill_diagonal(similarity, 0)
    _, group_of = connected_components(similarity > 0, directed=False)
    members = np.flatnonzero(group_of == np.bincount(group_of).argmax())
    assert len(members) > 1_000
    normed, degrees = laplacian(similarity[np.ix_(members, members)], normed=True, return_diag=True)
    along = dict(zip(members.tolist(), np.linalg.eigh(normed)[1][:, 1] / degrees, strict=True))
    found = [along[each] for each in similarity_order(given_counts).tolist() if each in along]
    assert abs(spearmanr(found, np.arange(len(found))).statistic) > 0.999


def test_classes_that_are_never_confused_keep_their_order():
    assert similarity_order(confusion(np.diag([5, 0, 3, 8]))).tolist() == [0, 1, 2, 3]
    counts = np.diag(np.full(6, 50))
    counts[1, 4] = counts[4, 1] = 9
    assert similarity_order(confusion(counts)).tolist() == [0, 1, 4, 2, 3, 5]


def test_classes_that_are_alike_keep_their_order():
    counts = np.diag(np.full(6, 90))
    for first, second in ((0, 3), (1, 3), (2, 3), (3, 4), (4, 5)):
        counts[first, second] = counts[second, first] = 10
    assert similarity_order(confusion(counts)).tolist() == [0, 1, 2, 3, 4, 5]


@settings(max_examples=60)
@given(seeds, st.integers(1, 9), st.integers(1, 9), st.sampled_from([3.0, 30.0]))
def test_the_chosen_classes_hold_nearly_as_many_errors_as_the_best_choice(seed, classes, most, errors):
    given_counts = random_confusion(seed, classes, errors)
    chosen = most_confused(given_counts, most)
    assert chosen.tolist() == sorted(set(chosen.tolist()))
    assert len(chosen) == min(most, classes)
    wrong = given_counts.counts.copy()
    np.fill_diagonal(wrong, 0)

    def within(some):
        return wrong[np.ix_(some, some)].sum()

    best = max(map(within, combinations(range(classes), len(chosen))))
    assert within(chosen) >= 0.5 * best


def test_the_most_confused_classes_of_many():
    rng = np.random.default_rng(0)
    counts = rng.poisson(0.05, (300, 300)) + np.diag(np.full(300, 100))
    planted = np.sort(rng.choice(300, 12, replace=False))
    counts[np.ix_(planted, planted)] += rng.poisson(5, (12, 12))
    assert most_confused(confusion(counts), 12).tolist() == planted.tolist()


@pytest.mark.parametrize(("most", "chosen"), [(4, [0, 1, 2, 3]), (9, [0, 1, 2, 3]), (2, [0, 1]), (0, [])])
def test_without_errors_the_first_classes_are_chosen(most, chosen):
    assert most_confused(confusion(np.diag([3, 3, 3, 3])), most).tolist() == chosen


def test_no_class():
    assert similarity_order(confusion(np.zeros((0, 0)))).tolist() == []
