"""What can be counted only where all probabilities of an image are known: log loss, Brier score, rankings."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from batchclf.core.metrics.moments import Moments
from batchclf.core.metrics.ranking import RankingCounts

LOWEST_PROBABILITY = float(np.finfo(np.float64).eps)
"""Log loss clips probabilities to at least this, as scikit-learn's log_loss does."""


@dataclass(eq=False)
class ProbabilityCounts:
    """Moments of the log loss and the Brier score of each image, and the histograms behind the rankings.

    The log loss of an image is -ln(probability of its true class). Its Brier score is the sum over the classes of
    (probability - 1 or 0)², 1 for the true class (Brier 1950): 0 to 2, with two classes as well.
    """

    class_names: tuple[str, ...]
    log_loss: Moments = field(default_factory=Moments)
    brier: Moments = field(default_factory=Moments)
    ranking: RankingCounts = field(init=False)

    def __post_init__(self) -> None:
        """Start with no image counted."""
        self.ranking = RankingCounts(self.class_names)

    def update(self, labels: NDArray[np.int64], probabilities: NDArray[np.float64]) -> None:
        """Add images by their (n,) true class, none below 0, and their (n, classes) probabilities, 0 to 1."""
        of_label = np.arange(len(labels)), labels
        self.log_loss.update(log_losses(labels, probabilities))
        errors = probabilities.copy()
        errors[of_label] -= 1.0
        self.brier.update(np.einsum("ij,ij->i", errors, errors))
        self.ranking.update(labels, probabilities)

    def merge(self, other: "ProbabilityCounts") -> None:
        """Add what counts of the same classes have counted."""
        self.log_loss.merge(other.log_loss)
        self.brier.merge(other.brier)
        self.ranking.merge(other.ranking)


def log_losses(labels: NDArray[np.int64], probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the (n,) log losses of images from their (n,) true classes and their (n, classes) probabilities, 0 to 1."""
    return np.asarray(-np.log(np.clip(probabilities[np.arange(len(labels)), labels], LOWEST_PROBABILITY, 1.0)))
