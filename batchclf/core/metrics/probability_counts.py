"""What can be counted only if all probabilities of an image are known: means over the images, rankings."""

import numpy as np
from numpy.typing import NDArray

from batchclf.core.metrics.catalog import formulas_of
from batchclf.core.metrics.formulas import OfImages
from batchclf.core.metrics.moments import Moments
from batchclf.core.metrics.ranking_counts import RankingCounts


class ProbabilityCounts:
    """Moments of the metrics that are means over the images, by name, and what the rankings are made from."""

    def __init__(self, class_names: tuple[str, ...]) -> None:
        self.means = {name: Moments() for name in formulas_of(OfImages)}
        self.ranking = RankingCounts(class_names)

    def update(self, labels: NDArray[np.int64], probabilities: NDArray[np.float64]) -> None:
        """Add images by their (n,) true class, none below 0, and their (n, classes) probabilities, 0 to 1."""
        for name, formula in formulas_of(OfImages).items():
            self.means[name].update(formula.values(labels, probabilities))
        self.ranking.update(labels, probabilities)

    def merge(self, other: "ProbabilityCounts") -> None:
        """Add the images that `other` has counted, of the same classes."""
        for name, moments in self.means.items():
            moments.merge(other.means[name])
        self.ranking.merge(other.ranking)
