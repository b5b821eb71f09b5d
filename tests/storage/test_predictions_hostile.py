"""predictions.csv with names that do their worst, and CSVs that others wrote or damaged."""

import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batchclf.core.types import BatchScores, ImageRef
from batchclf.errors import PredictionsError
from batchclf.jobs.evaluate.predictions import evaluate_predictions
from batchclf.storage.predictions.columns import column_names
from batchclf.storage.predictions.read import class_names_of, read_prediction_rows
from batchclf.storage.predictions.write import PredictionFiles

HEADER = "path,label,prediction,confidence\n"
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
NASTY = ("NA", "nan", "", "null", "001", "1e5", "true", "prob:x", "x.1", "'", "''", "'=a", " ", "\n", "\r", "\r\n", "Ⅷ")
WORDS = st.sampled_from([name for name in NASTY if name]) | st.builds(
    "".join, st.lists(st.sampled_from([*"=+-@\t\r\n'\",; ax0é猫", "\u202e", "\ufeff"]), min_size=1, max_size=5)
)
class_names_lists = st.lists(WORDS, min_size=2, max_size=6, unique=True)
file_names = WORDS | st.binary(min_size=1, max_size=6).map(
    lambda raw: raw.replace(b"\0", b"0").decode("utf-8", "surrogateescape")
)


def escaped(text):
    """What a file name that is no UTF-8 becomes: its bytes as escapes."""
    return re.sub("[\ud800-\udfff]", lambda found: f"\\u{ord(found[0]):04x}", text)


def cell(text):
    text = escaped(text)
    return f"'{text}" if text[:1] in (*FORMULA_STARTS, "'") else text


@st.composite
def scored(draw):
    """Class names, references with and without labels, and probabilities, ties among them."""
    names = draw(class_names_lists)
    paths = draw(st.lists(file_names, min_size=1, max_size=6, unique_by=escaped))
    labels = draw(st.lists(st.sampled_from([None, *names]), min_size=len(paths), max_size=len(paths)))
    weights = st.lists(st.sampled_from([0.0, 1e-9, 0.25, 1.0, 3.0]), min_size=len(names), max_size=len(names))
    matrix = np.array(draw(st.lists(weights.filter(any), min_size=len(paths), max_size=len(paths))))
    matrix = (matrix / matrix.sum(axis=1, keepdims=True)).astype(np.float32)
    refs = tuple(ImageRef(path, label) for path, label in zip(paths, labels, strict=True))
    return tuple(names), refs, matrix, draw(st.integers(1, len(names))), draw(st.booleans())


def write(folder, names, refs, matrix, topk, probabilities):
    with PredictionFiles(folder, names, topk=topk, probabilities=probabilities) as writer:
        writer.write(BatchScores(refs, matrix), "test")


@settings(max_examples=120, deadline=None)
@given(scored())
def test_round_trip_and_pandas_reads_the_same_cells(tmp_path_factory, case):
    names, refs, matrix, topk, probabilities = case
    path = tmp_path_factory.mktemp("hostile") / "predictions.csv"
    write(path.parent, *case)
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    assert list(table.columns) == column_names(names, topk, probabilities)
    best = np.argsort(-matrix, axis=1, kind="stable")
    assert (best[:, 0] == matrix.argmax(axis=1)).all()
    expected = {
        "path": [cell(ref.path) for ref in refs],
        "split": ["test"] * len(refs),
        "label": [cell(ref.label or "") for ref in refs],
        "prediction": [cell(names[row[0]]) for row in best],
        "correct": [
            "" if ref.label is None else str(ref.label == names[row[0]]).lower()
            for ref, row in zip(refs, best, strict=True)
        ],
    }
    expected |= {f"top{n}_prediction": [cell(names[row[n - 1]]) for row in best] for n in range(2, topk + 1)}
    for column, cells in expected.items():
        assert list(table[column]) == cells, column
    numbers = {"confidence": matrix.max(axis=1)}
    numbers |= {f"top{n}_confidence": np.take_along_axis(matrix, best, axis=1)[:, n - 1] for n in range(2, topk + 1)}
    numbers |= {f"prob:{name}": matrix[:, index] for index, name in enumerate(names) if probabilities}
    for column, values in numbers.items():
        # 7 significant digits: off by at most 5 in the eighth.
        np.testing.assert_allclose(table[column].astype(float), values, rtol=5.1e-7, err_msg=column)
    for column in table:
        for text in (column, *table[column]):
            assert not text.startswith(FORMULA_STARTS)
    (piece,) = read_prediction_rows(path, names)
    assert piece.paths == tuple(escaped(ref.path) for ref in refs)
    assert [piece.row(i).label for i in range(len(refs))] == [ref.label for ref in refs]
    assert piece.predictions.tolist() == matrix.argmax(axis=1).tolist()
    if probabilities:
        assert class_names_of(path) == names
    else:
        assert set(class_names_of(path)) == {name for ref in refs if (name := ref.label)} | {
            names[number] for row in best for number in row[:topk]
        }


@settings(max_examples=25, deadline=None)
@given(scored(), st.integers(1, 6))
def test_same_bytes_however_hostile_batches_are_cut(tmp_path_factory, case, cut):
    names, refs, matrix, topk, probabilities = case
    whole_folder, cut_folder = tmp_path_factory.mktemp("whole"), tmp_path_factory.mktemp("cut")
    write(whole_folder, *case)
    with PredictionFiles(cut_folder, names, topk=topk, probabilities=probabilities) as writer:
        for start in range(0, len(refs), cut):
            writer.write(BatchScores(refs[start : start + cut], matrix[start : start + cut]), "test")
    assert (cut_folder / "predictions.csv").read_bytes() == (whole_folder / "predictions.csv").read_bytes()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.binary(max_size=60)
    | st.lists(st.sampled_from([*HEADER.split(","), ",", '"', "\n", "\r", "x", "0.5", "'", " ", "\ufeff", "\0"]))
    .map("".join)
    .map(str.encode)
    | st.lists(st.sampled_from([",", '"', "\n", "\r", "x", "0.5", "'", "=", " ", "\0", "\u2028"]), max_size=30).map(
        lambda parts: (HEADER + "".join(parts)).encode()
    )
)
def test_any_bytes_are_read_or_refused_in_our_words(tmp_path, content):
    path = tmp_path / "p.csv"
    path.write_bytes(content)
    refused = None
    try:
        evaluations, gap = evaluate_predictions(path)
    except PredictionsError as error:
        refused = error
    if refused is None:
        assert sum(each.total for each in evaluations) > 0
        assert gap is None
    else:
        assert str(path) in refused.message
        assert refused.hint


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(["a", '"two\nlines"', '"b\r\n\r\nc"', "\n", "  \n", '"say ""hi"""']), max_size=12))
def test_the_line_is_told_past_line_breaks_and_blank_lines(tmp_path_factory, before):
    lines = [part if not part.strip() else f"{part},x,x,0.5\n" for part in before]
    path = tmp_path_factory.mktemp("line") / "p.csv"
    start = HEADER + "".join(lines)
    number = start.count("\n") + 1
    for bad, told in (("b,x,x,1.01\n", "confidence is '1.01'"), ("b,y,x,1\n", "the label 'y'")):
        path.write_bytes((start + bad + "c,x,x,0.5\n").encode())
        with pytest.raises(PredictionsError, match=rf"line {number}: {told}"):
            list(read_prediction_rows(path, ("x", "z")))


@pytest.mark.parametrize("names", [("+1", "-1"), ("'round", "'tis"), ("=a", "@b"), ("001", "NA")])
def test_somebody_elses_labels_need_no_escapes(tmp_path, names):
    """A CSV that no spreadsheet guard has been over: the labels -1 and +1 are common."""
    path = tmp_path / "p.csv"
    path.write_text(HEADER + f"a,{names[0]},{names[0]},0.5\nb,{names[0]},{names[1]},0.75\n")
    ((evaluation,), _) = evaluate_predictions(path)
    assert (evaluation.labelled.total, evaluation.labelled.correct) == (2, 1)
    assert evaluation.class_names == names


@pytest.mark.parametrize("end", ["", ",", ",,", ",more,cells"])
def test_cells_beyond_the_header_do_not_shift_the_columns(tmp_path, end):
    path = tmp_path / "p.csv"
    path.write_text(HEADER + f"a.png,cat,dog,0.5{end}\nb.png,cat,cat,1{end}\n")
    (piece,) = read_prediction_rows(path)
    assert piece.class_names == ("cat", "dog")
    assert piece.paths == ("a.png", "b.png")
    assert piece.confidence.tolist() == [0.5, 1.0]


@pytest.mark.parametrize(
    ("header", "named"),
    [
        ("path,label,prediction,confidence,label", "the column 'label' twice"),
        ("path,label,prediction,confidence,prob:a,prob:a", "the column 'prob:a' twice"),
        ("path,label,prediction,confidence,top2_prediction,top2_prediction", "the column 'top2_prediction' twice"),
        ("path,label,prediction,confidence,no\0te", "NUL"),
    ],
)
def test_headers_that_could_be_misread_are_refused(tmp_path, header, named):
    path = tmp_path / "p.csv"
    path.write_text(f"{header}\na,a,a,0.5,0.5,0.5\n")
    with pytest.raises(PredictionsError, match=re.escape(named)):
        list(read_prediction_rows(path))


def test_columns_that_are_not_read_may_stand_twice(tmp_path):
    path = tmp_path / "p.csv"
    path.write_text("note,path,label,prediction,confidence,note\n1,a,x,x,0.5,2\n")
    (piece,) = read_prediction_rows(path)
    assert piece.paths == ("a",)


def test_only_a_header_has_no_rows(tmp_path):
    path = tmp_path / "p.csv"
    path.write_text(HEADER)
    with pytest.raises(PredictionsError, match="has no rows"):
        evaluate_predictions(path)


@pytest.mark.parametrize(
    "run_json", ["", "[]", "{", '{"model": {}}', '{"model": {"class_names": null}}', '{"model": 3}', "\ud800"]
)
def test_a_strange_run_json_is_passed_over(tmp_path, run_json):
    (tmp_path / "run.json").write_bytes(run_json.encode("utf-8", "surrogatepass"))
    (tmp_path / "p.csv").write_text(HEADER + "a,b,a,0.5\n")
    assert class_names_of(tmp_path / "p.csv") == ("a", "b")
