import gzip
import shutil
from pathlib import Path

import numpy as np
import pytest
from fashion_cases import (
    REAL_FILE_SET,
    REAL_PATH,
    SHARED,
    TEST_IMAGES,
    TEST_LABELS,
    TRAIN_IMAGES,
    TRAIN_LABELS,
    idx_file,
    load_fashion,
    made_contents,
    put,
    use_files,
)

from batchclf.data import providers
from batchclf.data.catalog import load_dataset
from batchclf.errors import DataError

# What is loaded


def test_the_splits_hold_what_the_files_hold(bare, contents):
    dataset, _ = load_fashion(put(bare / "data", contents))
    assert dataset.name == "fashion-mnist"
    assert dataset.class_names[0] == "T-shirt/top"
    assert dataset.class_names[9] == "Ankle boot"
    assert len(set(dataset.class_names)) == 10
    for split, file, count in ((dataset.train, TRAIN_IMAGES, 7), (dataset.test, TEST_IMAGES, 3)):
        assert split.images.shape == (count, 28, 28, 1)
        assert split.images.dtype == np.uint8
        assert split.images.tobytes() == gzip.decompress(contents[file])[16:]
        assert split.labels.dtype == np.int64
    assert dataset.train.labels.tolist() == [0, 1, 2, 3, 4, 5, 6]
    assert dataset.test.labels.tolist() == [9, 0, 4]
    assert dataset.test.paths == ("test/00000", "test/00001", "test/00002")
    assert dataset.train.paths[-1] == "train/00006"


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        (
            {TEST_LABELS: idx_file(np.zeros(2, np.uint8))},
            r"t10k-images.* holds 3 images, but t10k-labels.* 2 labels",
        ),
        (
            {TRAIN_LABELS: idx_file(np.full(7, 10, np.uint8))},
            r"train-labels.* holds the label 10, expected 0 to 9",
        ),
        ({TRAIN_IMAGES: idx_file(np.zeros((7, 28, 27), np.uint8))}, r"train-images.* of 28 x 27 pixels"),
        ({TEST_IMAGES: idx_file(np.zeros((3, 28, 28), np.uint8), type_code=0x0B)}, "IDX type 0x0b"),
    ],
)
def test_files_that_do_not_fit_each_other_are_told(monkeypatch, bare, changes, why):
    made = {**made_contents(), **changes}
    use_files(monkeypatch, made)
    with pytest.raises(DataError, match=why):
        load_fashion(put(bare / "data", made))


# The real data


def _check_the_real_thing(dataset):
    for split, count in ((dataset.train, 60_000), (dataset.test, 10_000)):
        assert split.images.shape == (count, 28, 28, 1)
        assert (split.images.min(), split.images.max()) == (0, 255)
        assert np.bincount(split.labels).tolist() == [count // 10] * 10
        assert len(split.paths) == count
    assert dataset.test.paths[42] == "test/00042"


def test_the_real_files():
    places = [SHARED, providers.cache_folder(REAL_FILE_SET), Path("/usr/share/datasets/fashion-mnist")]
    folder = next((place for place in places if (place / TRAIN_IMAGES).exists()), None)
    if folder is None:
        pytest.skip("Fashion MNIST is neither in shared/data nor in the cache")
    dataset, _ = load_fashion(folder)
    _check_the_real_thing(dataset)
    # The names, checked against the pictures: low down, trousers are the narrowest and bags nearly fill the row.
    images, labels = dataset.train.images[..., 0], dataset.train.labels
    width = {
        name: (images[labels == label, 20] > 40).sum(axis=1).mean() for label, name in enumerate(dataset.class_names)
    }
    assert min(width, key=width.__getitem__) == "Trouser"
    assert width["Bag"] > 22


@pytest.mark.network
def test_debians_package_on_a_machine_with_empty_package_lists(monkeypatch, bare, cache):
    if shutil.which("apt-get", path=REAL_PATH) is None or shutil.which("dpkg-deb", path=REAL_PATH) is None:
        pytest.skip("apt-get is not on this machine")
    (bare / "lists" / "partial").mkdir(parents=True)
    (bare / "apt.conf").write_text(f'Dir::State::Lists "{bare / "lists"}";\n')
    monkeypatch.setenv("APT_CONFIG", str(bare / "apt.conf"))
    monkeypatch.setenv("PATH", REAL_PATH)
    said = []
    try:
        dataset = load_dataset("fashion-mnist", data_dir=None, say=said.append)
    except DataError as error:
        no_network = ("Failed to fetch", "Unable to locate package", "was stopped after")
        if any(words in error.message for words in no_network):
            pytest.skip(f"Debian's packages are not reached: {error.message}")
        raise
    assert any("fetching fresh lists into a private folder" in line for line in said)
    assert sorted(path.name for path in cache.iterdir()) == sorted(REAL_FILE_SET.digests)
    _check_the_real_thing(dataset)
