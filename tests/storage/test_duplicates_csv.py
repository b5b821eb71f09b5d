"""duplicates.csv, and the rows of a CSV that are picked by their number."""

import csv
import io

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batchclf.core.images.duplicates import DuplicateRows
from batchclf.core.text import plain_text
from batchclf.errors import PredictionsError, RunError
from batchclf.storage.csv_files import read as csv_read
from batchclf.storage.csv_files.read import read_rows
from batchclf.storage.images.duplicates import COLUMNS, read_duplicates, write_duplicates

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=6)
KIND = st.sampled_from(["exact", "near", "unconfirmed"])
ROW = st.tuples(KIND, *[TEXT] * 7, st.none() | st.floats(0, 1))


@settings(deadline=None, max_examples=40)
@given(st.lists(ROW, max_size=12), st.integers(1, 12))
def test_what_was_written_is_read_by_pandas_and_by_us(tmp_path_factory, rows, cut):
    path = tmp_path_factory.mktemp("duplicates") / "duplicates.csv"
    pieces = []
    for start in range(0, len(rows), cut):
        *texts, correlations = zip(*rows[start : start + cut], strict=True)
        values = [float("nan") if value is None else value for value in correlations]
        pieces.append(DuplicateRows(*texts, values))
    write_duplicates(path, pieces)
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    assert list(table.columns) == COLUMNS
    expected = [[*row[:-1], "" if row[-1] is None else f"{row[-1]:.4f}"] for row in rows]
    assert [list(map(plain_text, row)) for row in table.to_numpy().tolist()] == expected
    found = list(read_duplicates(path))
    read = [row for piece in found for row in zip(piece.kinds, piece.paths, piece.original_labels, strict=True)]
    assert read == [(row[0], row[2], row[7]) for row in rows]
    np.testing.assert_allclose(
        [value for piece in found for value in piece.correlations],
        [np.nan if row[-1] is None else row[-1] for row in rows],
        atol=5e-5,
    )


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda text: text.replace("kind", "sort"), "first line"),
        (lambda text: text.replace("exact", "same"), "no kind 'same'"),
        (lambda text: text.replace("0.9990", "much"), "much"),
    ],
)
def test_damage_is_told(tmp_path, change, named):
    path = tmp_path / "duplicates.csv"
    rows = DuplicateRows(
        *[[text, text] for text in ("exact", "test", "p", "a", "a", "train", "q", "a")], [np.nan, 0.999]
    )
    write_duplicates(path, [rows])
    path.write_text(change(path.read_text()))
    with pytest.raises(RunError, match=named):
        list(read_duplicates(path))


@settings(deadline=None, max_examples=80)
@given(st.lists(st.tuples(TEXT, TEXT, TEXT), min_size=1, max_size=30), st.data())
def test_picked_rows_are_those_of_the_csv_module(tmp_path_factory, rows, data):
    text = io.StringIO(newline="")
    csv.writer(text).writerows([("a", "b", "c"), *rows])
    path = tmp_path_factory.mktemp("rows") / "p.csv"
    path.write_bytes(text.getvalue().encode())
    wanted = sorted(data.draw(st.sets(st.integers(0, len(rows) - 1))))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_read, "_BLOCK", data.draw(st.sampled_from([7, 50, 2**20])))
        found = list(read_rows(path, ["a", "b", "c"], ["c", "a"], np.array(wanted, np.int64)))
    assert found == [(row, [rows[row][2], rows[row][0]]) for row in wanted]


@pytest.mark.parametrize("content", ["a,b\r\n1,2\r\n", "a,b\r\n1,2\r\n3\r\n", 'a,b\r\n1,2\r\n"3"4,5\r\n'])
def test_a_file_that_is_too_short_or_damaged_is_told(tmp_path, content):
    path = tmp_path / "p.csv"
    path.write_bytes(content.encode())
    with pytest.raises(PredictionsError) as caught:
        list(read_rows(path, ["a", "b"], ["b"], np.array([0, 1, 5])))
    assert str(path) in caught.value.message
