"""What a model is known by when it is trained: the reference that later images and predictions are compared with."""

from pathlib import Path

import numpy as np

from batchclf.core.images.drift import Reference
from batchclf.core.images.facts import FactMeter
from batchclf.core.images.statistics import (
    BRIGHTNESS_BINS,
    BRIGHTNESS_HIGH,
    CONTRAST_BINS,
    CONTRAST_HIGH,
    Histogram,
    bin_counts,
)
from batchclf.core.metrics.confidence_bins import CALIBRATION_BINS, confidence_counts
from batchclf.core.types import Dataset
from batchclf.models.onnx_session import onnx_session

_AT_ONCE = 1024


def training_reference(dataset: Dataset, graph: Path) -> Reference:
    """Measure the training images, and the predictions of the bundle's graph for the test images."""
    brightness, contrast = np.zeros(BRIGHTNESS_BINS, np.int64), np.zeros(CONTRAST_BINS, np.int64)
    train, test = dataset.train.images, dataset.test.images
    meter = FactMeter(train.shape[1:])
    for start in range(0, len(train), _AT_ONCE):
        facts = meter.measure(train[start : start + _AT_ONCE])
        brightness += bin_counts(facts["brightness"], BRIGHTNESS_HIGH, BRIGHTNESS_BINS)
        contrast += bin_counts(facts["contrast"], CONTRAST_HIGH, CONTRAST_BINS)
    session = onnx_session(graph)
    confidence = np.zeros(CALIBRATION_BINS, np.int64)
    predicted = np.zeros(len(dataset.class_names), np.int64)
    for start in range(0, len(test), _AT_ONCE):
        probabilities = session.run(["probabilities"], {"image": test[start : start + _AT_ONCE]})[0]
        confidence += confidence_counts(probabilities.max(axis=1))
        predicted += np.bincount(probabilities.argmax(axis=1), minlength=len(predicted))
    return Reference(
        trained=len(train),
        brightness=Histogram(0.0, BRIGHTNESS_HIGH, tuple(brightness.tolist())),
        contrast=Histogram(0.0, CONTRAST_HIGH, tuple(contrast.tolist())),
        held_out=len(test),
        confidence=Histogram(0.0, 1.0, tuple(confidence.tolist())),
        predicted=tuple(predicted.tolist()),
    )
