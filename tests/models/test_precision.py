"""What `PrecisionCheck` counts, in pieces or at once."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchclf.models.runtime.precision import PrecisionCheck


def _rows(seed, count, classes=4):
    return np.random.default_rng(seed).dirichlet(np.ones(classes), count).astype(np.float32)


@given(st.integers(0, 2**32 - 1), st.lists(st.integers(0, 30), min_size=1, max_size=6))
def test_pieces_add_up_to_the_whole(seed, counts):
    reference, reduced = _rows(seed, sum(counts)), _rows(seed + 1, sum(counts))
    check, start = PrecisionCheck(), 0
    for count in counts:
        check.add(reference[start : start + count], reduced[start : start + count])
        start += count
    pairs = list(zip(reference.tolist(), reduced.tolist(), strict=True))
    assert check.images == len(pairs)
    assert check.changed == sum(a.index(max(a)) != b.index(max(b)) for a, b in pairs)
    largest = max((abs(x - y) for a, b in pairs for x, y in zip(a, b, strict=True)), default=0)
    assert check.largest == pytest.approx(largest, abs=1e-6)


def test_equal_probabilities_differ_by_nothing():
    check = PrecisionCheck()
    check.add(_rows(1, 9), _rows(1, 9))
    assert check == PrecisionCheck(images=9, changed=0, largest=0.0)


def test_what_is_not_a_number_is_not_lost():
    check, broken = PrecisionCheck(), _rows(1, 2)
    broken[1, 0] = np.nan
    check.add(_rows(1, 2), broken)
    check.add(_rows(2, 2), _rows(3, 2))
    assert np.isnan(check.largest)


def test_the_sentence_says_it_all():
    check = PrecisionCheck(images=10000, changed=15, largest=0.0156)
    assert check.sentence == (
        "on 10,000 images compared, probabilities differ from float32's by up to 1.6e-02, and 15 have another class"
    )


def test_other_shapes_are_refused():
    with pytest.raises(ValueError, match="cannot be compared"):
        PrecisionCheck().add(_rows(1, 3), _rows(1, 4))
