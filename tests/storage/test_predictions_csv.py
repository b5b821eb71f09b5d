"""predictions.csv: what is written is read back, by batchclf, by pandas, and safely by a spreadsheet."""

import csv
import io
import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batchclf.core.text import plain_text
from batchclf.core.types import BatchScores, ImageRef
from batchclf.errors import PredictionsError
from batchclf.storage.csv_files.cells import csv_cell, safe_cell
from batchclf.storage.predictions.columns import column_names
from batchclf.storage.predictions.read import class_names_of, read_prediction_rows
from batchclf.storage.predictions.write import PredictionFiles

HOSTILE = [
    "=1+1",
    "+a",
    "-b",
    "@c",
    "\td",
    "'e",
    'say "hi"',
    "a,b",
    "line\nbreak",
    "NA",
    "nan",
    "001",
    "true",
    "ünï",
    " x ",
]
texts = st.text(st.characters(exclude_characters="\r\x00", exclude_categories=["Cs"]), min_size=1, max_size=8)
names = st.lists(st.sampled_from(HOSTILE) | texts, min_size=2, max_size=6, unique=True)


def write(path, class_names, matrix, labels, paths, *, topk=1, probabilities=False, cut=10**6, split="test"):
    refs = tuple(ImageRef(p, None if label < 0 else class_names[label]) for p, label in zip(paths, labels, strict=True))
    with PredictionFiles(path.parent, tuple(class_names), topk=topk, probabilities=probabilities) as writer:
        for start in range(0, len(refs), cut):
            writer.write(BatchScores(refs[start : start + cut], matrix[start : start + cut]), split)
    assert writer.rows == len(refs)


def random_scores(rng, rows, classes):
    scores = rng.random((rows, classes)).astype(np.float32)
    return scores / scores.sum(axis=1, keepdims=True)


@settings(max_examples=40, deadline=None)
@given(names, st.integers(0, 2**32), st.data())
def test_round_trip(tmp_path_factory, class_names, seed, data):
    rng = np.random.default_rng(seed)
    rows = data.draw(st.integers(1, 8))
    paths = data.draw(st.lists(st.sampled_from(HOSTILE) | texts, min_size=rows, max_size=rows, unique=True))
    labels = rng.integers(-1, len(class_names), rows)
    matrix = random_scores(rng, rows, len(class_names))
    topk = data.draw(st.integers(1, len(class_names)))
    probabilities = data.draw(st.booleans())
    path = tmp_path_factory.mktemp("csv") / "predictions.csv"
    write(path, class_names, matrix, labels, paths, topk=topk, probabilities=probabilities)
    (piece,) = read_prediction_rows(path, tuple(class_names))
    assert piece.paths == tuple(paths)
    assert piece.splits == ("test",) * rows
    assert piece.labels.tolist() == labels.tolist()
    assert piece.predictions.tolist() == matrix.argmax(axis=1).tolist()
    np.testing.assert_allclose(piece.confidence, matrix.max(axis=1), rtol=1e-6)
    ordered = np.sort(matrix, axis=1)
    np.testing.assert_allclose(piece.margin, ordered[:, -1] - ordered[:, -2], rtol=1e-6, atol=1e-12)
    assert piece.ranked.tolist() == np.argsort(-matrix, axis=1, kind="stable")[:, :topk].tolist()
    if probabilities:
        np.testing.assert_allclose(piece.probabilities, matrix, rtol=1e-6)
        assert class_names_of(path) == tuple(class_names)
    else:
        assert piece.probabilities is None


@given(st.text(st.characters(exclude_characters="\x00")))
def test_cells_are_safe_and_reversible(text):
    safe = safe_cell(text)
    assert not safe.startswith(("=", "+", "-", "@", "\t", "\r"))
    if not any("\ud800" <= character <= "\udfff" for character in text):
        assert plain_text(safe) == text
    assert list(csv.reader(io.StringIO(f"x,{csv_cell(text)}\r\n", newline=""), strict=True)) == [["x", safe]]


def test_bytes_that_are_no_utf8_become_escapes(tmp_path):
    path = tmp_path / "predictions.csv"
    write(path, ["a", "b"], np.array([[0.75, 0.25]], np.float32), [0], ["caf\udce9.png"])
    assert b"caf\\udce9.png,test,a,a,true,0.75,0.5\r\n" in path.read_bytes()


def test_pandas_sees_the_same_and_no_cell_is_a_formula(tmp_path):
    path = tmp_path / "predictions.csv"
    rng = np.random.default_rng(0)
    matrix = random_scores(rng, len(HOSTILE), len(HOSTILE))
    write(path, HOSTILE, matrix, range(len(HOSTILE)), HOSTILE, topk=3, probabilities=True)
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    assert list(table.columns) == column_names(tuple(HOSTILE), 3, True)
    assert [plain_text(cell) for cell in table["path"]] == HOSTILE
    assert [plain_text(cell) for cell in table["label"]] == HOSTILE
    second = np.argsort(-matrix, axis=1)[:, 1]
    assert [plain_text(cell) for cell in table["top2_prediction"]] == [HOSTILE[index] for index in second]
    starts = ("=", "+", "-", "@", "\t", "\r")
    assert not any(str(cell).startswith(starts) for column in table for cell in [column, *table[column]])
    shown = table[[f"prob:{name}" for name in HOSTILE]].astype(float).to_numpy()
    np.testing.assert_allclose(shown, matrix, rtol=1e-6)


def test_ties_go_to_the_first_class_as_argmax_does(tmp_path):
    path = tmp_path / "predictions.csv"
    write(path, ["a", "b", "c"], np.array([[0.2, 0.4, 0.4]], np.float32), [-1], ["x"], topk=3)
    assert path.read_text().splitlines()[1] == "x,test,,b,,0.4,0,c,0.4,a,0.2"


def test_same_bytes_however_the_batches_are_cut(tmp_path):
    rng = np.random.default_rng(1)
    matrix, labels = random_scores(rng, 50, 4), rng.integers(-1, 4, 50)
    contents = set()
    for cut in (1, 7, 50):
        path = tmp_path / str(cut) / "predictions.csv"
        path.parent.mkdir()
        write(path, list("abcd"), matrix, labels, [f"{i:03d}" for i in range(50)], topk=2, cut=cut)
        contents.add(path.read_bytes())
    assert len(contents) == 1


def test_rfc_4180_line_ends(tmp_path):
    path = tmp_path / "predictions.csv"
    write(path, ["a", "b"], random_scores(np.random.default_rng(0), 3, 2), [0, 1, -1], ["x", "y", "z"])
    content = path.read_bytes()
    assert content.count(b"\r\n") == content.count(b"\n") == 4


class TestWhoseClasses:
    """Probability columns first, then run.json beside the file, then what the rows name."""

    CSV = "path,label,prediction,confidence\nx,b,a,0.5\ny,,c,0.5\n"

    def test_from_rows(self, tmp_path):
        (tmp_path / "p.csv").write_text(self.CSV)
        assert class_names_of(tmp_path / "p.csv") == ("a", "b", "c")

    def test_from_the_further_classes_of_rows(self, tmp_path):
        text = "path,label,prediction,confidence,top2_prediction,top3_prediction\nx,b,a,0.5,d,\ny,,c,0.5,a,'=e\n"
        (tmp_path / "p.csv").write_text(text)
        assert class_names_of(tmp_path / "p.csv") == ("=e", "a", "b", "c", "d")

    def test_from_run_json(self, tmp_path):
        (tmp_path / "p.csv").write_text(self.CSV)
        (tmp_path / "run.json").write_text(json.dumps({"model": {"class_names": ["c", "b", "a", "z"]}}))
        assert class_names_of(tmp_path / "p.csv") == ("c", "b", "a", "z")

    def test_from_columns(self, tmp_path):
        (tmp_path / "run.json").write_text(json.dumps({"model": {"class_names": ["c", "b", "a", "z"]}}))
        (tmp_path / "p.csv").write_text("path,label,prediction,confidence,prob:b,prob:a\nx,b,a,0.5,0.5,0.5\n")
        assert class_names_of(tmp_path / "p.csv") == ("b", "a")


def test_somebody_elses_csv_with_a_byte_order_mark(tmp_path):
    path = tmp_path / "p.csv"
    path.write_text("confidence,prediction,label,path,extra\r\n0.9,cat,cat,a.png,1\r\n1,dog,,b.png,2\r\n", "utf-8-sig")
    (piece,) = read_prediction_rows(path)
    assert piece.class_names == ("cat", "dog")
    assert [(piece.row(i).label, piece.row(i).prediction) for i in range(2)] == [("cat", "cat"), (None, "dog")]
    assert np.isnan(piece.margin).all()


def test_somebody_elses_further_classes(tmp_path):
    path = tmp_path / "p.csv"
    header = "top3_prediction,path,top2_prediction,label,prediction,confidence,top5_prediction\n"
    path.write_text(header + ",x,,b,a,0.5,c\nb,y,a,,c,0.5,\n,z,c,a,b,0.5,a\n")
    (piece,) = read_prediction_rows(path, ("a", "b", "c"))
    assert piece.predictions.tolist() == [0, 2, 1]
    # Without top4_prediction nobody knows what top5_prediction comes after.
    assert piece.ranked.tolist() == [[0, -1, -1], [2, 0, 1], [1, 2, -1]]
    assert piece.probabilities is None


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b"", ["lacks the column(s) path, label, prediction, confidence"]),
        (b"path,label\na,b\n", ["lacks the column(s) prediction, confidence", "path, label"]),
        (b"\x89PNG\r\n\x1a\n\xff\xfe", ["is not a CSV in UTF-8"]),
        (b"path,label,prediction,confidence\na,x,x,0.5\nb,y,z,high\n", ["line 3", "confidence is 'high'"]),
        (b"path,label,prediction,confidence\na,x,x,1.5\n", ["line 2", "confidence is '1.5'"]),
        (b"path,label,prediction,confidence\na,x,x,nan\n", ["line 2", "confidence is 'nan'"]),
        (b"path,label,prediction,confidence\na,x,,0.5\n", ["line 2", "the prediction ''"]),
        (b'path,label,prediction,confidence\n"a,x,x,0.5\n', ["is damaged"]),
    ],
)
def test_damage_is_named(tmp_path, content, named):
    path = tmp_path / "p.csv"
    path.write_bytes(content)
    with pytest.raises(PredictionsError) as caught:
        list(read_prediction_rows(path))
    told = caught.value.message
    assert "p.csv" in told
    assert caught.value.hint
    for part in named:
        assert part in told


def test_a_class_that_the_model_lacks_is_named_with_its_line(tmp_path):
    path = tmp_path / "p.csv"
    for row, column in (
        ("cow,dog,0.5,cat", "label"),
        ("dog,cow,0.5,cat", "prediction"),
        (",dog,1,cow", "top2_prediction"),
    ):
        path.write_text(f"path,label,prediction,confidence,top2_prediction\na,cat,cat,0.5,dog\nb,{row}\n")
        with pytest.raises(PredictionsError, match=f"line 3: the {column} 'cow' is not one of the classes cat, dog"):
            list(read_prediction_rows(path, ("cat", "dog")))


def test_missing_file(tmp_path):
    with pytest.raises(PredictionsError, match="No such file"):
        list(read_prediction_rows(tmp_path / "none.csv"))


def test_pieces_join_up(tmp_path, monkeypatch):
    from batchclf.storage.csv_files import read as csv_pieces

    path = tmp_path / "p.csv"
    lines = "".join(f"{i:04d},a,b,0.5\n" for i in range(25))
    path.write_text("path,label,prediction,confidence\n" + lines + "x,a,b,oops\n")
    monkeypatch.setattr(csv_pieces, "ROWS_PER_PIECE", 10)
    pieces = read_prediction_rows(path, ("a", "b"))
    assert [len(next(pieces)) for _ in range(2)] == [10, 10]
    with pytest.raises(PredictionsError, match="line 27"):
        next(pieces)
