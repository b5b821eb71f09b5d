"""Bins that are narrow where probabilities are near 0 or 1, so that a histogram can stand for the probabilities."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LARGEST_HISTOGRAMS = 64 * 2**20
"""Bytes that two uint32 histograms a class may take together."""

_LOWEST, _NEAREST_TO_ONE = 150, 53
"""Octaves: float32 goes down to 2^-149; below 1, float64 comes as near to it as 2^-53."""

_MOST_STEPS = 8
_MANTISSA_BITS, _EXPONENT_BIAS = 52, 1023


@dataclass(frozen=True, slots=True)
class ProbabilityBins:
    """Each octave of p up to 1/2, and of 1 - p above, in 2^`steps` bins of equal width; exact 0 and 1 have their own.

    That is about even in the logit of p. A bin follows from the bits of the number, so no rounding is involved.
    """

    steps: int

    @classmethod
    def for_classes(cls, classes: int) -> "ProbabilityBins":
        """Choose bins as narrow as the memory for the histograms of so many classes allows: 1/512 of p at the best,
        1/64 for 1,000 classes.
        """
        fitting = [cls(steps) for steps in range(_MOST_STEPS + 1)]
        return max(
            (bins for bins in fitting if 8 * classes * bins.count <= LARGEST_HISTOGRAMS),
            key=lambda bins: bins.steps,
            default=fitting[0],
        )

    @property
    def count(self) -> int:
        """The number of bins."""
        return self._up_to_half + ((_NEAREST_TO_ONE - 1) << self.steps) + 1

    @property
    def _up_to_half(self) -> int:
        """The number of bins up to that of 1/2, with that of 0."""
        return 1 + ((_LOWEST - 1) << self.steps) + 1

    def of(self, probabilities: NDArray[np.float64]) -> NDArray[np.int64]:
        """Find the bin, from 0, of each float64 from 0 to 1; higher probabilities never have a lower bin."""
        # The subtraction is exact from 1/2 on.
        tail = np.minimum(probabilities, 1.0 - probabilities)
        # The bits of positive numbers are in the order of the numbers: exponent, then mantissa (decision 060)
        octave_steps = tail.view(np.int64) >> (_MANTISSA_BITS - self.steps)
        below = octave_steps - (((_EXPONENT_BIAS - _LOWEST) << self.steps) - 1)
        np.maximum(below, tail > 0, out=below)
        above = self.count - 2 - octave_steps + ((_EXPONENT_BIAS - _NEAREST_TO_ONE) << self.steps)
        np.minimum(above, self.count - 1, out=above)
        return np.where(probabilities <= 0.5, below, above)
