"""A path that stands twice: two rows that differ are an error with both lines, the same row twice counts once."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, log_loss

from batchclf import read_predictions
from batchclf.cli.main import main
from batchclf.core.types import BatchScores, ImageRef
from batchclf.errors import PredictionsError
from batchclf.storage.csv_files import read as csv_pieces
from batchclf.storage.predictions.write import PredictionFiles

NAMES = ("cat", "dog", "elk")
FORMATS = ("csv", "jsonl", "parquet")
HEADER = "path,split,label,prediction,confidence,margin,prob:cat,prob:dog\n"
GOOD = ["a.png,test,cat,cat,0.75,0.5,0.75,0.25", "b.png,test,dog,cat,0.75,0.5,0.75,0.25"]


def write(folder, rows, header=HEADER):
    (folder / "p.csv").write_text(header + "".join(f"{row}\n" for row in rows), encoding="utf-8")
    return folder / "p.csv"


def split_of(folder, name=""):
    return json.loads((folder / "reports/evaluate/latest/metrics.json").read_bytes())["splits"][name]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("a.png,test,dog,cat,0.75,0.5,0.75,0.25", "label is 'cat' in line 2 and 'dog' in line 4"),
        ("a.png,test,,cat,0.75,0.5,0.75,0.25", "label is 'cat' in line 2 and '' in line 4"),
        ("a.png,test,cat,dog,0.75,0.5,0.25,0.75", "prediction is 'cat' in line 2 and 'dog' in line 4"),
        ("a.png,test,cat,cat,0.8,0.6,0.8,0.2", "confidence is '0.75' in line 2 and '0.8' in line 4"),
    ],
)
def test_two_rows_of_a_path_that_differ_are_an_error_with_both_lines(cli, tmp_path, row, said):
    path = write(tmp_path, [*GOOD, row])
    code, _, err = cli("evaluate", "p.csv")
    assert code == 1
    assert f"p.csv has two rows for a.png (test) that differ: {said}" in err
    assert "hint: " in err
    assert not list(tmp_path.glob("reports/evaluate/2*"))
    with pytest.raises(PredictionsError, match=said.split(" is ")[0] + " is .* in line 2 and .* in line 4"):
        read_predictions(path)


def test_probabilities_that_differ_beyond_the_confidence_are_an_error(cli, tmp_path):
    header = "path,label,prediction,confidence,prob:cat,prob:dog,prob:elk\n"
    write(tmp_path, ["b,cat,cat,0.5,0.5,0.3,0.2", "", "a,cat,cat,0.5,0.5,0.3,0.2", "a,cat,cat,0.5,0.5,0.2,0.3"], header)
    code, _, err = cli("evaluate", "p.csv")
    assert code == 1
    assert "prob:dog is '0.3' in line 4 and '0.2' in line 5" in err  # a blank line is a line


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_the_same_row_twice_counts_once(cli, tmp_path, end):
    again = "a.png,test,cat,cat,0.750,5e-1,0.75,0.25"
    path = tmp_path / "p.csv"
    path.write_bytes((HEADER.strip() + end + end.join([*GOOD, again, GOOD[1], again]) + end).encode())
    code, out, err = cli("evaluate", "p.csv", "--quiet")
    assert (code, out) == (0, "")
    said = "3 rows repeat an earlier one (the first: line 4 repeats line 2); each is counted once"
    assert err == f"batchclf: warning: p.csv: {said}\n"
    found = split_of(tmp_path, "test")
    table = pd.read_csv(path).drop_duplicates(["split", "path"])
    assert (found["images"], found["labelled"]) == (len(table), 2)
    assert found["accuracy"]["value"] == accuracy_score(table["label"], table["prediction"])
    with pytest.warns(UserWarning, match="3 rows repeat an earlier one") as caught:
        assert read_predictions(path)["path"].tolist() == ["a.png", "b.png"]
    assert [each.filename for each in caught] == [__file__]


def test_train_and_test_may_share_names_and_rows_without_a_path_are_of_no_image(cli, tmp_path):
    rows = [f"{path},{split},cat,cat,0.75,0.5,0.75,0.25" for split in ("test", "train") for path in ("b", "a", "", "")]
    path = write(tmp_path, [*rows, "b,test2,dog,cat,0.75,0.5,0.75,0.25"])
    code, _, err = cli("evaluate", "p.csv")
    assert (code, err) == (0, "")
    assert [split_of(tmp_path, name)["images"] for name in ("test", "train", "test2")] == [4, 4, 1]
    assert len(read_predictions(path)) == 9


def test_what_a_label_map_makes_the_same_is_the_same(cli, tmp_path):
    write(tmp_path, ["a,Cat,cat,0.9", "a,cat,cat,0.9", "b,dog,dog,0.9"], "path,label,prediction,confidence\n")
    assert "label is 'Cat' in line 2 and 'cat' in line 3" in cli("evaluate", "p.csv")[2]
    (tmp_path / "map.csv").write_text("label,class\nCat,cat\n")
    code, _, err = cli("evaluate", "p.csv", "--label-map", "map.csv", "--quiet")
    assert (code, "1 row repeats an earlier one (line 3 repeats line 2); it is counted once" in err) == (0, True)
    assert split_of(tmp_path)["images"] == 2


@settings(max_examples=20, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 12), st.sampled_from(["test", "train"])), min_size=1, max_size=40),
    st.integers(0, 2**32),
    st.booleans(),
    st.booleans(),
    st.sampled_from([3, 5_000]),
)
def test_planted_repeats_are_those_of_pandas(tmp_path_factory, images, seed, is_sorted, differ, piece):
    """Each image has scores of its own; with `differ` one repeated row may have another label."""
    rng = np.random.default_rng(seed)
    table = pd.DataFrame({"path": [f"{number}.png" for number, _ in images], "split": [split for _, split in images]})
    if is_sorted:
        table = table.sort_values(["split", "path"], ignore_index=True)
    scores = {image: rng.dirichlet(np.ones(3)) for image in sorted(set(images))}
    values = np.array(
        [scores[int(path[:-4]), split] for path, split in zip(table["path"], table["split"], strict=True)]
    )
    table["label"] = [NAMES[int(path[:-4]) % 3] for path in table["path"]]
    table["prediction"], table["confidence"] = np.array(NAMES)[values.argmax(axis=1)], values.max(axis=1)
    table[[f"prob:{name}" for name in NAMES]] = values
    again = table.duplicated(["path", "split"])
    if differ := bool(differ and again.any()):
        wrong = int(rng.choice(np.flatnonzero(again)))
        table.loc[wrong, "label"] = NAMES[(NAMES.index(table.loc[wrong, "label"]) + 1) % 3]
    folder = tmp_path_factory.mktemp("repeats")
    table.to_csv(folder / "p.csv", index=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_pieces, "ROWS_PER_PIECE", piece)
        code = main(["evaluate", str(folder / "p.csv"), "--reports", str(folder / "reports"), "--quiet"])
    assert code == (1 if differ else 0)
    if not differ:
        for split, once in table[~again].groupby("split"):
            found = split_of(folder, split)
            assert found["images"] == len(once)
            expected = log_loss(once["label"], once[[f"prob:{name}" for name in NAMES]], labels=NAMES)
            assert found["log_loss"]["value"] == pytest.approx(expected)


@pytest.fixture
def runs(tmp_path, digits, digits_bundle):
    """Two runs over 30 digits, one of them before rows and digests stood in run.json."""
    from PIL import Image

    for number in range(30):
        path = tmp_path / "photos" / digits.class_names[digits.test.labels[number]] / f"{number:02d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(digits.test.images[number][..., 0]).save(path)
    for name in ("one", "two"):
        command = ["score", tmp_path / "photos", "--model", digits_bundle, "--out", tmp_path / name, "--quiet"]
        assert main(list(map(str, command))) == 0
    record = json.loads((tmp_path / "two" / "run.json").read_text())
    del record["files"]
    (tmp_path / "two" / "run.json").write_text(json.dumps(record))
    (tmp_path / "two" / "images.csv").unlink()
    return tmp_path


@pytest.mark.parametrize("command", [("report", "two"), ("report", "one", "two")])
def test_reports_and_comparisons_count_once_or_refuse(cli, runs, command):
    path = runs / "two" / "predictions.csv"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines, lines[5]]))
    code, _, err = cli(*command, "--format", "json", "--out", "again.json")
    assert (code, "1 row repeats an earlier one (line 32 repeats line 6)" in err) == (0, True)
    shown = (runs / "again.json").read_bytes()
    path.write_bytes(b"".join(lines))
    assert cli(*command, "--format", "json", "--out", "again.json")[0] == 0
    assert json.loads(shown).keys() == json.loads((runs / "again.json").read_bytes()).keys()
    cells = lines[5].split(b",")
    cells[2] = b"9" if cells[2] != b"9" else b"8"
    path.write_bytes(b"".join([*lines, b",".join(cells)]))
    code, _, err = cli(*command, "--format", "json", "--out", "other.json")
    assert code == 1
    assert "in line 6 and " in err
    assert not (runs / "other.json").exists()


def test_read_predictions_of_json_lines_and_parquet(tmp_path):
    for kind, label in (("same", "cat"), ("differ", "dog")):
        (tmp_path / kind).mkdir()
        refs = [ImageRef("a.png", "cat"), ImageRef("b.png", None), ImageRef("a.png", label)]
        matrix = np.array([[0.75, 0.25], [0.5, 0.5], [0.75, 0.25]], np.float32)
        with PredictionFiles(tmp_path / kind, NAMES[:2], topk=2, probabilities=True, formats=FORMATS) as files:
            files.write(BatchScores(refs, matrix), "test")
            files.finish()
    folder = tmp_path
    for name in ("predictions.jsonl", "predictions.parquet"):
        with pytest.warns(UserWarning, match=r"1 row repeats an earlier one \((line|row) 3 repeats (line|row) 1\)"):
            assert len(read_predictions(folder / "same" / name)) == 2
        with pytest.raises(PredictionsError, match=r"label is 'cat' in (line|row) 1 and 'dog' in (line|row) 3"):
            read_predictions(folder / "differ" / name)


def test_the_same_row_twice_in_labels_is_a_warning_of_the_run(cli, runs, digits_bundle):
    shutil.copytree(runs / "photos", runs / "flat")
    images = sorted(path.relative_to(runs / "flat").as_posix() for path in (runs / "flat").rglob("*.png"))
    rows = [f"{path},{path.split('/')[0]}\n" for path in images]
    (runs / "labels.csv").write_text("path,label\n" + "".join([*rows, rows[0], rows[3], rows[0]]))
    command = ("score", "flat", "--model", digits_bundle, "--labels", "labels.csv", "--out", "labelled")
    code, _, err = cli(*command, "--quiet")
    line = "3 rows of labels.csv repeat an earlier one (the first: line 32 repeats line 2); each is counted once"
    assert (code, line in err) == (0, True)
    (subset,) = json.loads((runs / "labelled" / "run.json").read_text())["subsets"]
    assert line in subset["warnings"]
    assert json.loads((runs / "labelled" / "metrics.json").read_text())["splits"][""]["labelled"] == 30
    (runs / "labels.csv").write_text("path,label\n" + "".join([*rows, f"{images[0]},9\n"]))
    code, _, err = cli(*command[:-1], "wrong")
    assert code == 1
    assert "in line 2 and " in err
    assert "in line 32" in err
