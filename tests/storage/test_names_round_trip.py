"""Any text as the name of a class or of an image comes back from every file of a run as it was."""

import csv
import io
import json
from contextlib import redirect_stdout

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from prediction_cases import write

from batchclf import read_predictions
from batchclf.cli.main import main
from batchclf.core.images.facts import FACTS, content_digest
from batchclf.core.text import GUARDED_STARTS
from batchclf.core.types import BatchScores, ImageRef
from batchclf.data.label_table import read_label_table
from batchclf.data.sources.folder import Folder
from batchclf.jobs.evaluate.predictions import evaluate_predictions
from batchclf.storage.images.facts import ImageFactsWriter, read_image_rows
from batchclf.storage.run.metrics import read_class_counts, write_metrics

pytest.importorskip("duckdb")

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=6) | st.builds(
    "".join, st.lists(st.sampled_from([*"'=+-@\t\r\n\",; a", "\u2028", "\ufeff", "猫"]), min_size=1, max_size=4)
)
NASTY = ["'", "''", "'=a", "=1+1", "+", "-5", "@x", "\tx", "\rx", "\nx", 'say "hi"', "a,b", "end ", " ", "NA", "\r\n"]


def write_run(folder, names, paths):
    """A run of images, one a class and right, with the tables that `evaluate` makes, written by the program itself."""
    matrix = np.full((len(names), len(names)), 0.4 / (len(names) - 1), np.float32)
    np.fill_diagonal(matrix, 0.6)
    refs = tuple(map(ImageRef, paths, names))
    write(folder, names, [BatchScores(refs, matrix)], formats=("csv",), topk=2, probabilities=True)
    facts = np.zeros(len(paths), FACTS)
    digests = [content_digest(path.encode()) for path in paths]
    with ImageFactsWriter(folder / "images.csv") as images:
        images.write([ImageRef(path, None) for path in paths], facts, digests, "test")
    write_metrics(folder, *evaluate_predictions(folder / "predictions.csv"))


def raw(path):
    """The rows by the csv module, as lists; the first is the header."""
    with path.open(encoding="utf-8", newline="") as handle:
        return list(csv.reader(handle))


def by_pandas(path, column):
    """A column as docs/analysts.md reads it with pandas, the guard undone in one line."""
    table = pd.read_csv(path, dtype=str, keep_default_na=False, usecols=[column])
    assert not table[column].str.startswith(("=", "+", "-", "@", "\t", "\r")).any()
    return table[column].str.removeprefix("'").tolist()


def queried(folder, sql):
    with redirect_stdout(io.TextIOWrapper(io.BytesIO(), encoding="utf-8")) as out:
        assert main(["query", str(folder), sql, "--format", "jsonl", "--quiet"]) == 0
        out.flush()
    return [json.loads(line) for line in out.buffer.getvalue().split(b"\n") if line]


@settings(deadline=None, max_examples=25)
@given(st.lists(TEXTS | st.sampled_from(NASTY), min_size=2, max_size=6, unique=True), st.data())
@example(NASTY, None)
def test_every_reader_gives_back_every_text(tmp_path_factory, names, data):
    paths = names if data is None else data.draw(
        st.lists(TEXTS | st.sampled_from(NASTY), min_size=len(names), max_size=len(names), unique=True)
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("names") / "run"
    write_run(folder, tuple(names), paths)
    predictions = read_predictions(folder)
    assert predictions["path"].tolist() == paths
    assert predictions["label"].tolist() == predictions["prediction"].tolist() == names
    assert [column for column in predictions if column.startswith("prob:")] == [f"prob:{name}" for name in names]
    for file, column, texts in (
        ("predictions.csv", "path", paths),
        ("predictions.csv", "label", names),
        ("predictions.csv", "prediction", names),
        ("images.csv", "path", paths),
        ("per_class.csv", "class", names),
        ("confusion.csv", "label", names),
    ):
        assert sorted(by_pandas(folder / file, column)) == sorted(texts), file
        place = raw(folder / file)[0].index(column)
        cells = [row[place] for row in raw(folder / file)[1:]]
        assert sorted(cells) == sorted(f"'{text}" if text.startswith(GUARDED_STARTS) else text for text in texts)
    header, *rows = raw(folder / "confusion.csv")
    assert sorted(header[2:]) == sorted(f"predicted:{name}" for name in names)
    places = [header.index(f"predicted:{row[1].removeprefix(chr(39))}") for row in rows]
    assert [row[place] for row, place in zip(rows, places, strict=True)] == ["1"] * len(names)
    assert sorted(read_class_counts(folder / "per_class.csv")["test"]) == sorted(names)
    assert len(next(iter(read_image_rows(folder / "images.csv")))) == len(paths)
    columns = {"predictions": "path", "images": "path", "per_class": "class", "confusion": "label"}
    sql = " UNION ALL ".join(f"SELECT '{table}' AS of, {name} AS text FROM {table}" for table, name in columns.items())
    found = queried(folder, f"{sql} UNION ALL SELECT 'label', label FROM predictions")
    for table in ("predictions", "images", "label", "per_class", "confusion"):
        texts = paths if table in ("predictions", "images") else names
        assert sorted(row["text"] for row in found if row["of"] == table) == sorted(texts), table


@settings(deadline=None, max_examples=100)
@given(st.lists(TEXTS | st.sampled_from(NASTY), min_size=1, max_size=6, unique=True), st.booleans())
def test_a_labels_csv_is_read_whoever_wrote_it(tmp_path_factory, names, guarded):
    """The predictions.csv of a run serves as one; so does a file by pandas, whose texts have no guard.

    Only `'` before a text that begins with a guarded character is taken for the guard.
    """
    folder = tmp_path_factory.mktemp("labels")
    chosen = [name for name in names if guarded or not (name[0] == "'" and name[1:].startswith(GUARDED_STARTS))]
    cells = [f"'{name}" if guarded and name.startswith(GUARDED_STARTS) else name for name in chosen]
    table = pd.DataFrame({"path": [f"{number}.png" for number in range(len(cells))], "label": cells})
    # The csv module of Python 3.11 leaves a lone CR without quotes if lines end in LF
    quoting = csv.QUOTE_ALL if guarded else csv.QUOTE_MINIMAL
    table.to_csv(folder / "labels.csv", index=False, lineterminator="\n" if guarded else "\r\n", quoting=quoting)
    read = read_label_table(folder / "labels.csv", Folder(folder), tuple(names))
    assert [read.by_path[f"{number}.png"] for number in range(len(cells))] == chosen
