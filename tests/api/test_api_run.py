"""Runs from Python: scored, opened, evaluated, reported on and compared as on the command line."""

import json
import shutil
import warnings
from contextlib import chdir

import numpy as np
import pandas as pd
import pytest
from onnx_cases import import_rows
from PIL import Image
from sklearn.metrics import accuracy_score

import batchclf
from batchclf.api.options import ScoringKeywords
from batchclf.cli.main import main
from batchclf.errors import BatchclfError, DataError, ModelError, NothingToScoreError, RunError, UsageError
from batchclf.jobs.config.options import ScoringOptions

DIGITS = tuple(map(str, range(10)))


def draw(folder, *, n=30, seed=0):
    """Class folders of small images, one of which cannot be read."""
    pixels = np.random.default_rng(seed).integers(0, 256, (n, 8, 8), np.uint8)
    for number, image in enumerate(pixels):
        file = folder / str(number % 10) / f"{number:02d}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(file)
    (folder / "3" / "broken.png").write_bytes(b"\x89PNG")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with photos/, two bundles, and the run first/, scored from Python."""
    pytest.importorskip("onnx")
    folder = tmp_path_factory.mktemp("python")
    draw(folder / "photos")
    for seed, name in ((1, "a"), (2, "b")):
        (folder / name).mkdir()
        import_rows(folder / name, seed, size=8)
    with chdir(folder):
        batchclf.score("photos", "a/rows", "first", glob=["*.png"], workers=1, topk=2)
    return folder


@pytest.fixture
def here(made, monkeypatch):
    monkeypatch.chdir(made)
    return made


@pytest.fixture(scope="module")
def run(made):
    return batchclf.load_run(made / "first")


def test_a_folder_is_scored_as_on_the_command_line(here, run, tmp_path, capfd):
    command = ["score", "photos", "--model", "a/rows", "--out", str(tmp_path / "cli"), "--glob", "*.png", "--topk", "2"]
    assert main([*command, "--workers", "1"]) == 0
    capfd.readouterr()
    for name in ("predictions.csv", "images.csv", "skipped.csv", "metrics.json", "per_class.csv", "confusion.csv"):
        assert (run.path / name).read_bytes() == (tmp_path / "cli" / name).read_bytes(), name
    mine, theirs = run.record, batchclf.load_run(tmp_path / "cli").record
    assert mine.command == ["batchclf.score('photos')"]
    same = ("status", "runtime", "batch_size", "topk", "probabilities", "formats", "model", "versions")
    assert [getattr(mine, name) for name in same] == [getattr(theirs, name) for name in same]


def test_a_run_gives_its_tables_and_its_evaluation(run):
    predictions, images, evaluation = run.predictions, run.images, run.evaluation
    assert (len(predictions), run.status, run.gates, run.class_names) == (30, "ok", (), DIGITS)
    pd.testing.assert_frame_equal(predictions, batchclf.read_predictions(run.path))
    assert images["path"].tolist() == predictions["path"].tolist()
    assert images.dtypes[["width", "brightness"]].astype(str).tolist() == ["Int64", "float64"]
    by_pillow = [np.asarray(Image.open(run.path.parent / "photos" / path)).mean() for path in images["path"]]
    np.testing.assert_allclose(images["brightness"], by_pillow, atol=0.01)
    assert evaluation.to_dict() == json.loads((run.path / "metrics.json").read_text())
    right = accuracy_score(predictions["label"].astype(str), predictions["prediction"].astype(str))
    assert evaluation.accuracy == pytest.approx(right)
    assert list(run.evaluations) == [""]
    again = batchclf.evaluate(
        predictions["label"], probabilities=predictions.filter(like="prob:"), images=predictions["path"]
    )
    pd.testing.assert_frame_equal(again.confusion, evaluation.confusion)
    assert evaluation.compare(again).p_value == 1
    assert f"{evaluation.accuracy:.2%}" in run._repr_html_()
    assert repr(run).startswith("<Run first: ok")


def test_an_image_whose_file_does_not_say_its_size_has_none(run, tmp_path):
    shutil.copytree(run.path, tmp_path / "copy")
    text = (run.path / "images.csv").read_bytes()
    (tmp_path / "copy" / "images.csv").write_bytes(text.replace(b",8,8,", b",,,", 1))
    images = batchclf.load_run(tmp_path / "copy").images
    assert images["width"].isna().tolist() == [True] + [False] * 29
    assert images["height"][1:].eq(8).all()


def test_without_out_it_becomes_the_latest_of_the_reports(here, tmp_path):
    model = batchclf.load_model("a/rows")
    run = batchclf.score("photos", model, reports=tmp_path / "reports", labels="none", sample=3, pictures=False)
    assert run.path.parent == tmp_path / "reports" / "score"
    assert (tmp_path / "reports" / "score" / "latest").resolve() == run.path.resolve()
    assert (tmp_path / "reports" / "index.html").is_file()
    assert (run.evaluation.images, run.evaluation.labelled) == (3, 0)
    assert np.isnan(run.evaluation.accuracy)
    assert batchclf.load_run(tmp_path / "reports" / "score" / "latest").run_id == run.run_id


def test_reports_have_the_form_of_their_suffix(run, tmp_path):
    assert run.report(tmp_path / "r.html").read_text().startswith("<!doctype html>")
    assert run.evaluation.report(tmp_path / "r.md").read_text().count("Accuracy") >= 1
    assert json.loads(run.report(tmp_path / "new" / "r.json").read_text())["run"]["run_id"] == "first"
    with pytest.raises(UsageError, match="its suffix says no form"):
        run.report(tmp_path / "r.pdf")


def test_runs_are_compared_as_on_the_command_line(here, run, tmp_path, capfd):
    other = batchclf.score("photos", "b/rows", tmp_path / "second")
    comparison = batchclf.compare(run, other)
    assert (
        main(["report", "first", str(tmp_path / "second"), "--out", str(tmp_path / "c.json"), "--format", "json"]) == 0
    )
    capfd.readouterr()
    written = json.loads((tmp_path / "c.json").read_text())["comparison"]
    assert (comparison.sentence, comparison.p_value) == (written["sentence"], written["p_value"])
    mixed = batchclf.compare(run.evaluation, other)
    for name in ("images", "only_first_right", "only_second_right", "changed", "p_value"):
        assert getattr(mixed, name) == getattr(comparison, name)
    shares = other.predictions.filter(like="prob:")
    in_memory = batchclf.evaluate(other.predictions["label"], probabilities=shares, images=other.predictions["path"])
    assert batchclf.compare(run, in_memory).p_value == comparison.p_value


def test_an_evaluation_is_saved_as_a_run(run, here, tmp_path):
    predictions = run.predictions
    evaluation = batchclf.evaluate(
        predictions["label"],
        probabilities=predictions.filter(like="prob:"),
        images=[f"photos/{path}" for path in predictions["path"]],
        split="night",
    )
    saved = batchclf.load_run(evaluation.save(tmp_path / "saved"))
    pd.testing.assert_frame_equal(saved.evaluation.confusion, evaluation.confusion)
    for name, metric in evaluation.metrics.items():
        assert saved.evaluation.metrics[name] == pytest.approx(metric, rel=1e-6), name
    assert saved.predictions["path"].tolist() == [f"photos/{path}" for path in predictions["path"]]
    page = evaluation.report(tmp_path / "page.html").read_text()
    assert page.count("<image id=") > 0
    assert "<image id=" not in evaluation.report(tmp_path / "page.html", pictures=False).read_text()
    # The page lies alone: it names no file that is not beside it, and no folder that is gone.
    assert 'href="predictions.csv"' not in page
    assert 'href="predictions.csv"' in (tmp_path / "saved" / "report.html").read_text()
    assert "Files:" not in evaluation.report(tmp_path / "page.md").read_text()
    with pytest.raises(RunError, match="is there already"):
        evaluation.save(tmp_path / "saved")
    with pytest.raises(UsageError, match="the evaluation of the run"):
        saved.evaluation.save(tmp_path / "again")


def test_predictions_without_probabilities_are_reported_on(tmp_path):
    evaluation = batchclf.evaluate(["cat", "dog", "cat", None], ["cat", "cat", "cat", "dog"])
    page = evaluation.report(tmp_path / "page.html").read_text()
    assert "66.67%" in page
    assert batchclf.load_run(evaluation.save(tmp_path / "saved")).predictions["confidence"].isna().all()


@pytest.mark.parametrize(
    ("call", "kind", "said"),
    [
        (lambda: batchclf.load_run("nowhere"), RunError, "no run directory nowhere"),
        (lambda: batchclf.load_run("photos"), RunError, "photos is not a run directory"),
        (lambda: batchclf.read_predictions("nowhere"), BatchclfError, "no file nowhere"),
        (lambda: batchclf.score("nowhere", "a/rows"), DataError, "no folder nowhere"),
        (lambda: batchclf.score("photos", "nowhere"), ModelError, "no model bundle at nowhere"),
        (lambda: batchclf.score("photos"), ModelError, "no job has published a model"),
        (lambda: batchclf.score("photos", "a/rows", "first"), RunError, "first is there already"),
        (lambda: batchclf.score("a", "a/rows", "new"), NothingToScoreError, "no image to score"),
        (lambda: batchclf.score("photos", "a/rows", "new", workers="two"), UsageError, "workers: a whole number"),
        (lambda: batchclf.score("photos", "a/rows", "new", wrokers=2), UsageError, "there is no option wrokers"),
        (lambda: batchclf.score("photos", "a/rows", "new", runtime="jax"), UsageError, "runtime"),
        (lambda: batchclf.score("photos", "a/rows", "new", labels="l.csv"), DataError, "l.csv cannot be read"),
        (lambda: batchclf.score("photos", "a/rows", "new", max_skipped="some"), UsageError, "'some' is not a number"),
        (lambda: batchclf.score("photos", "a/rows", "new", deadline="soon"), UsageError, "'soon' is not a length"),
        (lambda: batchclf.score("photos", "a/rows", "photos/3/03.png/run"), BatchclfError, "the system refused"),
        (lambda: batchclf.evaluate([0], [0]).report("photos/3/03.png/r.html"), BatchclfError, "the system refused"),
    ],
)
def test_every_error_is_a_batchclf_error(here, call, kind, said):
    with pytest.raises(kind, match=said) as caught:
        call()
    assert isinstance(caught.value, BatchclfError)
    assert not (here / "new").exists()


def test_an_edited_run_is_refused_or_warned_of_at_the_callers_line(here, tmp_path):
    run = batchclf.score("photos", "a/rows", tmp_path / "edited", pictures=False)
    text = (run.path / "predictions.csv").read_bytes()
    (run.path / "predictions.csv").write_bytes(text.replace(b"\r\n", b"\n"))
    with pytest.warns(UserWarning, match="was edited since the run wrote it") as caught:
        _ = batchclf.load_run(run.path).evaluation
    assert {each.filename for each in caught} == {__file__}
    (run.path / "predictions.csv").write_bytes(text.rpartition(b"0/")[0])
    for read in (lambda: batchclf.load_run(run.path).evaluation, lambda: batchclf.load_run(run.path).predictions):
        with pytest.raises(RunError, match="and the run wrote 30"):
            read()
    (run.path / "images.csv").unlink()
    with pytest.raises(RunError, match=r"images\.csv cannot be read"):
        _ = batchclf.load_run(run.path).images


def test_it_says_on_the_logger_what_the_command_line_prints(here, tmp_path, caplog, capfd):
    with warnings.catch_warnings(), caplog.at_level("INFO", logger="batchclf"):
        warnings.simplefilter("error")
        batchclf.score("photos", "a/rows", tmp_path / "said", pictures=False)
    assert any("scored 30 + skipped 1" in record.getMessage() for record in caplog.records)
    assert capfd.readouterr() == ("", "")


def test_score_has_the_options_of_the_command_line():
    assert ScoringKeywords.__annotations__.keys() == set(ScoringOptions.__struct_fields__)
