"""How often a class got which probability: exact for as many as are kept, in bins beyond that."""

import numpy as np
from numpy.typing import NDArray

from batchclf.core.metrics.probability_bins import ProbabilityBins
from batchclf.core.metrics.ranking import ClassRanking, class_ranking

MOST_KEPT = 8 * 2**20
"""Probabilities, images times classes, that are kept: 64 MiB, as much as the histograms may take that follow."""


class RankingCounts:
    """The probabilities behind the rankings: all of them up to MOST_KEPT, histograms from there on.

    So memory does not grow with the images beyond 64 MiB, and the result does not depend on how the rows were cut: the
    bins get the kept ones, too. They are those of `ProbabilityBins`.
    """

    def __init__(self, class_names: tuple[str, ...]) -> None:
        self.class_names = class_names
        self._kept: list[tuple[NDArray[np.int64], NDArray[np.float64]]] = []
        self._left = MOST_KEPT
        self._binned: _BinnedCounts | None = None

    def update(self, labels: NDArray[np.int64], probabilities: NDArray[np.float64]) -> None:
        """Add images by their (n,) true class, none below 0, and their (n, classes) probabilities, 0 to 1."""
        self._left -= probabilities.size
        if self._left >= 0:
            self._kept.append((labels.copy(), probabilities.copy()))
        else:
            self._in_bins([(labels, probabilities)])

    def merge(self, other: "RankingCounts") -> None:
        """Add the images that `other` has counted, of the same classes."""
        self._left -= MOST_KEPT - other._left
        if self._left >= 0:
            self._kept += other._kept
            return
        binned = self._in_bins(other._kept)
        if other._binned is not None:
            binned.merge(other._binned)

    def _in_bins(self, pieces: list[tuple[NDArray[np.int64], NDArray[np.float64]]]) -> "_BinnedCounts":
        """Put pieces into the bins, and before the first ones what was kept."""
        if self._binned is None:
            self._binned = _BinnedCounts(len(self.class_names))
            pieces, self._kept = [*self._kept, *pieces], []
        for piece in pieces:
            self._binned.update(*piece)
        return self._binned

    def ranking(self) -> tuple[ClassRanking, ...]:
        """Compute every class's areas and curves."""
        if self._binned is not None:
            counts = zip(self._binned.images, self._binned.positives, strict=True)
            return tuple(
                class_ranking(name, *of_class, exact=False)
                for name, of_class in zip(self.class_names, counts, strict=True)
            )
        labels = np.concatenate([labels for labels, _ in self._kept] or [np.zeros(0, np.int64)])
        return tuple(self._exact(name, number, labels == number) for number, name in enumerate(self.class_names))

    def _exact(self, name: str, number: int, is_of_class: NDArray[np.bool_]) -> ClassRanking:
        # A class at a time: all of them in one array would take the 64 MiB twice
        scores = np.concatenate([piece[:, number] for _, piece in self._kept] or [np.zeros(0)])
        values, images = np.unique(scores, return_counts=True)
        of_class = np.bincount(np.searchsorted(values, scores[is_of_class]), minlength=len(values))
        return class_ranking(name, images, of_class, exact=True)


class _BinnedCounts:
    """`images` counts all images, `positives` those of the class, both (classes, bins) uint32."""

    def __init__(self, classes: int) -> None:
        self._bins = ProbabilityBins.for_classes(classes)
        self.images, self.positives = (np.zeros((classes, self._bins.count), np.uint32) for _ in range(2))

    def update(self, labels: NDArray[np.int64], probabilities: NDArray[np.float64]) -> None:
        # Added in place: the piece is small beside the histograms, so a bincount would be slow.
        cells = self._bins.of(probabilities) + np.arange(len(self.images)) * self._bins.count
        np.add.at(self.images.reshape(-1), cells.reshape(-1), np.uint32(1))
        np.add.at(self.positives.reshape(-1), cells[np.arange(len(labels)), labels], np.uint32(1))

    def merge(self, other: "_BinnedCounts") -> None:
        self.images += other.images
        self.positives += other.positives
