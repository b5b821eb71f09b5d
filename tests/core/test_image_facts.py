"""Brightness, contrast and hash of images: numpy is the judge, and no image changes another's."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from batchclf.core.images.facts import FACTS, HASH_COLUMNS, HASH_ROWS, HASH_STEP, MODES, FactMeter, array_facts

SHAPES = st.tuples(st.integers(1, 5), st.integers(1, 30), st.integers(1, 40), st.sampled_from([1, 3]))


def _hash(image):
    """The hash as its definition says: means of cells, from left to right."""
    gray = image.astype(np.float64).mean(axis=2)

    def spans(size, count):
        return [slice(n * size // count, max(n * size // count + 1, (n + 1) * size // count)) for n in range(count)]

    rows, columns = spans(gray.shape[0], HASH_ROWS), spans(gray.shape[1], HASH_COLUMNS)
    cells = np.array([[gray[row, column].mean() for column in columns] for row in rows])
    return np.diff(cells, axis=1).ravel()


def _check(images):
    facts = FactMeter(images.shape[1:]).measure(images)
    assert facts.dtype == FACTS
    flat = images.reshape(len(images), -1).astype(np.float64)
    np.testing.assert_allclose(facts["brightness"], flat.mean(axis=1), rtol=1e-6)
    np.testing.assert_allclose(facts["contrast"], flat.std(axis=1), rtol=1e-5, atol=1e-5)
    for image, dhash in zip(images, facts["dhash"], strict=True):
        steps = _hash(image)
        sure = np.abs(steps - HASH_STEP) > 1e-4
        np.testing.assert_array_equal(np.unpackbits(dhash)[sure], steps[sure] > HASH_STEP)


@settings(deadline=None, max_examples=80)
@given(arrays(np.uint8, SHAPES))
def test_facts_are_those_of_numpy(images):
    _check(images)


@pytest.mark.parametrize("shape", [(33, 31, 1), (130, 150, 1), (224, 224, 3), (5, 4000, 3), (9000, 3, 1)])
def test_facts_of_larger_images_are_those_of_numpy(shape):
    random = np.random.default_rng(0)
    coarse = random.integers(0, 256, (3, 9, 18, shape[2]))
    rows, columns = (np.arange(size) * cells // size for size, cells in zip(shape, (9, 18), strict=False))
    _check((coarse[:, rows][:, :, columns] // 2 + random.integers(0, 128, (3, *shape))).astype(np.uint8))


@settings(deadline=None, max_examples=20)
@given(st.data())
def test_an_image_has_the_same_facts_to_the_bit_among_any_others(data):
    images = data.draw(arrays(np.uint8, (12, *data.draw(SHAPES)[1:])))
    whole = array_facts(images)
    cut = data.draw(st.integers(1, 11))
    parts = [array_facts(images[start : start + cut]) for start in range(0, 12, cut)]
    assert np.concatenate(parts).tobytes() == whole.tobytes()


@pytest.mark.parametrize("value", [0, 255])
def test_large_images_are_summed_exactly(value):
    images = np.full((2, 600, 500, 3), value, np.uint8)
    images[1, :, ::2] = 255 - value
    facts = array_facts(images)
    assert facts["brightness"].tolist() == [value, 127.5]
    assert facts["contrast"].tolist() == [0, 127.5]
    assert facts["width"].tolist() == [500, 500]
    assert facts["height"].tolist() == [600, 600]
    assert MODES[facts["mode"][0]] == "rgb"


def test_plain_images_have_an_empty_hash():
    images = np.stack([np.full((28, 28, 1), value, np.uint8) for value in (0, 100, 255)])
    assert not array_facts(images)["dhash"].any()


def test_no_images_have_no_facts():
    assert len(array_facts(np.empty((0, 28, 28, 1), np.uint8))) == 0
