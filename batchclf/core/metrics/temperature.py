"""What scores would be without the temperature that their model divides its logits by."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from batchclf.core.metrics.calibration import CalibrationBin, CalibrationCounts
from batchclf.core.metrics.formulas import log_losses
from batchclf.core.metrics.moments import Moments


@dataclass(frozen=True, slots=True)
class WithoutTemperature:
    """How good the probabilities of labelled images would be without the model's `temperature`.

    The fields are those of the metrics with it: `log_loss`, `ece` and `overconfidence` (mean confidence minus
    accuracy), and the bins of the reliability diagram.
    """

    temperature: float
    log_loss: float
    ece: float
    overconfidence: float
    bins: tuple[CalibrationBin, ...]


@dataclass(eq=False)
class UntemperedCounts:
    """Counts what the probabilities of labelled images would be without a `temperature` above 0."""

    temperature: float
    calibration: CalibrationCounts = field(default_factory=CalibrationCounts)
    log_loss: Moments = field(default_factory=Moments)

    def update(
        self, labels: NDArray[np.int64], predictions: NDArray[np.int64], probabilities: NDArray[np.float64]
    ) -> None:
        """Add images by their (n,) true and predicted classes and their (n, classes) probabilities, 0 to 1."""
        before = untempered(probabilities, self.temperature)
        self.calibration.update(before[np.arange(len(before)), predictions], labels == predictions)
        self.log_loss.update(log_losses(labels, before))

    def merge(self, other: "UntemperedCounts") -> None:
        """Add the images that `other` has counted; it has the same temperature."""
        self.calibration.merge(other.calibration)
        self.log_loss.merge(other.log_loss)

    def result(self) -> WithoutTemperature:
        """Compute it for at least one image; raises ValueError where none was counted."""
        found = self.calibration.calibration()
        return WithoutTemperature(self.temperature, self.log_loss.mean, found.ece, found.overconfidence, found.bins)


def untempered(probabilities: NDArray[np.float64], temperature: float) -> NDArray[np.float64]:
    """Give the softmax of logits z, from that of z / temperature: both (n, classes), rows that add up to 1.

    The softmax of z / T is in each row a constant times exp(z / T), so its power T is a constant times exp(z). Zeros
    stay zeros, and the order within a row stays.
    """
    highest = probabilities.max(axis=1, keepdims=True)
    # By the highest, so that a row cannot become nothing; a row of a damaged file that is nothing stays so.
    powers = (probabilities / np.where(highest > 0, highest, 1.0)) ** temperature
    total = powers.sum(axis=1, keepdims=True)
    return np.asarray(powers / np.where(total > 0, total, 1.0))
