"""batchclf.read_predictions: a run's predictions as a DataFrame, the same from every format."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from prediction_cases import FORMATS, escaped, plain_batches, scored, write

import batchclf
from batchclf.errors import PredictionsError, RunError
from batchclf.storage.csv_files import read as csv_pieces
from batchclf.storage.predictions import table as prediction_table

FILES = tuple(f"predictions.{name}" for name in FORMATS)
EXACT = ("predictions.parquet", "predictions.jsonl")


@settings(max_examples=80, deadline=None)
@given(scored())
def test_every_format_gives_the_same_frame(tmp_path_factory, case):
    names, batches, options = case
    folder = write(tmp_path_factory.mktemp("run"), names, batches, **options)
    # Without probability columns the order of the classes stands in the run's record.
    (folder / "run.json").write_text(json.dumps({"model": {"class_names": names}}))
    refs = [ref for batch in batches for ref in batch.refs]
    matrix = np.concatenate([batch.probabilities for batch in batches])
    order = np.argsort(-matrix, axis=1, kind="stable")
    best = np.take_along_axis(matrix, order, axis=1).astype(np.float64)
    for name in FILES:
        rows = batchclf.read_predictions(folder / name)
        assert rows["path"].tolist() == [escaped(ref.path) for ref in refs]
        assert rows["split"].tolist() == ["test"] * len(refs)
        assert [None if pd.isna(label) else label for label in rows["label"]] == [ref.label for ref in refs]
        right = [
            None if ref.label is None else ref.label == names[row[0]] for ref, row in zip(refs, order, strict=True)
        ]
        assert [None if pd.isna(each) else bool(each) for each in rows["correct"]] == right
        assert rows["correct"].dtype == "boolean"
        for column in ("label", "prediction"):
            assert rows[column].cat.categories.tolist() == list(names)
        tolerance = {"rtol": 5.1e-7} if name.endswith("csv") else {"rtol": 0}
        numbers = {"confidence": best[:, 0], "margin": (best.astype(np.float32)[:, 0] - best.astype(np.float32)[:, 1])}
        for rank in range(1, options["topk"]):
            assert rows[f"top{rank + 1}_prediction"].tolist() == [names[row[rank]] for row in order]
            numbers[f"top{rank + 1}_confidence"] = best[:, rank]
        if options["probabilities"]:
            numbers |= {f"prob:{each}": matrix[:, index] for index, each in enumerate(names)}
        for column, values in numbers.items():
            assert rows[column].dtype == np.float64
            np.testing.assert_allclose(rows[column], values, err_msg=column, **tolerance)
    exact = [batchclf.read_predictions(path) for path in (folder, str(folder), *(folder / name for name in EXACT))]
    for other in exact[1:]:
        pd.testing.assert_frame_equal(exact[0], other, check_exact=True)


@pytest.mark.parametrize("piece", [3, 5_000])
@pytest.mark.parametrize("name", FILES)
def test_without_a_record_the_classes_are_those_of_the_rows(tmp_path, monkeypatch, name, piece):
    monkeypatch.setattr(csv_pieces, "ROWS_PER_PIECE", piece)
    monkeypatch.setattr(prediction_table, "_ROWS_PER_PIECE", piece)
    names, batches = plain_batches([6, 5], classes=4)
    names = tuple(reversed(names))  # known to the Parquet file alone
    write(tmp_path / "run", names, batches, topk=2, probabilities=False)
    rows = batchclf.read_predictions(tmp_path / "run" / name)
    assert len(rows) == 11
    assert list(rows.index) == list(range(11))
    if name.endswith("parquet"):
        assert rows["prediction"].cat.categories.tolist() == list(names)
    else:
        seen = {*rows["label"].dropna(), *rows["prediction"], *rows["top2_prediction"]}
        if name.endswith("csv"):
            seen = {*rows["label"].dropna(), *rows["prediction"]}
        assert rows["prediction"].cat.categories.tolist() == sorted(seen)


def test_label_and_prediction_can_be_compared_and_counted(tmp_path):
    names, batches = plain_batches([50], classes=3)
    rows = batchclf.read_predictions(write(tmp_path / "run", names, batches, topk=1, probabilities=True))
    known = rows.dropna(subset="label")
    assert ((known["label"] == known["prediction"]) == known["correct"]).all()
    counts = pd.crosstab(rows["label"], rows["prediction"])
    assert list(counts.index) == list(counts.columns) == list(names)
    assert rows["correct"].mean() == pytest.approx(np.trace(counts) / len(known))


def test_a_run_directory_gives_its_most_exact_file(tmp_path, monkeypatch):
    names, batches = plain_batches([5])
    formats = ("csv", "jsonl", "parquet")
    folder = write(tmp_path / "run", names, batches, topk=1, probabilities=True, formats=formats)
    exact = [float(value) for value in batches[0].probabilities.max(axis=1)]
    assert batchclf.read_predictions(folder)["confidence"].tolist() == exact
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "pyarrow", None)
        with pytest.raises(RunError, match="pyarrow, which is not installed"):
            batchclf.read_predictions(folder / "predictions.parquet")
        (folder / "predictions.parquet").write_bytes(b"not looked at")
        assert batchclf.read_predictions(folder)["confidence"].tolist() == exact
    (folder / "predictions.parquet").unlink()
    assert batchclf.read_predictions(folder)["confidence"].tolist() == exact
    (folder / "predictions.jsonl").unlink()
    seven = [float(f"{value:.7g}") for value in exact]
    assert batchclf.read_predictions(folder)["confidence"].tolist() == seven
    (folder / "predictions.csv").unlink()
    with pytest.raises(PredictionsError, match=r"holds no predictions\.csv"):
        batchclf.read_predictions(folder)


def test_somebody_elses_csv(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text("note,prediction,label,confidence,path\n'n,-1,-1,0.5,'=x.png\n,+1,,1,y.png\n", "utf-8-sig")
    rows = batchclf.read_predictions(path)
    assert list(rows.columns) == ["note", "prediction", "label", "confidence", "path"]
    assert rows["note"].tolist() == ["'n", ""]
    assert rows["path"].tolist() == ["=x.png", "y.png"]
    assert rows["prediction"].tolist() == ["-1", "+1"]
    assert rows["label"].isna().tolist() == [False, True]
    only_header = tmp_path / "none.csv"
    only_header.write_text("path,label,prediction,confidence\n")
    empty = batchclf.read_predictions(only_header)
    assert len(empty) == 0
    assert empty["confidence"].dtype == np.float64


@pytest.mark.parametrize(
    ("name", "content", "named"),
    [
        ("p.csv", b"path,label,prediction,confidence,correct\na,x,x,0.5,yes\n", "line 2: correct is 'yes'"),
        ("p.csv", b"path,label,prediction,confidence\na,x,x,2\n", "line 2: confidence is '2'"),
        ("p.csv", b"path,label\n", "lacks the column"),
        ("p.jsonl", b"", "has no rows"),
        ("p.jsonl", b'{"path":"a","label":"x"}\n{"path":', "damaged: line 2: "),
        ("p.jsonl", b'{"path":"a","label":"x"}\n{"path":"b"}\n', "damaged: line 2: the column 'label' is missing"),
        ("p.jsonl", b'{"path":"a","label":["x"]}\n', "damaged: line 1: "),
        ("p.jsonl", b'{"path":"\xff","label":"x"}\n', "damaged: line 1: "),
        ("p.jsonl", b'{"prediction":"a","confidence":"high"}\n', "damaged: "),
        ("p.jsonl", b'{"prediction":"a","prob:b":0.5}\n', "the column prediction holds more than the classes b"),
        ("p.parquet", b"PAR1", "damaged: "),
        ("p.parquet", b"", "damaged: "),
        ("gone.csv", None, "there is no file"),
    ],
)
def test_damage_is_told(tmp_path, name, content, named):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(PredictionsError) as caught:
        batchclf.read_predictions(tmp_path / name)
    assert named in caught.value.message
    assert str(tmp_path / name) in caught.value.message
    assert caught.value.hint


def test_somebody_elses_parquet_file_is_left_to_pandas(tmp_path):
    pd.DataFrame({"path": ["a"], "label": ["x"]}).to_parquet(tmp_path / "p.parquet")
    with pytest.raises(PredictionsError, match="was not written by batchclf"):
        batchclf.read_predictions(tmp_path / "p.parquet")


def test_folder_names_mean_nothing(tmp_path):
    """Libraries take `key=value` folders for columns of a partitioned Parquet data set."""
    names, batches = plain_batches([4])
    (tmp_path / "split=other").mkdir()
    folder = write(tmp_path / "split=other" / "run", names, batches, topk=1, probabilities=False)
    shutil.copy(folder / "predictions.parquet", tmp_path / "split=other" / "p.parquet")
    assert batchclf.read_predictions(tmp_path / "split=other" / "p.parquet")["split"].tolist() == ["test"] * 4


def test_importing_the_package_loads_nothing_heavy():
    program = "import sys, batchclf; print(sorted({'numpy', 'pandas', 'pyarrow', 'msgspec'} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_evaluating_loads_neither_pandas_nor_pyarrow(tmp_path):
    names, batches = plain_batches([4])
    path = write(tmp_path / "run", names, batches, topk=1, probabilities=True) / "predictions.csv"
    program = f"""
import sys
from pathlib import Path
from batchclf.jobs.evaluate.predictions import evaluate_predictions
evaluate_predictions(Path({str(path)!r}))
print(sorted({{'pandas', 'pyarrow'}} & sys.modules.keys()))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
