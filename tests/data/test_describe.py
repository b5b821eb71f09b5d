import json

import numpy as np
import pytest
from sklearn.datasets import load_digits

from batchclf.core.types import Dataset, Split
from batchclf.data.catalog import load_dataset
from batchclf.data.describe import as_dict, as_lines, describe


def _split(name, images, labels):
    paths = tuple(f"{name}/{i}" for i in range(len(labels)))
    return Split(name, np.asarray(images, np.uint8), np.asarray(labels, np.int64), paths)


@pytest.fixture
def small():
    train = _split("train", np.arange(3 * 2 * 5 * 3).reshape(3, 2, 5, 3) + 7, [2, 0, 2])
    test = _split("test", np.empty((0, 2, 5, 3)), [])
    return Dataset("small", ("cat", "a longer name", "dog"), train, test, "made in a test")


def test_facts_of_a_small_set(small):
    train, test = describe(small).splits
    assert train.shape == (3, 2, 5, 3)
    assert (train.dtype, train.lowest_value, train.highest_value) == ("uint8", 7, 96)
    assert train.per_class == (1, 0, 2)
    assert test.shape == (0, 2, 5, 3)
    assert (test.lowest_value, test.highest_value) == (None, None)
    assert test.per_class == (0, 0, 0)


def test_facts_of_digits_agree_with_scikit_learn():
    facts = describe(load_dataset("digits", data_dir=None, say=lambda line: None))
    both = np.sum([split.per_class for split in facts.splits], axis=0)
    np.testing.assert_array_equal(both, np.bincount(load_digits().target))
    assert [(split.lowest_value, split.highest_value) for split in facts.splits] == [(0, 255), (0, 255)]


def test_the_dictionary_survives_json(small):
    document = json.loads(json.dumps(as_dict(describe(small)), allow_nan=False))
    assert document["classes"] == ["cat", "a longer name", "dog"]
    assert document["splits"]["train"]["per_class"] == {"cat": 1, "a longer name": 0, "dog": 2}
    assert document["splits"]["train"]["images"] == 3
    assert document["splits"]["test"]["lowest_value"] is None


def test_the_table_is_aligned_and_holds_every_class(small):
    lines = as_lines(describe(small))
    assert lines[0] == "small: made in a test"
    assert lines[1:3] == ["", "                       train   test"]
    table = lines[2:]
    assert len({len(line) for line in table}) == 1
    assert "values               7 to 96   none" in table
    assert "class a longer name        0      0" in table
    assert "class dog                  2      0" in table
