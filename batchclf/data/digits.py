"""scikit-learn's digits: 1,797 small real images that need no network and no files."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from batchclf.core.types import Dataset, Say, Split

CLASS_NAMES = tuple("0123456789")
_BRIGHTEST = 16
_TEST_EVERY = 5


def load(*, data_dir: Path | None, say: Say, fetch: bool = True) -> Dataset:
    """Load the digits: images (n, 8, 8, 1) uint8, with scikit-learn's 0 to 16 scaled to 0 to 255.

    Every fifth image of each class is in the test split, the others are in train. A path's number is the
    image's place in scikit-learn's order (`test/0024`). `data_dir` is not used, and `say` is told so.
    """
    from sklearn import __version__
    from sklearn.datasets import load_digits

    if data_dir is not None:
        say(f"digits: comes with scikit-learn; the data folder {data_dir} is not used")
    bundled = load_digits()
    images = np.rint(bundled.images * 255 / _BRIGHTEST).astype(np.uint8)[..., np.newaxis]
    labels = bundled.target.astype(np.int64)
    in_test = _rank_in_class(labels) % _TEST_EVERY == _TEST_EVERY - 1
    say(f"digits: found, {len(labels):,} images that come with scikit-learn {__version__}")
    return Dataset(
        "digits",
        CLASS_NAMES,
        _split("train", images, labels, np.flatnonzero(~in_test)),
        _split("test", images, labels, np.flatnonzero(in_test)),
        f"digits, bundled with scikit-learn {__version__}; every fifth image of each class is test",
    )


def _rank_in_class(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Count, for each image, the earlier ones of its class.

    The digits come in a repeating order, so every fifth of all would give some classes twice as often.
    """
    rank = np.zeros_like(labels)
    for label in np.unique(labels):
        members = labels == label
        rank[members] = np.arange(members.sum())
    return rank


def _split(name: str, images: NDArray[np.uint8], labels: NDArray[np.int64], chosen: NDArray[np.intp]) -> Split:
    return Split(name, images[chosen], labels[chosen], tuple(f"{name}/{i:04d}" for i in chosen))
