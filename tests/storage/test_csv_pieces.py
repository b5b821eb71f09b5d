"""CSVs of any dialect read in pieces: as Python's csv module and pandas read them, with damage told by its line."""

import csv
import io

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batchclf.errors import PredictionsError
from batchclf.storage.csv_files import read as csv_pieces
from batchclf.storage.csv_files.read import line_of_row, read_cells

HEADER = ["path", "label", "prediction", "confidence"]
plain_cells = st.text(st.sampled_from("abc0.;' é猫\u2028\ufeff\t"), max_size=4)
any_cells = plain_cells | st.text(st.sampled_from('ab", \n\r\0'), max_size=5)
tables = st.lists(
    st.lists(plain_cells, min_size=4, max_size=4) | st.lists(any_cells, min_size=4, max_size=4), max_size=12
)


def read(path, header=HEADER, columns=("confidence", "path", "label"), last=0):
    pieces = list(read_cells(path, header, columns, last))
    assert all(0 < len(piece["path"]) <= csv_pieces.ROWS_PER_PIECE for piece in pieces)
    return {name: [cell for piece in pieces for cell in piece[name]] for name in columns}


@settings(max_examples=200, deadline=None)
@given(
    tables,
    st.sampled_from(["\r\n", "\n", "\r"]),
    st.sampled_from(["utf-8", "utf-8-sig"]),
    st.booleans(),
    st.integers(1, 5),
)
def test_whatever_the_csv_module_writes(tmp_path_factory, rows, end, encoding, ended, piece):
    text = io.StringIO(newline="")
    # The module puts only its own line end in quotes.
    breaks = any(mark in cell for row in rows for cell in row for mark in "\r\n")
    quoting = csv.QUOTE_ALL if breaks else csv.QUOTE_MINIMAL
    writer = csv.writer(text, lineterminator=end, quoting=quoting)
    writer.writerows([HEADER, *rows])
    path = tmp_path_factory.mktemp("csv") / "p.csv"
    content = text.getvalue() if ended or not rows else text.getvalue().removesuffix(end)
    path.write_bytes(content.encode(encoding))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_pieces, "ROWS_PER_PIECE", piece)
        assert read(path) == {
            name: [row[HEADER.index(name)] for row in rows] for name in ("path", "confidence", "label")
        }
        assert read(path, columns=HEADER, last=2) == read(path, columns=HEADER)


lines = st.sampled_from(
    ["a,b,c,0.5", '"a,1",b,c,0.5', "a,b", "a", "", "  ", "a,b,c,0.5,more", "a,b,c,", '"x\ny",,,1', "é,b,c,1,", ",,,"]
)


@settings(max_examples=200, deadline=None)
@given(st.lists(lines, max_size=12), st.sampled_from(["\r\n", "\n"]), st.integers(1, 5))
def test_ragged_and_blank_lines_are_read_as_pandas_reads_them(tmp_path_factory, rows, end, piece):
    path = tmp_path_factory.mktemp("ragged") / "p.csv"
    path.write_bytes(end.join([",".join(HEADER), *rows, ""]).encode())
    table = pd.read_csv(path, dtype=str, keep_default_na=False, index_col=False, usecols=HEADER).fillna("")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_pieces, "ROWS_PER_PIECE", piece)
        assert read(path, columns=HEADER) == table.to_dict("list")
        assert read(path, columns=HEADER, last=2) == table.to_dict("list")


@settings(max_examples=100, deadline=None)
@given(st.lists(lines, min_size=1, max_size=12), st.data())
def test_the_line_of_a_row(tmp_path_factory, rows, data):
    path = tmp_path_factory.mktemp("line") / "p.csv"
    text = "\n".join([",".join(HEADER), *rows, ""])
    path.write_text(text)
    count = len(read(path)["path"])
    starts, number = [], 2
    for row in rows:
        if row.strip():
            starts.append(number)
        number += row.count("\n") + 1
    assert len(starts) == count
    for row in range(count):
        assert line_of_row(path, row) == starts[row]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b'a,b,c,1\n"a,b,c,1\nx,y,z,1\n', "the row that begins in line 3: unexpected end of data"),
        (b'a,b,c,1\n\n"a"x,b,c,1\n', "the row that begins in line 4: "),
        (b"a,b,c,1\na,\xff,c,1\n", "line 3 is not UTF-8"),
        (b'"a",b,c,1\na,\xff,c,1\n', "line 3 is not UTF-8"),
        (b'"' + b"a" * 200_000 + b"\n", "the row that begins in line 2: field larger than field limit"),
    ],
)
def test_damage_is_told_by_its_line(tmp_path, content, told):
    path = tmp_path / "p.csv"
    path.write_bytes(b"path,label,prediction,confidence\n" + content)
    with pytest.raises(PredictionsError) as caught:
        read(path)
    assert caught.value.message.startswith(f"{path} is damaged: {told}")
    assert caught.value.hint


def test_last_columns_stay_together_until_one_is_asked_for(tmp_path):
    path = tmp_path / "p.csv"
    path.write_bytes("path,label,prediction,confidence\r\né,b,0.5,1\r\nc,,2,3\r\n".encode())
    (cells,) = read_cells(path, HEADER, ["label", *HEADER[2:]], 2)
    assert dict(cells) == {"label": ["b", ""]}
    assert cells.lines == ["0.5,1", "2,3"]
    assert cells["confidence"] == ["1", "3"]


def test_a_file_that_is_not_read_to_its_end(tmp_path):
    path = tmp_path / "p.csv"
    path.write_text("path,label,prediction,confidence\n" + '"a",b,c,1\n' * 20_000)
    pieces = read_cells(path, HEADER, HEADER)
    assert len(next(pieces)["path"]) == csv_pieces.ROWS_PER_PIECE
    pieces.close()


@pytest.mark.parametrize("path_cell", ["a", '"a"'], ids=["split", "parsed"])
@pytest.mark.parametrize(("columns", "rows"), [(4, 5_000), (400, 500), (5_000, 100)])
def test_many_columns_make_small_pieces(tmp_path, path_cell, columns, rows):
    header = [f"c{number}" for number in range(columns)]
    path = tmp_path / "p.csv"
    line = path_cell + ",0.5" * (columns - 1) + "\n"
    path.write_text(",".join(header) + "\n" + line * (rows + 1))
    assert [len(piece["c0"]) for piece in read_cells(path, header, header)] == [rows, 1]
