"""`batchclf score`, `evaluate`, `report`, `data`, `train`: by a person at a terminal."""

import csv
import hashlib
import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image


@pytest.fixture
def photos(cli, tmp_path):
    """The digits' test split as class folders, with a broken image, a hidden file and a text file."""
    folder = tmp_path / "photos"
    assert cli("data", "export", "digits", folder)[0] == 0
    first = min((folder / "3").iterdir())
    (folder / "3" / "broken.png").write_bytes(first.read_bytes()[:60])
    (folder / "3" / ".hidden.png").write_bytes(first.read_bytes())
    (folder / "3" / "notes.txt").write_text("no image")
    return folder


def rows(path):
    return pd.read_csv(path, dtype=str, keep_default_na=False)


def test_score_a_folder(cli, photos, job_reports):
    before = {path: hashlib.sha256(path.read_bytes()).digest() for path in photos.rglob("*") if path.is_file()}
    code, result, _ = cli.json("score", photos, "--reports", job_reports)
    assert code == 0
    counts = {"found": 359, "scored": 355, "skipped": 1, "excluded": 3}
    assert result["subsets"][str(photos)] == {**counts, "complete": True}
    table = rows(result["files"]["predictions.csv"])
    assert list(table["path"]) == sorted(table["path"])
    assert (table["label"] == table["path"].str.split("/").str[0]).all()
    skipped = rows(result["files"]["skipped.csv"])
    assert list(skipped["path"]) == ["3/broken.png"]
    assert skipped["reason"][0].startswith("damaged: ")
    after = {path: hashlib.sha256(path.read_bytes()).digest() for path in photos.rglob("*") if path.is_file()}
    assert after == before


def test_newest_published_model_is_used_and_said(cli, photos, job_reports, tmp_path):
    reports = tmp_path / "reports"
    for name, created in (("old", "2020-01-01T00:00:00+00:00"), ("new", "2030-01-01T00:00:00+00:00")):
        bundle = reports / name / "model"
        shutil.copytree(job_reports / "digits" / "model", bundle)
        info = json.loads((bundle / "model.json").read_text())
        (bundle / "model.json").write_text(json.dumps({**info, "created": created}))
    code, out, _ = cli("score", photos)
    assert code == 0
    assert "using the newest published model, reports/new/model of 2030-01-01" in out
    assert (reports / "score" / "latest" / "report.html").exists()


def test_folder_and_split_give_the_same_predictions(cli, photos, job_reports):
    model = job_reports / "digits" / "model"
    of_split = rows(cli.json("score", "--split", "test", "--model", model)[1]["files"]["predictions.csv"])
    of_folder = rows(cli.json("score", photos, "--model", model)[1]["files"]["predictions.csv"])
    of_split["image"] = of_split["path"].str.removeprefix("test/")
    of_folder["image"] = of_folder["path"].map(lambda path: Path(path).stem)
    columns = ["image", "label", "prediction", "correct", "top2_prediction"]
    tables = [table[columns].sort_values("image", ignore_index=True) for table in (of_split, of_folder)]
    assert len(tables[0]) == 355
    pd.testing.assert_frame_equal(*tables)


def test_same_bytes_for_any_workers(cli, photos, job_reports):
    model = job_reports / "digits" / "model"
    contents = {
        Path(
            cli.json("score", photos, "--model", model, "--workers", n, "--out", f"run{n}")[1]["files"][
                "predictions.csv"
            ]
        ).read_bytes()
        for n in (1, 2, 8)
    }
    assert len(contents) == 1


def test_both_runtimes_agree(cli, photos, job_reports):
    model = job_reports / "digits" / "model"
    tables = [
        rows(cli.json("score", photos, "--model", model, "--runtime", runtime)[1]["files"]["predictions.csv"])
        for runtime in ("onnx", "tensorflow")
    ]
    assert list(tables[0]["prediction"]) == list(tables[1]["prediction"])
    difference = tables[0]["confidence"].astype(float) - tables[1]["confidence"].astype(float)
    assert difference.abs().max() < 1e-5


def test_unlabelled_images(cli, photos, job_reports, tmp_path):
    flat = tmp_path / "flat"
    flat.mkdir()
    for path in photos.glob("[0-9]/0*.png"):
        shutil.copy(path, flat / path.name)
    code, result, _ = cli.json("score", flat, "--reports", job_reports)
    assert code == 0
    table = rows(result["files"]["predictions.csv"])
    assert set(table["label"]) == {""}
    assert set(table["correct"]) == {""}
    assert result["metrics"]["splits"][""]["accuracy"] is None
    page = Path(result["files"]["report.html"]).read_text()
    assert "need labels" in page
    code, out, _ = cli("evaluate", result["files"]["predictions.csv"])
    assert code == 0
    assert "accuracy unknown" in out


def test_error_budget(cli, photos, job_reports):
    code, out, err = cli("score", photos, "--reports", job_reports, "--quiet", "--max-skipped", "0")
    assert (code, out) == (4, "")
    assert "1 of 356 images were skipped" in err
    assert cli("score", photos, "--reports", job_reports, "--quiet", "--max-skipped", "1%") == (0, "", "")


def test_columns_asked_for(cli, photos, job_reports):
    _, result, _ = cli.json("score", photos, "--reports", job_reports, "--topk", "2", "--probabilities")
    with Path(result["files"]["predictions.csv"]).open(newline="") as handle:
        header = next(csv.reader(handle))
    assert header == [
        *("path", "split", "label", "prediction", "correct", "confidence", "margin"),
        *("top2_prediction", "top2_confidence"),
        *(f"prob:{digit}" for digit in range(10)),
    ]


def test_evaluate_again_gives_the_same_files(cli, job_reports, tmp_path):
    run = job_reports / "digits" / "latest"
    assert cli("evaluate", run / "predictions.csv", "--out", tmp_path / "again")[0] == 0
    for name in ("metrics.json", "per_class.csv", "confusion.csv"):
        assert (tmp_path / "again" / name).read_bytes() == (run / name).read_bytes()


def test_classes_are_the_models_even_where_none_was_predicted(cli, photos, job_reports, tmp_path):
    """A run without probability columns over images of one class still knows all ten, in the model's order."""
    few = tmp_path / "few"
    few.mkdir()
    for path in (photos / "3").glob("0*.png"):
        shutil.copy(path, few / path.name)
    _, result, _ = cli.json("score", few, "--reports", job_reports)
    assert list(result["metrics"]["splits"][""]["predicted"]) == [str(digit) for digit in range(10)]
    run = Path(result["run"])
    assert cli("evaluate", run / "predictions.csv", "--out", tmp_path / "again")[0] == 0
    for name in ("metrics.json", "per_class.csv", "confusion.csv"):
        assert (tmp_path / "again" / name).read_bytes() == (run / name).read_bytes()


def test_report_again(cli, job_reports, tmp_path):
    code, out, _ = cli("report", job_reports / "digits" / "latest", "--out", tmp_path / "page" / "again.html")
    assert code == 0
    assert "again.html" in out
    assert "data:image/png;base64," in (tmp_path / "page" / "again.html").read_text()


def test_describe(cli, tmp_path):
    code, result, _ = cli.json("data", "describe", "digits", "--grid", "grid.png")
    assert code == 0
    assert result["splits"]["train"]["shape"] == [1442, 8, 8, 1]
    with Image.open(tmp_path / "grid.png") as grid:
        assert grid.format == "PNG"
        assert min(grid.size) > 400
    code, out, _ = cli("data", "describe", "digits")
    assert "1,442" in out
    assert (tmp_path / "digits-first-25.png").exists()


def test_fetch(cli):
    code, result, _ = cli.json("data", "fetch", "digits")
    assert code == 0
    assert "scikit-learn" in result["origin"]


def test_train_on_class_folders_and_score_them(cli, photos, tmp_path):
    code, result, _ = cli.json("train", "--data", photos, "--recipe", "mlp", "--epochs", "4", "--out", "bundle")
    assert code == 0
    assert result["settings"].items() >= {"epochs": 4, "batch_size": 32, "seed": 0}.items()
    code, result, _ = cli.json("score", photos, "--model", "bundle")
    assert code == 0
    assert result["metrics"]["splits"][""]["accuracy"]["value"] > 0.5


def test_quiet_says_nothing(cli, job_reports):
    run = job_reports / "digits" / "latest"
    assert cli("evaluate", run / "predictions.csv", "--out", "e", "--quiet") == (0, "", "")
    assert cli("data", "fetch", "digits", "--quiet") == (0, "", "")
