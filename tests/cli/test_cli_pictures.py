"""Reports without pictures, for images that the readers of a report must not see."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

pytest.importorskip("onnx")
from onnx_cases import import_rows

PICTURE = "data:image/"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return import_rows(tmp_path_factory.mktemp("model"), 1, size=8)


@pytest.fixture
def photos(tmp_path):
    """Two images of each class, from two writers, so that reports have errors and flips to show."""
    for number, pixels in enumerate(np.random.default_rng(5).integers(0, 256, (20, 8, 8), np.uint8)):
        path = tmp_path / "photos" / str(number % 10) / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        if number < 10:
            Image.fromarray(pixels).save(path)
        else:
            cv2.imwrite(str(path), pixels)
    return tmp_path / "photos"


@pytest.fixture
def score(cli, photos, model):
    def scored(name, *options):
        code, out, err = cli("score", photos, "--model", model, "--labels", "folders", "--out", name, *options)
        assert code == 0, err
        return out

    return scored


def page(path):
    return Path(path, "report.html").read_text()


def test_a_report_without_pictures_names_the_files_and_shows_nothing_of_them(score):
    score("shown")
    score("hidden", "--no-pictures")
    assert PICTURE in page("shown")
    assert PICTURE not in page("hidden")
    assert "<image" not in page("hidden")
    assert "no picture of 1/1" in page("hidden")
    words = "left out (report.pictures or --no-pictures)"
    assert [words in page(name) for name in ("shown", "hidden")] == [False, True]
    assert [json.loads(Path(name, "run.json").read_text())["pictures"] for name in ("shown", "hidden")] == [True, False]
    assert Path("shown/predictions.csv").read_bytes() == Path("hidden/predictions.csv").read_bytes()


def test_a_report_made_again_has_none_unless_asked_for(cli, score):
    score("hidden", "--no-pictures")
    code, out, _ = cli("report", "hidden")
    assert code == 0
    assert "the run hidden was made without pictures, and so is the page (--pictures shows them)" in out
    assert PICTURE not in page("hidden")
    code, out, _ = cli("report", "hidden", "--pictures", "--out", "asked/")
    assert "without pictures" not in out
    assert PICTURE in page("asked")


def test_a_report_of_a_run_with_pictures_can_be_made_without(cli, score):
    score("shown")
    assert cli("report", "shown", "--no-pictures", "--out", "hidden/")[0] == 0
    assert PICTURE not in page("hidden")
    assert PICTURE in page("shown")


@pytest.mark.parametrize("hidden", [0, 1])
def test_a_comparison_with_a_run_without_pictures_has_none(cli, score, model, photos, tmp_path, hidden):
    """Of two models, so that there are flips to be shown."""
    other = import_rows(tmp_path, 3, size=8)
    options = [[], []]
    options[hidden] = ["--no-pictures"]
    score("first", *options[0])
    assert cli("score", photos, "--model", other, "--labels", "folders", "--out", "second", *options[1])[0] == 0
    assert cli("report", "first", "second", "--out", "compared.html")[0] == 0
    assert PICTURE not in Path("compared.html").read_text()
    assert cli("report", "first", "second", "--out", "asked.html", "--pictures")[0] == 0
    assert PICTURE in Path("asked.html").read_text()


def test_a_split_of_a_data_set_without_pictures(cli, model):
    command = ["score", "--split", "test", "--dataset", "digits", "--model", model]
    assert cli(*command, "--no-pictures", "--out", "hidden")[0] == 0
    assert PICTURE not in page("hidden")


@pytest.mark.parametrize(("line", "shown"), [("pictures = false", False), ("pictures = true", True), ("", True)])
def test_a_job_chooses(cli, model, photos, line, shown):
    Path("nightly.toml").write_text(
        f"[model]\nbundle = '{model}'\n[scoring.directories.photos]\npath = '{photos}'\nlabels = 'folders'\n"
        f"[publish]\nreports = 'reports'\n[report]\n{line}\n"
    )
    code, _, err = cli("run", "nightly.toml")
    assert code == 0, err
    assert (PICTURE in page("reports/nightly/latest")) is shown


def test_a_run_that_does_not_say_so_has_pictures(cli, score):
    """One of an earlier batchclf."""
    score("old")
    record = json.loads(Path("old/run.json").read_text())
    del record["pictures"]
    Path("old/run.json").write_text(json.dumps(record))
    assert cli("report", "old")[0] == 0
    assert PICTURE in page("old")
