import json
import resource
import tempfile
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from batchclf.core.types import Split
from batchclf.data.class_folders import class_map_of, folder_names, write_class_map
from batchclf.data.export import export_split
from batchclf.data.sources.folder import Folder
from batchclf.errors import DataError

CLASS_NAMES = ("T-shirt/top", "Ankle boot", "unused")


def _split(channels, count=6, height=9, width=7):
    images = np.random.default_rng(3).integers(0, 256, (count, height, width, channels), np.uint8)
    labels = np.arange(count) % 2
    return Split("test", images, labels, tuple(f"test/{i:05d}" for i in range(count)))


def _export(split, out):
    return export_split(split, CLASS_NAMES, out, say=lambda line: None)


@contextmanager
def _largest_file(size):
    """Let the system refuse longer files, as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (3, "RGB")])
def test_pillow_reads_back_every_pixel(tmp_path, channels, mode):
    split, out = _split(channels), tmp_path / "new" / "out"
    assert _export(split, out) == 6
    class_of = class_map_of(Folder(out))
    assert class_of == {"T-shirt_top": "T-shirt/top", "Ankle boot": "Ankle boot", "unused": "unused"}
    assert {entry.name for entry in out.iterdir()} == {*class_of, "classes.json"}
    written = {path.stem: path for path in out.glob("*/*.png")}
    assert len(written) == 6
    for image, label, path in zip(split.images, split.labels, split.paths, strict=True):
        file = written[path.removeprefix("test/")]
        assert class_of[file.parent.name] == CLASS_NAMES[label]
        with Image.open(file) as opened:
            assert opened.mode == mode
            np.testing.assert_array_equal(np.asarray(opened).reshape(image.shape), image)


def test_read_only_images_are_written(tmp_path):
    split = _split(1)
    split.images.flags.writeable = False
    assert _export(split, tmp_path) == 6


def test_an_empty_split_gives_empty_class_folders(tmp_path):
    assert _export(_split(1, count=0), tmp_path / "out") == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "Ankle boot",
        "T-shirt_top",
        "classes.json",
        "unused",
    ]


def test_a_folder_that_holds_something_is_refused_and_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(DataError, match=r"is not empty: it holds mine\.txt"):
        _export(_split(1), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_file_in_place_of_the_folder_is_a_clear_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot be written to: Not a directory"):
        _export(_split(1), tmp_path / "file")


def test_two_images_of_one_name_do_not_overwrite_each_other(tmp_path):
    split = _split(1, count=3)
    twice = Split("test", split.images, split.labels, ("a/same", "a/other", "b/same"))
    with pytest.raises(DataError, match="File exists"):
        _export(twice, tmp_path / "out")


@pytest.mark.parametrize("exists_before", [False, True])
def test_a_failing_write_is_told_and_nothing_half_done_stays(tmp_path, exists_before):
    out = tmp_path / "out"
    if exists_before:
        out.mkdir()
    split = _split(3, height=40, width=40)
    with _largest_file(2000), pytest.raises(DataError, match=r"export to .*out failed: File too large"):
        _export(split, out)
    assert out.exists() == exists_before
    assert not exists_before or not list(out.iterdir())
    assert _export(split, out) == 6


NAMES = st.lists(st.text(max_size=12) | st.text("aAbB_/. ", max_size=4), unique=True, max_size=8)
TRICKY = [
    "",
    ".",
    "..",
    "a/b",
    "a_b",
    "A_B",
    "CON",
    "classes.json",
    "x.",
    "x ",
    "\0",
    "é",
    "e\u0301",
    "n" * 300,
]


@given(NAMES)
@settings(deadline=None)
def test_folder_names_are_safe_unique_and_invertible(class_names):
    _check_as_folders(class_names)


def test_folder_names_of_names_that_are_known_to_be_trouble():
    _check_as_folders([*TRICKY, *(f"{name}_2" for name in TRICKY)])


def _check_as_folders(class_names):
    mapping = folder_names(class_names)
    assert list(mapping) == class_names
    names = list(mapping.values())
    assert len({name.casefold() for name in names}) == len(names)
    for name in names:
        assert name
        assert not name.startswith(".")
        assert not name.endswith((".", " "))
        assert not set(name) & set('\0/\\<>:"|?*\n\t')
        assert len(name.encode()) <= 255
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            (Path(folder) / name).mkdir()
        write_class_map(Path(folder), mapping)
        assert class_map_of(Folder(Path(folder))) == {name: key for key, name in mapping.items()}
        assert {entry.name for entry in Path(folder).iterdir()} == {*names, "classes.json"}


def test_a_name_that_can_stay_does_and_the_made_up_one_gives_way():
    assert folder_names(["a/b", "a_b", "A_b"]) == {"a/b": "a_b_3", "a_b": "a_b", "A_b": "A_b_2"}
    assert folder_names(["Ankle boot", ".hidden", "nul.txt"]) == {
        "Ankle boot": "Ankle boot",
        ".hidden": "_hidden",
        "nul.txt": "_nul.txt",
    }


def test_a_class_name_given_twice_is_a_programming_error():
    with pytest.raises(ValueError, match="unique"):
        folder_names(["a", "a"])


def test_a_lone_surrogate_survives_the_class_map(tmp_path):
    mapping = folder_names(["a\udcff"])
    assert mapping == {"a\udcff": "a_"}
    write_class_map(tmp_path, mapping)
    assert class_map_of(Folder(tmp_path)) == {"a_": "a\udcff"}


def test_no_class_map_is_none(tmp_path):
    assert class_map_of(Folder(tmp_path)) is None


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "not valid JSON"),
        (b"\xff\xfe{", "not valid JSON"),
        (b"[" * 100_000, "not valid JSON"),
        (b"[]", "no JSON object"),
        (b"{}", "format is None"),
        (b'{"format": 2, "classes": {}}', "format is 2, expected 1"),
        (b'{"format": 1}', "no object named classes"),
        (b'{"format": 1, "classes": {"a": 3}}', r"classes\.a is 3"),
        (b'{"format": 1, "classes": {"a/b": "x"}}', "does not name a folder"),
        (b'{"format": 1, "classes": {"..": "x"}}', "does not name a folder"),
        (b'{"format": 1, "classes": {"a": "x", "a": "y"}}', "'a' occurs twice"),
    ],
)
def test_a_damaged_class_map_is_a_clear_error(tmp_path, content, why):
    (tmp_path / "classes.json").write_bytes(content)
    with pytest.raises(DataError, match=why) as caught:
        class_map_of(Folder(tmp_path))
    assert str(tmp_path / "classes.json") in caught.value.message


def test_a_class_map_that_is_a_folder_is_a_clear_error(tmp_path):
    (tmp_path / "classes.json").mkdir()
    with pytest.raises(DataError, match="cannot be read: Is a directory"):
        class_map_of(Folder(tmp_path))


def test_the_class_map_is_plain_json_in_class_order(tmp_path):
    write_class_map(tmp_path, folder_names(["b/", "a"]))
    document = json.loads((tmp_path / "classes.json").read_text())
    assert document == {"format": 1, "classes": {"b_": "b/", "a": "a"}}
    assert list(document["classes"]) == ["b_", "a"]
