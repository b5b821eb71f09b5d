"""Temperature scaling: logits are divided by a number, which brings confidence nearer to the share that is right.

Guo et al., "On Calibration of Modern Neural Networks" (2017), section 4.2. The most probable class stays the same.
"""

import numpy as np
from numpy.typing import NDArray

from batchclf.core.metrics.calibration import CalibrationCounts
from batchclf.core.training_record import TemperatureRecord

LEAST_IMAGES = 100
"""Fewer tell too little: as for any fitted number, chance alone adds about 1 / (2 n) to the log loss of new images."""

LEAST, MOST = 0.05, 20.0
"""The temperatures that are looked among. Beyond them a network is all but always right, or no better than chance."""


def fit_temperature(logits: NDArray[np.floating], labels: NDArray[np.int64]) -> TemperatureRecord | None:
    """Find the temperature with the least log loss, from (n, classes) logits of validation images and (n,) classes.

    It lies between 0.05 and 20. None where there is nothing to go by: fewer than 100 images, a logit that is not
    finite, or no wrong prediction, for then the log loss falls the more the lower the temperature. Computed in float64.
    """
    values = np.asarray(logits, np.float64)
    right = values.argmax(axis=1) == labels if len(values) else np.zeros(0, bool)
    if len(values) < LEAST_IMAGES or right.all() or not np.isfinite(values).all():
        return None
    # So that exp cannot overflow; the softmax stays the same.
    values = values - values.max(axis=1, keepdims=True)
    temperature = _least(values, labels)
    before, after = _log_loss(values, labels, 1.0), _log_loss(values, labels, temperature)
    if after >= before:  # by a rounding error, or where all logits of each image are the same
        temperature, after = 1.0, before
    ece = _ece(values, right, 1.0), _ece(values, right, temperature)
    return TemperatureRecord(temperature, len(values), (before, after), ece)


def _least(logits: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """Find where the slope of the log loss is zero.

    The log loss is convex in 1 / temperature, so its slope there, the mean logit by the probabilities minus the mean
    logit of the true classes, falls as the temperature rises, and has one zero at most.
    """
    # Only in training: scoring needs no scipy (decision 114)
    from scipy.optimize import brentq

    true = float(logits[np.arange(len(logits)), labels].mean())

    def slope(log_temperature: float) -> float:
        shares = np.exp(_log_shares(logits, float(np.exp(log_temperature))))
        return float((shares * logits).sum(axis=1).mean()) - true

    low, high = float(np.log(LEAST)), float(np.log(MOST))
    if slope(low) <= 0:
        return LEAST
    if slope(high) >= 0:
        return MOST
    return float(np.exp(brentq(slope, low, high)))


def _log_shares(logits: NDArray[np.float64], temperature: float) -> NDArray[np.float64]:
    """Compute the logarithms of the probabilities from logits whose highest in each row is 0."""
    scaled = logits / temperature
    return np.asarray(scaled - np.log(np.exp(scaled).sum(axis=1, keepdims=True)))


def _log_loss(logits: NDArray[np.float64], labels: NDArray[np.int64], temperature: float) -> float:
    return -float(_log_shares(logits, temperature)[np.arange(len(logits)), labels].mean())


def _ece(logits: NDArray[np.float64], right: NDArray[np.bool_], temperature: float) -> float:
    counts = CalibrationCounts()
    counts.update(np.exp(_log_shares(logits, temperature).max(axis=1)), right)
    return counts.calibration().ece
