"""Which classes stand side by side in a confusion matrix, and which of many are shown."""

import numpy as np
from numpy.typing import NDArray

from batchclf.core.metrics.confusion import ConfusionCounts


def similarity_order(confusion: ConfusionCounts) -> NDArray[np.int64]:
    """Order the classes so that those which are confused stand side by side: (classes,) int64 indices.

    Spectral seriation (Atkins, Boman & Hendrickson 1998): two classes are the more similar the larger the shares of
    each that are taken for the other, and the classes are sorted by the Fiedler vector, here that of the normalised
    Laplacian, which classes with few errors do not bend. Classes that no chain of confusions links are ordered apart
    from each other: each such group stands where its first class stood, so classes that are never confused keep
    their order.
    """
    similarity = _similarity(confusion)
    groups = [_seriated(similarity, group) for group in _linked(similarity)]
    return np.concatenate(groups) if groups else np.zeros(0, np.int64)


def most_confused(confusion: ConfusionCounts, most: int) -> NDArray[np.int64]:
    """Choose `most` classes among which many of the errors are: rising int64 indices; all where there are no more.

    The best choice would take for ever to find; this takes away, one by one, the class with the fewest errors to and
    from those that are left (Asahiro, Iwama, Tamaki & Tokuyama 2000), of equal ones the last.
    """
    wrong = confusion.counts + confusion.counts.T
    np.fill_diagonal(wrong, 0)
    left = np.arange(len(wrong))
    errors = wrong.sum(axis=1)
    while len(left) > most:
        place = len(left) - 1 - int(np.argmin(errors[left][::-1]))
        errors -= wrong[left[place]]
        left = np.delete(left, place)
    return left


def _similarity(confusion: ConfusionCounts) -> NDArray[np.float64]:
    shares = np.nan_to_num(confusion.row_normalised())
    # To the third power: else a thousand stray errors, one a cell, hide the few classes that a class is close to.
    # (decision 062)
    similarity = ((shares + shares.T) / 2) ** 3
    np.fill_diagonal(similarity, 0.0)
    return similarity


def _linked(similarity: NDArray[np.float64]) -> list[NDArray[np.int64]]:
    """Group the classes that chains of confusions link, by their first class."""
    waiting = np.ones(len(similarity), np.bool_)
    groups = []
    for first in range(len(similarity)):
        if not waiting[first]:
            continue
        group = np.zeros(len(similarity), np.bool_)
        border = np.array([first])
        while len(border):
            group[border] = True
            border = np.flatnonzero(similarity[border].any(axis=0) & ~group)
        waiting &= ~group
        groups.append(np.flatnonzero(group))
    return groups


def _seriated(similarity: NDArray[np.float64], group: NDArray[np.int64]) -> NDArray[np.int64]:
    """Order a linked group by its Fiedler vector."""
    if len(group) < 3:
        return group
    within = similarity[np.ix_(group, group)]
    scale = 1 / np.sqrt(within.sum(axis=1))
    _, vectors = np.linalg.eigh(np.eye(len(group)) - scale[:, None] * within * scale)
    along = vectors[:, 1] * scale
    # Rounded and sorted stably, so that classes which are alike keep their order.
    along = np.round(along / np.abs(along).max(), 9)
    order = np.argsort(along, kind="stable")
    # A vector is as good as its negative: the end with the earlier class comes first.
    return group[order if order[0] < order[-1] else np.argsort(-along, kind="stable")]
