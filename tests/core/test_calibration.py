"""Calibration against a count by hand in decimals, pandas and scikit-learn's calibration_curve."""

from decimal import Decimal
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve

from batchclf.core.metrics.calibration import CalibrationCounts
from batchclf.core.metrics.confidence_bins import CALIBRATION_BINS, COVERAGE_THRESHOLDS, confidence_counts
from batchclf.core.metrics.intervals import wilson

# As they stand in predictions.csv: at most 7 digits; each threshold of the coverage curve is among them.
cells = (
    st.integers(0, 100).map(lambda percent: str(Decimal(percent) / 100))
    | st.integers(0, 10**7).map(lambda part: str(Decimal(part) / 10**7))
    | st.sampled_from(["0.29", "0.57", "0.58", "0.2899999", "0.5700001", "0", "1", "0.9999999", "1e-07"])
)
predictions = st.lists(st.tuples(cells, st.booleans()), min_size=1, max_size=80)


def count(confidence, correct):
    counts = CalibrationCounts()
    counts.update(np.asarray(confidence, np.float64), np.asarray(correct, np.bool_))
    return counts


def random_predictions(seed, n=2_000):
    rng = np.random.default_rng(seed)
    confidence = rng.beta(2, 1, n)
    return confidence, rng.random(n) < confidence**2


@given(predictions)
def test_bins_are_those_of_a_count_in_decimals(given_predictions):
    texts, correct = zip(*given_predictions, strict=True)
    found = count(list(map(float, texts)), correct).calibration()
    of_bin = [min(CALIBRATION_BINS - 1, int(Decimal(text) * CALIBRATION_BINS)) for text in texts]
    frame = pd.DataFrame({"bin": of_bin, "confidence": list(map(float, texts)), "correct": correct})
    groups = dict(list(frame.groupby("bin")))
    assert [(each.low, each.high) for each in found.bins] == list(pairwise(np.arange(21) / 20))
    assert frame["bin"].tolist() == [
        int(np.flatnonzero(confidence_counts(np.array([value])))[0]) for value in frame["confidence"]
    ]
    gaps = 0.0
    for number, each in enumerate(found.bins):
        group = groups.get(number, frame.iloc[:0])
        assert (each.images, each.correct) == (len(group), group["correct"].sum())
        if not len(group):
            assert each.confidence is each.accuracy is None
            continue
        assert each.confidence == pytest.approx(group["confidence"].mean())
        assert each.accuracy == wilson(each.correct, each.images)
        gaps += abs(group["correct"].mean() - group["confidence"].mean()) * len(group)
    assert found.ece == pytest.approx(gaps / len(frame), abs=1e-12)
    assert found.overconfidence == pytest.approx(frame["confidence"].mean() - frame["correct"].mean(), abs=1e-12)


@given(predictions)
def test_coverage_is_that_of_a_count_in_decimals(given_predictions):
    texts, correct = zip(*given_predictions, strict=True)
    found = count(list(map(float, texts)), correct).calibration().coverage
    assert len(found) == COVERAGE_THRESHOLDS
    for number, point in enumerate(found):
        assert point.threshold == number / 100
        used = [right for text, right in zip(texts, correct, strict=True) if Decimal(text) >= Decimal(number) / 100]
        assert point.images == len(used)
        assert point.coverage == len(used) / len(texts)
        assert point.accuracy == (wilson(sum(used), len(used)) if used else None)


@pytest.mark.parametrize("percent", range(1, 100))
def test_a_confidence_at_the_threshold_counts(percent):
    text = f"0.{percent:02d}"
    coverage = count([float(text)], [True]).calibration().coverage
    assert [point.images for point in coverage] == [1] * (percent + 1) + [0] * (99 - percent)


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1))
def test_the_reliability_diagram_is_that_of_scikit_learn(seed):
    confidence, correct = random_predictions(seed)
    accuracy, mean = calibration_curve(correct, confidence, n_bins=CALIBRATION_BINS)
    filled = [each for each in count(confidence, correct).calibration().bins if each.images]
    assert [each.accuracy.value for each in filled] == pytest.approx(accuracy.tolist())
    assert [each.confidence for each in filled] == pytest.approx(mean.tolist())


def test_a_model_that_knows_how_sure_it_can_be():
    rng = np.random.default_rng(0)
    confidence = rng.random(200_000)
    found = count(confidence, rng.random(len(confidence)) < confidence).calibration()
    assert found.ece < 0.01
    assert abs(found.overconfidence) < 0.005


@pytest.mark.parametrize(
    ("confidence", "correct", "ece", "overconfidence"),
    [
        ([1.0], [True], 0, 0),
        ([1.0], [False], 1, 1),
        ([0.25], [True], 0.75, -0.75),
        ([0.9] * 10, [True] * 9 + [False], 0, 0),
        ([0.5] * 4, [False] * 4, 0.5, 0.5),
        ([0.25, 0.75], [True, False], 0.75, 0),
    ],
    ids=["one right", "one wrong", "too modest", "just right", "all wrong", "both ways"],
)
def test_edge_cases(confidence, correct, ece, overconfidence):
    found = count(confidence, correct).calibration()
    assert found.ece == pytest.approx(ece, abs=1e-12)
    assert found.overconfidence == pytest.approx(overconfidence, abs=1e-12)


def test_nothing_counted_is_no_calibration():
    with pytest.raises(ValueError, match="at least one image"):
        CalibrationCounts().calibration()
