"""`--cache`: what was scored before with the same model is not scored again, and the rows are the same."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from batchclf.models.runtime import onnx


@pytest.fixture
def photos(digits, tmp_path):
    """300 different digits, 2 texts."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(300):
        Image.fromarray(digits.test.images[number][..., 0]).save(folder / f"{number:03}.png")
    (folder / "998.png").write_text("text")
    (folder / "999.png").touch()
    return folder


@pytest.fixture
def scored(monkeypatch):
    """How many images the model was given, since the list was last cleared."""
    counts = []
    real = onnx.OnnxRuntime.probabilities

    def counting(self, images):
        counts.append(len(images))
        return real(self, images)

    monkeypatch.setattr(onnx.OnnxRuntime, "probabilities", counting)
    return counts


def _run(cli, photos, model, out, *more):
    code, summary, err = cli.json("score", photos, "--model", model, "--out", out, "--batch-size", 64, *more)
    assert code == 0, err
    return summary, _rows(photos.parent / out)


def _rows(run):
    return [(run / name).read_bytes() for name in ("predictions.csv", "images.csv")]


def test_a_second_run_scores_only_what_is_new(cli, photos, digits, digits_bundle, scored):
    _, without = _run(cli, photos, digits_bundle, "without")
    scored.clear()
    _, first = _run(cli, photos, digits_bundle, "first", "--cache")
    assert sum(scored) == 300
    scored.clear()
    _, second = _run(cli, photos, digits_bundle, "second", "--cache")
    assert scored == []
    assert first == second == without
    # A run after which somebody adds 1% of the files, changes one and renames another.
    for number in range(3):
        Image.fromarray(digits.train.images[number][..., 0]).save(photos / f"0{number} new.png")
    Image.fromarray(digits.train.images[9][..., 0]).save(photos / "200.png")
    (photos / "150.png").rename(photos / "150 renamed.png")
    scored.clear()
    _, third = _run(cli, photos, digits_bundle, "third", "--cache")
    assert sum(scored) == 4
    _, fresh = _run(cli, photos, digits_bundle, "fresh")
    assert third == fresh


def test_another_model_or_way_of_decoding_is_another_cache(cli, photos, digits, digits_bundle, scored, tmp_path):
    from batchclf.training.train_bundle import TrainSettings, train

    _run(cli, photos, digits_bundle, "one", "--cache")
    scored.clear()
    other = tmp_path / "other"
    train(digits, TrainSettings(epochs=1, seed=1), other, say=lambda line: None, on_epoch=lambda number, metrics: None)
    _, rows = _run(cli, photos, other, "two", "--cache")
    assert sum(scored) == 300
    assert rows == _run(cli, photos, other, "three")[1]
    scored.clear()
    _run(cli, photos, digits_bundle, "four", "--cache", "--resize", "exact")
    assert sum(scored) == 300


def test_a_split_is_cached_too(cli, digits_bundle, scored, tmp_path):
    def rows(out):
        command = ("score", "--split", "test", "--dataset", "digits", "--model", digits_bundle, "--cache")
        assert cli(*command, "--out", out)[0] == 0
        return _rows(tmp_path / out)

    first = rows("one")
    scored.clear()
    assert rows("two") == first
    assert scored == []


def test_a_job_caches_if_it_says_so(cli, scored, job_reports, tmp_path):
    job = tmp_path / "job.toml"
    model = job_reports / "digits" / "model"
    job.write_text(
        f'[data]\ndataset = "digits"\n[model]\nbundle = "{model}"\n'
        '[publish]\nreports = "reports"\n[scoring]\ncache = true\n'
    )
    for expected in (1797, 0):
        scored.clear()
        code, summary, _ = cli.json("run", job)
        assert (code, sum(scored)) == (0, expected)
    assert sum(subset["scored"] for subset in summary["subsets"].values()) == 1797
    job.write_text(job.read_text().replace("cache = true\n", ""))
    assert cli("run", job)[0] == 0
    assert sum(scored) == 1797


def test_a_damaged_cache_costs_a_line_and_no_result(cli, photos, digits_bundle):
    _, first = _run(cli, photos, digits_bundle, "one", "--cache")
    (path,) = (photos.parent / "reports" / "cache").glob("*.sqlite")
    path.write_bytes(path.read_bytes()[:5000] + np.random.default_rng(0).bytes(9000))
    code, out, err = cli("score", photos, "--model", digits_bundle, "--out", "two", "--batch-size", 64, "--cache")
    assert (code, err) == (0, "")
    assert "going on without the cache" in out
    assert _rows(photos.parent / "two") == first


def test_the_same_image_under_many_names_is_scored_once_a_run_from_the_second_batch_on(
    cli, photos, digits_bundle, scored
):
    for number in range(100):
        (photos / f"zz {number}.png").write_bytes((photos / "007.png").read_bytes())
    _run(cli, photos, digits_bundle, "one", "--cache")
    assert 300 <= sum(scored) <= 400
    rows = pd.read_csv(photos.parent / "one" / "predictions.csv")
    same = rows[rows["path"].str.startswith("zz") | (rows["path"] == "007.png")]
    assert same.drop(columns="path").drop_duplicates().shape[0] == 1
