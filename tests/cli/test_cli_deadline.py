"""`score --deadline`: what has been scored until then is published, marked partial."""

import json

import cv2
import numpy as np
import pandas as pd
import pytest
from onnx_cases import import_rows
from PIL import Image
from sklearn.metrics import accuracy_score

from batchclf.jobs.config import limits

IMAGES = 100
BATCH = ("--batch-size", "20")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """A model for 512x512 images, which come in blocks of one batch."""
    return import_rows(tmp_path_factory.mktemp("wide"), 0, size=512)


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """100 images in class folders, by two writers, one that cannot be read, and one file that is no image."""
    root = tmp_path_factory.mktemp("deadline") / "photos"
    rng = np.random.default_rng(1)
    for number in range(IMAGES):
        folder = root / str(number % 10)
        folder.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 256, (16, 16), np.uint8)
        if number % 2:
            Image.fromarray(pixels).save(folder / f"{number:03d}.png")
        else:
            assert cv2.imwrite(str(folder / f"{number:03d}.png"), pixels)
    (root / "0" / "bad.png").write_bytes(b"no image")
    (root / "0" / "note.txt").write_text("excluded")
    return root


@pytest.fixture
def passes_after(monkeypatch):
    """Let one of 90 minutes pass when it has been asked so many times: before each block it is asked once."""

    def set_to(times):
        class Counted(limits.Deadline):
            asked = 0

            @property
            def passed(self):
                if self.seconds != 5400:
                    return super().passed
                Counted.asked += 1
                return Counted.asked > times

        monkeypatch.setattr(limits, "Deadline", Counted)

    return set_to


def table(run):
    return pd.read_csv(run / "predictions.csv", dtype=str, keep_default_na=False)


@pytest.fixture(scope="module")
def whole(photos, bundle, tmp_path_factory):
    """The predictions without a deadline."""
    from batchclf.cli.main import main

    out = tmp_path_factory.mktemp("whole") / "run"
    assert main(["score", str(photos), "--model", str(bundle), *BATCH, "--out", str(out), "--quiet"]) == 0
    return table(out)


@pytest.mark.parametrize("blocks", [1, 3, 5])
def test_what_was_scored_is_published_as_partial(cli, photos, bundle, whole, passes_after, tmp_path, blocks):
    passes_after(blocks)
    run = tmp_path / "run"
    code, found, err = cli.json("score", photos, "--model", bundle, *BATCH, "--out", run, "--deadline", "1h30m")
    assert (code, found["status"]) == (4, "partial")
    assert f"the deadline passed: of {photos} only the first " in err
    record = json.loads((run / "run.json").read_text())
    (subset,) = record["subsets"]
    assert (record["status"], subset["complete"]) == ("partial", False)
    assert subset["found"] == subset["scored"] + subset["skipped"] + subset["excluded"]
    rows = table(run)
    assert 0 < len(rows) == subset["scored"] < IMAGES
    # The first in the order of paths, to the letter.
    pd.testing.assert_frame_equal(rows, whole.iloc[: len(rows)])
    metrics = json.loads((run / "metrics.json").read_text())
    (split,) = metrics["splits"].values()
    assert split["accuracy"]["value"] == pytest.approx(accuracy_score(rows["label"], rows["prediction"]))
    assert "The deadline passed" in (run / "report.html").read_text()


def test_a_longer_deadline_changes_nothing(cli, photos, bundle, whole, tmp_path):
    run = tmp_path / "run"
    assert cli("score", photos, "--model", bundle, *BATCH, "--out", run, "--deadline", "1d", "--quiet") == (0, "", "")
    pd.testing.assert_frame_equal(table(run), whole)


def test_a_deadline_before_the_first_image_publishes_nothing(cli, photos, bundle, tmp_path):
    code, _, err = cli("score", photos, "--model", bundle, "--out", tmp_path / "run", "--deadline", "0.001s")
    assert code == 4
    assert "the deadline passed before the first image was scored" in err
    assert "give a later --deadline" in err
    assert [path.name for path in tmp_path.iterdir()] == ["failed-run.log.jsonl"]


@pytest.mark.parametrize("deadline", ["2", "soon", "0h", "2 hours"])
def test_what_is_no_length_of_time_is_refused_before_the_work(cli, photos, bundle, tmp_path, deadline):
    code, _, err = cli("score", photos, "--model", bundle, "--out", tmp_path / "run", "--deadline", deadline)
    assert code == 2
    assert f"'{deadline}' is not a length of time" in err
    assert list(tmp_path.iterdir()) == []


def test_a_split_too(cli, digits, digits_bundle, passes_after, tmp_path):
    passes_after(1)  # a block of small images has 1,024
    what = ("--split", "train", "--dataset", "digits")
    run = tmp_path / "run"
    code, found, _ = cli.json("score", *what, "--model", digits_bundle, "--out", run, "--deadline", "90m")
    assert (code, found["status"]) == (4, "partial")
    rows = table(run)
    assert 0 < len(rows) < len(digits.train.images)
    assert list(rows["path"]) == list(digits.train.paths[: len(rows)])
    code, _, err = cli("score", *what, "--model", digits_bundle, "--out", tmp_path / "two", "--deadline", "0.001s")
    assert (code, "before the first image" in err) == (4, True)


def test_the_next_run_takes_what_was_scored_from_the_cache(cli, photos, bundle, whole, passes_after, tmp_path):
    more = ("--model", bundle, *BATCH, "--reports", tmp_path / "reports", "--cache")
    passes_after(2)
    assert cli("score", photos, *more, "--deadline", "90m")[0] == 4
    (cut,) = (path for path in (tmp_path / "reports" / "score").iterdir() if not path.is_symlink() and path.is_dir())
    assert cli("score", photos, *more, "--out", tmp_path / "run")[0] == 0
    (subset,) = json.loads((tmp_path / "run" / "run.json").read_text())["subsets"]
    assert subset["cached"] == len(table(cut)) > 0
    pd.testing.assert_frame_equal(table(tmp_path / "run"), whole)
