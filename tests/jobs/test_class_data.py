"""Class folders in a job: the keys of [data], the split in run.json, and the same split for a later report."""

import dataclasses
import shutil
from importlib.util import find_spec

import numpy as np
import pandas as pd
import pytest
from job_cases import Watching
from PIL import Image

from batchclf.core.records.run import SplitRecord
from batchclf.errors import DataError, JobFileError
from batchclf.jobs.config.load import load_job
from batchclf.jobs.report.reload_splits import splits_again
from batchclf.jobs.run.job_run import load_data, run_job
from batchclf.jobs.setup.check import check_job
from batchclf.storage.run.directory import read_record

GROUP = "(p[0-9]{1,2})_"
DATA = f"""\
[data]
directory = "photos"
test_size = 0.25
group_by = "{GROUP}"
input_size = "6x5"
color = "grayscale"
store = "disk"
[model]
epochs = 1
seed = 4
[publish]
reports = "reports"
"""


def write_job(folder, text):
    (folder / "nightly.toml").write_text(text)
    return folder / "nightly.toml"


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A job over class folders of 48 images, four of each of twelve people, that has run: folder, record, lines."""
    if find_spec("tensorflow") is None:
        pytest.skip("TensorFlow is not installed")
    folder = tmp_path_factory.mktemp("people")
    rng = np.random.default_rng(0)
    for number in range(48):
        path = folder / "photos" / "ab"[number % 2] / f"p{number % 12}_{number // 12}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (9, 8, 3), np.uint8)).save(path)
    watching = Watching()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        _, run = run_job(load_job(write_job(folder, DATA)), watching, ["batchclf", "run", "nightly.toml"])
    assert watching.steps["reading images"] == 48
    return folder, read_record(run), watching.lines


def test_training_skips_what_scoring_would_skip(tmp_path):
    for number in range(12):
        path = tmp_path / "photos" / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 9 if number else 10)).save(path)
    said = []
    job = load_job(write_job(tmp_path, '[data]\ndirectory = "photos"\n[scoring]\nmax_pixels = 72\nimage_timeout = 5\n'))
    dataset = load_data(job, said.append)
    assert len(dataset.train.images) + len(dataset.test.images) == 11
    assert any("a/0.png: too large: 80 pixels" in line for line in said)


@pytest.fixture
def again(trained, tmp_path, monkeypatch):
    """The same in a folder of its own, to be changed."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    shutil.copytree(trained[0], tmp_path / "people", symlinks=True)
    return tmp_path / "people"


def test_a_job_trains_and_scores_what_its_keys_say(trained):
    _, record, lines = trained
    assert any(f"48 images in 12 groups by '{GROUP}'" in line for line in lines)
    assert any("the pixels go to disk" in line for line in lines)
    assert record.model.input_shape == (6, 5, 1)
    assert record.model.color_mode == "grayscale"
    # Three people of four images in each class would be half, one is a sixth: two classes of 24, 6 wanted of each.
    assert record.dataset.test_images in (8, 16)
    assert record.dataset.train_images == 48 - record.dataset.test_images
    assert record.dataset.split == SplitRecord(0.25, GROUP, 4)


def test_a_later_report_gets_the_same_split(trained):
    folder, record, _ = trained
    dataset = load_data(load_job(folder / "nightly.toml"), lambda line: None)
    splits = splits_again(record, lambda line: None)
    for name in ("train", "test"):
        assert splits[name].paths == dataset.splits[name].paths
        assert len(splits[name].paths) == getattr(record.dataset, f"{name}_images")
        np.testing.assert_array_equal(splits[name].images, dataset.splits[name].images)


def test_a_run_of_an_earlier_version_is_split_as_it_was(trained):
    _, record, _ = trained
    # Its bundle did not say what it was trained on, as another model's cannot.
    record = dataclasses.replace(record, model=dataclasses.replace(record.model, digest="0" * 64))
    old = dataclasses.replace(record, dataset=dataclasses.replace(record.dataset, split=None))
    plain = dataclasses.replace(
        record, dataset=dataclasses.replace(record.dataset, split=SplitRecord(None, None, seed=4))
    )
    one, other = (splits_again(each, lambda line: None)["test"].paths for each in (old, plain))
    assert one == other
    assert len(one) == 10


def test_a_loaded_model_fixes_size_and_colour(again):
    text = DATA.replace('"6x5"', '"8x8"').replace('"grayscale"', '"rgb"')
    job = write_job(again, text)
    said = []
    dataset = load_data(load_job(job), said.append)
    assert dataset.train.images.shape[1:] == (6, 5, 1)
    assert said[:2] == [
        "data.input_size = 8x8 is not used: the model takes 6x5; train again (retrain = true) for another",
        "data.color = rgb is not used: the model takes grayscale; train again (retrain = true) for another",
    ]
    warned = {each.key: each.line for each in check_job(job)[1] if each.state == "warning"}
    assert warned == {"data.input_size": 5, "data.color": 6}


def test_what_a_loaded_model_has_learnt_from_never_becomes_test(again):
    job = load_job(write_job(again, DATA))
    before = {name: set(split.paths) for name, split in load_data(job, lambda line: None).splits.items()}
    for person, label in ((0, "a"), (3, "b"), (99, "a"), (98, "b"), (97, "b")):  # the first two are there already
        shutil.copy(next((again / "photos" / label).glob("*.png")), again / "photos" / label / f"p{person}_new.png")
    said = []
    text = DATA.replace("0.25", "0.5").replace("seed = 4", "seed = 5")
    dataset = load_data(load_job(write_job(again, text)), said.append)
    known = {path.removeprefix("train/") for path in before["train"]}
    people = {path.partition("/")[2].partition("_")[0] for path in known}  # groups are people in both classes
    for name, split in dataset.splits.items():
        paths = {path.removeprefix(f"{name}/") for path in split.paths}
        assert {path for path in paths if path.partition("/")[2].partition("_")[0] in people} == (
            paths if name == "train" else set()
        )
        assert known <= paths or name == "test"
    assert {"test/a/p99_new.png", "test/b/p98_new.png", "test/b/p97_new.png"} <= set(dataset.test.paths)
    assert sum(len(split.paths) for split in dataset.splits.values()) == 53
    more = len(dataset.train.paths) - len(known)
    assert more == sum(f"p{person}" in people for person in (0, 3))
    also = f", {more} more of their groups" if more else ""
    line = f"the model was trained on {len(known)} images here: they are train{also}, the other "
    assert f"{line}{len(dataset.test.paths)} are test" in said


def test_a_later_report_splits_as_the_model_had_it(again):
    for number in range(3):
        shutil.copy(next((again / "photos" / "b").glob("*.png")), again / "photos" / "b" / f"p{50 + number}_0.png")
    job = load_job(write_job(again, DATA))
    _, run = run_job(job, Watching(), ["batchclf", "run", "nightly.toml"])
    record = read_record(run)
    dataset, splits = load_data(job, lambda line: None), splits_again(record, lambda line: None)
    assert record.dataset.test_images == len(splits["test"].paths) == len(dataset.test.paths)
    assert {path for name in splits for path in splits[name].paths} == {
        path for split in dataset.splits.values() for path in split.paths
    }
    rows = pd.read_csv(run / "predictions.csv")
    assert set(rows[rows["split"] == "test"]["path"]) == set(splits["test"].paths)


def test_a_model_that_was_trained_on_all_of_them_leaves_nothing_to_test(again):
    job = load_job(write_job(again, DATA))
    for path in load_data(job, lambda line: None).test.paths:
        (again / "photos" / path.removeprefix("test/")).unlink()
    with pytest.raises(DataError, match="photos leaves no test images") as caught:
        load_data(job, lambda line: None)
    assert caught.value.hint == "put images there that it was not trained on"


def test_images_that_have_gone_since_are_not_missed(again):
    """Without any image of a class to train on, as where old ones are moved away."""
    job = load_job(write_job(again, DATA))
    for path in load_data(job, lambda line: None).train.paths:
        if path.startswith("train/a/"):
            (again / "photos" / path.removeprefix("train/")).unlink()
    dataset = load_data(job, lambda line: None)
    assert set(dataset.train.labels) == {1}
    assert set(dataset.test.labels) == {0, 1}


def test_of_folders_that_a_model_has_not_learnt_from_chance_decides(again):
    shutil.move(again / "photos", again / "old")
    for number in range(40):
        path = again / "photos" / "ab"[number % 2] / f"q{number}_0.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(next((again / "old" / "a").glob("*.png")), path)
    text = DATA.replace(f'group_by = "{GROUP}"', "")
    dataset = load_data(load_job(write_job(again, text)), lambda line: None)
    assert (len(dataset.train.paths), len(dataset.test.paths)) == (30, 10)


def test_a_test_size_beside_train_and_test_is_warned_of(again):
    shutil.copytree(again / "photos", again / "both" / "train")
    (again / "photos").rename(again / "both" / "test")
    job = write_job(again, DATA.replace('"photos"', '"both"'))
    (warning,) = (each for each in check_job(job)[1] if each.state == "warning")
    assert (warning.key, warning.line) == ("data.test_size", 3)
    said = []
    load_data(load_job(job), said.append)
    assert any("the test size 0.25 is not used" in line for line in said)
    assert any("warning: 12 groups have images in both" in line for line in said)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("group_by = '(p'", "data.group_by: the group expression '(p' is not a regular expression of Python"),
        ("test_size = 0", "data.test_size: a number above 0 and below 1 is expected, not 0"),
        ("test_size = 1.0", "data.test_size: a number above 0 and below 1 is expected, not 1.0"),
        ("input_size = '28'", "data.input_size: a height and a width such as 224x224 is expected, not '28'"),
        ("color = 'bgr'", "data.color: 'bgr' is none of the values that it takes"),
        ("store = 'ram'", "data.store: 'ram' is none of the values that it takes"),
    ],
)
def test_wrong_values_are_told_with_their_line(tmp_path, line, told):
    job = write_job(tmp_path, f"[data]\ndirectory = 'photos'\n{line}\n")
    with pytest.raises(JobFileError) as caught:
        load_job(job)
    assert caught.value.line == 3
    assert told in caught.value.message
    assert [(each.state, each.line) for each in check_job(job)[1]] == [("error", 3)]


@pytest.mark.parametrize("line", ["group_by = 'x'", "test_size = 0.5", "input_size = '8x8'", "store = 'disk'"])
def test_keys_of_class_folders_do_not_go_with_a_data_set_by_name(tmp_path, line):
    job = write_job(tmp_path, f"[data]\ndataset = 'digits'\n{line}\n")
    with pytest.raises(JobFileError, match="is about class folders, not about a data set by name") as caught:
        load_job(job)
    assert caught.value.line == 3
