import json
import os
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batchclf.core.types import ExcludedFile, ImageRef, SkippedImage
from batchclf.data.discovery import LabelRule, check_folder, discover, label_rule
from batchclf.errors import DataError, ModelError

NO_LABELS = LabelRule(None, "no labels")
CLASSES = ("cat", "dog", "T-shirt/top")


def _tree(root, *paths):
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(b"")
    return root


def _found(root, rule=NO_LABELS):
    return list(discover(root, rule))


def _path(found):
    return found.ref.path if isinstance(found, SkippedImage) else found.path


def _paths(root):
    return [_path(found) for found in _found(root)]


def _reasons(root):
    return {found.path: found.reason for found in _found(root) if isinstance(found, ExcludedFile)}


# Order


@pytest.mark.parametrize(
    "paths",
    [
        ["a.png", "a/b.png", "a b.png", "a b/c.png", "a-b.png", "a0.png"],
        ["a/b/c.png", "a/b.png", "a/b-c.png", "a.png", "b/a.png"],
        ["é.png", "e\u0301.png", "z.png", "Z.png", "ß/ß.png", "日本/一.png", "😀.png", "\uffff.png"],
        ["10.png", "9.png", "1/0.png", "1.png", "1!.png", "1#/x.png"],
        ["x.PNG", "x.png", "x.Jpeg", "X/x.jpg"],
        ["new\nline.png", "tab\t.png", "=cmd.png", "'quote'.png", "%41.png"],
    ],
)
def test_files_come_in_the_order_of_their_whole_paths(tmp_path, paths):
    assert _paths(_tree(tmp_path, *paths)) == sorted(paths)


NAMES = st.text(st.sampled_from("ab -./0Aé~"), min_size=1, max_size=3).filter(lambda name: name.strip("./") != "")


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(NAMES.map(lambda name: name.replace("/", "_")), min_size=1, max_size=4), max_size=12))
def test_any_tree_comes_sorted_with_every_file_once(parts):
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for names in parts:
            try:
                _tree(root, "/".join(names) + ".png")
            except (FileExistsError, NotADirectoryError, IsADirectoryError):
                continue  # a file stands where this path needs a folder
        expected = sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())
        assert _paths(root) == expected


def test_paths_are_relative_whatever_the_root_is_written_like(tmp_path, monkeypatch):
    _tree(tmp_path, "in/a/b.png", "c.png")
    monkeypatch.chdir(tmp_path / "in")
    for root in (Path(".."), tmp_path / "in" / "..", tmp_path):
        assert _paths(root) == ["c.png", "in/a/b.png"]


def test_an_empty_tree_has_nothing(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    assert _found(tmp_path) == []


def test_the_walk_goes_on_only_as_it_is_asked_to(tmp_path):
    _tree(tmp_path, "a/1.png", "b/2.png")
    walk = discover(tmp_path, NO_LABELS)
    assert next(walk) == ImageRef("a/1.png", None)
    _tree(tmp_path, "b/3.png")
    assert [found.path for found in walk] == ["b/2.png", "b/3.png"]


# What is no image to score


def test_each_file_is_an_image_or_excluded_with_a_reason(tmp_path):
    images = ["a.png", "b.JPG", "c.jpeg", "d.bmp", "e.gif", "f.webp", "g.tif", "h.tiff"]
    others = ["Makefile", "data.csv", "png", "x.png.txt", "x.svg"]
    hidden = [".a.png", ".git/b.png", "sub/.cache/deep/c.png", "sub/.d.txt"]
    found = _found(_tree(tmp_path, *images, *others, *hidden))
    assert [f for f in found if isinstance(f, ImageRef)] == [ImageRef(path, None) for path in sorted(images)]
    assert _reasons(tmp_path) == {
        **dict.fromkeys(others, "not an image by its suffix"),
        **dict.fromkeys(hidden, "hidden"),
    }


def test_symbolic_links(tmp_path):
    root = _tree(tmp_path / "root", "a/real.png", "b/x.png")
    _tree(tmp_path, "outside.png", "root-2/near.png")
    (root / "in.png").symlink_to("a/real.png")
    (root / "out.png").symlink_to(tmp_path / "outside.png")
    (root / "sibling.png").symlink_to("../root-2/near.png")
    (root / "folder.png").symlink_to("a")
    (root / "folder").symlink_to("a")
    (root / "up").symlink_to("..")
    (root / "broken.png").symlink_to("missing.png")
    (root / "loop.png").symlink_to("loop.png")
    assert _reasons(root) == {
        "out.png": "symbolic link out of the folder",
        "sibling.png": "symbolic link out of the folder",
        "folder.png": "symbolic link to a folder",
        "folder": "not an image by its suffix",
        "up": "not an image by its suffix",
    }
    refs = [found.path for found in _found(root) if isinstance(found, ImageRef)]
    assert refs == ["a/real.png", "b/x.png", "broken.png", "in.png", "loop.png"]


def test_links_are_judged_the_same_where_the_root_is_one(tmp_path):
    root = _tree(tmp_path / "root", "a.png")
    (root / "b.png").symlink_to("a.png")
    (tmp_path / "link").symlink_to("root")
    assert _found(tmp_path / "link") == _found(root) == [ImageRef("a.png", None), ImageRef("b.png", None)]


def test_a_link_to_where_the_user_may_not_look_is_out_of_the_folder(other_user):
    root = _tree(other_user / "root", "a.png")
    _tree(other_user, "closed/b.png")
    (root / "b.png").symlink_to(other_user / "closed" / "b.png")
    (other_user / "closed").chmod(0)
    assert _reasons(root) == {"b.png": "symbolic link out of the folder"}


def test_a_pipe_is_not_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "link.png").symlink_to("pipe.png")
    assert _reasons(tmp_path) == dict.fromkeys(["link.png", "pipe.png"], "a pipe, socket or device")


def test_a_folder_that_cannot_be_listed_is_a_skip(other_user):
    _tree(other_user, "a/1.png", "b/2.png", "c/3.png")
    (other_user / "b").chmod(0)
    first, skip, last = _found(other_user)
    assert (first, last) == (ImageRef("a/1.png", None), ImageRef("c/3.png", None))
    assert skip == SkippedImage(ImageRef("b/", None), "the folder cannot be listed: Permission denied")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
def test_a_file_name_that_is_no_utf8_is_found_and_can_be_opened(tmp_path):
    raw = os.fsencode(tmp_path) + b"/caf\xe9.png"
    Path(os.fsdecode(raw)).write_bytes(b"pixels")
    _tree(tmp_path, "cafe.png", "café.png")
    assert _paths(tmp_path) == sorted(["cafe.png", "café.png", "caf\udce9.png"])
    assert (tmp_path / "caf\udce9.png").read_bytes() == b"pixels"


# The folder itself


def test_a_folder_of_images_passes(tmp_path):
    check_folder(tmp_path)
    check_folder(_tree(tmp_path, "a.png"))


def test_what_is_no_folder_is_told(tmp_path):
    _tree(tmp_path, "file.png")
    (tmp_path / "nowhere").symlink_to("missing")
    for name, why in [
        ("missing", "there is no folder"),
        ("nowhere", "there is no folder"),
        ("file.png", "is a file; a folder of images is expected"),
        ("x" * 300, "cannot be listed: File name too long"),
    ]:
        with pytest.raises(DataError) as caught:
            check_folder(tmp_path / name)
        assert why in caught.value.message
        assert str(tmp_path / name) in caught.value.message


@pytest.mark.parametrize("inner", ["", "b"])
def test_a_folder_that_the_user_may_not_see_is_told(other_user, inner):
    _tree(other_user, "a/b/1.png")
    (other_user / "a").chmod(0)
    with pytest.raises(DataError, match="cannot be listed: Permission denied"):
        check_folder(other_user / "a" / inner)


# Labels


def test_auto_takes_the_first_folder_level_where_all_are_classes(tmp_path):
    _tree(tmp_path, "cat/1.png", "cat/deep/2.png", "T-shirt_top/3.png", "loose.png", ".hidden/4.png")
    rule = label_rule(tmp_path, "auto", CLASSES)
    refs = {found.path: found.label for found in _found(tmp_path, rule) if isinstance(found, ImageRef)}
    assert refs == {"cat/1.png": "cat", "cat/deep/2.png": "cat", "T-shirt_top/3.png": "T-shirt/top", "loose.png": None}
    assert rule.sentence == "labels from the 2 class folders"


def test_auto_takes_no_label_where_one_folder_is_no_class(tmp_path):
    _tree(tmp_path, "cat/1.png", "bird/2.png")
    rule = label_rule(tmp_path, "auto", CLASSES)
    assert {found.label for found in _found(tmp_path, rule)} == {None}
    assert rule.sentence == "no labels (the folder 'bird' is not a class of the model)"


def test_auto_without_folders(tmp_path):
    rule = label_rule(_tree(tmp_path, "1.png"), "auto", CLASSES)
    assert rule.by_folder is None
    assert "there are no folders" in rule.sentence


def test_labels_none_looks_at_nothing(tmp_path):
    rule = label_rule(_tree(tmp_path, "cat/1.png", "classes.json"), "none", CLASSES)
    assert rule.label("cat/1.png") is None
    assert "asked for none" in rule.sentence


def test_labels_by_folders_refuses_a_stranger_and_hints_at_the_nearest_class(tmp_path):
    _tree(tmp_path, "cat/1.png", "Dog/2.png")
    with pytest.raises(ModelError) as caught:
        label_rule(tmp_path, "folders", CLASSES)
    assert "'Dog'" in caught.value.message
    assert "cat, dog, T-shirt/top" in caught.value.message
    assert "did you mean 'dog'?" in caught.value.hint
    assert str(tmp_path / "classes.json") in caught.value.hint


def test_a_stranger_that_is_near_to_none_gets_no_guess(tmp_path):
    with pytest.raises(ModelError) as caught:
        label_rule(_tree(tmp_path, "zzzzzz/2.png"), "folders", CLASSES)
    assert "did you mean" not in caught.value.hint


def test_labels_by_folders_needs_folders(tmp_path):
    with pytest.raises(DataError, match="no class folders") as caught:
        label_rule(_tree(tmp_path, "1.png", ".git/2.png"), "folders", CLASSES)
    assert "--labels none" in caught.value.hint


@pytest.mark.parametrize("mode", ["auto", "folders"])
def test_classes_json_maps_folders_to_classes(tmp_path, mode):
    _tree(tmp_path, "katze/1.png", "kater/2.png", "dog/3.png")
    mapping = {"katze": "cat", "kater": "cat", "absent": "dog"}
    (tmp_path / "classes.json").write_text(json.dumps({"format": 1, "classes": mapping}))
    rule = label_rule(tmp_path, mode, CLASSES)
    labels = [found.label for found in _found(tmp_path, rule) if isinstance(found, ImageRef)]
    assert labels == ["dog", "cat", "cat"]


def test_classes_json_goes_before_the_folders_own_name(tmp_path):
    _tree(tmp_path, "cat/1.png", "dog/2.png")
    (tmp_path / "classes.json").write_text(json.dumps({"format": 1, "classes": {"cat": "dog", "dog": "wolf"}}))
    assert label_rule(tmp_path, "auto", CLASSES).sentence.startswith("no labels (the folder 'dog'")
    assert label_rule(tmp_path, "auto", ("cat", "dog", "wolf")).label("dog/2.png") == "wolf"


def test_a_damaged_classes_json_is_told(tmp_path):
    _tree(tmp_path, "cat/1.png", "classes.json")
    with pytest.raises(DataError, match=r"classes\.json is not a class map"):
        label_rule(tmp_path, "auto", CLASSES)


def test_a_folder_behind_a_link_is_no_class_folder(tmp_path):
    _tree(tmp_path, "root/cat/1.png", "elsewhere/2.png")
    (tmp_path / "root" / "bird").symlink_to("../elsewhere")
    assert label_rule(tmp_path / "root", "folders", CLASSES).by_folder == {"cat": "cat"}
