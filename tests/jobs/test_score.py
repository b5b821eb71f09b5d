"""Scoring a real folder with a real model: every file accounted for, every row in its place."""

import csv
import dataclasses
import json
import shutil

import numpy as np
import pandas as pd
import pytest
from job_cases import Watching, tables_of

from batchclf.core.types import Split
from batchclf.data.export import export_split
from batchclf.data.labels import label_rule
from batchclf.data.sources.folder import Folder
from batchclf.errors import DataError, ModelError, NothingToScoreError, RunError
from batchclf.jobs.config.limits import Budget
from batchclf.jobs.config.settings import DirectorySubset, ScoreSettings, SplitSubset
from batchclf.jobs.report.rewrite import report_again
from batchclf.jobs.run.folder_run import SplitOf, choose_bundle, score_directory_run, score_split_run
from batchclf.jobs.score import score_subsets as score
from batchclf.jobs.score.score_subsets import score_directory, score_subsets
from batchclf.models.bundle import load_bundle
from batchclf.storage.run.directory import read_record
from batchclf.storage.run.journal import JournalHead

SETTINGS = ScoreSettings(batch_size=32, workers=2, topk=3, probabilities=True)


@pytest.fixture(scope="module")
def bundle(digits_bundle):
    return load_bundle(digits_bundle)


@pytest.fixture(scope="module")
def first_hundred(digits):
    whole = digits.test
    return Split("test", whole.images[:100], whole.labels[:100], whole.paths[:100])


@pytest.fixture
def photos(tmp_path, digits, first_hundred):
    """100 digits in class folders; 3 broken images, a hidden one, two texts (the class map is one)."""
    folder = tmp_path / "photos"
    export_split(first_hundred, digits.class_names, folder, say=lambda line: None)
    whole = min((folder / "3").iterdir()).read_bytes()
    (folder / "3" / "cut.png").write_bytes(whole[: len(whole) // 2])
    (folder / "0" / "empty.png").touch()
    (folder / "9" / "text.jpg").write_text("no image at all")
    (folder / "3" / ".hidden.png").write_bytes(whole)
    (folder / "3" / "notes.txt").write_text("not asked for")
    return folder


def score_folder(root, labels, bundle, folder, watching):
    rule = label_rule(Folder(root), labels, bundle.info.class_names)
    head = JournalHead("here", {})
    record, _ = score_directory(
        DirectorySubset(Folder(root), labels), rule, bundle, SETTINGS, folder, watching, head=head
    )
    return record


def table_of(path):
    return pd.read_csv(path, dtype=str, keep_default_na=False)


def test_a_folder_is_accounted_for(tmp_path, photos, bundle, digits, first_hundred):
    watching = Watching()
    record = score_folder(photos, "auto", bundle, tmp_path, watching)
    assert record.found == len([path for path in photos.rglob("*") if path.is_file()]) == 106
    assert (record.scored, record.skipped, record.excluded) == (100, 3, 3)
    assert (record.split, record.kind, record.source) == ("", "directory", str(photos.resolve()))
    assert record.labels == "labels from the 10 class folders"
    rows = table_of(tmp_path / "predictions.csv")
    assert list(rows["path"]) == sorted(rows["path"])
    assert (rows["label"] == rows["path"].str.split("/").str[0]).all()
    skipped = table_of(tmp_path / "skipped.csv")
    assert list(skipped["path"]) == ["0/empty.png", "3/cut.png", "9/text.jpg"]
    assert list(skipped["label"]) == ["0", "3", "9"]
    assert skipped["reason"].str.len().min() > 5
    accounts, left_out = watching.lines[-2:]
    assert accounts.endswith("found 106 = scored 100 + skipped 3 + excluded 3 (1 hidden; 2 not an image by its suffix)")
    assert left_out == f"{photos.resolve()}: left out by suffix: 1 .json, 1 .txt"
    assert record.excluded_suffixes == {".json": 1, ".txt": 1}
    assert [line.split(":")[0] for line in watching.details] == [f"skipped {path}" for path in skipped["path"]]
    assert sum(watching.steps.values()) == 106
    # The same images from memory get the same probabilities: what is read back are the same pixels.
    (tmp_path / "split").mkdir()
    score_subsets(
        {"test": SplitSubset("digits", digits.class_names, first_hundred)},
        bundle,
        SETTINGS,
        tmp_path / "split",
        Watching(),
    )
    of_split = table_of(tmp_path / "split" / "predictions.csv")
    for table in (rows, of_split):
        table["path"] = table["path"].str.split("/").str[-1].str.removesuffix(".png")
    exact = ["path", "label", "prediction", "correct"]
    rows, of_split = (table.sort_values("path", ignore_index=True) for table in (rows, of_split))
    pd.testing.assert_frame_equal(rows[exact], of_split[exact])
    columns = [f"prob:{name}" for name in digits.class_names]
    np.testing.assert_allclose(rows[columns].astype(float), of_split[columns].astype(float), atol=1e-5)


@pytest.mark.parametrize(("mode", "labels"), [("folders", {"2", "3"}), ("none", {""})])
def test_labels_as_asked(tmp_path, photos, bundle, mode, labels):
    for folder in photos.iterdir():
        if folder.name not in ("2", "3", "classes.json"):
            shutil.rmtree(folder)
    score_folder(photos, mode, bundle, tmp_path, Watching())
    assert set(table_of(tmp_path / "predictions.csv")["label"]) == labels


def test_a_folder_that_is_no_class_leaves_auto_without_labels(tmp_path, photos, bundle):
    (photos / "ten").mkdir()
    shutil.copy(next((photos / "3").glob("*.png")), photos / "ten" / "3.png")
    watcher = Watching()
    record = score_folder(photos, "auto", bundle, tmp_path, watcher)
    assert [f"{photos.resolve()}: {line}" for line in record.warnings] == watcher.warnings
    assert "the folder 'ten' holds images and is not a class of the model" in record.warnings[0]
    assert "the folder 'ten' is not a class of the model" in record.labels
    assert set(table_of(tmp_path / "predictions.csv")["label"]) == {""}
    with pytest.raises(ModelError, match="'ten'"):
        score_folder(photos, "folders", bundle, tmp_path, Watching())


def test_topk_is_cut_to_the_classes(tmp_path, bundle, digits, first_hundred):
    settings = ScoreSettings(batch_size=64, workers=1, topk=99, probabilities=False)
    subset = SplitSubset("digits", digits.class_names, first_hundred)
    score_subsets({"test": subset}, bundle, settings, tmp_path, Watching())
    with (tmp_path / "predictions.csv").open(newline="") as handle:
        header = next(csv.reader(handle))
    assert header[-1] == "top10_confidence"
    rows = table_of(tmp_path / "predictions.csv")
    ranked = rows[["prediction", *(f"top{n}_prediction" for n in range(2, 11))]]
    assert all(sorted(row) == sorted(digits.class_names) for row in ranked.to_numpy().tolist())


@pytest.mark.parametrize("content", ["nothing", "only broken", "only hidden"])
def test_nothing_to_score(tmp_path, bundle, content):
    folder = tmp_path / "photos"
    folder.mkdir()
    if content == "only broken":
        (folder / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    if content == "only hidden":
        (folder / ".a.png").write_bytes(b"x")
    with pytest.raises(NothingToScoreError) as caught:
        score_folder(folder, "auto", bundle, tmp_path, Watching())
    assert str(folder) in caught.value.message
    assert ("that can be read" if content == "only broken" else ".png") in caught.value.hint
    if content == "only broken":
        assert "the first: skipped a.png" in caught.value.message


def test_another_data_set_is_refused(tmp_path, bundle, digits, first_hundred):
    other = SplitSubset("clothes", (*digits.class_names[:-1], "coat"), first_hundred)
    with pytest.raises(ModelError, match="coat"):
        score_subsets({"test": other}, bundle, SETTINGS, tmp_path, Watching())
    images = np.zeros((3, 9, 9, 1), np.uint8)
    larger = SplitSubset("larger", digits.class_names, Split("test", images, np.zeros(3, np.int64), ("a", "b", "c")))
    with pytest.raises(ModelError, match=r"takes images of \(8, 8, 1\).*\(9, 9, 1\)"):
        score_subsets({"test": larger}, bundle, SETTINGS, tmp_path, Watching())
    with pytest.raises(DataError, match="there is no folder"):
        score_directory_run(
            DirectorySubset(Folder(tmp_path / "none"), "auto"), bundle, SETTINGS, None, tmp_path / "run", Watching(), []
        )
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_goes_missing_fails_the_run(tmp_path, photos, bundle, monkeypatch):
    def lossy(*arguments, **settings):
        first, *others = real(*arguments, **settings)
        yield dataclasses.replace(first, skipped=())
        yield from others

    real = score.score_blocks
    monkeypatch.setattr(score, "score_blocks", lossy)
    with pytest.raises(RunError, match=r"do not add up: .*found 106"):
        score_folder(photos, "auto", bundle, tmp_path, Watching())


def test_run_over_a_folder_and_its_report_once_the_images_are_gone(tmp_path, photos, bundle):
    run = tmp_path / "run"
    record = score_directory_run(
        DirectorySubset(Folder(photos), "auto"), bundle, SETTINGS, None, run, Watching(), ["batchclf", "score"]
    )
    assert record == read_record(run)
    assert (record.status, record.run_id, record.job, record.dataset) == ("ok", "run", None, None)
    page = (run / "report.html").read_text()
    shown = page.count('<svg class="picture')
    assert shown > 0
    assert 'class="picture absent"' not in page
    shutil.rmtree(photos)
    assert report_again(run, {"html": run / "again.html"}, say=lambda line: None) == record
    again = (run / "again.html").read_text()
    assert "data:image/png" not in again
    assert again.count('class="picture absent"') == shown
    assert tables_of(again) == tables_of(page)


def test_images_without_a_label_among_labelled_ones_have_pictures_too(tmp_path, photos, bundle):
    for number, path in enumerate(sorted((photos / "5").glob("*.png"))[:3]):
        path.rename(photos / f"loose{number}.png")
    run = tmp_path / "run"
    score_directory_run(
        DirectorySubset(Folder(photos), "auto"), bundle, SETTINGS, None, run, Watching(), ["batchclf", "score"]
    )
    page = (run / "report.html").read_text()
    assert "3 of 100 images have no label" in page
    assert 'class="picture absent"' not in page


@pytest.mark.parametrize(("allowed", "status"), [(Budget(number=2), "partial"), (Budget(number=3), "ok")])
def test_the_error_budget_sets_the_status(tmp_path, photos, bundle, allowed, status):
    subset = DirectorySubset(Folder(photos), "auto")
    record = score_directory_run(subset, bundle, SETTINGS, allowed, tmp_path / "run", Watching(), ["batchclf", "score"])
    assert record.status == read_record(tmp_path / "run").status == status


def test_a_run_directory_that_is_there_is_refused(tmp_path, bundle, digits):
    (tmp_path / "run").mkdir()
    with pytest.raises(RunError, match="is there already"):
        score_split_run(SplitOf(digits, "test"), bundle, SETTINGS, tmp_path / "run", Watching(), ["batchclf"])
    assert list((tmp_path / "run").iterdir()) == []


def test_a_run_of_one_split_has_no_gap(tmp_path, bundle, digits):
    record = score_split_run(SplitOf(digits, "train"), bundle, SETTINGS, tmp_path / "run", Watching(), ["batchclf"])
    assert [subset.split for subset in record.subsets] == ["train"]
    assert (record.dataset.train_images, record.dataset.test_images) == (1442, 355)
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["gap"] is None
    assert "only the train split was scored" in (tmp_path / "run" / "report.html").read_text()


def test_no_model_to_choose(tmp_path, bundle):
    with pytest.raises(ModelError, match="no --model was given"):
        choose_bundle(None, tmp_path, say=lambda line: None)
    assert choose_bundle(bundle.path, tmp_path, say=lambda line: None) == bundle


def test_a_published_model_that_cannot_be_used_is_told_and_passed_over(tmp_path, bundle):
    damaged = tmp_path / "one" / "model"
    shutil.copytree(bundle.path, damaged)
    (damaged / "model.onnx").write_bytes(b"cut off")
    with pytest.raises(ModelError, match="is not the file the bundle was made with"):
        choose_bundle(None, tmp_path, say=lambda line: None)
    shutil.copytree(bundle.path, tmp_path / "two" / "model")
    said = []
    assert choose_bundle(None, tmp_path, say=said.append).path == tmp_path / "two" / "model"
    assert said[0].startswith(f"not using a published model: {damaged}")
    (tmp_path / "two" / "model" / "model.json").write_text("{}")
    with pytest.raises(ModelError, match="none of the 2 models"):
        choose_bundle(None, tmp_path, say=said.append)
