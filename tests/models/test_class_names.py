import json
import shutil

import pytest

from batchclf.data.class_folders import write_class_map
from batchclf.errors import UsageError
from batchclf.models.sources.class_names import read_class_names

NAMES = ("T-shirt/top", "Ankle boot", "Straße")


@pytest.fixture
def file(tmp_path):
    def write(content):
        path = tmp_path / "classes"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    return write


@pytest.mark.parametrize(
    "content",
    [
        "T-shirt/top\nAnkle boot\nStraße\n",
        "T-shirt/top\r\nAnkle boot \r\n\r\nStraße",
        b"\xef\xbb\xbf" + "T-shirt/top\nAnkle boot\nStraße\n".encode(),
        json.dumps(NAMES),
        json.dumps(NAMES, ensure_ascii=False, indent=2),
        json.dumps({"Ankle boot": 1, "T-shirt/top": 0, "Straße": 2}),
        json.dumps({"2": "Straße", "0": "T-shirt/top", "1": "Ankle boot"}),
        json.dumps({"format": 1, "classes": {"T-shirt_top": "T-shirt/top", "Ankle boot": "Ankle boot", "S": "Straße"}}),
        json.dumps({"classes": NAMES}),
    ],
)
def test_files_of_all_forms(file, content):
    assert read_class_names(file(content)) == NAMES


def test_a_list_a_class_map_and_a_bundle(tmp_path, digits_bundle):
    assert read_class_names("a, b c,d") == ("a", "b c", "d")
    write_class_map(tmp_path, {name: name.replace("/", "_") for name in NAMES})
    assert read_class_names(str(tmp_path / "classes.json")) == NAMES
    shutil.copy(digits_bundle / "model.json", tmp_path)
    assert read_class_names(str(tmp_path / "model.json")) == tuple("0123456789")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("only one", "names 1 class; a classifier has at least two"),
        ("", "names 0 class"),
        ("a\nb\na", "names the class 'a' twice"),
        ('["a", ""]', "empty class name"),
        ('["a", 2]', "must hold text only"),
        ('{"a": 0, "b": 2}', "must be 0 to 1, each once"),
        ('{"a": 0, "b": true}', "must map names to numbers"),
        ('{"a": "x", "b": "y"}', "cannot be read"),
        ('{"0": ["n1", "tench"], "1": ["n2", "shark"]}', "must map names to numbers"),
        ("[1,", "cannot be read"),
        (b"\xff\xfe", "cannot be read"),
    ],
)
def test_what_names_no_classes_is_told_with_the_file(file, content, message):
    with pytest.raises(UsageError) as caught:
        read_class_names(file(content))
    assert message in caught.value.message
    assert file(content) in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(
    ("text", "message"), [("lables.txt", "there is no file lables.txt"), ("a,,b", "empty"), ("a,a", "twice")]
)
def test_what_is_neither_a_file_nor_a_list(text, message):
    with pytest.raises(UsageError, match=message):
        read_class_names(text)


def test_a_list_longer_than_a_files_name_may_be():
    names = tuple(f"class {number}" for number in range(1000))
    assert read_class_names(",".join(names)) == names
