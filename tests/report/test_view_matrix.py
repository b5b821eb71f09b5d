"""The confusion matrix as shown: its numbers, which classes of many, and the images of its cells."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from report_cases import FASHION, HOSTILE, evaluate, png, record, sample, view_of
from sklearn import metrics

from batchclf.core.metrics.confusion import ConfusionCounts
from batchclf.core.types import Prediction
from batchclf.report.parts.pictures import album
from batchclf.report.sections import confusion as view_matrix
from batchclf.report.sections.confusion import matrix_view, script_data, shown_examples


def names(size):
    return tuple(f"class {i}" for i in range(size))


def counted(counts):
    """Labelled metrics with these confusion counts; nothing else in them is theirs."""
    counts = np.asarray(counts, np.int64)
    labelled = evaluate(sample(names(len(counts)), 5)).labelled
    return replace(labelled, confusion=ConfusionCounts(names(len(counts)), counts))


def with_examples(labelled, most=2, path="{}-{}/{}"):
    """The same with `most` examples for every cell that has images."""
    size = len(labelled.confusion.class_names)
    examples = {
        (i, j): tuple(
            Prediction(path.format(i, j, n), "test", f"class {i}", f"class {j}", 0.9 - n / 10, 0.1) for n in range(most)
        )
        for i in range(size)
        for j in range(size)
        if labelled.confusion.counts[i, j]
    }
    return replace(labelled, examples=examples)


def drawn(size, seed=0):
    return np.random.default_rng(seed).poisson(0.4, (size, size)) + 30 * np.eye(size, dtype=int)


@pytest.mark.parametrize("size", [1, 2, 10, 25, 40])
def test_small_and_middling_matrices_are_shown_whole(size):
    of = sample(names(size), 40 * size, seed=size) if size > 1 else None
    labelled = evaluate(of).labelled if of else counted([[7]])
    matrix = matrix_view(labelled, {})
    order = list(matrix.classes)
    assert sorted(order) == list(range(size))
    assert matrix.names == tuple(f"class {i}" for i in order)
    assert (matrix.part, matrix.overview, matrix.cells) == ("", "", ())
    if of is None:
        return
    expected, of_true, of_predicted = (
        metrics.confusion_matrix(of.labels, of.predictions, labels=order, normalize=by) for by in (None, "true", "pred")
    )
    for i, row in enumerate(matrix.rows):
        assert [cell.count for cell in row.cells] == [str(n) if n else "" for n in expected[i]]
        assert [cell.of_true for cell in row.cells] == [f"{share:.2%}" if share else "" for share in of_true[i]]
        assert [cell.of_predicted for cell in row.cells] == [
            f"{share:.2%}" if share else "" for share in of_predicted[i]
        ]
        assert row.total == f"{expected[i].sum():,}"
    assert list(matrix.predicted) == [str(n) for n in expected.sum(axis=0)]


def test_cells_are_coloured_by_both_shares_and_side_of_the_diagonal():
    rows = matrix_view(counted([[19, 1], [1, 3]]), {}).rows
    assert [[cell.heat for cell in row.cells] for row in rows] == [["r8 q8", "w3 k5"], ["w5 k3", "r7 q7"]]


def test_few_classes_keep_their_order_and_more_stand_by_similarity():
    assert matrix_view(counted(drawn(12)), {}).classes == tuple(range(12))
    counts = 50 * np.eye(20, dtype=int)
    for i in range(10):  # each class is taken for the one ten places on
        counts[i, i + 10] = counts[i + 10, i] = 20
    matrix = matrix_view(counted(counts), {})
    places = {c: place for place, c in enumerate(matrix.classes)}
    assert matrix.ordered
    assert all(abs(places[i] - places[i + 10]) == 1 for i in range(10))


@pytest.mark.parametrize("size", [41, 100, 1000])
def test_of_many_classes_the_most_confused_and_the_largest_cells_are_shown(size):
    counts = drawn(size)
    counts[3, 7], counts[7, 3] = 500, 400
    matrix = matrix_view(counted(counts), {})
    wrong = counts - np.diag(np.diag(counts))
    assert len(matrix.classes) == 30
    assert {3, 7} <= set(matrix.classes)
    assert f"Showing the 30 most confused of {size:,} classes" in matrix.part
    inside = wrong[np.ix_(matrix.classes, matrix.classes)].sum() / wrong.sum()
    assert f"{inside:.2%} of all errors" in matrix.part
    largest = np.sort(wrong, axis=None)[::-1][:50]
    assert [cell.count for cell in matrix.cells] == [f"{n:,}" for n in largest]
    assert [cell.key for cell in matrix.cells[:2]] == ["3-7", "7-3"]
    assert matrix.cells[0].of_true == f"{500 / counts[3].sum():.2%}"
    assert matrix.cells[0].of_predicted == f"{500 / counts[:, 7].sum():.2%}"
    assert f"Showing 50 of {(wrong > 0).sum():,} cells" in matrix.cells_note
    assert matrix.overview.startswith("data:image/png;base64,")
    for row, c in zip(matrix.rows, matrix.classes, strict=True):
        assert row.total == f"{counts[c].sum():,}"
        assert row.others == f"{counts[c].sum() - counts[c, list(matrix.classes)].sum():,}"


def test_many_classes_without_an_error_are_no_trouble():
    matrix = matrix_view(counted(3 * np.eye(50, dtype=int)), {})
    assert matrix.part == "Showing the 30 most confused of 50 classes."
    assert matrix.cells == ()
    assert "Showing 0 of 0 cells" in matrix.cells_note


def test_a_class_without_images_has_an_empty_row():
    matrix = matrix_view(counted([[0, 0], [2, 3]]), {})
    assert [cell.count for cell in matrix.rows[0].cells] == ["", ""]
    assert matrix.rows[0].total == "0"


def test_examples_come_one_a_cell_and_wrong_ones_first():
    labelled = with_examples(counted([[8, 2], [5, 0]]))
    assert [row.path for row in shown_examples(labelled)] == ["1-0/0", "0-1/0", "0-0/0", "1-0/1", "0-1/1", "0-0/1"]


def test_only_shown_cells_have_examples():
    labelled = with_examples(counted(drawn(60)), most=1)
    matrix = matrix_view(labelled, {})
    listed = {cell.key for cell in matrix.cells}
    inside = {f"{i}-{j}" for i in matrix.classes for j in matrix.classes}
    assert listed <= set(matrix.examples) <= listed | inside


def test_long_paths_cannot_fill_the_page():
    labelled = with_examples(counted(drawn(40)), most=6, path="x" * 2000 + "{}-{}-{}")
    text = script_data(matrix_view(labelled, {}))
    assert len(text) < 300_000
    assert len(shown_examples(labelled)) > 100


def test_script_data_names_the_pictures_and_cannot_leave_its_element():
    path = HOSTILE[0] + "</script>\u2028&"
    labelled = with_examples(counted([[1, 1], [0, 1]]), most=1, path=path + "{}{}{}")
    row = labelled.examples[0, 1][0]
    text = script_data(matrix_view(labelled, album({("test", row.path): png()})))
    assert not set("<>&\u2028\u2029") & set(text)
    data = json.loads(text)
    assert data["classes"] == [0, 1]
    (shown,) = data["cells"]["0-1"]
    assert shown[:3] == [row.path.replace("\u2028", "\\u2028"), "90.00%", "p1"]
    assert json.loads(shown[3]) == row.path
    assert data["cells"]["0-0"][0][2] == ""


def test_long_class_names_are_cut_in_the_middle():
    long = tuple(f"{i}" + "x" * 300 + f"{i}" for i in range(3))
    matrix = view_of(record(long), [evaluate(sample(long, 30))]).matrix
    assert matrix.names[1] == "1" + "x" * 39 + "…" + "x" * 39 + "1"


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 60), st.integers(0, 1000))
def test_any_counts_are_shown_completely_or_said_to_be_a_part(size, seed):
    counts = np.random.default_rng(seed).poisson(0.3, (size, size))
    matrix = matrix_view(counted(counts), {})
    assert bool(matrix.part) == (size > view_matrix.FULL_CLASSES)
    shown = sum(int(cell.count or 0) for row in matrix.rows for cell in row.cells)
    assert shown + sum(int(row.others) for row in matrix.rows) == counts[list(matrix.classes)].sum()


def test_matrix_of_fashion_keeps_the_familiar_order():
    assert view_of(record(), [evaluate(sample(FASHION, 100))]).matrix.names == FASHION
