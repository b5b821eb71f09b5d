"""A table of a run that lost or gained rows since is refused wherever it is read again; an edited one is warned of."""

import csv
import hashlib
import json
import shutil
import sqlite3

import pandas as pd
import pyarrow.parquet as pq
import pytest
from onnx_cases import import_rows
from PIL import Image

from batchclf import read_predictions
from batchclf.errors import RunError

ROWS = 60
TABLES = (
    "predictions.csv",
    "predictions.jsonl",
    "predictions.parquet",
    "images.csv",
    "skipped.csv",
    "duplicates.csv",
    "flips.csv",
)


@pytest.fixture(scope="module")
def scored(digits, digits_bundle, tmp_path_factory):
    """A reports folder with two runs over 60 digits in class folders, three of them twice, and two no images.

    The second run has another model, so that predictions have changed.
    """
    from batchclf.cli.main import main

    root = tmp_path_factory.mktemp("edited")
    split = digits.test
    for number in range(ROWS):
        source = number % (ROWS - 3)
        path = root / "photos" / digits.class_names[split.labels[source]] / f"{number:03d}, a.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(split.images[source][..., 0]).save(path)
    for name in ("bad1.png", "bad2.png"):
        (path.parent / name).write_bytes(b"no image")
    for name, model in (("one", digits_bundle), ("two", import_rows(root, 1, size=8))):
        command = ["score", root / "photos", "--model", model, "--out", root / "reports/score" / name]
        assert main([str(part) for part in (*command, "--format", "csv,jsonl,parquet", "--quiet")]) == 0
    return root / "reports"


@pytest.fixture
def reports(scored, tmp_path):
    return shutil.copytree(scored, tmp_path / "reports")


@pytest.fixture
def run(reports):
    return reports / "score" / "two"


def cut(path, rows=1):
    """Take the last rows away at a line end."""
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-rows]))


def saved_by_a_spreadsheet(path):
    """Quote all cells, end lines with LF and begin with a byte order mark: other bytes, the same rows."""
    with path.open(encoding="utf-8", newline="") as handle:
        rows = list(csv.reader(handle))
    with path.open("w", encoding="utf-8-sig", newline="") as handle:
        csv.writer(handle, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(rows)


def test_run_json_has_rows_and_digest_of_each_table(run):
    files = json.loads((run / "run.json").read_text())["files"]
    assert set(files) == set(TABLES)
    for name, written in files.items():
        assert written["sha256"] == hashlib.sha256((run / name).read_bytes()).hexdigest(), name
    rows = {name: written["rows"] for name, written in files.items()}
    for name in ("duplicates.csv", "flips.csv"):
        assert rows.pop(name) == len(pd.read_csv(run / name)) > 1
    assert [rows.pop("skipped.csv"), set(rows.values())] == [2, {ROWS}]
    assert pq.read_metadata(run / "predictions.parquet").num_rows == len(pd.read_csv(run / "images.csv")) == ROWS


READERS = {
    "evaluate": lambda run: ("evaluate", run / "predictions.csv", "--out", run.parent.parent / "metrics"),
    "report": lambda run: ("report", run, "--out", run.parent.parent / "again.html"),
    "compare": lambda run: ("report", run.parent / "one", run, "--out", run.parent.parent / "both.html"),
    "compare earlier": lambda run: ("report", run, run.parent / "one", "--out", run.parent.parent / "both.html"),
    "rebuild": lambda run: ("history", "rebuild", run, "--reports", run.parent.parent),
    "rebuild all": lambda run: ("history", "rebuild", "--reports", run.parent.parent),
}


@pytest.mark.parametrize("reader", READERS)
def test_fewer_or_more_rows_are_an_error_and_an_edit_is_a_warning(cli, run, reader):
    path, command = run / "predictions.csv", READERS[reader](run)
    whole = path.read_bytes()
    code, _, err = cli(*command, "--quiet")
    assert (code, err) == (0, "")
    cut(path, 3)
    code, _, err = cli(*command, "--quiet")
    assert code == 1
    assert "predictions.csv has 57 rows, and the run wrote 60 (run.json): it has lost 3" in err
    assert "hint: " in err
    path.write_bytes(whole + whole.splitlines(keepends=True)[-1])
    code, _, err = cli(*command, "--quiet")
    assert code == 1
    assert "predictions.csv has 61 rows, and the run wrote 60 (run.json): it has gained 1" in err
    path.write_bytes(whole)
    saved_by_a_spreadsheet(path)
    code, _, err = cli(*command, "--quiet")
    assert code == 0
    assert err.count("batchclf: warning: ") == err.count("\n") == 1
    assert "predictions.csv was edited since the run wrote it: it has the same 60 rows" in err


def test_a_cut_run_is_not_put_into_the_history(cli, run):
    cut(run / "predictions.csv")
    code, _, err = cli("history", "rebuild", "--reports", run.parent.parent)
    assert code == 1
    assert "1 could not be read: two: " in err
    rows = sqlite3.connect(run.parent.parent / "history.sqlite").execute("SELECT run_id FROM runs").fetchall()
    assert rows == [("one",)]


@pytest.mark.parametrize(
    ("name", "reader", "fails"),
    [
        ("images.csv", "report", False),
        ("images.csv", "compare", True),
        ("skipped.csv", "report", True),
        ("duplicates.csv", "report", False),
        ("duplicates.csv", "rebuild", True),
        ("flips.csv", "rebuild", True),
    ],
)
def test_the_other_tables_that_are_read_again_are_checked(cli, run, name, reader, fails):
    command, whole = READERS[reader](run), (run / name).read_bytes()
    cut(run / name)
    code, out, err = cli(*command)
    # Facts of images cost the report their section only.
    assert code == (1 if fails else 0)
    assert f"{name} has " in out + err
    assert "it has lost 1" in out + err
    edited = whole.replace(b"grayscale", b"rgb").replace(b"bad1", b"bad0").replace(b", a.png", b", b.png")
    assert edited != whole
    (run / name).write_bytes(edited)
    code, _, err = cli(*command, "--quiet")
    assert (code, err.count("was edited since")) == (0, 1)


@pytest.mark.parametrize("table", ["predictions", "images", "skipped", "duplicates", "flips"])
def test_a_query_checks_the_tables_that_it_reads(cli, run, table):
    pytest.importorskip("duckdb")
    (run / "predictions.parquet").unlink()
    other = "skipped" if table != "skipped" else "images"
    count = ("query", run, f"SELECT count(*) FROM {table}")
    saved_by_a_spreadsheet(run / f"{table}.csv")
    code, _, err = cli(*count, "--quiet")
    assert (code, err.count("was edited since")) == (0, 1)
    cut(run / f"{table}.csv")
    code, _, err = cli(*count)
    assert code == 1
    assert "it has lost 1" in err
    assert cli("query", run, f"SELECT count(*) FROM {other}")[::2] == (0, "")


def test_a_parquet_file_with_fewer_rows_is_refused_and_one_written_anew_is_warned_of(cli, run):
    pytest.importorskip("duckdb")
    path, count = run / "predictions.parquet", ("query", run, "SELECT count(*) FROM predictions")
    table = pq.read_table(path)
    pq.write_table(table, path, compression="none")
    code, _, err = cli(*count)
    assert (code, err.count("was edited since")) == (0, 1)
    with pytest.warns(UserWarning, match="was edited since") as caught:
        assert len(read_predictions(run)) == ROWS
    assert [each.filename for each in caught] == [__file__]
    pq.write_table(table.slice(0, ROWS - 1), path)
    assert cli(*count)[0] == 1
    with pytest.raises(RunError, match="59 rows, and the run wrote 60"):
        read_predictions(run)


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_read_predictions_refuses_a_cut_file(run, suffix):
    path = run / f"predictions.{suffix}"
    assert len(read_predictions(path)) == ROWS
    cut(path)
    with pytest.raises(RunError, match="59 rows, and the run wrote 60"):
        read_predictions(path)
    # Elsewhere it is a file of its own, whoever cut it.
    elsewhere = shutil.copy(path, run.parent / f"part.{suffix}")
    assert len(read_predictions(elsewhere)) == ROWS - 1


def test_a_run_of_an_earlier_version_is_read_as_before(cli, run):
    record = json.loads((run / "run.json").read_text())
    del record["files"]
    (run / "run.json").write_text(json.dumps(record))
    cut(run / "predictions.csv")
    code, _, err = cli("evaluate", run / "predictions.csv")
    assert (code, err) == (0, "")
    assert json.loads((run / "metrics.json").read_text())["splits"][""]["images"] == ROWS - 1


def test_the_next_run_says_that_it_is_not_compared_with_a_cut_one(cli, run, scored, digits_bundle):
    cut(run / "predictions.csv")
    code, out, _ = cli("score", scored.parent / "photos", "--model", digits_bundle, "--out", run.parent / "zzz")
    assert code == 0
    assert "not compared with those of two: " in out
    assert "59 rows, and the run wrote 60" in out
