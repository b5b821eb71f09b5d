"""docs/analysts.md with real libraries: names that do their worst are read as `read_predictions` gives them."""

import duckdb
import pandas as pd
import pytest
from analyst_cases import HOSTILE, write_run
from doc_pages import blocks, read, section

from batchclf import read_predictions
from batchclf.cli.main import main

PAGE = read("docs/analysts.md")


@pytest.fixture
def run(tmp_path, monkeypatch):
    names = HOSTILE[:-1]  # SQL gives the column of `A` another name, beside that of `a`
    folder = tmp_path / "run"
    write_run(folder, names=names, unlabelled=(0, 3), topk=3)
    monkeypatch.chdir(folder)
    return read_predictions(folder)


def test_duckdb_reads_the_predictions(run):
    with duckdb.connect() as connection:
        for block in blocks(PAGE, "sql"):
            connection.execute(block)
        found = connection.sql("SELECT * FROM predictions ORDER BY path").df()
    expected = run.sort_values("path", ignore_index=True)
    assert sorted(found) == sorted(expected)
    for column in expected:
        mine, theirs = expected[column].astype(object), found[column].astype(object)
        missing = mine.isna() | (mine == "")
        assert theirs.isna().equals(missing), column
        assert theirs[~missing].tolist() == mine[~missing].tolist(), column


def test_a_copy_with_decimal_commas(run, tmp_path):
    snippet = blocks(section(PAGE, "With pandas"), "python")[0]
    (copy,) = blocks(section(PAGE, "Decimal commas"), "python")
    with_guard = "".join(snippet.splitlines(keepends=True)[:-3])
    exec(with_guard + copy, {})
    text = (tmp_path / "run" / "for-excel.csv").read_text(encoding="utf-8-sig")
    assert "0,5" in text
    assert "'=1+1" in text
    again = pd.read_csv("for-excel.csv", sep=";", decimal=",", dtype={"label": str}, keep_default_na=False)
    assert again["confidence"].tolist() == run["confidence"].tolist()
    assert main(["evaluate", "for-excel.csv", "--out", str(tmp_path / "again"), "--quiet"]) == 0
    assert (tmp_path / "again" / "metrics.json").is_file()
