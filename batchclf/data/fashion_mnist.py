"""Fashion MNIST: 60,000 train and 10,000 test images of clothes (Zalando SE, MIT licence)."""

from pathlib import Path

import numpy as np

from batchclf.core.types import Dataset, Say, Split
from batchclf.data.idx import parse_idx
from batchclf.data.providers import FileSet, FoundFiles, find_files
from batchclf.errors import DataError

CLASS_NAMES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
FILE_SET = FileSet(
    name="fashion-mnist",
    title="Fashion MNIST",
    digests={
        "train-images-idx3-ubyte.gz": "b0564c3eedabfbf835052cff8503ea422014ce006caf5b757f851416ee8300c7",
        "train-labels-idx1-ubyte.gz": "0ae29f65d86684f32d1b9c85147786c547b9c6aebcaf235f0400a0cce308b056",
        "t10k-images-idx3-ubyte.gz": "cc1d090a38ace84dfa1aa66e3ada7c336ef481a96936906477e6dd344da56eaa",
        "t10k-labels-idx1-ubyte.gz": "8d3605d196f4be44669e46906da9733c8131fef761fdbfec72c424d5222f1a05",
    },
    debian_package="dataset-fashion-mnist",
    keras_module="fashion_mnist",
)
_FILE_PREFIX = {"train": "train", "test": "t10k"}
_SIDE = 28


def load(*, data_dir: Path | None, say: Say, fetch: bool = True) -> Dataset:
    """Load both splits: images (n, 28, 28, 1) uint8, 0 to 255, read-only.

    `data_dir` is a folder the user named, or None; `say` gets a line for each place tried; `fetch` is
    whether the network may be used. Raises DataError where the files are nowhere, damaged or do not fit each other (see
    `providers.find_files`).
    """
    found = find_files(FILE_SET, data_dir=data_dir, say=say, fetch=fetch)
    return Dataset(FILE_SET.name, CLASS_NAMES, _split("train", found), _split("test", found), found.origin)


def _split(name: str, found: FoundFiles) -> Split:
    images_file = f"{_FILE_PREFIX[name]}-images-idx3-ubyte.gz"
    labels_file = f"{_FILE_PREFIX[name]}-labels-idx1-ubyte.gz"
    images = parse_idx(found.contents[images_file], images_file, 3)
    labels = parse_idx(found.contents[labels_file], labels_file, 1).astype(np.int64)
    if images.shape[1:] != (_SIDE, _SIDE):
        height, width = images.shape[1:]
        raise DataError(f"{images_file} holds images of {height} x {width} pixels, expected {_SIDE} x {_SIDE}")
    if len(images) != len(labels):
        raise DataError(f"{images_file} holds {len(images)} images, but {labels_file} {len(labels)} labels")
    if labels.size and labels.max() >= len(CLASS_NAMES):
        raise DataError(f"{labels_file} holds the label {labels.max()}, expected 0 to {len(CLASS_NAMES) - 1}")
    paths = tuple(f"{name}/{i:05d}" for i in range(len(images)))
    return Split(name, images[..., np.newaxis], labels, paths)
