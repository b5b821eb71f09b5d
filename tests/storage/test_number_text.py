"""Numbers as text, a whole array at a time, against Python's and numpy's own formatting of each."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from batchclf.storage.csv_files.vector_text import seven_digits, shortest

any_float32 = arrays.arrays(np.float32, st.integers(1, 30), elements=st.floats(width=32))
probabilities = arrays.arrays(
    np.float32, st.integers(1, 30), elements=st.floats(0, 1, width=32) | st.floats(0, 2**-10, width=32)
)


def written(texts):
    return [bytes(row).replace(b"\xff", b"").decode() for row in texts.reshape(-1, texts.shape[-1])]


def digits(text):
    return len(text.split("e")[0].replace(".", "").replace("-", "").strip("0"))


def many():
    """Numbers spread over all sizes, numbers with few binary digits (ties), and the neighbours of powers of ten."""
    rng = np.random.default_rng(0)
    powers = np.array([float(f"1e{exponent}") for exponent in range(-45, 1)], np.float32)
    return np.concatenate(
        [
            rng.random(20_000, np.float32),
            (10.0 ** rng.uniform(-46, 0, 30_000)).astype(np.float32),
            rng.dirichlet(np.full(10, 0.05), 2_000).astype(np.float32).ravel(),
            (np.arange(2**12) * 2.0**-12).astype(np.float32),
            (np.arange(1, 2**24, 311) * 2.0**-24).astype(np.float32),
            rng.integers(0, 1000, 2_000).astype(np.float32) / np.float32(1000),
            powers,
            np.nextafter(powers, np.float32(0)),
            np.nextafter(powers, np.float32(1)),
        ]
    )


@given(any_float32 | probabilities)
def test_seven_digits_are_those_of_python(values):
    # -0 counts as 0.
    assert written(seven_digits(values)) == [f"{value:.7g}" for value in (values + np.float32(0)).tolist()]


def test_seven_digits_of_many_numbers():
    values = many()
    assert written(seven_digits(values)) == [f"{value:.7g}" for value in values.tolist()]


@given(any_float32 | probabilities)
def test_shortest_gives_the_same_float32_back(values):
    for text, value in zip(written(shortest(values)), values, strict=True):
        back = json.loads(text)
        assert (back is None) == (not np.isfinite(value))
        if back is not None:
            assert np.float32(back) == value


def test_shortest_of_many_numbers_is_as_short_as_numpys():
    values = many()
    texts = written(shortest(values))
    assert (np.array([json.loads(text) for text in texts], np.float32) == values).all()
    assert [digits(text) for text in texts] == [digits(str(value)) for value in values]


@pytest.mark.parametrize("write", [seven_digits, shortest])
def test_any_shape(write):
    values = np.array([[0.5, 0.25, 0], [1, 1e-9, 0.125]], np.float32)
    texts = write(values)
    assert texts.shape[:2] == (2, 3)
    assert [float(text) for text in written(texts)] == pytest.approx(values.ravel().tolist())
