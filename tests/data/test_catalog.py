import subprocess
import sys

import numpy as np
import pytest
from sklearn.datasets import load_digits

from batchclf.data.catalog import DATASET_NAMES, load_dataset
from batchclf.errors import DataError


def _digits():
    return load_dataset("digits", data_dir=None, say=lambda line: None)


def test_the_known_names():
    assert DATASET_NAMES == ("fashion-mnist", "digits")


@pytest.mark.parametrize(("typed", "meant"), [("digit", "digits"), ("fashion_mnist", "fashion-mnist")])
def test_an_unknown_name_is_met_with_the_nearest_and_all_known_ones(typed, meant):
    with pytest.raises(DataError) as caught:
        load_dataset(typed, data_dir=None, say=lambda line: None)
    assert repr(typed) in caught.value.message
    assert f"did you mean {meant}?" in caught.value.hint
    assert all(name in caught.value.hint for name in DATASET_NAMES)


def test_a_name_that_is_near_to_none_gets_no_guess():
    with pytest.raises(DataError) as caught:
        load_dataset("zzzz", data_dir=None, say=lambda line: None)
    assert "did you mean" not in caught.value.hint
    assert "fashion-mnist, digits" in caught.value.hint


def test_importing_the_catalog_loads_nothing_heavy():
    program = (
        "import sys, batchclf.data.catalog\n"
        "heavy = {'numpy', 'sklearn', 'tensorflow', 'pandas', 'cv2', 'platformdirs'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_digits_are_those_of_scikit_learn_scaled_to_bytes():
    bundled, dataset = load_digits(), _digits()
    assert dataset.class_names == tuple(str(name) for name in bundled.subset_names)
    seen = set()
    for split in (dataset.train, dataset.test):
        assert split.images.dtype == np.uint8
        assert split.images.shape == (len(split.paths), 8, 8, 1)
        assert split.labels.dtype == np.int64
        for image, label, path in zip(split.images, split.labels, split.paths, strict=True):
            name, number = path.split("/")
            assert name == split.name
            assert len(number) == 4
            index = int(number)
            seen.add(index)
            assert label == bundled.target[index]
            # Half up and half to even agree here: only 8 of 16 falls on a half, 127.5.
            np.testing.assert_array_equal(image[..., 0], np.floor(bundled.images[index] * 255 / 16 + 0.5))
    assert seen == set(range(1797))
    assert len(dataset.train.paths) + len(dataset.test.paths) == 1797


def test_digits_split_gives_each_class_its_fifth():
    bundled, dataset = load_digits(), _digits()
    np.testing.assert_array_equal(np.bincount(dataset.test.labels), np.bincount(bundled.target) // 5)
    assert list(dataset.test.paths) == sorted(dataset.test.paths)
    assert list(dataset.train.paths) == sorted(dataset.train.paths)
    fours = np.flatnonzero(bundled.target == 4)
    assert f"test/{fours[4]:04d}" in dataset.test.paths
    assert f"train/{fours[5]:04d}" in dataset.train.paths


def test_digits_say_that_a_data_folder_is_not_used(tmp_path):
    said = []
    load_dataset("digits", data_dir=tmp_path, say=said.append)
    assert any(str(tmp_path) in line and "not used" in line for line in said)
