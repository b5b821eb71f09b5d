"""What is held out of a data set: shares of classes, groups on one side, the same for the same seed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batchclf.core.holdout import hold_out

SIZES, CLASSES = st.integers(1, 120), st.integers(1, 5)
GENERATORS = st.integers(0, 2**32 - 1).map(np.random.default_rng)
"""Lists that Hypothesis draws item by item are too short for the harder cases."""
LABELS = st.builds(lambda draw, images, classes: draw.integers(0, classes, images), GENERATORS, SIZES, CLASSES)
SEEDS = st.integers(0, 2**32 - 1)
SHARES = st.floats(0.01, 0.99)


@st.composite
def grouped(draw):
    """Labels and group numbers of the same images; groups may have images of several classes."""
    labels = draw(LABELS)
    return labels, draw(GENERATORS).integers(0, draw(st.integers(1, 30)), len(labels))


def groups_of(labels, groups, label):
    return set(groups[labels == label].tolist())


# Without groups


def as_it_was(labels, classes, seed):
    """Held out by the first version of batchclf: its class folders must be split as ever."""
    rng = np.random.default_rng(seed)
    held = np.zeros(len(labels), bool)
    for label in range(classes):
        members = np.flatnonzero(labels == label)
        count = round(0.2 * len(members)) or int(len(members) > 1)
        held[rng.permutation(members)[:count]] = True
    return held


@given(LABELS, SEEDS)
def test_a_fifth_is_held_out_as_it_always_was(labels, seed):
    np.testing.assert_array_equal(hold_out(labels, 0.2, seed), as_it_was(labels, 5, seed))


@given(LABELS, SHARES, SEEDS)
def test_each_class_gives_its_share_and_keeps_an_image(labels, share, seed):
    held = hold_out(labels, share, seed)
    for label in np.unique(labels):
        images, given = (labels == label).sum(), held[labels == label].sum()
        assert given < images
        if images > 1:
            assert given == min(max(round(share * images), 1), images - 1)


# With groups


@given(grouped(), SHARES, SEEDS)
def test_no_group_lies_on_both_sides(images, share, seed):
    labels, groups = images
    held = hold_out(labels, share, seed, groups)
    assert set(groups[held].tolist()).isdisjoint(groups[~held].tolist())


@given(grouped(), SHARES, SEEDS)
def test_every_class_stays(images, share, seed):
    labels, groups = images
    held = hold_out(labels, share, seed, groups)
    assert set(labels[~held].tolist()) == set(labels.tolist())


@given(grouped(), SHARES, SEEDS)
def test_a_class_gives_nothing_only_where_it_would_take_the_last_of_another(images, share, seed):
    labels, groups = images
    held = hold_out(labels, share, seed, groups)
    for label in set(labels.tolist()) - set(labels[held].tolist()):
        for group in groups_of(labels, groups, label):
            stays = ~held & (groups != group)
            assert set(labels[stays].tolist()) != set(labels.tolist())


@given(grouped(), SHARES, SEEDS)
def test_no_single_group_would_bring_the_classes_nearer_to_their_shares(images, share, seed):
    labels, groups = images
    held = hold_out(labels, share, seed, groups)
    classes, sizes = np.unique(labels, return_counts=True)
    many = np.array([len(groups_of(labels, groups, label)) > 1 for label in classes])
    wanted = np.minimum(np.maximum([round(share * size) for size in sizes], many), sizes - 1)

    def badness(chosen):
        given = np.array([(labels[chosen] == label).sum() for label in classes])
        return (((given - wanted) / sizes) ** 2).sum()

    for group in set(groups.tolist()):
        other = held ^ (groups == group)
        empties = set(labels[~other].tolist()) != set(labels.tolist())
        gives = {label for label in labels[held].tolist() if (labels[other] == label).any()}
        if not empties and gives == set(labels[held].tolist()):
            assert badness(other) >= badness(held) - 1e-9


@given(st.lists(st.integers(1, 6), min_size=20, max_size=60), SEEDS)
def test_shares_are_met_to_within_a_group_where_each_is_of_one_class(sizes, seed):
    groups = np.repeat(np.arange(len(sizes)), sizes)
    labels = groups % 2
    held = hold_out(labels, 0.25, seed, groups)
    for label in (0, 1):
        of_class = labels == label
        assert abs(held[of_class].sum() - round(0.25 * of_class.sum())) <= max(sizes) / 2


@given(grouped(), SHARES, SEEDS, st.randoms(use_true_random=False))
def test_it_does_not_matter_which_numbers_groups_have(images, share, seed, random):
    labels, groups = images
    renamed = dict(zip(range(31), random.sample(range(-500, 500), 31), strict=True))
    others = np.array([renamed[group] for group in groups.tolist()])
    np.testing.assert_array_equal(hold_out(labels, share, seed, groups), hold_out(labels, share, seed, others))


@given(LABELS, SHARES, SEEDS)
def test_groups_of_one_image_give_as_many_as_no_groups(labels, share, seed):
    alone, none = hold_out(labels, share, seed, np.arange(len(labels))), hold_out(labels, share, seed)
    np.testing.assert_array_equal(np.bincount(labels[alone], minlength=5), np.bincount(labels[none], minlength=5))


def test_a_class_of_one_group_stays():
    labels = np.repeat([0, 1], [30, 30])
    groups = np.where(labels == 0, np.arange(60) // 5, 1000)
    held = hold_out(labels, 0.2, 0, groups)
    assert (held[labels == 0].sum(), held[labels == 1].sum()) == (5, 0)


def test_a_large_group_does_not_take_the_place_of_small_ones():
    groups = np.repeat(np.arange(62), [39, *[1] * 61])
    for seed in range(20):
        held = hold_out(np.zeros(100, np.int64), 0.2, seed, groups)
        assert held.sum() == 20


@settings(max_examples=20)
@given(grouped(), st.sampled_from([0.0, 1.0, -0.5, 2.0]))
def test_a_share_that_is_none_is_refused(images, share):
    with pytest.raises(ValueError, match="between 0 and 1"):
        hold_out(images[0], share, 0, images[1])


def test_group_numbers_of_other_images_are_refused():
    with pytest.raises(ValueError, match="3 group numbers for 2 images"):
        hold_out(np.zeros(2, np.int64), 0.2, 0, np.zeros(3, np.int64))


def test_the_seed_decides():
    labels, groups = np.zeros(200, np.int64), np.arange(200) // 4
    first, again, other = (hold_out(labels, 0.2, seed, groups) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
