import json
import shutil

import pandas as pd
import pytest
import yaml

from batchclf.cli.main import main
from batchclf.data.class_folders import write_class_map
from batchclf.errors import UsageError
from batchclf.models.sources.class_names import read_class_names

NAMES = ("T-shirt/top", "Ankle boot", "Straße")


@pytest.fixture
def file(tmp_path):
    def write(content, suffix=""):
        path = tmp_path / f"classes{suffix}"
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
        # Teachable Machine's labels.txt, and others with the index first
        "0 T-shirt/top\n1 Ankle boot\n2 Straße\n",
        "2: Straße\n0: T-shirt/top\n1: Ankle boot\n",
        "0\tT-shirt/top\n1\tAnkle boot\n2\tStraße\n",
        "n00000001 T-shirt/top\nn00000002 Ankle boot\nn00000003 Straße\n",
        # Keras' imagenet_class_index.json, a config.json of Hugging Face and one of timm, COCO's categories
        json.dumps({str(at): [f"n0000000{at}", name] for at, name in enumerate(NAMES)}),
        json.dumps({"architectures": ["X"], "id2label": dict(enumerate(NAMES)), "label2id": {"T-shirt/top": 0}}),
        json.dumps({"architecture": "resnet18", "pretrained_cfg": {"mean": [0.5], "label_names": NAMES}}),
        json.dumps({"architecture": "resnet18", "num_classes": 3, "label_names": NAMES, "pretrained_cfg": {}}),
        json.dumps([{"id": at, "name": name, "supercategory": "x"} for at, name in reversed([*enumerate(NAMES)])]),
    ],
)
def test_files_of_all_forms(file, content):
    assert read_class_names(file(content)) == NAMES


@pytest.mark.parametrize(
    ("suffix", "content"),
    [
        (".yaml", yaml.safe_dump({"path": "data", "nc": 3, "names": dict(enumerate(NAMES))}, allow_unicode=True)),
        (".yml", yaml.safe_dump({"train": "images", "names": list(NAMES)})),
        (".csv", pd.DataFrame({"index": [0, 1, 2], "name": NAMES}).to_csv(index=False)),
        (".csv", pd.DataFrame({"class_name": reversed(NAMES), "id": [2, 1, 0]}).to_csv(index=False)),
        (".csv", pd.DataFrame({0: NAMES}).to_csv(header=False)),
        (".csv", pd.DataFrame({"label": NAMES}).to_csv(index=False)),
        (".csv", "\n".join(NAMES)),
    ],
)
def test_yaml_and_tables(file, suffix, content):
    assert read_class_names(file(content, suffix)) == NAMES


def test_numbers_that_are_no_indices_are_part_of_the_name(file):
    assert read_class_names(file("1 euro\n2 euro\n50 cents\n")) == ("1 euro", "2 euro", "50 cents")
    assert read_class_names(file("n0 x\nn1 y\n")) == ("n0 x", "n1 y")


def test_what_was_taken_from_where_is_said(file):
    said = []
    path = file(json.dumps({"id2label": dict(enumerate(NAMES))}))
    read_class_names(path, say=said.append)
    assert said == [f"classes: 3 names from {path} (id2label): {', '.join(NAMES)}"]


TWICE = {"0": ["n02012849", "crane"], "1": ["n03126707", "crane"], "2": ["n01440764", "tench"]}


@pytest.mark.parametrize(
    ("content", "names"),
    [
        (json.dumps(TWICE), ("crane (n02012849)", "crane (n03126707)", "tench")),
        ("n02012849 crane\nn03126707 crane\nn01440764 tench\n", ("crane (n02012849)", "crane (n03126707)", "tench")),
        ("crane\ncrane\ntench\n", ("crane (0)", "crane (1)", "tench")),
    ],
)
def test_names_that_occur_twice_are_set_apart_if_asked_for(file, content, names):
    with pytest.raises(UsageError, match="'crane' twice") as caught:
        read_class_names(file(content))
    assert "--unique-names" in caught.value.hint
    assert read_class_names(file(content), unique=True) == names


def test_an_import_says_what_the_classes_are(tmp_path, digits_bundle, capsys):
    names = tmp_path / "labels.txt"
    names.write_text("".join(f"{digit} {'one' if digit == 7 else f'digit {digit}'}\n" for digit in range(10)))
    command = ["model", "import", str(digits_bundle / "model.onnx"), "--classes", str(names), "--scale", "none"]
    assert main([*command, "--unique-names", "--out", str(tmp_path / "bundle")]) == 0
    assert "classes: 10 names from" in capsys.readouterr().out
    assert json.loads((tmp_path / "bundle/model.json").read_text())["class_names"][7] == "one"


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
        ("1 tench\n2 shark\n", "must be 0 to 1, each once; the first output has the index 0"),
        ('{"1": ["n1", "tench"], "2": ["n2", "shark"]}', "must be 0 to 1, each once"),
        ('{"num_classes": 1000, "pretrained_cfg": {"mean": [0.5]}}', "must map names to numbers"),
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
    ("suffix", "content", "message"),
    [
        (".csv", "wnid,species\nn1,tench\n", "its first line is wnid,species"),
        (".csv", "index,name\n0,tench\nx,shark\n", "'x' is no index"),
        (".csv", "index,name\n0,tench\n,shark\n", "'' is no index"),
        (".csv", "index,name\n0,tench\n1\n", "too few cells"),
        (".csv", "index,name\n0,tench\n2,shark\n", "must be 0 to 1"),
        (".yaml", "names: {0: 1, 1: 0}", "put names that are numbers in quotes"),
        (".yaml", "names: [yes, no]", "must hold text only"),
        (".yaml", "names: [a, b", "it is no YAML"),
    ],
)
def test_tables_and_yaml_that_name_no_classes(file, suffix, content, message):
    with pytest.raises(UsageError, match=message):
        read_class_names(file(content, suffix))


@pytest.mark.parametrize(
    ("text", "message"), [("lables.txt", "there is no file lables.txt"), ("a,,b", "empty"), ("a,a", "twice")]
)
def test_what_is_neither_a_file_nor_a_list(text, message):
    with pytest.raises(UsageError, match=message):
        read_class_names(text)


def test_a_list_longer_than_a_files_name_may_be():
    names = tuple(f"class {number}" for number in range(1000))
    assert read_class_names(",".join(names)) == names
