"""The predictions in three formats: they agree with each other, and survive being killed at any moment."""

import io
import itertools
import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prediction_cases import FORMATS, contents, escaped, plain_batches, scored, write

from batchclf.core.types import BatchScores, ImageRef, SkippedImage
from batchclf.errors import RunError
from batchclf.storage.predictions import parquet as parquet_format
from batchclf.storage.predictions.columns import column_names
from batchclf.storage.predictions.write import PredictionFiles, check_formats
from batchclf.storage.run.skipped import SkippedWriter, read_skipped

WHOLE = {f"predictions.{name}" for name in FORMATS}


@settings(max_examples=60, deadline=None)
@given(scored())
def test_three_formats_hold_the_same_rows(tmp_path_factory, case):
    names, batches, options = case
    folder = write(tmp_path_factory.mktemp("formats"), names, batches, **options)
    assert {path.name for path in folder.iterdir()} == WHOLE
    table = pd.read_parquet(folder / "predictions.parquet")
    lines = (folder / "predictions.jsonl").read_bytes().decode().split("\n")
    assert lines.pop() == ""
    objects = [json.loads(line) for line in lines]
    csv = pd.read_csv(folder / "predictions.csv", dtype=str, keep_default_na=False)
    columns = column_names(names, options["topk"], options["probabilities"])
    assert list(table.columns) == list(csv.columns) == columns
    assert all(list(row) == columns for row in objects)

    refs = [ref for batch in batches for ref in batch.refs]
    matrix = np.concatenate([batch.probabilities for batch in batches])
    order = np.argsort(-matrix, axis=1, kind="stable")
    best = np.take_along_axis(matrix, order, axis=1)
    expected = {
        "path": [escaped(ref.path) for ref in refs],
        "split": ["test"] * len(refs),
        "label": [ref.label for ref in refs],
        "correct": [
            None if ref.label is None else ref.label == names[row[0]] for ref, row in zip(refs, order, strict=True)
        ],
        "margin": best[:, 0] - best[:, 1],
    }
    for rank in range(options["topk"]):
        before = f"top{rank + 1}_" if rank else ""
        expected[f"{before}prediction"] = [names[row[rank]] for row in order]
        expected[f"{before}confidence"] = best[:, rank]
    if options["probabilities"]:
        expected |= {f"prob:{name}": matrix[:, index] for index, name in enumerate(names)}
    assert expected.keys() == set(columns)
    for column, values in expected.items():
        if isinstance(values, np.ndarray):
            assert table[column].dtype == np.float32
            assert table[column].tolist() == values.tolist(), column
            assert all(type(row[column]) is float for row in objects)
            assert np.array([row[column] for row in objects], np.float32).tolist() == values.tolist(), column
            assert list(csv[column]) == [f"{value:.7g}" for value in values.tolist()], column
        else:
            assert [
                None if value is None else value
                for value in table[column].astype(object).where(table[column].notna(), None)
            ] == values, column
            assert [row[column] for row in objects] == values, column


@pytest.mark.parametrize("rows_per_group", [7, 65_536])
@pytest.mark.parametrize("probabilities", [False, True])
def test_a_run_can_be_killed_at_every_moment(tmp_path, monkeypatch, probabilities, rows_per_group):
    monkeypatch.setattr(parquet_format, "_ROWS_PER_GROUP", rows_per_group)
    names, batches = plain_batches([1, 5, 3, 12, 4])
    options = {"topk": 2, "probabilities": probabilities, "formats": FORMATS}
    whole = contents(write(tmp_path / "whole", names, batches, **options))
    assert whole.keys() == WHOLE
    running, positions = tmp_path / "running", []
    running.mkdir()
    with PredictionFiles(running, names, **options) as files:
        positions.append(files.positions())
        for batch in batches:
            files.write(batch, "test")
            positions.append(files.positions())
    # The run was killed after the last row; what it had told stands for kills before that.
    for done, position in enumerate(positions):
        assert position["rows"] == sum(len(batch.refs) for batch in batches[:done])
        for torn in (None, b"", b"\0garbage\r\n", b'001/00"'):
            folder = tmp_path / "resumed"
            shutil.copytree(running, folder)
            if torn is not None:
                for name, size in position.items():
                    if name != "rows":
                        content = (folder / name).read_bytes()[:size]
                        (folder / name).write_bytes(content + torn)
            with PredictionFiles(folder, names, **options, resume_at=position) as files:
                assert files.rows == position["rows"]
                assert files.positions() == position
                for batch in batches[done:]:
                    files.write(batch, "test")
                files.finish()
            assert contents(folder) == whole
            shutil.rmtree(folder)


@pytest.mark.parametrize("done", [0, 2, 3])
def test_a_run_can_be_killed_after_its_parquet_file_was_made(tmp_path, monkeypatch, done):
    monkeypatch.setattr(parquet_format, "_ROWS_PER_GROUP", 4)
    names, batches = plain_batches([3, 6, 5])
    options = {"topk": 3, "probabilities": True, "formats": FORMATS}
    folder, positions = tmp_path / "run", []
    folder.mkdir()
    with PredictionFiles(folder, names, **options) as files:
        positions.append(files.positions())
        for batch in batches:
            files.write(batch, "test")
            positions.append(files.positions())
        files.finish()
    whole = contents(folder)
    assert whole.keys() == WHOLE
    with PredictionFiles(folder, names, **options, resume_at=positions[done]) as files:
        # Killed again before anything was written.
        files.positions()
    with PredictionFiles(folder, names, **options, resume_at=positions[done]) as files:
        for batch in batches[done:]:
            files.write(batch, "test")
        files.finish()
    assert contents(folder) == whole


@settings(max_examples=25, deadline=None)
@given(scored(least_rows=2), st.data())
def test_hostile_rows_survive_a_kill(tmp_path_factory, case, data):
    names, batches, options = case
    whole = contents(write(tmp_path_factory.mktemp("whole"), names, batches, **options))
    folder = tmp_path_factory.mktemp("killed")
    done = data.draw(st.integers(0, len(batches)))
    with PredictionFiles(folder, names, formats=FORMATS, **options) as files:
        for batch in batches[:done]:
            files.write(batch, "test")
        position = json.loads(json.dumps(files.positions()))
        for batch in batches[done:]:
            files.write(batch, "test")
    with PredictionFiles(folder, names, formats=FORMATS, **options, resume_at=position) as files:
        for batch in batches[done:]:
            files.write(batch, "test")
        files.finish()
    assert contents(folder) == whole


def test_what_positions_tell_is_there_after_a_real_kill(tmp_path):
    names, batches = plain_batches([40] * 50)
    program = """
import sys, time
from pathlib import Path
from prediction_cases import FORMATS, plain_batches
from batchclf.storage.predictions.write import PredictionFiles
names, batches = plain_batches([40] * 50)
with PredictionFiles(Path(sys.argv[1]), names, topk=2, probabilities=True, formats=FORMATS) as files:
    for number, batch in enumerate(batches[:30]):
        files.write(batch, "test")
        if number == 20:
            position = files.positions()
    print(position, flush=True)
    time.sleep(600)
"""
    options = {"topk": 2, "probabilities": True}
    folder = tmp_path / "killed"
    folder.mkdir()
    command = [sys.executable, "-c", program, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parent) as process:
        position = eval(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert position["rows"] == 21 * 40
    with PredictionFiles(folder, names, formats=FORMATS, **options, resume_at=position) as files:
        for batch in batches[21:]:
            files.write(batch, "test")
        files.finish()
    assert contents(folder) == contents(write(tmp_path / "whole", names, batches, **options))


def test_bytes_do_not_depend_on_the_batches(tmp_path, monkeypatch):
    monkeypatch.setattr(parquet_format, "_ROWS_PER_GROUP", 16)
    names, (batch,) = plain_batches([50])
    seen = []
    for cut in (1, 7, 16, 33, 50):
        parts = [
            BatchScores(batch.refs[start : start + cut], batch.probabilities[start : start + cut])
            for start in range(0, 50, cut)
        ]
        seen.append(contents(write(tmp_path / str(cut), names, parts, topk=2, probabilities=True)))
    assert all(each == seen[0] for each in seen)
    groups = pq.ParquetFile(io.BytesIO(seen[0]["predictions.parquet"])).metadata
    assert [groups.row_group(number).num_rows for number in range(groups.num_row_groups)] == [16, 16, 16, 2]


def test_many_classes(tmp_path):
    names, batches = plain_batches([300], classes=1500)
    folder = write(tmp_path / "many", names, batches, topk=1500, probabilities=True)
    table = pd.read_parquet(folder / "predictions.parquet")
    matrix = batches[0].probabilities
    assert (table[[f"prob:{name}" for name in names]].to_numpy() == matrix).all()
    assert (table[[f"top{rank}_confidence" for rank in range(2, 1501)]].to_numpy() == -np.sort(-matrix)[:, 1:]).all()
    csv = pd.read_csv(folder / "predictions.csv", keep_default_na=False)
    np.testing.assert_allclose(csv[[f"prob:{name}" for name in names]], matrix, rtol=6e-7)


def test_labels_that_are_no_class_are_kept(tmp_path):
    refs = tuple(ImageRef(f"{number}.png", label) for number, label in enumerate(["cow", "cat", None, "=ox"]))
    batches = [BatchScores(refs, np.tile(np.array([0.75, 0.25], np.float32), (4, 1)))]
    batches.append(BatchScores((ImageRef("4.png", "dog"),), np.array([[0.25, 0.75]], np.float32)))
    folder = write(tmp_path / "run", ("cat", "dog"), batches, topk=1, probabilities=False)
    lines = (folder / "predictions.csv").read_text().splitlines()
    assert [line.split(",")[2:5] for line in lines[1:]] == [
        ["cow", "cat", "false"],
        ["cat", "cat", "true"],
        ["", "cat", ""],
        ["'=ox", "cat", "false"],
        ["dog", "dog", "true"],
    ]
    table = pd.read_parquet(folder / "predictions.parquet")
    assert table["label"].dropna().tolist() == ["cow", "cat", "=ox", "dog"]
    assert table["correct"].tolist() == [False, True, None, False, True]


def test_only_the_csv_without_a_wish(tmp_path):
    names, batches = plain_batches([3])
    folder = write(tmp_path / "run", names, batches, formats=("csv",), topk=1, probabilities=False)
    assert [path.name for path in folder.iterdir()] == ["predictions.csv"]
    # The CSV is always written.
    folder = write(tmp_path / "other", names, batches, formats=("jsonl",), topk=1, probabilities=False)
    assert {path.name for path in folder.iterdir()} == {"predictions.csv", "predictions.jsonl"}


def test_missing_pyarrow_is_told_before_anything_is_written(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    check_formats(("csv", "jsonl"))
    for call in (
        lambda: check_formats(("csv", "parquet")),
        lambda: PredictionFiles(tmp_path, ("a", "b"), topk=1, probabilities=False, formats=("parquet",)),
    ):
        with pytest.raises(RunError, match="need pyarrow, which is not installed") as caught:
            call()
        assert "pip install 'batchclf[parquet]'" in caught.value.hint
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        *itertools.product(["predictions.csv", "predictions.jsonl", ".predictions.arrows"], ["gone", "shorter"]),
        ("predictions.jsonl", "other formats"),
    ],
)
def test_files_that_cannot_be_gone_on_with(tmp_path, name, damage):
    names, batches = plain_batches([3])
    options = {"topk": 1, "probabilities": False, "formats": FORMATS}
    with PredictionFiles(tmp_path, names, **options) as files:
        files.write(batches[0], "test")
        position = files.positions()
    if damage == "gone":
        (tmp_path / name).unlink()
    elif damage == "shorter":
        (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:-1])
    else:
        del position[name]
    with pytest.raises(RunError, match="cannot be resumed") as caught:
        PredictionFiles(tmp_path, names, **options, resume_at=position)
    assert name in caught.value.message


def test_skipped_images_survive_a_kill(tmp_path):
    skips = [SkippedImage(ImageRef(f'{number}=,"\n.png', None), "=why\r\n") for number in range(4)]
    positions = []
    with SkippedWriter(tmp_path / "skipped.csv") as writer:
        positions.append(writer.positions())
        for skip in skips:
            writer.write(skip, "")
            positions.append(writer.positions())
    whole = (tmp_path / "skipped.csv").read_bytes()
    for done, position in enumerate(positions):
        (tmp_path / "skipped.csv").write_bytes(whole[: position["skipped.csv"]] + b'"torn')
        with SkippedWriter(tmp_path / "skipped.csv", resume_at=position) as writer:
            assert writer.rows == done
            for skip in skips[done:]:
                writer.write(skip, "")
            assert writer.rows == 4
        assert (tmp_path / "skipped.csv").read_bytes() == whole
    assert list(read_skipped(tmp_path / "skipped.csv")) == skips
    with pytest.raises(RunError, match="cannot be resumed"):
        SkippedWriter(tmp_path / "none.csv", resume_at={"rows": 1, "none.csv": 40})
