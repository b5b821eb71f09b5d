"""predictions.csv in LibreOffice: what it makes of hostile names, opened as docs/analysts.md says and without care."""

import csv
import datetime
import os
import re
import shutil
import signal
import subprocess

import openpyxl
import pytest
from analyst_cases import HOSTILE, write_run
from doc_pages import read

SOFFICE = shutil.which("soffice")
pytestmark = pytest.mark.skipif(SOFFICE is None, reason="LibreOffice is not installed")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hand") / "run"
    write_run(folder, topk=3, probabilities=False, unlabelled=(0,))
    return folder


@pytest.fixture(scope="module")
def convert(tmp_path_factory):
    """Convert a file with LibreOffice: the rows of the sheet. Its profile is its own, and it is ended in any case."""
    home = tmp_path_factory.mktemp("soffice")

    def convert(path, kind="xlsx", options=None):
        out = tmp_path_factory.mktemp("converted")
        command = [SOFFICE, "--headless", "--norestore", f"-env:UserInstallation={(home / 'profile').as_uri()}"]
        command += [f"--infilter=CSV:{options}"] if options else []
        command += ["--convert-to", kind, "--outdir", str(out), str(path)]
        with subprocess.Popen(
            command,
            env={**os.environ, "HOME": str(home)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,  # the program is a child of a shell script
        ) as process:
            try:
                said, _ = process.communicate(timeout=120)
            except BaseException:
                os.killpg(process.pid, signal.SIGKILL)
                raise
        made = out / path.with_suffix(f".{kind}").name
        assert made.is_file(), said
        return made

    return convert


def sheet(path):
    header, *rows = openpyxl.load_workbook(path).active.iter_rows(values_only=True)
    return [dict(zip(header, row, strict=True)) for row in rows]


def cells(run):
    with (run / "predictions.csv").open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


@pytest.fixture(scope="module")
def shown_options():
    """The filter options that the command of docs/analysts.md gives."""
    page = read("docs/analysts.md")
    (options,) = re.findall(r"^\$ soffice .*--infilter='CSV:([^']+)'", page, re.MULTILINE)
    return options


@pytest.mark.parametrize("through_ods", [False, True])
def test_text_columns_are_kept_and_numbers_are_numbers(run, convert, shown_options, through_ods):
    path = run / "predictions.csv"
    rows = sheet(convert(convert(path, "ods", shown_options)) if through_ods else convert(path, "xlsx", shown_options))
    assert len(rows) == len(HOSTILE)
    for row, source in zip(rows, cells(run), strict=True):
        assert list(row) == list(source)
        for column, cell in source.items():
            if column.endswith("confidence") or column == "margin":
                assert isinstance(row[column], int | float)
                assert row[column] == pytest.approx(float(cell), rel=1e-12)
            else:
                assert row[column] == (cell or None)
    assert [row["prediction"].removeprefix("'") for row in rows] == list(HOSTILE)


def test_nothing_becomes_a_formula_however_it_is_opened(run, convert):
    book = openpyxl.load_workbook(convert(run / "predictions.csv"))
    assert not [cell for row in book.active.iter_rows() for cell in row if cell.data_type == "f"]


def test_without_care_names_are_spoilt_as_the_page_says(run, convert):
    rows = {
        source["prediction"]: row["prediction"] for source, row in _both(run, sheet(convert(run / "predictions.csv")))
    }
    assert rows["2026-11-24"] == datetime.datetime(2026, 11, 24)
    assert (rows["001"], rows["1e5"], rows["0.5"]) == (1, 100000, 0.5)
    assert rows["12345678901234567890"] == pytest.approx(1.23456789012346e19)
    assert "猫" not in rows["Größe 猫"]
    for kept in ("1/2", "12:30", "10%", "TRUE", "1-2", "'=1+1", "'-5", "NA"):
        assert rows[kept] == kept


def test_special_numbers_spoil_more(run, convert):
    rows = sheet(convert(run / "predictions.csv", options="44,34,76,1,,1033,false,true"))
    rows = {source["prediction"]: row["prediction"] for source, row in _both(run, rows)}
    assert isinstance(rows["1/2"], datetime.datetime)
    assert isinstance(rows["12:30"], datetime.time)
    assert (rows["10%"], rows["TRUE"]) == (0.1, True)
    for kept in ("1-2", "'=1+1", "'-5", "Größe 猫"):
        assert rows[kept] == kept


def test_a_language_with_a_decimal_comma_makes_text_of_numbers(run, convert, shown_options):
    assert ",1033," in shown_options
    rows = sheet(convert(run / "predictions.csv", options=shown_options.replace(",1033,", ",1031,")))
    assert {row["confidence"] for row in rows} == {"0.5"}


def _both(run, rows):
    return zip(cells(run), rows, strict=True)
