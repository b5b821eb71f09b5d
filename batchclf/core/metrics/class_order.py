"""Which classes stand side by side in a confusion matrix, and which of many are shown."""

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from batchclf.core.metrics.confusion import ConfusionCounts

DENSE_CLASSES = 1_000
"""Up to so many linked classes all eigenvectors are computed, which takes time by their cube. (decision 169)"""


def similarity_order(confusion: ConfusionCounts) -> NDArray[np.int64]:
    """Order the classes so that those which are confused stand side by side: (classes,) int64 indices.

    Spectral seriation (Atkins, Boman & Hendrickson 1998): two classes are the more similar the larger the shares of
    each that are taken for the other, and the classes are sorted by the Fiedler vector, here that of the normalised
    Laplacian, which classes with few errors do not bend. Classes that no chain of confusions links are ordered apart
    from each other: each such group stands where its first class stood, so classes that are never confused keep
    their order.
    """
    from scipy.sparse.csgraph import connected_components

    if not confusion.class_names:
        return np.zeros(0, np.int64)
    similarity = _similarity(confusion)
    number, group_of = connected_components(similarity, directed=False)
    by_group = np.argsort(group_of, kind="stable")
    groups = np.split(by_group, np.cumsum(np.bincount(group_of, minlength=number))[:-1])
    ordered = [_seriated(similarity, group) for group in sorted(groups, key=lambda group: int(group[0]))]
    return np.concatenate(ordered)


def most_confused(confusion: ConfusionCounts, most: int) -> NDArray[np.int64]:
    """Choose `most` classes among which many of the errors are: rising int64 indices; all where there are no more.

    The best choice would take for ever to find; this takes away, one by one, the class with the fewest errors to and
    from those that are left (Asahiro, Iwama, Tamaki & Tokuyama 2000), of equal ones the last.
    """
    wrong = confusion.wrong_cells()
    labels, others = np.r_[wrong.labels, wrong.predictions], np.r_[wrong.predictions, wrong.labels]
    numbers = np.r_[wrong.counts, wrong.counts]
    by_label = np.argsort(labels, kind="stable")
    begins = np.searchsorted(labels[by_label], np.arange(wrong.classes + 1))
    left = np.arange(wrong.classes)
    errors = np.bincount(labels, numbers, wrong.classes).astype(np.int64)
    while len(left) > most:
        place = len(left) - 1 - int(np.argmin(errors[left][::-1]))
        of_it = by_label[begins[left[place]] : begins[left[place] + 1]]
        np.subtract.at(errors, others[of_it], numbers[of_it])
        left = np.delete(left, place)
    return left


def _similarity(confusion: ConfusionCounts) -> Any:
    """Give how similar two classes are, 0 to 1: a sparse (classes, classes) array, nothing on its diagonal."""
    from scipy.sparse import coo_array

    wrong, size = confusion.wrong_cells(), len(confusion.class_names)
    shares = coo_array(
        (wrong.counts / confusion.support[wrong.labels], (wrong.labels, wrong.predictions)), (size, size)
    )
    # To the third power: else a thousand stray errors, one a cell, hide the few classes that a class is close to.
    # (decision 062)
    return (((shares + shares.T) / 2) ** 3).tocsr()


def _seriated(similarity: Any, group: NDArray[np.int64]) -> NDArray[np.int64]:
    """Order a linked group by its Fiedler vector."""
    if len(group) < 3:
        return group
    within = similarity[group][:, group]
    scale = 1 / np.sqrt(within.sum(axis=1))
    along = _fiedler(within.multiply(scale[:, None]).multiply(scale).tocsr(), 1 / scale) * scale
    # Rounded and sorted stably, so that classes which are alike keep their order.
    along = np.round(along / np.abs(along).max(), 9)
    order = np.argsort(along, kind="stable")
    # A vector is as good as its negative: the end with the earlier class comes first.
    return group[order if order[0] < order[-1] else np.argsort(-along, kind="stable")]


def _fiedler(normed: Any, first: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the second eigenvector of the normalised Laplacian I - `normed`, of which `first` is the first: (classes,).

    Of many classes it is an approximation, found by iterating (Knyazev 2001) from a start that is always the same.
    """
    size = len(first)
    if size <= DENSE_CLASSES:
        return np.asarray(np.linalg.eigh(np.eye(size) - normed.toarray())[1][:, 1])
    from scipy.sparse import eye_array
    from scipy.sparse.linalg import LinearOperator, lobpcg, spilu

    laplacian = (eye_array(size) - normed).tocsc()
    # Without a good guess at its inverse, long chains of classes would not converge.
    inverse = spilu(laplacian + 1e-4 * eye_array(size)).solve
    start = np.random.default_rng(0).standard_normal((size, 3))
    beside = (first / np.linalg.norm(first))[:, None]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that it has not converged: near enough for a picture
        _, vectors = lobpcg(
            laplacian, start, M=LinearOperator((size, size), inverse), Y=beside, largest=False, tol=1e-6, maxiter=100
        )
    return np.asarray(vectors[:, 0])
