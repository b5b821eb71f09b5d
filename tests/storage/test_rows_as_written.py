"""Rows that are counted as they are written are, to the bit, those that are read of the file."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prediction_cases import scored

from batchclf.core.types import PredictionRows
from batchclf.storage.csv_files.vector_text import seven_digit_numbers
from batchclf.storage.predictions.as_written import rows_as_written
from batchclf.storage.predictions.read import read_prediction_rows
from batchclf.storage.predictions.write import PredictionFiles


def joined(pieces):
    """All rows as plain values."""
    columns = {name: [] for name in PredictionRows.__dataclass_fields__ if name != "class_names"}
    for piece in pieces:
        for name, values in columns.items():
            part = getattr(piece, name)
            values += [None] * len(piece) if part is None else np.asarray(part).tolist()
    return columns


@settings(max_examples=60, deadline=None)
@given(scored())
def test_rows_are_those_of_the_file(tmp_path_factory, case):
    names, batches, options = case
    folder = tmp_path_factory.mktemp("run")
    with PredictionFiles(folder, names, **options) as files:
        written = [rows_as_written(columns, names) for batch in batches for columns in files.write(batch, "test")]
    of_file = joined(read_prediction_rows(folder / "predictions.csv", names))
    of_columns = joined(written)
    for row, label in enumerate(of_file["labels"]):
        if label < 0 and options["probabilities"]:  # their digits are not counted
            exact = of_columns["probabilities"][row]
            assert of_file["probabilities"][row] == pytest.approx(exact, rel=1e-6)
            of_file["probabilities"][row] = exact
    # `repr` parts nan, 0.0 and -0.0, and all digits.
    assert repr(of_columns) == repr(of_file)


@given(st.lists(st.floats(0, 1, width=32), min_size=1, max_size=50))
def test_numbers_are_those_that_python_reads_of_its_seven_digits(values):
    numbers = seven_digit_numbers(np.array(values, np.float32))
    assert numbers.tolist() == [float(f"{value:.7g}") for value in values]


@pytest.mark.parametrize("seed", range(4))
def test_numbers_of_all_sizes_are_those_that_python_reads(seed):
    """Of all bit patterns of a float32 from 0 to 1, so as many below 1e-16 as above."""
    patterns = np.random.default_rng(seed).integers(0, 0x3F800001, 50_000, np.uint32)
    values = patterns.view(np.float32)
    assert seven_digit_numbers(values).tolist() == [float(f"{value:.7g}") for value in values.tolist()]
