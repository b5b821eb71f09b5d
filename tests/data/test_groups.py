"""Groups of near duplicates by a pattern in their paths: on one side of a split, and numbered for what splits train."""

import numpy as np
import pytest
from image_cases import noise, write_image

from batchclf.data.folders import load_class_folders
from batchclf.errors import DataError, UsageError

PATIENT = r"(patient\d+)_"


def _load(root, **options):
    said = []
    return load_class_folders(root, say=said.append, **options), said


def _fill(root, names):
    for name in names:
        write_image(root / f"{name}.png", noise(2, 2, seed=len(name)))


@pytest.fixture
def patients(tmp_path):
    """Two classes with ten patients each, five images a patient; patient 3 has images of both."""
    _fill(tmp_path, [f"a/patient{patient}_{number}" for patient in range(10) for number in range(5)])
    _fill(tmp_path, [f"b/{number}_patient{patient}_x" for patient in (3, *range(10, 19)) for number in range(5)])
    return tmp_path


def _patients(split):
    return [path.partition("patient")[2].partition("_")[0] for path in split.paths]


def test_images_of_one_patient_are_on_one_side(patients):
    dataset, said = _load(patients, group=PATIENT)
    for seed in range(8):
        dataset, _ = _load(patients, group=PATIENT, seed=seed)
        train, test = _patients(dataset.train), _patients(dataset.test)
        assert set(train).isdisjoint(test)
        assert np.bincount(dataset.test.labels).tolist() in ([10, 10], [5, 10], [10, 5], [15, 15])
        for split, names in ((dataset.train, train), (dataset.test, test)):
            by_name = {}
            for name, number in zip(names, split.groups.tolist(), strict=True):
                assert by_name.setdefault(name, number) == number
            assert len(set(by_name.values())) == len(by_name)
    assert said[0] == rf"100 images in 19 groups by '{PATIENT}'"
    assert rf"groups by '{PATIENT}' kept together" in dataset.origin


def test_without_groups_patients_are_on_both_sides_and_nothing_is_numbered(patients):
    dataset, _ = _load(patients)
    assert not set(_patients(dataset.train)).isdisjoint(_patients(dataset.test))
    assert dataset.train.groups is None
    assert dataset.test.groups is None


def test_the_whole_match_is_the_group_where_there_are_no_parentheses(patients):
    one, other = (_load(patients, group=group)[0] for group in (PATIENT, r"patient\d+"))
    np.testing.assert_array_equal(one.train.groups, other.train.groups)
    assert one.test.paths == other.test.paths


def test_an_image_without_a_match_stands_alone(tmp_path):
    _fill(
        tmp_path, [*(f"a/s1_{number}" for number in range(3)), *(f"a/t{number}" for number in range(3)), "b/1", "b/2"]
    )
    dataset, said = _load(tmp_path, group=r"s(\d*)_|t")
    numbers = [*dataset.train.groups, *dataset.test.groups]
    groups = dict(zip(dataset.train.paths + dataset.test.paths, numbers, strict=True))
    by_file = {path.split("/", 1)[1]: int(number) for path, number in groups.items()}
    assert by_file["a/s1_0.png"] == by_file["a/s1_1.png"] == by_file["a/s1_2.png"]
    assert len(set(by_file.values())) == 6
    assert "8 images in 6 groups" in said[0]
    assert said[0].endswith("5 images have no match and stand alone")


def test_unreadable_images_take_no_group_along(patients):
    whole = _load(patients, group=PATIENT)[0]
    gone = whole.train.paths[7]
    (patients / gone.split("/", 1)[1]).write_bytes(b"broken")
    rest = _load(patients, group=PATIENT)[0]
    chosen = [path != gone for path in whole.train.paths]
    np.testing.assert_array_equal(rest.train.groups, whole.train.groups[chosen])


def test_groups_in_both_train_and_test_folders_are_warned_of(tmp_path):
    _fill(tmp_path / "train", ["a/p1_0", "a/p2_0", "b/p3_0", "b/p4_0"])
    _fill(tmp_path / "test", ["a/p1_1", "a/p1_2", "b/p3_1", "b/p5_0"])
    dataset, said = _load(tmp_path, group=r"p\d")
    assert said[1] == (
        "warning: 2 groups have images in both train/ and test/, among them 3 of 4 test images; if these are near "
        "duplicates, the test accuracy is too good"
    )
    assert dataset.train.groups.tolist() == [0, 1, 2, 3]
    assert dataset.test.groups.tolist() == [0, 0, 2, 4]
    assert _load(tmp_path, group="a/p2|b/p5")[1][1].startswith("input size")


def test_a_class_of_one_group_has_no_test_image(tmp_path):
    _fill(tmp_path, [*(f"a/p{number}_{image}" for number in range(5) for image in range(2)), "b/p9_0", "b/p9_1"])
    dataset, said = _load(tmp_path, group=r"p\d")
    assert np.bincount(dataset.test.labels, minlength=2).tolist() == [2, 0]
    assert "no test images of 1 class ('b')" in said[1]


def test_classes_of_one_group_each_leave_no_test_images(tmp_path):
    _fill(tmp_path, ["a/p1_0", "a/p1_1", "b/p2_0", "b/p2_1"])
    with pytest.raises(DataError, match="leaves no test images") as caught:
        _load(tmp_path, group=r"p\d")
    assert "not of one group" in caught.value.hint


@pytest.mark.parametrize(
    ("group", "told"),
    [("(patient", "at character 1: missing"), ("a**", "at character 3"), ("x{99999999999}", "is not a regular")],
)
def test_a_wrong_expression_is_refused_with_its_place(tmp_path, group, told):
    _fill(tmp_path, ["a/1", "a/2", "b/1", "b/2"])
    with pytest.raises(UsageError) as caught:
        _load(tmp_path, group=group)
    assert f"the group expression '{group}'" in caught.value.message
    assert told in caught.value.message


def test_an_expression_that_matches_nothing_is_refused(tmp_path):
    _fill(tmp_path, ["a/1", "a/2", "b/1", "b/2"])
    with pytest.raises(DataError) as caught:
        _load(tmp_path, group="patient")
    assert caught.value.message == "the group expression 'patient' matches none of 4 paths, for example a/1.png"
