"""Too little memory: the batch gets smaller, every image is scored all the same, and that is said."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchclf.errors import ModelError
from batchclf.scoring.model_run import ModelRun


class Narrow:
    """A runtime that has memory for so many images at a time."""

    def __init__(self, room):
        self.room = room
        self.batches = []

    def probabilities(self, images):
        if len(images) > self.room:
            raise MemoryError("bad allocation")
        self.batches.append(len(images))
        first = images.reshape(len(images), -1)[:, 0].astype(np.float32) / 255
        return np.stack([first, 1 - first], axis=1)


def _images(count):
    return np.arange(count, dtype=np.uint8).reshape(count, 1, 1, 1)


@given(st.integers(1, 40), st.lists(st.integers(1, 200), min_size=1, max_size=5))
def test_every_image_is_scored_in_its_place(room, batches):
    said, runtime = [], Narrow(room)
    model = ModelRun(lambda: runtime, 1000, say=said.append)
    for count in batches:
        rows = model.probabilities(_images(count))
        np.testing.assert_allclose(rows[:, 0] * 255, np.arange(count), atol=1e-4)
    assert model.images == sum(batches)
    assert max(runtime.batches) <= room
    if max(batches) > room:
        assert room // 2 < model.batch_size <= room
        assert said[-1].endswith(f"going on with {model.batch_size}")
    else:
        assert (model.batch_size, said) == (1000, [])


def test_what_was_learnt_is_not_tried_again():
    said, runtime = [], Narrow(16)
    model = ModelRun(lambda: runtime, 1000, say=said.append)
    for _ in range(3):
        model.probabilities(_images(100))
    assert said == [
        "out of memory with 100 images a batch; going on with 50",
        "out of memory with 50 images a batch; going on with 25",
        "out of memory with 25 images a batch; going on with 13",
    ]


def test_a_single_image_that_does_not_fit_is_an_error():
    model = ModelRun(lambda: Narrow(0), 1000, say=lambda line: None)
    with pytest.raises(ModelError, match="out of memory for a single image: bad allocation"):
        model.probabilities(_images(5))
