"""Sums of floating-point numbers without rounding, so that they are the same however the numbers were cut."""

import numpy as np
from numpy.typing import NDArray

_MANTISSA_BITS, _LOW_BITS = 53, 27
_LOWEST_EXPONENT = -1073
"""frexp gives it for the smallest number above 0, which is 2^-1074."""

_UNITS_OF_ONE = 1 << (_MANTISSA_BITS - _LOWEST_EXPONENT)

_MOST_AT_ONCE = 2**26
"""Halves of so many mantissas, below 2^27 each, add up exactly in float64."""


class ExactSums:
    """Exact sums of finite float64 numbers, one for each of some `groups`.

    They can be added to and merged in any order: integers, multiples of 2^-1126, hold what no float64 can.
    """

    def __init__(self, groups: int = 1) -> None:
        self._units = [0] * groups

    def add(self, values: NDArray[np.float64], groups: NDArray[np.int64] | None = None) -> None:
        """Add (n,) float64 numbers, each to the sum of its group, (n,) from 0; all to the first without `groups`.

        Raises ValueError for nan and infinity, which have no exact sum.
        """
        for start in range(0, len(values), _MOST_AT_ONCE):
            piece = slice(start, start + _MOST_AT_ONCE)
            self._add(values[piece], None if groups is None else groups[piece])

    def merge(self, other: "ExactSums") -> None:
        """Add the sums of `other`, which has as many groups."""
        self._units = [mine + theirs for mine, theirs in zip(self._units, other._units, strict=True)]

    def totals(self) -> NDArray[np.float64]:
        """Give the sum of each group, (groups,) float64, rounded once."""
        return np.array([units / _UNITS_OF_ONE for units in self._units])

    @property
    def total(self) -> float:
        """The sum of all groups, rounded once."""
        return sum(self._units) / _UNITS_OF_ONE

    def _add(self, values: NDArray[np.float64], groups: NDArray[np.int64] | None) -> None:
        mantissas, exponents = np.frexp(values)
        if not np.isfinite(mantissas).all():
            raise ValueError("nan and infinity have no exact sum")
        lowest = int(exponents.min())
        span = int(exponents.max()) - lowest + 1
        cells = exponents - lowest if groups is None else groups * span + (exponents - lowest)
        # In halves, whose sums float64 holds exactly; bincount adds nothing but float64 (decision 189)
        scaled = mantissas * 2.0 ** (_MANTISSA_BITS - _LOW_BITS)
        high = np.trunc(scaled)
        of_high, of_low = np.bincount(cells, high), np.bincount(cells, (scaled - high) * 2.0**_LOW_BITS)
        for cell in np.flatnonzero((of_high != 0) | (of_low != 0)).tolist():
            group, exponent = divmod(cell, span)
            mantissa = (int(of_high[cell]) << _LOW_BITS) + int(of_low[cell])
            self._units[group] += mantissa << (exponent + lowest - _LOWEST_EXPONENT)
