"""`batchclf query`: right results, nothing within its reach, and friendly errors."""

import csv
import io
import json
import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
from run_cases import NAMES, drawn, rows_of, write_run

from batchclf import read_predictions
from batchclf.core.types import BatchScores, ImageRef
from batchclf.storage.predictions.write import PredictionFiles

HOSTILE = ("=1+1", "'x", "1-2", "NA", 'a"b', "a,b", "two\r\nlines", "TRUE", "猫", "a", "A", "x'y", "{} $1 ?")


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "reports" / "nightly" / "20260301T023000Z"
    rows = drawn(NAMES, 60, seed=1, skill=0.8) + drawn(NAMES, 60, seed=2, skill=0.9, split="train")
    rows[5] |= {"label": "", "correct": ""}
    write_run(folder, rows, skipped=[("=bad.png", "it is empty")])
    (folder.parent / "latest").symlink_to(folder.name)
    return folder.parent / "latest"


def hostile_run(folder, formats, split=""):
    """Two images a class, the second of the first class without a label."""
    folder.mkdir(parents=True)
    matrix = np.random.default_rng(3).dirichlet(np.ones(len(HOSTILE)), 2 * len(HOSTILE)).astype(np.float32)
    refs = [ImageRef(f"{name}/{number}.png", name) for number in (1, 2) for name in HOSTILE]
    refs[len(HOSTILE)] = ImageRef("no label.png", None)
    with PredictionFiles(folder, HOSTILE, topk=2, probabilities=True, formats=formats) as files:
        files.write(BatchScores(tuple(refs), matrix), split)
        files.finish()
    (folder / "run.json").write_text("{}")
    return folder


def test_a_result_is_that_of_pandas(cli, run):
    sql = "SELECT label, prediction, count(*) AS n FROM predictions WHERE NOT correct AND split = 'test' GROUP BY ALL"
    code, result, err = cli.json("query", run, sql)
    assert (code, err) == (0, "")
    assert (result["columns"], result["types"]) == (["label", "prediction", "n"], ["VARCHAR", "VARCHAR", "BIGINT"])
    rows = pd.read_csv(run / "predictions.csv")
    wrong = rows[rows["correct"].eq(False) & rows["split"].eq("test")]
    expected = wrong.groupby(["label", "prediction"]).size()
    assert {(label, given): n for label, given, n in result["rows"]} == expected.to_dict()
    assert (result["more"], result["exit_code"]) == (0, 0)


@pytest.mark.parametrize("formats", [("csv",), ("csv", "parquet")])
@pytest.mark.parametrize("split", ["", "=in"])
def test_hostile_names_come_back_as_they_are(cli, tmp_path, formats, split):
    folder = hostile_run(tmp_path / "it's [a] *run*" / "label=3", formats, split)
    code, result, err = cli.json("query", folder, "SELECT * FROM predictions")
    assert (code, err) == (0, "")
    expected = read_predictions(folder)
    shown = [*expected.columns[: -len(HOSTILE)], *(f"prob:{name}" for name in HOSTILE)]
    shown[shown.index("prob:A")] = "prob:A_2"
    assert result["columns"] == shown
    number = "FLOAT" if "parquet" in formats else "DOUBLE"
    texts, numbers = ["VARCHAR"], [number]
    assert result["types"] == texts * 4 + ["BOOLEAN"] + numbers * 2 + texts + numbers * (1 + len(HOSTILE))
    table = pd.DataFrame(result["rows"], columns=expected.columns, dtype="object")
    for name in expected:
        known = expected[name].astype("object")
        if expected[name].dtype == np.float64:
            np.testing.assert_allclose(table[name].astype(float), expected[name], rtol=1e-7)
        elif name == "split":
            assert set(table[name]) == {split}
        else:
            assert table[name].tolist() == known.where(known.notna(), None).tolist(), name
    assert table["label"].tolist().count(None) == 1


@pytest.mark.parametrize("formats", [("csv",), ("csv", "parquet")])
def test_the_csv_is_not_read_where_there_is_parquet(cli, tmp_path, formats):
    folder = hostile_run(tmp_path / "run", formats)
    (folder / "predictions.csv").write_text("path,label,prediction,confidence\n")
    _, result, _ = cli.json("query", folder, "SELECT count(*) FROM predictions")
    assert result["rows"] == [[2 * len(HOSTILE) if "parquet" in formats else 0]]


def test_all_tables(cli, run):
    (run / "images.csv").write_bytes(
        b"path,split,width,height,mode,brightness,contrast,dhash,digest\r\n"
        b"test/00000.png,test,,28,rgb,12.50,3.25,0,1\r\n"
    )
    (run / "duplicates.csv").write_bytes(
        b"kind,split,path,label,prediction,original_split,original_path,original_label,correlation\r\n"
        b"near,test,'=a,cat,cat,train,b,cat,0.9990\r\n"
    )
    (run / "flips.csv").write_bytes(
        b"kind,split,path,label,earlier_prediction,earlier_confidence,prediction,confidence\r\n"
        b"changed,test,'=a,,'-a,0.25,b,0.5\r\n"
    )
    _, result, _ = cli.json("query", run, "SELECT * EXCLUDE (kind, split, path), confidence + 1 FROM flips")
    assert result["rows"] == [[None, "-a", 0.25, "b", 0.5, 1.5]]
    _, result, _ = cli.json("query", run, "SHOW TABLES")
    expected = ["confusion", "duplicates", "flips", "images", "per_class", "predictions", "skipped"]
    assert [name for (name,) in result["rows"]] == expected
    sql = (
        "SELECT i.width, i.height + 1, i.brightness, p.confidence > 0, "
        "d.path, d.correlation, s.path, s.split, s.label, "
        'c.support - c.correct, m."predicted:cat" * 2 FROM images i JOIN predictions p USING (split, path), '
        "duplicates d, skipped s, per_class c, confusion m "
        "WHERE c.class = 'dog' AND c.split = 'test' AND m.label = 'cat' AND m.split = 'test'"
    )
    _, result, _ = cli.json("query", run, sql)
    metrics = pd.read_csv(run / "per_class.csv").set_index(["split", "class"]).loc[("test", "dog")]
    cat = pd.read_csv(run / "confusion.csv").set_index(["split", "label"]).loc[("test", "cat")]
    missed, hits = int(metrics["support"] - metrics["correct"]), int(2 * cat["predicted:cat"])
    assert result["rows"] == [[None, 29, 12.5, True, "=a", 0.999, "=bad.png", "test", None, missed, hits]]


def test_a_folders_tables_are_joined_by_its_empty_split(cli, tmp_path):
    write_run(tmp_path / "run", rows_of(NAMES, [0, 1], [0, 1], split=""))
    (tmp_path / "run" / "images.csv").write_text("path,split,width\r\nimg/00000.png,,7\r\nimg/00001.png,,8\r\n")
    sql = "SELECT path, width FROM predictions JOIN images USING (split, path) ORDER BY 1"
    _, result, _ = cli.json("query", tmp_path / "run", sql)
    assert result["rows"] == [["img/00000.png", 7], ["img/00001.png", 8]]


def test_the_table_for_people(cli, run):
    sql = "SELECT path, correct, confidence, label FROM predictions WHERE split = 'test' ORDER BY path"
    code, out, err = cli("query", run, sql)
    assert (code, err) == (0, "")
    header, line, *rows, more = out.splitlines()
    assert header.split() == ["path", "correct", "confidence", "label"]
    assert set(line) == {"-", " "}
    assert more == "20 more rows: ask for them with --rows"
    assert len(rows) == 40
    starts = [0, *(place + 2 for place in range(len(line)) if line.startswith("  ", place))]
    assert all(len(row) <= len(line) and row[start - 1 : start].strip() == "" for row in rows for start in starts[1:])
    assert cli("query", run, sql, "--rows", "100")[1].splitlines()[2:42] == rows
    assert cli("query", run, sql, "--rows", "3", "--quiet")[1].splitlines()[2:] == [*rows[:3]]
    _, out, _ = cli("query", run, "SELECT 'wide 猫' AS a, 'x\ny' AS b, repeat('z', 100) AS c, NULL AS d, -0.25 AS e")
    assert out.splitlines()[2].split("  ")[:2] == ["wide 猫", "x\\ny"]
    assert "z" * 59 + "…" in out


def test_csv_and_json_lines(cli, run, tmp_path):
    sql = "SELECT path, -confidence AS minus, correct, [1, 2] AS list FROM predictions UNION ALL "
    sql += "SELECT '=1', NULL, NULL, []"
    code, out, err = cli("query", run, sql, "--format", "csv")
    assert (code, err) == (0, "")
    rows = list(csv.reader(io.StringIO(out, newline=""), strict=True))
    assert rows[0] == ["path", "minus", "correct", "list"]
    assert rows[-1] == ["'=1", "", "", "[]"]
    assert len(rows) == 122
    assert rows[1][1].startswith("-0.")
    assert rows[1][2:] == ["true", "[1, 2]"] or rows[1][2:] == ["false", "[1, 2]"]
    code, out, _ = cli("query", run, sql, "--out", tmp_path / "new" / "rows.jsonl")
    assert out == f"wrote 121 rows to {tmp_path / 'new' / 'rows.jsonl'}\n"
    lines = [json.loads(line) for line in (tmp_path / "new" / "rows.jsonl").read_text().splitlines()]
    assert [line["path"] for line in lines] == [row[0].removeprefix("'") for row in rows[1:]]
    assert lines[-1] == {"path": "=1", "minus": None, "correct": None, "list": []}
    _, result, _ = cli.json("query", run, sql, "--out", tmp_path / "rows.csv", "--rows", "5")
    assert (result["written"], result["more"]) == (5, 116)
    assert (tmp_path / "rows.csv").read_bytes().count(b"\r\n") == 6


def test_values_that_json_lacks(cli, run):
    sql = "SELECT 'nan'::DOUBLE, 1.5::DECIMAL(3, 1), DATE '2026-03-01', {'a': 1}, 12345678901234567890, 'x'::BLOB, NULL"
    _, result, _ = cli.json("query", run, sql)
    assert result["rows"] == [[None, 1.5, "2026-03-01", {"a": 1}, 12345678901234567890, "b'x'", None]]


REACHING = [
    "SELECT * FROM read_csv('{secret}')",
    "SELECT * FROM read_text('{secret}')",
    "SELECT * FROM '{secret}'",
    "SELECT * FROM glob('{folder}/*')",
    "SELECT * FROM read_csv('{run}/predictions.csv')",
    "WITH x AS (COPY (SELECT 1) TO '{folder}/new.csv') SELECT * FROM x",
    "WITH x AS (COPY (SELECT 1) TO '{run}/predictions.csv' (USE_TMP_FILE false)) SELECT * FROM x, predictions",
    "COPY predictions TO '{folder}/new.csv'",
    "EXPLAIN ANALYZE COPY predictions TO '{folder}/new.csv'",
    "EXPORT DATABASE '{folder}/new'",
    "ATTACH '{folder}/new.db'",
    "SET enable_external_access = true",
    "RESET lock_configuration",
    "INSTALL httpfs",
    "LOAD httpfs",
    "DROP TABLE predictions",
    "DELETE FROM predictions",
    "SELECT 1; COPY predictions TO '{folder}/new.csv'",
    "SELECT * FROM query_table('predic' || 'tions')",
    "SELECT * FROM tables",
]


@pytest.mark.parametrize("sql", REACHING)
def test_nothing_is_within_reach_of_a_query(cli, run, tmp_path, sql):
    (tmp_path / "secret").write_text("secret\n1\n")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    code, out, err = cli("query", run, sql.format(secret=tmp_path / "secret", folder=tmp_path, run=run))
    assert (code, out) == (1, "")
    assert err.startswith("batchclf: error: ")
    assert "hint: " in err
    assert "Traceback" not in err
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("SELECT nope FROM predictions", "nope"),
        ("SELEC 1", "SELEC"),
        ("SELECT * FROM prediction", "prediction"),
        ("", "0 statements"),
        ("SELECT label::INTEGER FROM predictions", "Could not convert"),
        ("SELECT error('oh\nno')", "oh"),
        ("SELECT * FROM predictions WHERE", "Parser Error"),
    ],
)
def test_sql_errors_are_told_in_one_line(cli, run, sql, said):
    code, out, err = cli("query", run, sql)
    assert (code, out) == (1, "")
    message, *place, hint = err.splitlines()
    assert said in message
    assert place == [] or (
        place[0].startswith("    LINE 1: ") and place[1].strip("^") == " " * len(place[1].rstrip("^"))
    )
    assert "predictions" in hint or "one SELECT" in hint
    code, result, _ = cli.json("query", run, sql)
    assert (code, result["exit_code"]) == (1, 1)


DAMAGED = {
    "a number that is none": (b",0.", b",x."),
    "neither true nor false": (b",true,", b",yes please,"),
    "no UTF-8": (b"cat", b"\xff\xfe"),
    "a quote without end": (b"test/00003", b'"test/00003'),
    "too many cells": (b"test/00003.png,", b"test/00003.png,,,,,,,,,"),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_a_damaged_csv_is_told(cli, run, case):
    path = run / "predictions.csv"
    right, wrong = DAMAGED[case]
    content = path.read_bytes()
    assert right in content
    path.write_bytes(content.replace(right, wrong, 1))
    code, out, err = cli("query", run, "SELECT count(DISTINCT confidence) FROM predictions")
    assert (code, out) == (1, "")
    assert re.search(r"predictions\.csv is (damaged|not a CSV in UTF-8): ", err)
    assert "hint: " in err
    assert "Traceback" not in err


@pytest.mark.parametrize("content", [b"", b"PAR1", b"no parquet at all" * 100])
def test_a_damaged_parquet_file_is_told(cli, run, content):
    (run / "predictions.parquet").write_bytes(content)
    code, _, err = cli("query", run, "SELECT count(*) FROM predictions")
    assert code == 1
    assert "predictions.parquet is damaged: " in err


def test_a_csv_of_others(cli, tmp_path):
    (tmp_path / "predictions.csv").write_bytes(
        "\ufeffconfidence,path,label,prediction,remark\n0.5,a.png,cat,dog,'=x\n0.75,b.png,,cat,\n".encode()
    )
    _, result, err = cli.json("query", tmp_path, "SELECT * FROM predictions")
    assert result["rows"] == [[0.5, "a.png", "cat", "dog", "=x"], [0.75, "b.png", None, "cat", None]], err


def test_what_is_no_run_directory(cli, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("x")
    for name, said in (
        ("none", "there is no run directory"),
        ("file", "there is no"),
        ("empty", "is not a run directory"),
    ):
        code, out, err = cli("query", tmp_path / name, "SELECT 1")
        assert (code, out) == (1, "")
        assert said in err
        assert "hint: give a folder that `batchclf run`" in err


def test_options_that_do_not_go_together(cli, run, tmp_path):
    assert cli("query", run, "SELECT 1", "--json", "--format", "csv")[0] == 2
    before = (run / "run.json").read_bytes()
    code, _, err = cli("query", run, "SELECT 1", "--out", run / "run.json")
    assert code == 2
    assert "is a file of the run" in err
    assert (run / "run.json").read_bytes() == before
    code, _, err = cli("query", run, "SELECT 1 AS a, 2 AS a", "--format", "jsonl")
    assert code == 1
    assert "two columns are called a" in err
    assert cli("query", run, "SELECT 1", "--rows", "0")[0] == 2
    (tmp_path / "old.csv").write_text("old")
    assert cli("query", run, "SELECT nope", "--out", tmp_path / "old.csv")[0] == 1
    assert (tmp_path / "old.csv").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_without_duckdb(cli, run, monkeypatch):
    monkeypatch.setattr("batchclf.jobs.query.sql.find_spec", lambda name: None)
    code, _, err = cli("query", run, "SELECT 1")
    assert code == 1
    assert "pip install 'batchclf[query]'" in err


def test_two_at_once_and_a_run_published_meanwhile(run):
    """Queries share nothing; `latest` is followed once."""
    sql = "SELECT count(*) AS n FROM predictions"
    command = [sys.executable, "-m", "batchclf", "query", str(run), sql, "--json"]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(2)]
    done = [process.communicate(timeout=60) for process in processes]
    assert [json.loads(out)["rows"] for out, _ in done] == [[[120]]] * 2
    assert [err for _, err in done] == [b"", b""]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_endless_query_ends_when_told(run, tmp_path, number):
    sql = "SELECT count(*) FROM range(10000000) a, range(10000000) b WHERE (a.range * b.range) % 7 = 3"
    command = [sys.executable, "-m", "batchclf", "query", str(run), sql, "--out", str(tmp_path / "rows.csv")]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        try:
            until = time.monotonic() + 30
            while not list(tmp_path.glob("batchclf-*/tmp*")) and time.monotonic() < until:
                time.sleep(0.05)
            assert time.monotonic() < until
            time.sleep(0.3)
            process.send_signal(number)
            out, err = process.communicate(timeout=30)
        finally:
            process.kill()
    assert (process.returncode, out) == (130, "")
    assert err == "batchclf: error: interrupted; nothing was published\n"
    assert not list(tmp_path.glob("*.csv"))
    assert not list(tmp_path.glob("batchclf-*"))
