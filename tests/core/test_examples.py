"""The images of each cell of the confusion matrix: those of a sort with pandas, however the rows were cut."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from core_cases import make_rows, random_rows
from hypothesis import given, settings
from hypothesis import strategies as st

from batchclf.core.metrics import examples
from batchclf.core.metrics.examples import CellExamples
from batchclf.core.types import Prediction


def look_at(*pieces):
    found = CellExamples("test", pieces[0].class_names)
    for piece in pieces:
        found.update(piece.by_path())
    return found


def expected(rows, most):
    """(true class, predicted class) → paths, by pandas."""
    frame = pd.DataFrame(
        {"path": rows.paths, "label": rows.labels, "prediction": rows.predictions, "confidence": rows.confidence}
    )
    frame = frame[frame["label"] >= 0].sort_values(["confidence", "path"], ascending=[False, True])
    groups = frame.groupby(["label", "prediction"])["path"]
    return {cell: list(paths[:most]) for cell, paths in groups}


def paths_of(mapping):
    return {cell: [row.path for row in rows] for cell, rows in mapping.items()}


def shuffled(rows, seed):
    """The same rows under other paths, so that they are no more in the order of their paths."""
    numbers = np.random.default_rng(seed).permutation(len(rows))
    return replace(rows, paths=tuple(f"{number:03d}" for number in numbers))


def cut(rows, cuts):
    position = np.arange(len(rows))
    return [rows.only((position >= a) & (position < b)) for a, b in pairwise([0, *sorted(cuts), len(rows)])]


@settings(max_examples=80)
@given(
    random_rows(unknown=True), st.integers(0, 9), st.lists(st.integers(0, 120), max_size=5), st.sampled_from([3, 50])
)
def test_any_cut_in_any_order_gives_the_images_of_a_sort(rows, seed, cuts, room):
    rows = shuffled(rows, seed)
    pieces = cut(rows, cuts)
    np.random.default_rng(seed).shuffle(pieces)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(examples, "_LEAST_ROOM", room)
        assert paths_of(look_at(*pieces).by_cell()) == expected(rows, 6)


@pytest.mark.parametrize(("classes", "most"), [(100, 6), (101, 2)])
def test_many_classes_get_fewer_images_a_cell(classes, most):
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet(np.full(classes, 0.1), 5_000)
    rows = make_rows(np.round(probabilities, 2), rng.integers(0, 3, 5_000))
    found = look_at(*cut(rows, range(0, 5_000, 333)))
    assert found.most == most
    assert paths_of(found.by_cell()) == expected(rows, most)


def test_the_images_are_whole_rows():
    rows = make_rows([[0.7, 0.2, 0.1], [0.1, 0.6, 0.3], [0.9, 0.1, 0.0], [0.8, 0.1, 0.1]], [0, 0, 0, -1])
    found = look_at(rows).by_cell()
    assert list(found) == [(0, 0), (0, 1)]
    assert len(found) == 2
    assert found[0, 0] == (rows.row(2), rows.row(0))
    assert found[0, 1] == (Prediction("test/00001.png", "test", "class 0", "class 1", 0.6, pytest.approx(0.3)),)


@pytest.mark.parametrize("cell", [(0, 1), (1, 0), (0, 3), (3, 0), (-1, 2), (0, -1)])
def test_a_cell_without_images_is_not_there(cell):
    found = look_at(make_rows([[0.7, 0.2, 0.1]], [0])).by_cell()
    assert cell not in found
    assert found.get(cell, ()) == ()
    with pytest.raises(KeyError):
        found[cell]


def test_nothing_to_look_at():
    found = look_at(make_rows([[0.7, 0.3]], [-1])).by_cell()
    assert dict(found) == {}
    assert dict(CellExamples("test", ("a", "b")).by_cell()) == {}
