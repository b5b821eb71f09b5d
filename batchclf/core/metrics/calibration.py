"""Calibration: whether the confidence of a prediction is the share of right ones among those as confident."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from batchclf.core.estimate import Estimate
from batchclf.core.metrics.confidence_bins import (
    CALIBRATION_BINS,
    COVERAGE_THRESHOLDS,
    FINE_EDGES,
    bin_of,
    by_bin,
    fine_bins,
)
from batchclf.core.metrics.exact_sum import ExactSums
from batchclf.core.metrics.intervals import wilson


@dataclass(frozen=True, slots=True)
class CalibrationBin:
    """The labelled images whose confidence lies in [low, high), of the last bin in [low, high].

    `confidence` is their mean confidence, `accuracy` the share of right ones (Wilson); both None without images.
    """

    low: float
    high: float
    images: int
    correct: int
    confidence: float | None
    accuracy: Estimate | None


@dataclass(frozen=True, slots=True)
class CoveragePoint:
    """If only predictions with a confidence of at least `threshold` are used: how many, and how good they are.

    `coverage` is their share of the labelled images, 0 to 1; `accuracy` is None where there are none.
    """

    threshold: float
    images: int
    coverage: float
    accuracy: Estimate | None


@dataclass(frozen=True, slots=True)
class Calibration:
    """`ece` is the expected calibration error: the mean of |accuracy - confidence| over the bins, by images
    (Naeini 2015; Guo 2017). `overconfidence` is mean confidence minus accuracy, -1 to 1.
    """

    bins: tuple[CalibrationBin, ...]
    ece: float
    overconfidence: float
    coverage: tuple[CoveragePoint, ...]


@dataclass(eq=False)
class CalibrationCounts:
    """Confidence against right and wrong, in 100 fine bins: [0.00, 0.01), [0.01, 0.02), …, [0.99, 1.00].

    Of `images` with a confidence in each, `correct` are right, both (100,) int64; `confidence` has the sum of
    theirs, for each of the 20 bins that are shown.
    """

    images: NDArray[np.int64] = field(default_factory=lambda: np.zeros(COVERAGE_THRESHOLDS, np.int64))
    correct: NDArray[np.int64] = field(default_factory=lambda: np.zeros(COVERAGE_THRESHOLDS, np.int64))
    confidence: ExactSums = field(default_factory=lambda: ExactSums(CALIBRATION_BINS))

    def update(self, confidence: NDArray[np.float64], correct: NDArray[np.bool_]) -> None:
        """Add images by their (n,) confidence, 0 to 1, and whether they are right, (n,) bool."""
        fine = fine_bins(confidence)
        self.images += np.bincount(fine, minlength=COVERAGE_THRESHOLDS)
        self.correct += np.bincount(fine[correct], minlength=COVERAGE_THRESHOLDS)
        self.confidence.add(confidence, bin_of(fine))

    def merge(self, other: "CalibrationCounts") -> None:
        """Add the images that `other` has counted."""
        self.images += other.images
        self.correct += other.correct
        self.confidence.merge(other.confidence)

    def calibration(self) -> Calibration:
        """Compute the calibration of at least one image; raises ValueError where none was counted."""
        total = int(self.images.sum())
        if not total:
            raise ValueError("calibration needs at least one image")
        images, correct = by_bin(self.images), by_bin(self.correct)
        confidence = self.confidence.totals()
        overconfidence = (self.confidence.total - int(correct.sum())) / total
        return Calibration(
            bins=tuple(map(_bin, range(CALIBRATION_BINS), images.tolist(), correct.tolist(), confidence.tolist())),
            ece=float(np.abs(correct - confidence).sum()) / total,
            overconfidence=overconfidence,
            coverage=self._coverage(total),
        )

    def _coverage(self, total: int) -> tuple[CoveragePoint, ...]:
        """Add up from the most confident bin on."""
        images, correct = (np.cumsum(counts[::-1])[::-1].tolist() for counts in (self.images, self.correct))
        return tuple(
            CoveragePoint(threshold, used, used / total, wilson(right, used) if used else None)
            for threshold, used, right in zip(FINE_EDGES.tolist(), images, correct, strict=True)
        )


def _bin(number: int, images: int, correct: int, confidence: float) -> CalibrationBin:
    low, high = number / CALIBRATION_BINS, (number + 1) / CALIBRATION_BINS
    if not images:
        return CalibrationBin(low, high, 0, 0, None, None)
    return CalibrationBin(low, high, images, correct, confidence / images, wilson(correct, images))
