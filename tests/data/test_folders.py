import json

import numpy as np
import pytest
from image_cases import noise, write_image
from PIL import Image

from batchclf.data.decoding import aside
from batchclf.data.decoding.limits import Limits
from batchclf.data.folders import load_class_folders
from batchclf.data.geometry.resize import fit
from batchclf.errors import DataError


def _load(root, **options):
    said = []
    return load_class_folders(root, say=said.append, **options), said


def _fail(root, **options):
    with pytest.raises(DataError) as caught:
        load_class_folders(root, say=lambda line: None, **options)
    return caught.value


def _fill(root, counts, *, gray=False, size=(12, 17)):
    """Class folders with this many images each; returns the pixels by path."""
    written = {}
    for name, count in counts.items():
        for number in range(count):
            pixels = noise(*size, seed=len(written))
            written[f"{name}/{number:03d}.png"] = pixels[..., 0] if gray else pixels
            write_image(root / name / f"{number:03d}.png", written[f"{name}/{number:03d}.png"])
    return written


# train/ and test/


def test_train_and_test_folders_are_taken_as_they_are(tmp_path):
    train = _fill(tmp_path / "train", {"dog": 3, "cat": 2})
    test = _fill(tmp_path / "test", {"cat": 1, "dog": 2})
    dataset, said = _load(tmp_path)
    assert dataset.name == tmp_path.name
    assert dataset.class_names == ("cat", "dog")
    assert "train/ and test/ as they are" in dataset.origin
    assert str(tmp_path) in dataset.origin
    for split, written in ((dataset.train, train), (dataset.test, test)):
        assert split.images.shape == (len(written), 12, 17, 3)
        assert (split.images.dtype, split.labels.dtype) == (np.uint8, np.int64)
        assert list(split.paths) == sorted(f"{split.name}/{path}" for path in written)
        for image, label, path in zip(split.images, split.labels, split.paths, strict=True):
            inner = path.removeprefix(f"{split.name}/")
            np.testing.assert_array_equal(image, written[inner])
            assert dataset.class_names[label] == inner.split("/")[0]
    assert len(said) == 1
    assert "input size 12x17 rgb" in said[0]
    assert "train/cat/000.png" in said[0]


def test_classes_json_beside_train_and_test_names_the_classes(tmp_path):
    _fill(tmp_path / "train", {"T-shirt_top": 1, "Bag": 1})
    _fill(tmp_path / "test", {"T-shirt_top": 1, "Bag": 1})
    document = {"format": 1, "classes": {"T-shirt_top": "T-shirt/top", "Bag": "Bag"}}
    (tmp_path / "classes.json").write_text(json.dumps(document))
    dataset, _ = _load(tmp_path)
    assert dataset.class_names == ("Bag", "T-shirt/top")
    assert dataset.test.labels.tolist() == [0, 1]


# One set of folders, split here


def test_a_fifth_of_each_class_is_test(tmp_path):
    written = _fill(tmp_path, {"a": 20, "b": 10, "c": 3, "d": 2, "e": 1}, size=(4, 4))
    dataset, _ = _load(tmp_path)
    assert np.bincount(dataset.test.labels, minlength=5).tolist() == [4, 2, 1, 1, 0]
    assert np.bincount(dataset.train.labels, minlength=5).tolist() == [16, 8, 2, 1, 1]
    assert "split 80:20 in each class, seed 0" in dataset.origin
    both = [path.split("/", 1)[1] for split in (dataset.train, dataset.test) for path in split.paths]
    assert sorted(both) == sorted(written)
    for split in (dataset.train, dataset.test):
        assert list(split.paths) == sorted(split.paths)
        for image, path in zip(split.images, split.paths, strict=True):
            np.testing.assert_array_equal(image, written[path.split("/", 1)[1]])


def test_the_seed_decides_the_split(tmp_path):
    _fill(tmp_path, {"a": 20, "b": 20}, size=(2, 2))
    first, again, other = (_load(tmp_path, seed=seed)[0].test.paths for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_the_split_is_the_one_it_always_was(tmp_path):
    """Runs of the first version are reported on again: its test images must come back."""
    _fill(tmp_path, {"a": 12, "b": 7}, size=(2, 2))
    whole = sorted(f"{name}/{number:03d}.png" for name, count in (("a", 12), ("b", 7)) for number in range(count))
    rng = np.random.default_rng(3)
    drawn = [*rng.permutation(range(12))[:2], *rng.permutation(range(12, 19))[:1]]
    assert list(_load(tmp_path, seed=3)[0].test.paths) == [f"test/{whole[place]}" for place in sorted(drawn)]


def test_the_test_size_can_be_asked_for(tmp_path):
    _fill(tmp_path, {"a": 20, "b": 8}, size=(2, 2))
    dataset, _ = _load(tmp_path, test_size=0.375)
    assert np.bincount(dataset.test.labels).tolist() == [round(0.375 * 20), 3]
    assert "split 62.5:37.5 in each class, seed 0" in dataset.origin
    assert len(_load(tmp_path, test_size=0.99)[0].train.paths) == 2


def test_the_split_does_not_depend_on_which_images_can_be_read(tmp_path):
    _fill(tmp_path, {"a": 20, "b": 20}, size=(2, 2))
    before = _load(tmp_path)[0]
    gone = [before.train.paths[3], before.test.paths[2]]
    for path in gone:
        (tmp_path / path.split("/", 1)[1]).write_bytes(b"broken")
    after = _load(tmp_path)[0]
    for split in ("train", "test"):
        wanted = [path for path in before.splits[split].paths if path not in gone]
        assert list(after.splits[split].paths) == wanted


def test_a_class_without_test_images_is_said(tmp_path):
    _fill(tmp_path, {"a": 4, "b": 1, "c": 1}, size=(2, 2))
    _, said = _load(tmp_path)
    assert "no test images of 2 classes ('b', 'c'): there is just one image" in said


def test_a_test_size_beside_train_and_test_folders_is_not_used(tmp_path):
    for split in ("train", "test"):
        _fill(tmp_path / split, {"a": 2, "b": 2}, size=(2, 2))
    dataset, said = _load(tmp_path, test_size=0.5)
    assert said[0] == "the test size 0.5 is not used, since there are the folders train/ and test/"
    assert len(dataset.train.paths) == 4


def test_a_folder_named_train_alone_is_a_class(tmp_path):
    _fill(tmp_path, {"train": 2, "plane": 2})
    assert _load(tmp_path)[0].class_names == ("plane", "train")


# Shape and colour


def test_an_image_without_colour_makes_the_data_set_gray(tmp_path):
    written = _fill(tmp_path, {"a": 2, "b": 2}, gray=True)
    dataset, said = _load(tmp_path)
    assert dataset.train.images.shape[1:] == (12, 17, 1)
    assert "12x17 grayscale" in said[0]
    for image, path in zip(dataset.train.images, dataset.train.paths, strict=True):
        np.testing.assert_array_equal(image[..., 0], written[path.split("/", 1)[1]])


@pytest.mark.parametrize(("gray", "mode", "channels"), [(True, "rgb", 3), (False, "grayscale", 1)])
def test_the_colour_mode_can_be_asked_for(tmp_path, gray, mode, channels):
    _fill(tmp_path, {"a": 2, "b": 2}, gray=gray)
    assert _load(tmp_path, color_mode=mode)[0].train.images.shape[1:] == (12, 17, channels)


@pytest.mark.parametrize(("size", "shape"), [((192, 96), (96, 48)), ((50, 300), (16, 96)), ((96, 96), (96, 96))])
def test_large_images_are_scaled_down_in_their_shape(tmp_path, size, shape):
    _fill(tmp_path, {"a": 2, "b": 2}, size=size)
    assert _load(tmp_path)[0].train.images.shape[1:3] == shape


def test_one_image_with_colour_makes_the_data_set_coloured(tmp_path):
    _fill(tmp_path, {"a": 3, "b": 2}, gray=True)
    write_image(tmp_path / "b" / "zzz.png", noise(12, 17))
    dataset, said = _load(tmp_path)
    assert dataset.train.images.shape[1:] == (12, 17, 3)
    assert f"12x17 rgb: the size after the first image, {tmp_path / 'a' / '000.png'}" in said[0]
    assert f"; {tmp_path / 'b' / 'zzz.png'} has colour" in said[0]


def test_a_size_and_a_colour_are_kept_to(tmp_path):
    written = _fill(tmp_path, {"a": 2, "b": 2}, size=(20, 30))
    dataset, said = _load(tmp_path, size=(7, 5), color_mode="rgb")
    assert dataset.train.images.shape[1:] == (7, 5, 3)
    assert said == []
    path = dataset.train.paths[0].removeprefix("train/")
    np.testing.assert_array_equal(dataset.train.images[0], fit(written[path], (7, 5, 3), "fast"))
    assert _load(tmp_path, size=(7, 5), color_mode="grayscale")[0].train.images.shape[1:] == (7, 5, 1)
    dataset, said = _load(tmp_path, size=(200, 101))
    assert dataset.train.images.shape[1:] == (200, 101, 3)
    assert said == [f"input size 200x101 rgb: {tmp_path / 'a' / '000.png'} has colour"]


def test_images_of_other_sizes_follow_the_first(tmp_path):
    write_image(tmp_path / "a" / "1.png", noise(10, 10))
    write_image(tmp_path / "a" / "2.jpg", noise(30, 20))
    write_image(tmp_path / "b" / "1.bmp", noise(5, 5))
    write_image(tmp_path / "b" / "2.gif", noise(10, 40))
    dataset, _ = _load(tmp_path)
    assert dataset.train.images.shape[1:] == dataset.test.images.shape[1:] == (10, 10, 3)


# What is left out, and what is refused


def test_unreadable_images_are_left_out_and_said(tmp_path):
    _fill(tmp_path, {"a": 4, "b": 4})
    (tmp_path / "a" / "000.png").write_bytes(b"not an image")
    (tmp_path / "b" / "zzz.png").write_bytes(b"")
    (tmp_path / "b" / "notes.txt").write_text("no image by its suffix")
    (tmp_path / "b" / "deep").mkdir()
    (tmp_path / "b" / "deep" / "MORE.TXT").write_text("nor this")
    (tmp_path / "b" / ".hidden.txt").write_text("this is hidden")
    (tmp_path / "classes.txt").write_text("this lies in no class folder")
    dataset, said = _load(tmp_path)
    assert len(dataset.train.paths) + len(dataset.test.paths) == 7
    assert said.pop(0) == (
        f"{tmp_path}: found 13 = 9 images of classes + excluded 4 (1 hidden; 3 not an image by its suffix)"
    )
    assert said.pop(0) == f"{tmp_path}: left out by suffix: 3 .txt"
    assert f"the size after the first image, {tmp_path / 'a' / '001.png'}" in said[0]
    assert sorted(said[1:3]) == [
        f"left out {tmp_path / 'a' / '000.png'}: not an image: the content is of no known image format",
        f"left out {tmp_path / 'b' / 'zzz.png'}: empty file (0 bytes)",
    ]
    assert said[3:] == ["left out 2 of 9 images (22.22%), which cannot be read"]


def test_images_that_take_too_much_are_left_out_and_said(tmp_path, monkeypatch):
    _fill(tmp_path, {"a": 4, "b": 4})
    write_image(tmp_path / "a" / "000.png", noise(30, 20))
    Image.fromarray(noise(12, 17)).save(tmp_path / "b" / "000.png", "PPM")  # for Pillow, in a process beside
    slow = "import time; from batchclf.data.decoding import pillow; pillow.decode = lambda *arguments: time.sleep(60)"
    monkeypatch.setattr(aside, "_MAIN", f"exec({slow!r}); {aside._MAIN}")
    aside.close()
    dataset, said = _load(tmp_path, size=(12, 17), color_mode="rgb", limits=Limits(pixels=599, seconds=1))
    assert aside.pids() == []
    assert len(dataset.train.paths) + len(dataset.test.paths) == 6
    large, slow = sorted(line for line in said if line.startswith(f"left out {tmp_path}"))
    assert large.startswith(f"left out {tmp_path / 'a' / '000.png'}: too large: 600 pixels")
    assert slow == f"left out {tmp_path / 'b' / '000.png'}: took longer than 1 s to read and decode (--image-timeout)"


def test_a_million_reasons_are_not_a_million_lines(tmp_path):
    _fill(tmp_path, {"a": 4, "b": 70}, size=(2, 2))
    for number in range(1, 56):
        (tmp_path / "b" / f"{number:03d}.png").write_bytes(b"broken")
    dataset, said = _load(tmp_path)
    assert len(dataset.train.paths) + len(dataset.test.paths) == 19
    assert sum(line.startswith(f"left out {tmp_path}") for line in said) == 20
    assert said[-2:] == [
        "left out 35 more, for reasons of the same kind or others",
        "left out 55 of 74 images (74.32%), which cannot be read",
    ]


def test_a_folder_that_cannot_be_listed_is_said(other_user):
    _fill(other_user, {"a": 3, "b": 3, "b/inner": 1})
    (other_user / "b" / "inner").chmod(0)
    _, said = _load(other_user)
    assert f"left out {other_user / 'b' / 'inner'}: the folder cannot be listed: Permission denied" in said
    assert said[-1] == "left out 1 folder, which cannot be listed"


def test_a_train_folder_that_cannot_be_listed_is_an_error(other_user):
    for split in ("train", "test"):
        _fill(other_user / split, {"a": 1, "b": 1})
    (other_user / "test").chmod(0)
    error = _fail(other_user)
    assert error.message == f"the folder {other_user / 'test'} cannot be listed: Permission denied"


@pytest.mark.parametrize("counts", [{}, {"only": 3}])
def test_fewer_than_two_classes_are_no_data_set(tmp_path, counts):
    _fill(tmp_path, counts)
    error = _fail(tmp_path)
    assert f"has {len(counts)} class folder{'s' * (len(counts) != 1)}; a classifier needs at least two" in error.message
    assert "CLASS/*.png" in error.hint


def test_a_class_name_that_is_not_utf8_is_refused_before_training(tmp_path):
    _fill(tmp_path, {"a": 2, "caf\udce9": 2})
    error = _fail(tmp_path)
    assert "'caf\\udce9'" in error.message
    assert "is not UTF-8" in error.message
    assert "classes.json" in error.hint


def test_folders_without_images(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    error = _fail(tmp_path)
    assert error.message == f"there are no images in the class folders of {tmp_path}"
    assert "CLASS/*.png" in error.hint


def test_a_class_folder_without_images(tmp_path):
    _fill(tmp_path, {"a": 3, "b": 3})
    (tmp_path / "empty").mkdir()
    assert _fail(tmp_path).message == f"the class 'empty' in {tmp_path} has no image"


def test_a_class_without_images_in_train(tmp_path):
    _fill(tmp_path / "train", {"a": 2, "b": 2})
    _fill(tmp_path / "test", {"a": 2, "c": 2})
    assert _fail(tmp_path).message == f"the class 'c' in {tmp_path / 'train'} has no image"


def test_images_of_which_none_can_be_read(tmp_path):
    for path in _fill(tmp_path, {"a": 2, "b": 2}):
        (tmp_path / path).write_bytes(b"broken")
    assert "there are no readable images" in _fail(tmp_path).message


def test_test_images_of_which_none_can_be_read(tmp_path):
    for split in ("train", "test"):
        _fill(tmp_path / split, {"a": 1, "b": 1})
    for path in (tmp_path / "test").rglob("*.png"):
        path.write_bytes(b"broken")
    assert _fail(tmp_path).message == f"none of the test images in {tmp_path} can be read"


def test_a_class_without_a_readable_training_image(tmp_path):
    _fill(tmp_path, {"a": 3, "b": 1})
    (tmp_path / "b" / "000.png").write_bytes(b"broken")
    assert "the class 'b'" in _fail(tmp_path).message
    assert "no readable training image" in _fail(tmp_path).message


def test_one_image_a_class_leaves_nothing_to_test(tmp_path):
    _fill(tmp_path, {"a": 1, "b": 1})
    assert "leaves no test images" in _fail(tmp_path).message


def test_a_class_that_the_model_does_not_know(tmp_path):
    _fill(tmp_path, {"a": 2, "b": 2, "c": 2})
    error = _fail(tmp_path, class_names=("a", "b"))
    assert "'c'" in error.message
    assert "(a, b)" in error.message
    assert "retrain" in error.hint


def test_the_models_classes_keep_their_order(tmp_path):
    _fill(tmp_path, {"a": 2, "b": 2})
    dataset, _ = _load(tmp_path, class_names=("b", "a"))
    assert dataset.class_names == ("b", "a")
    for label, path in zip(dataset.train.labels, dataset.train.paths, strict=True):
        assert dataset.class_names[label] == path.split("/")[1]


def test_a_root_that_is_missing_or_a_file(tmp_path):
    assert "there is no folder" in _fail(tmp_path / "missing").message
    Image.fromarray(noise()).save(tmp_path / "file.png")
    assert "is a file" in _fail(tmp_path / "file.png").message
