"""Class folders in a job: the keys of [data], the split in run.json, and the same split for a later report."""

import dataclasses
import shutil
from importlib.util import find_spec

import numpy as np
import pytest
from job_cases import Watching
from PIL import Image

from batchclf.core.run_record import SplitRecord
from batchclf.errors import JobFileError
from batchclf.jobs.check import check_job
from batchclf.jobs.job_file import load_job
from batchclf.jobs.runner import load_data, run_job
from batchclf.jobs.splits_again import splits_again
from batchclf.storage.run_directory import read_record

GROUP = "(p[0-9]{1,2})_"
DATA = f"""\
[data]
directory = "photos"
test_share = 0.25
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
    (folder / "night.toml").write_text(text)
    return folder / "night.toml"


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
        _, run = run_job(load_job(write_job(folder, DATA)), watching, ["batchclf", "run", "night.toml"])
    return folder, read_record(run), watching.lines


@pytest.fixture
def again(trained, tmp_path, monkeypatch):
    """The same in a folder of its own, to be changed."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    shutil.copytree(trained[0], tmp_path / "people")
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
    dataset = load_data(load_job(folder / "night.toml"), lambda line: None)
    splits = splits_again(record, lambda line: None)
    for name in ("train", "test"):
        assert splits[name].paths == dataset.splits[name].paths
        assert len(splits[name].paths) == getattr(record.dataset, f"{name}_images")
        np.testing.assert_array_equal(splits[name].images, dataset.splits[name].images)


def test_a_run_of_an_earlier_version_is_split_as_it_was(trained):
    _, record, _ = trained
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


def test_a_test_share_beside_train_and_test_is_warned_of(again):
    shutil.copytree(again / "photos", again / "both" / "train")
    (again / "photos").rename(again / "both" / "test")
    job = write_job(again, DATA.replace('"photos"', '"both"'))
    (warning,) = (each for each in check_job(job)[1] if each.state == "warning")
    assert (warning.key, warning.line) == ("data.test_share", 3)
    said = []
    load_data(load_job(job), said.append)
    assert any("the test share 0.25 is not used" in line for line in said)
    assert any("warning: 12 groups have images in both" in line for line in said)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("group_by = '(p'", "data.group_by: the group expression '(p' is not a regular expression of Python"),
        ("test_share = 0", "data.test_share: a number > 0.0 is expected, not 0"),
        ("test_share = 1.0", "data.test_share: a number < 1.0 is expected, not 1.0"),
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


@pytest.mark.parametrize("line", ["group_by = 'x'", "test_share = 0.5", "input_size = '8x8'", "store = 'disk'"])
def test_keys_of_class_folders_do_not_go_with_a_data_set_by_name(tmp_path, line):
    job = write_job(tmp_path, f"[data]\ndataset = 'digits'\n{line}\n")
    with pytest.raises(JobFileError, match="is about class folders, not about a data set by name") as caught:
        load_job(job)
    assert caught.value.line == 3
