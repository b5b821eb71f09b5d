import os
import sys
import tempfile
from pathlib import Path

import pytest
from file_cases import make_tree, path_of
from hypothesis import given, settings
from hypothesis import strategies as st

from batchclf.core.types import ExcludedFile, ImageRef, SkippedImage
from batchclf.data.labels import LabelRule
from batchclf.data.sources.folder import check_folder, discover, discover_listed
from batchclf.errors import DataError

NO_LABELS = LabelRule(None, "no labels")


def _found(root, rule=NO_LABELS):
    return list(discover(root, rule))


def _paths(root):
    return [path_of(found) for found in _found(root)]


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
    assert _paths(make_tree(tmp_path, *paths)) == sorted(paths)


NAMES = st.text(st.sampled_from("ab -./0Aé~"), min_size=1, max_size=3).filter(lambda name: name.strip("./") != "")


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(NAMES.map(lambda name: name.replace("/", "_")), min_size=1, max_size=4), max_size=12))
def test_any_tree_comes_sorted_with_every_file_once(parts):
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for names in parts:
            try:
                make_tree(root, "/".join(names) + ".png")
            except (FileExistsError, NotADirectoryError, IsADirectoryError):
                continue  # a file stands where this path needs a folder
        expected = sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())
        assert _paths(root) == expected


def test_paths_are_relative_whatever_the_root_is_written_like(tmp_path, monkeypatch):
    make_tree(tmp_path, "in/a/b.png", "c.png")
    monkeypatch.chdir(tmp_path / "in")
    for root in (Path(".."), tmp_path / "in" / "..", tmp_path):
        assert _paths(root) == ["c.png", "in/a/b.png"]


def test_an_empty_tree_has_nothing(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    assert _found(tmp_path) == []


def test_the_walk_goes_on_only_as_it_is_asked_to(tmp_path):
    make_tree(tmp_path, "a/1.png", "b/2.png")
    walk = discover(tmp_path, NO_LABELS)
    assert next(walk) == ImageRef("a/1.png", None)
    make_tree(tmp_path, "b/3.png")
    assert [found.path for found in walk] == ["b/2.png", "b/3.png"]


# What is no image to score


def test_each_file_is_an_image_or_excluded_with_a_reason(tmp_path):
    images = ["a.png", "b.JPG", "c.jpeg", "d.bmp", "e.gif", "f.webp", "g.tif", "h.tiff"]
    others = ["Makefile", "data.csv", "png", "x.png.txt", "x.svg"]
    hidden = [".a.png", ".git/b.png", "sub/.cache/deep/c.png", "sub/.d.txt"]
    found = _found(make_tree(tmp_path, *images, *others, *hidden))
    assert [f for f in found if isinstance(f, ImageRef)] == [ImageRef(path, None) for path in sorted(images)]
    assert _reasons(tmp_path) == {
        **dict.fromkeys(others, "not an image by its suffix"),
        **dict.fromkeys(hidden, "hidden"),
    }


def test_symbolic_links(tmp_path):
    root = make_tree(tmp_path / "root", "a/real.png", "b/x.png")
    make_tree(tmp_path, "outside.png", "root-2/near.png")
    (root / "in.png").symlink_to("a/real.png")
    (root / "out.png").symlink_to(tmp_path / "outside.png")
    (root / "sibling.png").symlink_to("../root-2/near.png")
    (root / "folder.png").symlink_to("a")
    (root / "folder").symlink_to("a")
    (root / "up").symlink_to("..")
    (root / "notes.txt").symlink_to(tmp_path / "outside.png")
    (root / "broken.txt").symlink_to("missing.png")
    (root / "broken.png").symlink_to("missing.png")
    (root / "loop.png").symlink_to("loop.png")
    assert _reasons(root) == {
        "out.png": "symbolic link out of the folder",
        "sibling.png": "symbolic link out of the folder",
        "folder.png": "symbolic link to a folder",
        "folder": "symbolic link to a folder",
        "up": "symbolic link to a folder",
        "notes.txt": "not an image by its suffix",
        "broken.txt": "broken symbolic link",
    }
    refs = [found.path for found in _found(root) if isinstance(found, ImageRef)]
    assert refs == ["a/real.png", "b/x.png", "broken.png", "in.png", "loop.png"]


def test_links_are_judged_the_same_where_the_root_is_one(tmp_path):
    root = make_tree(tmp_path / "root", "a.png")
    (root / "b.png").symlink_to("a.png")
    (tmp_path / "link").symlink_to("root")
    assert _found(tmp_path / "link") == _found(root) == [ImageRef("a.png", None), ImageRef("b.png", None)]


def test_a_link_to_where_the_user_may_not_look_is_out_of_the_folder(other_user):
    root = make_tree(other_user / "root", "a.png")
    make_tree(other_user, "closed/b.png")
    (root / "b.png").symlink_to(other_user / "closed" / "b.png")
    (other_user / "closed").chmod(0)
    assert _reasons(root) == {"b.png": "symbolic link out of the folder"}


def test_a_pipe_is_not_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "link.png").symlink_to("pipe.png")
    assert _reasons(tmp_path) == dict.fromkeys(["link.png", "pipe.png"], "a pipe, socket or device")


def test_a_folder_that_cannot_be_listed_is_a_skip(other_user):
    make_tree(other_user, "a/1.png", "b/2.png", "c/3.png")
    (other_user / "b").chmod(0)
    first, skip, last = _found(other_user)
    assert (first, last) == (ImageRef("a/1.png", None), ImageRef("c/3.png", None))
    assert skip == SkippedImage(ImageRef("b/", None), "the folder cannot be listed: Permission denied")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
def test_a_file_name_that_is_no_utf8_is_found_and_can_be_opened(tmp_path):
    raw = os.fsencode(tmp_path) + b"/caf\xe9.png"
    Path(os.fsdecode(raw)).write_bytes(b"pixels")
    make_tree(tmp_path, "cafe.png", "café.png")
    assert _paths(tmp_path) == sorted(["cafe.png", "café.png", "caf\udce9.png"])
    assert (tmp_path / "caf\udce9.png").read_bytes() == b"pixels"


# The folder itself


def test_a_folder_of_images_passes(tmp_path):
    check_folder(tmp_path)
    check_folder(make_tree(tmp_path, "a.png"))


def test_what_is_no_folder_is_told(tmp_path):
    make_tree(tmp_path, "file.png")
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
    make_tree(other_user, "a/b/1.png")
    (other_user / "a").chmod(0)
    with pytest.raises(DataError, match="cannot be listed: Permission denied"):
        check_folder(other_user / "a" / inner)


# Following links


def _followed(root):
    return list(discover(root, NO_LABELS, follow_symlinks=True))


def test_links_are_followed_wherever_they_lead(tmp_path):
    root = make_tree(tmp_path / "root", "a/real.png", "z.png")
    make_tree(tmp_path, "outside.png", "elsewhere/1.png", "elsewhere/deep/2.png", "elsewhere/.hidden.png")
    (root / "out.png").symlink_to(tmp_path / "outside.png")
    (root / "in.png").symlink_to("a/real.png")
    (root / "linked").symlink_to("../elsewhere")
    (root / "linked.png").symlink_to("a")
    (root / "broken.png").symlink_to("missing.png")
    (root / "circle.png").symlink_to("circle.png")
    assert [found.path for found in _followed(root) if isinstance(found, ImageRef)] == [
        *("a/real.png", "broken.png", "circle.png", "in.png", "linked.png/real.png"),
        *("linked/1.png", "linked/deep/2.png", "out.png", "z.png"),
    ]
    assert [found for found in _followed(root) if isinstance(found, ExcludedFile)] == [
        ExcludedFile("linked/.hidden.png", "hidden")
    ]


def test_a_link_to_a_folder_above_it_ends_there(tmp_path):
    root = make_tree(tmp_path / "root", "a/1.png", "b/2.png")
    (root / "a" / "self").symlink_to(".")
    (root / "a" / "up.png").symlink_to("..")
    (root / "a" / "above").symlink_to(tmp_path)
    (root / "a" / "b").symlink_to("../b")
    (root / "b" / "a").symlink_to("../a")
    found = _followed(root)
    assert [path_of(each) for each in found] == sorted(path_of(each) for each in found)
    above = "symbolic link to a folder above it"
    reasons = {each.path: each.reason for each in found if isinstance(each, ExcludedFile)}
    # a/above leads to the folder that holds the root, and through it to the root again.
    assert reasons == dict.fromkeys(
        [
            *("a/above/root", "a/b/a", "a/self", "a/up.png"),
            *("b/a/above/root", "b/a/b", "b/a/self", "b/a/up.png"),
        ],
        above,
    )
    assert [each.path for each in found if isinstance(each, ImageRef)] == [
        "a/1.png",
        "a/b/2.png",
        "b/2.png",
        "b/a/1.png",
    ]


def test_following_links_changes_nothing_where_there_are_none(tmp_path):
    root = make_tree(tmp_path, "a/1.png", "a.png", ".b/2.png", "c/d/3.txt", "c/d/4.png")
    assert _followed(root) == _found(root)


def test_linked_pipes_and_folders_that_are_closed(other_user):
    root = make_tree(other_user / "root", "a.png")
    make_tree(other_user, "closed/b.png")
    os.mkfifo(other_user / "pipe")
    (root / "pipe.png").symlink_to(other_user / "pipe")
    (root / "closed").symlink_to(other_user / "closed")
    (root / "inside.png").symlink_to(other_user / "closed" / "b.png")
    (other_user / "closed").chmod(0)
    assert _followed(root) == [
        ImageRef("a.png", None),
        SkippedImage(ImageRef("closed/", None), "the folder cannot be listed: Permission denied"),
        ImageRef("inside.png", None),
        ExcludedFile("pipe.png", "a pipe, socket or device"),
    ]


# Listed files


def test_listed_files_are_what_the_walk_would_make_of_them(tmp_path):
    root = make_tree(tmp_path / "root", "a.png", "a/b.JPG", "notes.txt", "other.png")
    make_tree(tmp_path, "outside.png")
    (root / "out.png").symlink_to(tmp_path / "outside.png")
    (root / "broken.png").symlink_to("missing.png")
    os.mkfifo(root / "pipe.png")
    paths = sorted(["a.png", "a/b.JPG", "notes.txt", "out.png", "broken.png", "pipe.png"])
    walked = [found for found in _found(root) if path_of(found) != "other.png"]
    assert list(discover_listed(root, NO_LABELS, paths)) == walked


def test_listed_files_that_are_hidden_missing_or_folders(tmp_path):
    root = make_tree(tmp_path, ".a.png", ".b/c.png", "d/e.png")
    found = list(discover_listed(root, NO_LABELS, [".a.png", ".b/c.png", "d", "d/e.png/f.png", "gone.png"]))
    missing = f"there is no such file under {root}"
    assert found == [
        ImageRef(".a.png", None),
        ImageRef(".b/c.png", None),
        ExcludedFile("d", "a folder"),
        SkippedImage(ImageRef("d/e.png/f.png", None), missing),
        SkippedImage(ImageRef("gone.png", None), missing),
    ]


def test_listed_files_behind_a_linked_folder(tmp_path):
    root = make_tree(tmp_path / "root", "a/1.png")
    make_tree(tmp_path, "elsewhere/2.png")
    (root / "in").symlink_to("a")
    (root / "out").symlink_to("../elsewhere")
    paths = ["a/1.png", "in/1.png", "out", "out/2.png"]
    behind = "behind a symbolic link to a folder"
    assert list(discover_listed(root, NO_LABELS, paths)) == [
        ImageRef("a/1.png", None),
        ExcludedFile("in/1.png", behind),
        ExcludedFile("out", "symbolic link to a folder"),
        ExcludedFile("out/2.png", behind),
    ]
    followed = list(discover_listed(root, NO_LABELS, paths, follow_symlinks=True))
    assert [type(each) for each in followed] == [ImageRef, ImageRef, ExcludedFile, ImageRef]


def test_listed_files_where_the_user_may_not_look(other_user):
    root = make_tree(other_user, "closed/a.png")
    (root / "closed").chmod(0)
    (found,) = discover_listed(root, NO_LABELS, ["closed/a.png"])
    assert found == SkippedImage(ImageRef("closed/a.png", None), "the file cannot be looked at: Permission denied")
