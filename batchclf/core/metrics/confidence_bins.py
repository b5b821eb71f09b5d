"""Bins of equal width over the confidence, coarse ones for what people see and fine ones for what follows from them."""

import numpy as np
from numpy.typing import NDArray

CALIBRATION_BINS = 20
"""For the reliability diagram, the histogram and the ECE."""

COVERAGE_THRESHOLDS = 100
"""Thresholds of the coverage curve: 0.00, 0.01, …, 0.99. The fine bins begin at them."""

FINE_EDGES = np.array([step / COVERAGE_THRESHOLDS for step in range(COVERAGE_THRESHOLDS)])


def confidence_counts(confidence: NDArray[np.float64]) -> NDArray[np.int64]:
    """Count (n,) confidences, 0 to 1, in the 20 bins: (20,) int64."""
    return by_bin(np.bincount(fine_bins(confidence), minlength=COVERAGE_THRESHOLDS))


def fine_bins(confidence: NDArray[np.float64]) -> NDArray[np.int64]:
    """Tell the fine bin, 0 to 99, of each of (n,) confidences, 0 to 1."""
    # Compared with the edges themselves: as a product 0.29 * 100 is below 29, and 0.29 would count as below 0.29.
    # (decision 059)
    return np.searchsorted(FINE_EDGES, confidence, side="right") - 1


def bin_of(fine: NDArray[np.int64]) -> NDArray[np.int64]:
    """Give the bin of the 20, from 0, in which each of (n,) fine bins lies."""
    return fine // (COVERAGE_THRESHOLDS // CALIBRATION_BINS)


def by_bin(fine: NDArray[np.int64]) -> NDArray[np.int64]:
    """Add up the (100,) counts of the fine bins to those of the 20 bins."""
    return np.asarray(fine.reshape(CALIBRATION_BINS, -1).sum(axis=1))
