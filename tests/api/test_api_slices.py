"""Slices of evaluations in Python: by metadata, and those of a run."""

import json

import numpy as np
import pandas as pd
import pytest

import batchclf
from batchclf.cli.main import main

NAMES = ("ant", "bee", "cat")


@pytest.fixture(scope="module")
def case():
    """Labels, predictions and metadata of 900 images; the second camera is worse."""
    random = np.random.default_rng(4)
    labels = random.integers(0, 3, 900)
    metadata = pd.DataFrame(
        {
            "camera": random.choice(["a", "b", "c"], 900),
            "lux": np.where(random.random(900) < 0.1, np.nan, random.normal(300, 50, 900)),
            "site": random.integers(1, 4, 900),
        }
    )
    right = random.random(900) < np.where(metadata["camera"] == "b", 0.6, 0.9)
    return np.array(NAMES)[labels], np.array(NAMES)[np.where(right, labels, (labels + 1) % 3)], metadata


def test_slices_by_metadata_are_those_of_pandas(case):
    labels, given, metadata = case
    table = batchclf.evaluate(labels, given, metadata=metadata).slices
    expected = pd.Series(labels == given).groupby(metadata["camera"]).agg(["size", "sum", "mean"])
    for camera, row in expected.iterrows():
        found = table.loc[f"camera={camera}"]
        assert (found["images"], found["correct"]) == (row["size"], row["sum"])
        assert found["accuracy"] == pytest.approx(row["mean"])
        others = (labels == given)[metadata["camera"] != camera].mean()
        assert found["difference"] == pytest.approx(row["mean"] - others)
        assert found["accuracy_low"] < found["accuracy"] < found["accuracy_high"]
    of_lux = table[table.index.str.startswith("lux=")]
    assert of_lux["images"].sum() == 900
    assert {f"site={number}" for number in (1, 2, 3)} <= set(table.index)


def test_any_kind_of_columns_gives_the_same(case):
    labels, given, metadata = case
    expected = batchclf.evaluate(labels, given, metadata=metadata).slices
    columns = {name: metadata[name].to_numpy() for name in metadata}
    as_lists = {name: [None if value != value else value for value in metadata[name].tolist()] for name in metadata}
    kinds = [columns, as_lists]
    polars = pytest.importorskip("polars")
    for each in [*kinds, polars.DataFrame(as_lists)]:
        pd.testing.assert_frame_equal(batchclf.evaluate(labels, given, metadata=each).slices, expected)


def test_the_report_and_the_command_line_say_the_same(case, tmp_path, capfd):
    labels, given, metadata = case
    paths = [f"{row:03d}.png" for row in range(900)]
    evaluation = batchclf.evaluate(labels, given, images=paths, metadata=metadata)
    pd.DataFrame({"path": paths, "label": labels, "prediction": given}).to_csv(tmp_path / "p.csv", index=False)
    metadata.assign(path=paths).to_csv(tmp_path / "m.csv", index=False)
    files = [str(tmp_path / "p.csv"), "--metadata", str(tmp_path / "m.csv"), "--out", str(tmp_path / "run")]
    assert main(["evaluate", *files, "--quiet"]) == 0
    capfd.readouterr()
    assert evaluation.to_dict() == json.loads((tmp_path / "run" / "metrics.json").read_text())
    run = batchclf.load_run(tmp_path / "run")
    pd.testing.assert_frame_equal(run.evaluation.slices, evaluation.slices)
    evaluation.report(tmp_path / "page.json")
    (of_page, of_run) = (
        json.loads(path.read_text())["slices"]
        for path in (tmp_path / "page.json", _json_of(run, tmp_path / "run.json"))
    )
    assert of_page == of_run


def _json_of(run, path):
    run.report(path)
    return path


@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        ([1, 2, 3], "metadata is a list"),
        ({"camera": ["a"]}, "y_true has 3 rows and metadata['camera'] has 1"),
        ({}, "metadata has no column"),
        ({3: ["a", "b", "c"]}, "a column 3"),
    ],
)
def test_metadata_that_fits_no_images_is_refused(metadata, words):
    with pytest.raises(batchclf.BatchclfError) as caught:
        batchclf.evaluate(["x", "y", "x"], ["x", "y", "y"], metadata=metadata)
    assert words in caught.value.message


def test_one_path_in_two_splits_cannot_have_metadata():
    with pytest.raises(batchclf.BatchclfError) as caught:
        batchclf.evaluate(
            ["x", "y"], ["x", "y"], images=["a.png", "a.png"], split=["train", "test"], metadata={"camera": [1, 2]}
        )
    assert "stand in several splits under one path" in caught.value.message


def test_without_labels_there_are_no_slices():
    evaluation = batchclf.evaluate(None, ["x", "y"], metadata={"camera": [1, 2]})
    with pytest.warns(UserWarning, match="no image has a label, so there is nothing to slice"):
        table = evaluation.slices
    assert len(table) == 0
    assert "accuracy_low" in table.columns
