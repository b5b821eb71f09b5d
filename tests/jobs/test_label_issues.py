"""Probable label errors in a real predictions.csv."""

import numpy as np
import pytest

import batchclf
from batchclf.core.types import BatchScores, ImageRef
from batchclf.errors import PredictionsError
from batchclf.jobs.evaluate.label_issues import SHOWN, LabelledRows, find_label_issues
from batchclf.storage.predictions.read import read_prediction_rows
from batchclf.storage.predictions.write import PredictionFiles
from batchclf.storage.run.directory import PREDICTIONS_FILE

NAMES = ("cat", "dog", "=cow")


def write(folder, labels, *, probabilities=True, split="test", sure=0.9, seed=0):
    """Rows whose predictions are the image's true class, which is its number modulo the classes."""
    random = np.random.default_rng(seed)
    true = np.arange(len(labels)) % len(NAMES)
    scores = random.dirichlet(np.ones(len(NAMES)), len(labels)) * (1 - sure)
    scores[np.arange(len(labels)), true] += sure
    refs = tuple(ImageRef(f"{i:04d}.png", label) for i, label in enumerate(labels))
    folder.mkdir(exist_ok=True)
    with PredictionFiles(folder, NAMES, topk=2, probabilities=probabilities) as writer:
        writer.write(BatchScores(refs, scores.astype(np.float32)), split)
    return folder / PREDICTIONS_FILE


def right_labels(count):
    return [NAMES[i % len(NAMES)] for i in range(count)]


@pytest.fixture
def swapped(tmp_path):
    """300 images, of which 40 have the label of the next class."""
    labels = right_labels(300)
    wrong = np.random.default_rng(1).choice(300, 40, replace=False).tolist()
    for i in wrong:
        labels[i] = NAMES[(i + 1) % len(NAMES)]
    return write(tmp_path / "run", labels), {f"{i:04d}.png" for i in wrong}


def test_swapped_labels_are_suspected_and_right_ones_are_not(swapped):
    path, wrong = swapped
    found = find_label_issues(path, NAMES, "test", 300)
    assert len(found.shown) == SHOWN <= found.images <= len(wrong)
    assert {row.path for row in found.shown} <= wrong
    for row in found.shown:
        assert row.split == "test"
        assert row.label is not None
        assert row.label != row.prediction
    assert found.missing == ""
    assert found.method.startswith("confident learning")


def test_the_most_suspect_comes_first(swapped):
    path, _ = swapped
    shown = find_label_issues(path, NAMES, "test", 300).shown
    rows = batchclf.read_predictions(path).set_index("path")
    of_label = [rows.loc[row.path, f"prob:{row.label}"] for row in shown]
    assert of_label == sorted(of_label)


def test_right_labels_are_not_suspected(tmp_path):
    found = find_label_issues(write(tmp_path / "run", right_labels(90)), NAMES, "test", 90)
    assert (found.images, found.shown, found.missing) == (0, (), "")


def test_only_labelled_rows_of_the_split_are_looked_at(tmp_path, swapped):
    path, _ = swapped
    assert find_label_issues(path, NAMES, "train", 300).missing == "needs labels"
    unlabelled = write(tmp_path / "none", [None] * 9)
    assert find_label_issues(unlabelled, NAMES, "test", 9).missing == "needs labels"
    half = [label if i % 2 else None for i, label in enumerate(right_labels(60))]
    assert find_label_issues(write(tmp_path / "half", half), NAMES, "test", 60).images == 0


@pytest.mark.parametrize("label", NAMES)
def test_one_class_alone_cannot_be_judged(tmp_path, label):
    path = write(tmp_path / "run", [label] * 6)
    assert find_label_issues(path, NAMES, "test", 6).missing == "needs images of at least two classes"


@pytest.mark.parametrize("count", [1, 2, 3])
def test_few_images_do_no_harm(tmp_path, count):
    assert find_label_issues(write(tmp_path / "run", right_labels(count)), NAMES, "test", count).images == 0


def test_a_class_without_images_does_no_harm(tmp_path):
    labels = [name if name != "dog" else "cat" for name in right_labels(90)]
    found = find_label_issues(write(tmp_path / "run", labels), NAMES, "test", 90)
    assert found.missing == ""
    assert all(row.prediction == "dog" for row in found.shown)


def test_it_is_quiet(swapped, capfd):
    find_label_issues(swapped[0], NAMES, "test", 300)
    assert capfd.readouterr() == ("", "")


def test_without_probability_columns_it_says_so(tmp_path):
    path = write(tmp_path / "run", right_labels(9), probabilities=False)
    found = find_label_issues(path, NAMES, "test", 9)
    assert (found.images, found.shown) == (0, ())
    assert "--probabilities" in found.missing


def test_too_many_probabilities_are_not_read(tmp_path):
    found = find_label_issues(tmp_path / "not there.csv", NAMES, "test", 7_000_000)
    assert "at most 20,000,000 probabilities" in found.missing


@pytest.mark.parametrize("most", [10_000, 899])
def test_rows_that_were_kept_need_not_be_read_again(swapped, most):
    """If there are too many, they are read again."""
    path, _ = swapped
    kept = LabelledRows("test", most)
    for rows in read_prediction_rows(path, NAMES):
        kept.take(rows)
    again = find_label_issues(path, NAMES, "test", 300)
    assert find_label_issues(path, NAMES, "test", 300, kept) == again
    path.unlink()
    if most > 900:
        assert find_label_issues(path, NAMES, "test", 300, kept) == again
    else:
        with pytest.raises(PredictionsError):
            find_label_issues(path, NAMES, "test", 300, kept)
