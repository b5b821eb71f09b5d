"""What `PrecisionCheck` counts, in pieces or at once."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchclf.jobs.score.score_subsets import COMPARED_EVERY, COMPARED_IMAGES
from batchclf.models.runtime.precision import PrecisionCheck
from batchclf.scoring.model_run import ComparedRuntime


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


@pytest.mark.parametrize(("batch", "total", "compared"), [(16, 80, 16), (16, 960, 48), (100, 8_000, 250)])
def test_one_image_in_twenty_is_compared(batch, total, compared):
    scored = []

    class Runtime:
        def probabilities(self, images):
            scored.append(len(images))
            return np.full((len(images), 2), 0.5, np.float32)

    check = PrecisionCheck()
    runtime = ComparedRuntime(Runtime(), Runtime, check, COMPARED_IMAGES, COMPARED_EVERY)
    for _ in range(0, total, batch):
        runtime.probabilities(np.zeros((batch, 1, 1, 1), np.uint8))
    assert check.images == compared
    assert sum(scored) == total // batch * batch + compared


def test_less_precision_that_is_slower_is_said():
    check = PrecisionCheck()
    assert check.slower == ""
    check.add_seconds(2.0, 1.0)
    assert check.slower == ""
    check.add_seconds(1.0, 5.0)
    assert check.slower.startswith("less precision took 2.0 times as long as float32 for the images compared")


def test_other_shapes_are_refused():
    with pytest.raises(ValueError, match="cannot be compared"):
        PrecisionCheck().add(_rows(1, 3), _rows(1, 4))
