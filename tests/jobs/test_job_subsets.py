"""A job with several subsets: splits and folders, each with a name; deadlines; what a run leaves behind."""

import json
from datetime import date
from pathlib import Path

import pandas as pd
import pytest
from job_cases import Watching, run_job

from batchclf import read_predictions
from batchclf.core.types import Split
from batchclf.data.export import export_split
from batchclf.errors import DeadlineError, NothingToScoreError
from batchclf.jobs.config.load import load_job
from batchclf.storage.run.directory import read_record

COMMAND = ["batchclf", "run", "nightly.toml"]
RUN_DATE = date(2026, 11, 24)


class PassesAfter:
    """A deadline that passes when it has been asked so many times."""

    def __init__(self, times):
        self.times = times

    @property
    def passed(self):
        self.times -= 1
        return self.times < 0


@pytest.fixture
def photos(tmp_path, digits):
    """Two folders: `labelled/CLASS/*.png` and, for one run date, `flat/2026-11-24/*.png`."""

    def part(first, last):
        test = digits.test
        return Split("test", test.images[first:last], test.labels[first:last], test.paths[first:last])

    export_split(part(0, 60), digits.class_names, tmp_path / "labelled", say=lambda line: None)
    export_split(part(60, 90), digits.class_names, tmp_path / "by-class", say=lambda line: None)
    flat = tmp_path / "flat" / "2026-11-24"
    flat.mkdir(parents=True)
    for path in (tmp_path / "by-class").glob("*/*.png"):
        path.rename(flat / path.name)
    return tmp_path


@pytest.fixture
def job_of(photos, digits_bundle):
    """Make a job of the text of some tables."""

    def make(text, run_date=RUN_DATE):
        path = photos / "nightly.toml"
        path.write_text(f'{text}\n[model]\nbundle = "{digits_bundle}"\n[publish]\nreports = "reports"\n')
        return load_job(path, run_date)

    return make


DIGITS = '[data]\ndataset = "digits"\n'
FOLDERS = """
[scoring.directories.shop]
path = "labelled"
[scoring.directories.incoming]
path = "flat/{date}"
labels = "none"
"""


def test_splits_and_folders_in_one_run(job_of, digits):
    watching = Watching()
    record, run = run_job(job_of(DIGITS + FOLDERS), watching, COMMAND)
    names = ["incoming", "shop", "test", "train"]
    assert [(subset.split, subset.kind, subset.scored, subset.complete) for subset in record.subsets] == [
        ("incoming", "directory", 30, True),
        ("shop", "directory", 60, True),
        ("test", "split", 355, True),
        ("train", "split", 1442, True),
    ]
    rows = read_predictions(run)
    assert rows["split"].drop_duplicates().tolist() == names
    assert rows.groupby("split", sort=False).size().tolist() == [30, 60, 355, 1442]
    for _, of_subset in rows.groupby("split"):
        assert of_subset["path"].tolist() == sorted(of_subset["path"])
    shop = rows[rows["split"] == "shop"]
    assert shop["path"].str.split("/").str[0].tolist() == shop["label"].tolist()
    assert rows.loc[rows["split"] == "incoming", "label"].isna().all()
    metrics = json.loads((run / "metrics.json").read_text())
    assert list(metrics["splits"]) == names
    assert metrics["splits"]["shop"]["accuracy"]["value"] == pytest.approx(shop["correct"].mean())
    assert metrics["splits"]["incoming"]["accuracy"] is None
    for name in ("images.csv", "per_class.csv"):
        assert pd.read_csv(run / name)["split"].drop_duplicates().tolist() == names
    folders = {subset.split: subset.folders for subset in record.subsets}
    assert folders["shop"] == shop["label"].value_counts().sort_index().to_dict()
    assert folders["incoming"] == {"": 30}
    assert folders["test"] == {}
    assert record.run_date == read_record(run).run_date == "2026-11-24"
    assert "shop accuracy" in "\n".join(watching.lines)


def test_the_same_image_has_the_same_prediction_in_a_split_and_in_a_folder(job_of):
    _, run = run_job(job_of(DIGITS + FOLDERS), Watching(), COMMAND)
    rows = read_predictions(run)
    test = rows[rows["split"] == "test"].head(60)
    shop = rows[rows["split"] == "shop"]
    assert sorted(shop["confidence"]) == pytest.approx(sorted(test["confidence"]))


def test_a_job_without_a_data_set_scores_with_a_bundle(job_of):
    record, run = run_job(job_of(FOLDERS), Watching(), COMMAND)
    assert record.dataset is None
    assert [subset.split for subset in record.subsets] == ["incoming", "shop"]
    assert (run / "report.html").stat().st_size > 10_000


def test_a_folder_that_is_not_there_costs_only_itself(job_of, photos):
    record, run = run_job(job_of(FOLDERS, date(2026, 11, 25)), Watching(), COMMAND)
    incoming, shop = record.subsets
    assert (incoming.found, incoming.scored, shop.scored) == (0, 0, 60)
    assert f"there is no folder {photos / 'flat' / '2026-11-25'}" in incoming.labels
    assert record.status == "gate failed"
    alarm = next(gate for gate in record.gates if gate.kind == "alarm" and not gate.passed)
    assert (alarm.subset, alarm.passed) == ("incoming", False)
    assert read_predictions(run)["split"].unique().tolist() == ["shop"]


def test_without_any_image_nothing_is_published(job_of, photos):
    (photos / "labelled").rename(photos / "elsewhere")
    job = job_of(FOLDERS, date(2026, 11, 25))
    with pytest.raises(NothingToScoreError) as caught:
        run_job(job, Watching(), COMMAND)
    for folder in ("labelled", "2026-11-25"):
        assert f"there is no folder {photos}" in caught.value.message
        assert folder in caught.value.message
    assert not (job.folder / "latest").exists()


@pytest.mark.parametrize("blocks", [1, 3])
def test_a_deadline_publishes_what_was_scored_and_marks_it(job_of, blocks):
    job = job_of(DIGITS + FOLDERS)
    watching = Watching()
    record, run = run_job(job, watching, COMMAND, PassesAfter(blocks))
    assert record.status == read_record(run).status == "partial"
    complete = [subset.complete for subset in record.subsets]
    assert not all(complete)
    assert complete == sorted(complete, reverse=True)
    assert sum(subset.scored for subset in record.subsets) == len(read_predictions(run)) > 0
    for subset in record.subsets:
        assert subset.found == subset.scored + subset.skipped + subset.excluded
    assert any("the deadline passed" in line for line in watching.lines)
    assert (job.folder / "latest").resolve() == run
    assert not (job.folder / "last-good").exists()
    assert "artial" in (run / "report.html").read_text()


def test_a_deadline_after_the_last_image_of_a_split_is_no_partial_result(job_of):
    class Never(PassesAfter):
        passed = False

    record, _ = run_job(job_of(DIGITS), Watching(), COMMAND, Never(0))
    assert record.status == "ok"


def test_a_deadline_before_the_first_image(job_of):
    job = job_of(FOLDERS)
    with pytest.raises(DeadlineError, match="before the first image"):
        run_job(job, Watching(), COMMAND, PassesAfter(0))
    assert not (job.folder / "latest").exists()


def test_a_deadline_in_the_midst_of_training(tmp_path):
    pytest.importorskip("tensorflow")
    path = tmp_path / "nightly.toml"
    path.write_text('[data]\ndataset = "digits"\n[model]\nepochs = 3\n[publish]\nreports = "reports"\n')
    job = load_job(path)
    with pytest.raises(DeadlineError, match="in epoch 1 of 3"):
        run_job(job, Watching(), COMMAND, PassesAfter(0))
    assert not job.bundle.exists()
    assert not (job.folder / "latest").exists()


def test_last_good_stays_while_runs_are_bad(job_of):
    good, _ = run_job(job_of(FOLDERS), Watching(), COMMAND)
    job = job_of(FOLDERS, date(2026, 11, 25))
    bad, run = run_job(job, Watching(), COMMAND)
    assert (good.status, bad.status) == ("ok", "gate failed")
    assert (job.folder / "latest").resolve() == run
    assert (job.folder / "last-good").resolve().name == good.run_id


def test_the_report_in_the_forms_that_the_job_asks_for(job_of, photos):
    (photos / "mine").mkdir()
    (photos / "mine" / "report.html").write_text(
        '{% extends "batchclf/report.html" %}{% block title %}The shop{% endblock %}'
    )
    _, run = run_job(
        job_of(FOLDERS + '[report]\nformat = ["html", "json", "md"]\ntemplates = "mine"\n'), Watching(), []
    )
    assert "<title>The shop</title>" in (run / "report.html").read_text()
    assert json.loads((run / "report.json").read_text())["format"] == 2
    assert (run / "report.md").read_text().strip()


def test_more_skipped_than_a_folder_may_have(job_of, photos):
    victim = sorted((photos / "labelled").glob("*/*.png"))[0]
    victim.write_bytes(b"not an image")

    def at_most(number):
        return FOLDERS.replace('path = "labelled"\n', f'path = "labelled"\nmax_skipped = "{number}"\n')

    allowed, _ = run_job(job_of(at_most(1)), Watching(), COMMAND)
    refused, _ = run_job(job_of(at_most(0)), Watching(), COMMAND)
    assert (allowed.status, refused.status) == ("ok", "partial")
    assert all(subset.complete for subset in refused.subsets)


def test_each_folder_says_what_it_leaves_out_by_suffix(job_of, photos):
    flat = photos / "flat" / "2026-11-24"
    for file in (flat / "clip.MOV", flat / "notes.txt", photos / "labelled" / "notes.TXT"):
        file.write_bytes(b"no image")
    watching = Watching()
    record, run = run_job(job_of(FOLDERS + '[report]\nformat = ["html", "md"]\n'), watching, COMMAND)
    counts = {Path(subset.source): subset.excluded_suffixes for subset in record.subsets}
    assert counts == {photos / "labelled": {".json": 1, ".txt": 1}, flat: {".mov": 1, ".txt": 1}}
    assert all(sum(subset.excluded_suffixes.values()) == subset.excluded for subset in record.subsets)
    said = [line.partition("): ")[2] for line in watching.lines if "by suffix: " in line]
    assert sorted(said) == ["left out by suffix: 1 .json, 1 .txt", "left out by suffix: 1 .mov, 1 .txt"]
    for file in ("report.html", "report.md"):
        words = (run / file).read_text().replace("<bdi>", "")
        assert "Left out by suffix: 2 .txt, 1 .json, 1 .mov" in words


def test_paths_are_relative_to_the_job_file(job_of, photos, monkeypatch, tmp_path_factory):
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    record, run = run_job(job_of(FOLDERS), Watching(), COMMAND)
    assert {subset.source for subset in record.subsets} == {
        str(photos / "labelled"),
        str(photos / "flat" / "2026-11-24"),
    }
    assert run.is_relative_to(photos / "reports")
    assert not list(Path.cwd().iterdir())
