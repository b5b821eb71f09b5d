"""The search for duplicates: what a comparison of all with all finds, without one."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batchclf.core.images.near_duplicates import (
    MOST_BITS,
    MOST_CANDIDATES,
    WINDOW,
    Prints,
    exact_duplicates,
    near_duplicates,
)


def _prints(digests, hashes=None, brightness=None, contrast=None):
    count = len(digests)
    dhash = np.zeros((count, 2), np.uint64) if hashes is None else np.array(hashes, np.uint64).reshape(count, 2)
    values = (np.full(count, 100) if each is None else each for each in (brightness, contrast))
    return Prints(dhash, *(np.array(each, np.float32) for each in values))


def _split(count, share):
    cut = int(count * share)
    return np.arange(cut), np.arange(cut, count)


@settings(deadline=None, max_examples=100)
@given(st.lists(st.integers(0, 5) | st.integers(0, 2**64 - 1), min_size=1, max_size=40), st.floats(0, 1))
def test_exact_duplicates_are_those_of_pandas(digests, share):
    contents = np.array(digests, np.uint64)
    table = pd.Series(digests, dtype=object)
    firsts = table.groupby(table).transform(lambda group: group.index[0])
    (originals, copied), repeated = exact_duplicates(contents, range(len(digests)))
    assert repeated.tolist() == table.duplicated().tolist()
    assert copied.tolist() == table.index[table.duplicated()].tolist()
    assert originals.tolist() == firsts[copied].tolist()

    assert [rows.tolist() for rows in exact_duplicates(contents, range(len(digests)), most=1)[0]] == [
        originals[:1].tolist(),
        copied[:1].tolist(),
    ]

    cut = int(len(digests) * share)
    test, train = range(cut), range(cut, len(digests))
    (originals, copied), _ = exact_duplicates(contents, test, train)
    expected = {row: next((i for i in train if digests[i] == digests[row]), None) for row in test}
    assert dict(zip(copied.tolist(), originals.tolist(), strict=True)) == {
        row: first for row, first in expected.items() if first is not None
    }


def _alike(prints, first, second):
    bits = sum(bin(int(a) ^ int(b)).count("1") for a, b in zip(prints.dhash[first], prints.dhash[second], strict=True))
    near = all(abs(values[first] - values[second]) <= WINDOW for values in (prints.brightness, prints.contrast))
    return bits <= MOST_BITS and near and bool(prints.dhash[first].any() and prints.dhash[second].any())


@st.composite
def _hashed(draw):
    """Hashes around a few centres, a few bits off, so that there are pairs on both sides of the bound."""
    centres = draw(st.lists(st.integers(0, 2**128 - 1), min_size=1, max_size=3))
    flips = st.lists(st.integers(0, 127), max_size=3, unique=True)
    count = draw(st.integers(2, 25))
    hashes = []
    for _ in range(count):
        whole = draw(st.sampled_from(centres))
        for bit in draw(flips):
            whole ^= 1 << bit
        hashes.append((whole >> 64, whole & (2**64 - 1)))
    values = st.lists(st.integers(9000, 11_000), min_size=count, max_size=count)
    brightness, contrast = (np.array(draw(values)) / 100 for _ in range(2))
    return _prints(range(count), hashes, brightness, contrast)


@settings(deadline=None, max_examples=100)
@given(_hashed(), st.floats(0, 1))
def test_near_duplicates_are_those_of_comparing_all_with_all(prints, share):
    count = len(prints)
    found = {tuple(pair) for pair in np.stack(near_duplicates(prints, np.arange(count)), axis=1).tolist()}
    # Rounding decides at the very edge of the window.
    edge = {
        (first, second)
        for second in range(count)
        for first in range(second)
        if abs(abs(float(prints.brightness[first]) - float(prints.brightness[second])) - WINDOW) < 0.02
    }
    expected = {(a, b) for b in range(count) for a in range(b) if _alike(prints, a, b)}
    assert found - edge == expected - edge

    test, train = _split(count, share)
    across = {tuple(pair) for pair in np.stack(near_duplicates(prints, test, train), axis=1).tolist()}
    expected = {(a, b) for a in train.tolist() for b in test.tolist() if _alike(prints, a, b)}
    swapped = edge | {(b, a) for a, b in edge}
    assert across - swapped == expected - swapped


def test_the_most_alike_come_first():
    hashes = [(255, 255), (255, 254), (255, 255), (255, 252)]
    prints = _prints(range(4), hashes, [100, 100, 101, 100])
    first, second = near_duplicates(prints, np.arange(4))
    distance = np.bitwise_count(prints.dhash[first] ^ prints.dhash[second]).sum(axis=1) + np.abs(
        prints.brightness[first] - prints.brightness[second]
    )
    assert (np.diff(distance) >= 0).all()


@pytest.mark.parametrize("hash_of_all", [0, 12345])
def test_many_that_are_all_alike_do_not_blow_up(hash_of_all):
    count = 60_000
    rng = np.random.default_rng(0)
    prints = _prints(np.arange(count), np.full((count, 2), hash_of_all), rng.uniform(90, 110, count))
    first, _ = near_duplicates(prints, np.arange(count))
    assert len(first) == (MOST_CANDIDATES if hash_of_all else 0)
    first, _ = near_duplicates(prints, np.arange(1000), np.arange(1000, count))
    assert len(first) == (MOST_CANDIDATES if hash_of_all else 0)


def test_nothing_is_found_among_nothing():
    prints, digests = _prints([1, 1], [(1, 1), (1, 1)]), np.ones(2, np.uint64)
    for first, second, found in [
        (range(0), None, []),
        (range(1), None, []),
        (range(1), range(0), []),
        (range(0), range(1), []),
        (range(1), range(1, 2), [(1, 0)]),
    ]:
        pairs, _ = exact_duplicates(digests, first, second)
        alike = near_duplicates(
            prints, np.array(first, np.int64), None if second is None else np.array(second, np.int64)
        )
        for rows in (pairs, alike):
            assert list(zip(*(each.tolist() for each in rows), strict=True)) == found
