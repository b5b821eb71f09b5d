"""Tallies that are cut, sent to other processes and merged in any order give the same evaluation, to the bit."""

import math
import pickle
from dataclasses import fields, is_dataclass, replace
from fractions import Fraction

import numpy as np
import pytest
from core_cases import make_rows, random_probabilities
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from batchclf.core.metrics.evaluation import Tally
from batchclf.core.metrics.exact_sum import ExactSums

finite = st.floats(-1e290, 1e290, allow_nan=False)
numbers = arrays(np.float64, st.integers(0, 50), elements=finite)


def bits(value):
    """A value as what can be compared to the bit: nan is itself, -0.0 is not 0.0."""
    if is_dataclass(value) and not isinstance(value, type):
        return type(value).__name__, tuple((field.name, bits(getattr(value, field.name))) for field in fields(value))
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.shape, value.tobytes()
    if isinstance(value, float):
        return value.hex()
    if hasattr(value, "items"):
        return tuple((bits(key), bits(each)) for key, each in value.items())
    return tuple(map(bits, value)) if isinstance(value, tuple | list) else value


def sent(tally):
    """A tally as Ray gives it to another process: arrays are read-only there."""
    buffers = []
    content = pickle.dumps(tally, protocol=5, buffer_callback=buffers.append)
    return pickle.loads(content, buffers=[bytes(buffer) for buffer in buffers])


@settings(max_examples=200)
@given(st.lists(numbers, max_size=6), st.randoms(use_true_random=False))
def test_a_sum_is_rounded_once_however_its_numbers_were_cut(pieces, random):
    sums = []
    for piece in pieces:
        sums.append(ExactSums())
        sums[-1].add(piece)
    random.shuffle(sums)
    whole = ExactSums()
    for each in sums:
        whole.merge(pickle.loads(pickle.dumps(each)))
    every = [number for piece in pieces for number in piece.tolist()]
    assert whole.total == math.fsum(every) == float(sum(map(Fraction, every)))


@given(arrays(np.float64, 60, elements=finite), arrays(np.int64, 60, elements=st.integers(0, 4)))
def test_each_group_has_its_own_sum(values, groups):
    sums = ExactSums(5)
    sums.add(values, groups)
    assert sums.totals().tolist() == [math.fsum(values[groups == number]) for number in range(5)]
    assert sums.total == math.fsum(values)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_has_no_exact_sum_is_refused(value):
    with pytest.raises(ValueError, match="no exact sum"):
        ExactSums().add(np.array([0.5, value]))


@st.composite
def cut_rows(draw):
    """Rows with unique paths in any order, some without a label, a confidence or probabilities, in pieces."""
    count, classes = draw(st.integers(1, 150)), draw(st.integers(2, 5))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    labels = random.integers(draw(st.sampled_from([-1, -1, 0])), classes, count)
    rows = make_rows(draw(random_probabilities(count, classes)), labels)
    confidence = np.where(random.random(count) < draw(st.sampled_from([0.0, 0.2])), np.nan, rows.confidence)
    rows = replace(rows, confidence=confidence, paths=tuple(f"{each:04d}" for each in random.permutation(count)))
    of_piece = random.integers(0, draw(st.integers(1, 6)), count)
    pieces = [rows.only(of_piece == number) for number in range(of_piece.max() + 1)]
    if draw(st.integers(0, 9)) == 0:
        pieces[0] = replace(pieces[0], probabilities=None)
    # In Fortran's order, as a table of columns gives them
    return [
        replace(each, probabilities=None if each.probabilities is None else np.asfortranarray(each.probabilities))
        if number % 2
        else each
        for number, each in enumerate(pieces)
    ]


@settings(max_examples=80, deadline=None)
@given(cut_rows(), st.sampled_from([1.0, 1.7]), st.sampled_from([40, 8 * 2**20]), st.data())
def test_any_cut_and_any_order_of_merging_give_the_same_bits(pieces, temperature, kept, data):
    names = pieces[0].class_names
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("batchclf.core.metrics.ranking_counts.MOST_KEPT", kept)
        one_by_one = Tally("test", names, temperature)
        tallies = []
        for piece in pieces:
            one_by_one.update(piece)
            tallies.append(Tally("test", names, temperature))
            tallies[-1].update(piece)
        expected = one_by_one.evaluation()
        while len(tallies) > 1:
            other = tallies.pop(data.draw(st.integers(0, len(tallies) - 1)))
            tallies[data.draw(st.integers(0, len(tallies) - 1))].merge(sent(other))
        assert bits(tallies[0].evaluation()) == bits(expected)


def test_an_empty_tally_changes_nothing():
    rows = make_rows([[0.7, 0.3], [0.2, 0.8]], [0, -1])
    first, second = Tally("test", rows.class_names), Tally("test", rows.class_names)
    second.update(rows)
    expected = bits(second.evaluation())
    first.merge(second)
    first.merge(Tally("test", rows.class_names))
    assert bits(first.evaluation()) == expected
