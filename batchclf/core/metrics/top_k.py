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
        counts = found.sum(axis=0, dtype=np.int64)
        before = np.zeros_like(counts) if self.counts is None else self.counts
        k = min(len(before), len(counts))
        self.counts = before[:k] + counts[:k]
