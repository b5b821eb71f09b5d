"""What a run's images show: duplicates that were planted are found, images that were changed have drifted."""

import csv
import dataclasses
import shutil

import cv2
import numpy as np
import pytest
from job_cases import Watching
from PIL import Image

from batchclf.core.images.statistics import ImageStatistics
from batchclf.core.metrics.intervals import difference, wilson
from batchclf.core.types import Split
from batchclf.data.labels import label_rule
from batchclf.data.sources.folder import Folder
from batchclf.errors import RunError
from batchclf.jobs.config.settings import DirectorySubset, ScoreSettings, SplitSubset
from batchclf.jobs.evaluate import duplicates
from batchclf.jobs.evaluate import image_checks as image_findings_module
from batchclf.jobs.evaluate.image_checks import NO_FACTS, NO_REFERENCE, ONLY_TRAIN, image_findings, look_at_images
from batchclf.jobs.evaluate.predictions import evaluate_predictions
from batchclf.jobs.score.score_subsets import score_directory, score_subsets
from batchclf.models.bundle import load_bundle
from batchclf.storage.run.journal import JournalHead

SETTINGS = ScoreSettings(batch_size=64, workers=2, topk=2, probabilities=True)


@pytest.fixture(scope="module")
def bundle(digits_bundle):
    return load_bundle(digits_bundle)


class Run:
    """A run directory, scored but without a report."""

    def __init__(self, folder, bundle, subsets):
        self.folder, self.reference, self.subsets = folder, bundle.info.reference, subsets
        self.evaluations, self.gap = evaluate_predictions(folder / "predictions.csv", bundle.info.class_names)

    def findings(self, splits=None):
        statistics = look_at_images(self.folder, self.subsets, splits)
        return image_findings(self.folder, statistics, self.reference, self.evaluations, self.gap)

    def duplicates(self):
        with (self.folder / "duplicates.csv").open(encoding="utf-8", newline="") as handle:
            return list(csv.DictReader(handle))


def _score_splits(folder, bundle, digits, *splits):
    subsets = {split.name: SplitSubset("digits", digits.class_names, split) for split in splits}
    records, _ = score_subsets(subsets, bundle, SETTINGS, folder, Watching())
    return Run(folder, bundle, records)


def _score_folder(root, folder, bundle, labels="auto"):
    folder.mkdir()
    rule = label_rule(Folder(root), labels, bundle.info.class_names)
    subset = DirectorySubset(Folder(root), labels)
    record, _ = score_directory(subset, rule, bundle, SETTINGS, folder, Watching(), head=JournalHead("x", {}))
    return Run(folder, bundle, [record])


def _write(root, images, labels):
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        path = root / str(label) / f"{number:04d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image[..., 0]).save(path)
    return root


def _drifted(findings):
    return {drift.quantity for drift in findings.drift if drift.drifted}


@pytest.fixture(scope="module")
def whole(tmp_path_factory, bundle, digits):
    """Both splits of the digits."""
    return _score_splits(tmp_path_factory.mktemp("whole"), bundle, digits, digits.test, digits.train)


def test_the_statistics_of_both_splits(whole, digits):
    test, train = whole.findings().statistics
    assert (test.split, train.split) == ("test", "train")
    for found, split in ((test, digits.test), (train, digits.train)):
        assert isinstance(found, ImageStatistics)
        assert (found.sizes, found.other_sizes) == (((8, 8, len(split.images)),), 0)
        assert found.modes == (("grayscale", len(split.images)),)
        expected, _ = np.histogram(split.images.mean(axis=(1, 2, 3)), 51, (0, 255))
        assert np.abs(np.array(found.brightness.counts) - expected).sum() <= 2  # rounded to two decimals
        assert sum(found.contrast.counts) == len(split.images)


def test_halves_of_one_data_set_have_not_drifted(whole, digits):
    findings = whole.findings(lambda: digits.splits)
    assert [drift.quantity for drift in findings.drift] == ["brightness", "contrast", "confidence", "predicted class"]
    assert _drifted(findings) == set()
    assert findings.drift_note == ""
    references = [drift.reference for drift in findings.drift]
    assert references[:2] == ["the train split of this run"] * 2
    assert (
        references[2:]
        == [f"the predictions for the {len(digits.test.images)} test images when the model was trained"] * 2
    )


def test_without_a_reference_the_predictions_are_compared_with_those_for_train(whole):
    run = Run.__new__(Run)
    run.__dict__ = {**whole.__dict__, "reference": None}
    findings = run.findings()
    assert "of which the model is surer" in findings.drift[2].reference
    assert len(findings.drift) == 4


def test_planted_duplicates_are_found_and_the_gap_without_them(tmp_path, bundle, digits):
    test, train = digits.test, digits.train
    images, labels = test.images.copy(), test.labels.copy()
    images[:20], labels[:20] = train.images[100:120], train.labels[100:120]
    labels[3] = (labels[3] + 1) % 10
    noise = np.random.default_rng(0).integers(0, 2, (20, 8, 8, 1), np.uint8)
    near = np.minimum(train.images[200:220], 254) + noise
    images[20:40], labels[20:40] = near, train.labels[200:220]
    planted = Split("test", images, labels, test.paths)
    run = _score_splits(tmp_path, bundle, digits, planted, train)
    findings = run.findings(lambda: {"test": planted, "train": train})

    pixels = {image.tobytes() for image in train.images}
    exact = {number for number, image in enumerate(images) if image.tobytes() in pixels}
    found = findings.duplicates
    assert exact >= set(range(20))
    assert (found.split, found.images, found.exact) == ("test", len(images), len(exact))
    rows = run.duplicates()
    near = {test.paths.index(row["path"]) for row in rows if row["kind"] == "near"}
    assert found.near == len(near)
    assert len(near & set(range(20, 40))) >= 18
    assert all(float(row["correlation"]) >= 0.998 for row in rows if row["kind"] == "near")
    assert {row["original_path"] for row in rows if row["path"] in test.paths[:20]} <= set(train.paths)

    contradicting = {test.paths[3]}
    assert contradicting <= {pair.second_path for pair in found.pairs[: found.contradicting]}
    with (tmp_path / "predictions.csv").open(newline="") as handle:
        left = [row for row in csv.DictReader(handle) if row["split"] == "test"]
    left = [row for number, row in enumerate(left) if number not in exact | near]
    accuracy = wilson(sum(row["correct"] == "true" for row in left), len(left))
    assert found.accuracy_without == accuracy
    assert found.gap_without == difference(run.gap.train, accuracy)
    # Later the file tells it, not the images.
    again = run.findings()
    assert (again.duplicates, again.statistics, again.drift) == (found, findings.statistics, findings.drift)


def test_images_that_come_again_in_a_folder(tmp_path, bundle, digits):
    root = _write(tmp_path / "photos", digits.test.images[:60], digits.test.labels[:60])
    files = sorted(root.rglob("*.png"))
    shutil.copy(files[0], root / "9" / "copy.png")
    shutil.copy(files[0], root / "9" / 'a copy,\n "again".png')
    run = _score_folder(root, tmp_path / "run", bundle)
    found = run.findings(dict).duplicates
    assert (found.split, found.images, found.exact) == ("", 62, 2)
    assert found.accuracy_without is None
    assert {pair.first_path for pair in found.pairs if pair.kind == "exact"} == {files[0].relative_to(root).as_posix()}
    assert 'a copy,\n "again".png' in "".join(pair.second_path for pair in found.pairs)
    assert found.contradicting == (2 if files[0].parent.name != "9" else 0)


def test_of_many_duplicates_the_first_are_listed_and_all_are_counted(tmp_path, bundle, digits, monkeypatch):
    for module in (duplicates, image_findings_module):
        monkeypatch.setattr(module, "LISTED_DUPLICATES", 7)
    images = np.concatenate([digits.test.images[:10]] * 3)
    run = _score_folder(_write(tmp_path / "photos", images, [0] * 30), tmp_path / "run", bundle)
    found = run.findings(dict).duplicates
    assert (found.exact, len(found.pairs), len(run.duplicates())) == (20, 7, 7)
    assert found.checked.endswith("of the exact duplicates 7 are listed")


@pytest.fixture
def photos(tmp_path):
    """Forty smooth pictures of 96x72, and ten of them saved again as JPEGs at half the size."""
    root = tmp_path / "photos"
    root.mkdir()
    random = np.random.default_rng(1)
    for number in range(40):
        picture = Image.fromarray(cv2.resize(random.integers(0, 256, (6, 8), np.uint8), (96, 72)))
        picture.save(root / f"{number:02d}.png")
        if number < 10:
            picture.resize((48, 36)).save(root / f"{number:02d} again.jpg", quality=85)
    return root


def test_pictures_that_were_saved_again_are_nearly_the_same(tmp_path, bundle, photos):
    run = _score_folder(photos, tmp_path / "run", bundle, "none")
    findings = run.findings(dict)
    assert findings.duplicates.near >= 8
    assert findings.duplicates.exact == 0
    for row in run.duplicates():
        assert row["kind"] == "near"
        assert row["path"][:2] == row["original_path"][:2]
        assert row["label"] == ""
    (statistics,) = findings.statistics
    assert statistics.sizes == ((96, 72, 40), (48, 36, 10))
    shutil.rmtree(photos)
    again = run.findings()
    assert (again.duplicates, again.statistics) == (findings.duplicates, findings.statistics)


def test_near_duplicates_that_are_gone_are_not_confirmed(tmp_path, bundle, photos):
    run = _score_folder(photos, tmp_path / "run", bundle, "none")
    shutil.rmtree(photos)
    found = run.findings(dict).duplicates
    assert (found.exact, found.near, found.pairs) == (0, 0, ())
    assert "look like another, but the pixels were not compared" in found.checked
    assert {row["kind"] for row in run.duplicates()} == {"unconfirmed"}


def test_plain_images_are_not_nearly_the_same(tmp_path, bundle):
    images = np.stack([np.full((8, 8, 1), value, np.uint8) for value in range(60, 120)])
    run = _score_folder(_write(tmp_path / "photos", images, [0] * 60), tmp_path / "run", bundle)
    found = run.findings(dict).duplicates
    assert (found.exact, found.near) == (0, 0)
    assert run.duplicates() == []


CHANGES = {
    "nothing": (lambda images: images, set()),
    "brighter": (lambda images: 255 - (255 - images) // 2, {"brightness", "contrast"}),
    "turned": (lambda images: np.rot90(images, axes=(1, 2)), {"confidence"}),
    "one class": (lambda images: images, {"predicted class"}),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_folder_is_held_against_what_the_model_was_trained_on(tmp_path, bundle, digits, change):
    function, expected = CHANGES[change]
    images, labels = digits.test.images, digits.test.labels
    if change == "one class":
        images, labels = images[labels == 3], labels[labels == 3]
    root = _write(tmp_path / "photos", np.ascontiguousarray(function(images)), labels)
    findings = _score_folder(root, tmp_path / "run", bundle).findings(dict)
    assert expected <= _drifted(findings)
    if not expected:
        assert _drifted(findings) == set()
    assert findings.drift[0].reference == f"the {len(digits.train.images):,} training images"


@pytest.mark.parametrize("images", [3, 20])
def test_a_small_folder_of_one_class_is_drift_or_too_small(tmp_path, bundle, digits, images):
    threes = digits.test.images[digits.test.labels == 3][:images]
    root = _write(tmp_path / "photos", threes, [3] * images)
    findings = _score_folder(root, tmp_path / "run", bundle).findings(dict)
    if images == 20:
        assert "predicted class" in _drifted(findings)
    else:
        assert [(each.p_value, each.drifted) for each in findings.drift] == [(None, False)] * 4
        assert all("not checked: too few images: 3 scored" in each.sentence for each in findings.drift)


def test_why_there_is_no_drift(tmp_path, bundle, digits):
    imported = dataclasses.replace(bundle, info=dataclasses.replace(bundle.info, reference=None))
    root = _write(tmp_path / "photos", digits.test.images[:5], digits.test.labels[:5])
    run = _score_folder(root, tmp_path / "run", imported)
    assert (run.findings(dict).drift, run.findings().drift_note) == ((), NO_REFERENCE)

    (tmp_path / "train").mkdir()
    train = _score_splits(tmp_path / "train", bundle, digits, digits.train).findings(lambda: digits.splits)
    assert (train.drift, train.drift_note) == ((), ONLY_TRAIN)
    assert train.duplicates.split == "train"


def test_a_run_from_before_there_were_facts(tmp_path, bundle, digits):
    root = _write(tmp_path / "photos", digits.test.images[:5], digits.test.labels[:5])
    run = _score_folder(root, tmp_path / "run", bundle)
    (tmp_path / "run" / "images.csv").unlink()
    findings = run.findings()
    assert (findings.statistics, findings.duplicates, findings.drift) == ((), None, ())
    assert findings.drift_note == NO_FACTS


def test_a_single_image(tmp_path, bundle, digits):
    root = _write(tmp_path / "photos", digits.test.images[:1], digits.test.labels[:1])
    findings = _score_folder(root, tmp_path / "run", bundle).findings(dict)
    assert findings.statistics[0].images == 1
    assert (findings.duplicates.exact, findings.duplicates.near) == (0, 0)
    assert _drifted(findings) == set()


def test_damaged_files_are_told(tmp_path, bundle, digits):
    root = _write(tmp_path / "photos", digits.test.images[:5], digits.test.labels[:5])
    run = _score_folder(root, tmp_path / "run", bundle)
    run.findings(dict)
    for name in ("duplicates.csv", "images.csv"):
        path = tmp_path / "run" / name
        path.write_text("something else\n")
        with pytest.raises(RunError, match=name):
            run.findings()
