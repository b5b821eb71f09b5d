"""How often the true class is among the first classes of a row."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(eq=False)
class TopHits:
    """`counts` is (k,) int64: entry i counts images whose true class is among the first i + 1 predicted classes.

    k is that of the rows with the fewest; None as long as there were no rows.
    """

    counts: NDArray[np.int64] | None = None

    def update(self, labels: NDArray[np.int64], ranked: NDArray[np.int64]) -> None:
        """Add images by their (n,) true class, none below 0, and their (n, k) classes, best first, -1 for none."""
        found = np.logical_or.accumulate(ranked == labels[:, None], axis=1)
        self.merge(TopHits(found.sum(axis=0, dtype=np.int64)))

    def merge(self, other: "TopHits") -> None:
        """Add the images that `other` has counted."""
        if self.counts is None or other.counts is None:
            self.counts = other.counts if self.counts is None else self.counts
            return
        k = min(len(self.counts), len(other.counts))
        self.counts = self.counts[:k] + other.counts[:k]
