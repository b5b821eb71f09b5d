"""The mean of many values and how sure it is, without keeping the values."""

from dataclasses import dataclass, field
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from batchclf.core.estimate import Estimate, Interval
from batchclf.core.metrics.exact_sum import ExactSums
from batchclf.core.metrics.intervals import Z, logit_interval


@dataclass(eq=False)
class Moments:
    """Number of the values seen, their exact sum, and that of their squares, each rounded to float64."""

    n: int = 0
    _values: ExactSums = field(default_factory=ExactSums)
    _squares: ExactSums = field(default_factory=ExactSums)

    def update(self, values: NDArray[np.float64]) -> None:
        """Add values: (n,) float64."""
        self.n += len(values)
        self._values.add(values)
        self._squares.add(values * values)

    def merge(self, other: "Moments") -> None:
        """Add the values that `other` has seen."""
        self.n += other.n
        self._values.merge(other._values)
        self._squares.merge(other._squares)

    @property
    def mean(self) -> float:
        """The mean; nan without values."""
        return self._values.total / self.n if self.n else float("nan")

    def bounded_interval(self, most: float) -> Interval:
        """Give the 95% interval of the mean of values that lie within 0 to `most`; raises ValueError below two."""
        return logit_interval(self.mean, self._error(), self.n, most)

    def estimate(self) -> Estimate:
        """Estimate the mean with its normal 95% interval: mean ± 1.96 s / √n, s with n - 1.

        Needs at least two values; raises ValueError otherwise.
        """
        half = Z * self._error()
        return Estimate(self.mean, Interval(self.mean - half, self.mean + half), self.n)

    def _error(self) -> float:
        """Compute the standard error of the mean, s / √n."""
        if self.n < 2:
            raise ValueError(f"the mean of {self.n} values has no interval")
        total, squares = self._values.total, self._squares.total
        variance = (squares - total**2 / self.n) / (self.n - 1)
        # Rounding can make the variance of equal values a little more or less than nothing.
        return sqrt(variance / self.n) if variance > 1e-13 * squares else 0.0
