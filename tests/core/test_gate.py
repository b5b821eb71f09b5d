import numpy as np
import pytest
from core_cases import evaluate, predicted_rows
from hypothesis import given, settings
from hypothesis import strategies as st

from batchclf.core.gap import overfitting_gap
from batchclf.core.gate import Gate, check_gate


def metrics(correct, total):
    labels = np.arange(total) % 2
    return evaluate(predicted_rows(labels, np.where(np.arange(total) < correct, labels, 1 - labels), 2)).labelled


def gate_of(test, train=None, **bounds):
    test = metrics(*test)
    return check_gate(Gate(**bounds), test, overfitting_gap(metrics(*train), test) if train else None)


@pytest.mark.parametrize(
    ("correct", "bound", "passed", "certain"),
    [
        (900, 0.86, True, True),
        (870, 0.86, True, False),
        (860, 0.86, True, False),
        (850, 0.86, False, False),
        (800, 0.86, False, True),
        (1_000, 1.0, True, False),
        (0, 0.0, True, True),
    ],
)
def test_the_value_decides_and_the_interval_tells_how_surely(correct, bound, passed, certain):
    (result,) = gate_of((correct, 1_000), min_test_accuracy=bound)
    assert (result.name, result.value, result.bound) == ("min_test_accuracy", correct / 1_000, bound)
    assert (result.passed, result.certain) == (passed, certain)


@pytest.mark.parametrize(
    ("train", "bound", "passed", "certain"),
    [(900, 0.06, True, True), (940, 0.06, True, False), (970, 0.06, False, False), (1_000, 0.06, False, True)],
)
def test_the_gap_is_held_against_its_interval_too(train, bound, passed, certain):
    (result,) = gate_of((900, 1_000), (train, 1_000), max_gap=bound)
    assert result.value == pytest.approx(train / 1_000 - 0.9)
    assert (result.name, result.passed, result.certain) == ("max_gap", passed, certain)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 200), st.floats(0, 1))
def test_a_certain_result_is_that_of_every_value_in_the_interval(correct, bound):
    (result,) = gate_of((correct, 200), min_test_accuracy=bound)
    interval = metrics(correct, 200).accuracy.interval
    assert result.certain == ({interval.low >= bound, interval.high >= bound} == {result.passed})


def test_sentences():
    (sure,) = gate_of((900, 1_000), min_test_accuracy=0.86)
    assert sure.sentence == "test accuracy 90.00% reaches the least allowed 86.00%"
    (unsure,) = gate_of((850, 1_000), min_test_accuracy=0.86)
    assert unsure.sentence == (
        "test accuracy 85.00% is below the least allowed 86.00%, but the bound lies within its 95% interval "
        "82.65% to 87.08%: 1,000 images are not enough to tell"
    )
    (gap,) = gate_of((900, 1_000), (1_000, 1_000), max_gap=0.06)
    assert gap.sentence == "the overfitting gap of 10.00 points is above the most allowed 6.00"
    (one,) = gate_of((1, 1), min_test_accuracy=0.5)
    assert one.sentence.endswith(": 1 image is not enough to tell")


def test_bounds_that_are_not_set_are_not_held_against_anything():
    assert gate_of((1, 2)) == []


def test_a_bound_is_never_passed_for_want_of_a_value():
    with pytest.raises(ValueError, match="max_gap needs both splits scored"):
        gate_of((1, 2), max_gap=0.5)
