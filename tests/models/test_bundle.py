import hashlib
import json
import shutil
import subprocess
import sys

import pytest

from batchclf.errors import ModelError
from batchclf.models.bundle import file_digest, is_bundle, load_bundle


@pytest.fixture
def copy(digits_bundle, tmp_path):
    return shutil.copytree(digits_bundle, tmp_path / "bundle")


def _fail(path):
    with pytest.raises(ModelError) as caught:
        load_bundle(path)
    assert str(path) in caught.value.message
    assert caught.value.hint
    return caught.value


def _change_info(bundle, change):
    document = json.loads((bundle / "model.json").read_text())
    change(document)
    (bundle / "model.json").write_text(json.dumps(document))


def test_a_bundle_holds_its_files_and_their_digests(digits_bundle):
    bundle = load_bundle(digits_bundle)
    assert sorted(path.name for path in digits_bundle.iterdir()) == ["model.json", "model.keras", "model.onnx"]
    assert bundle.path == digits_bundle
    assert bundle.onnx_path == digits_bundle / "model.onnx"
    assert bundle.original_path == digits_bundle / "model.keras"
    assert bundle.digest == hashlib.sha256(bundle.onnx_path.read_bytes()).hexdigest()
    assert set(bundle.info.files) == {"model.keras", "model.onnx"}
    for name, digest in bundle.info.files.items():
        assert digest == hashlib.sha256((digits_bundle / name).read_bytes()).hexdigest()


def test_a_copied_bundle_is_the_same(digits_bundle, copy):
    assert load_bundle(copy).info == load_bundle(digits_bundle).info


def test_a_bundle_from_before_there_was_a_reference_is_loaded(digits_bundle, copy):
    _change_info(copy, lambda document: document.pop("reference"))
    info = load_bundle(copy).info
    assert info.reference is None
    assert info.history == load_bundle(digits_bundle).info.history


def test_what_is_a_bundle(digits_bundle, tmp_path):
    assert is_bundle(digits_bundle)
    assert not is_bundle(tmp_path)
    assert not is_bundle(tmp_path / "missing")


def test_a_digest_is_that_of_hashlib(tmp_path):
    (tmp_path / "a").write_bytes(b"x" * 3_000_000)
    assert file_digest(tmp_path / "a") == hashlib.sha256(b"x" * 3_000_000).hexdigest()


def test_no_bundle_there(tmp_path):
    assert "there is no model bundle" in _fail(tmp_path / "missing").message
    assert "model.json cannot be read (No such file or directory)" in _fail(tmp_path).message
    (tmp_path / "file").write_text("")
    assert "there is no model bundle" in _fail(tmp_path / "file").message
    assert "batchclf train" in _fail(tmp_path).hint


@pytest.mark.parametrize("name", ["model.keras", "model.onnx"])
def test_a_missing_file_is_named(copy, name):
    (copy / name).unlink()
    assert f"lacks {name} (No such file or directory)" in _fail(copy).message


@pytest.mark.parametrize("name", ["model.keras", "model.onnx"])
def test_a_changed_file_is_named_with_both_digests(copy, name):
    expected = file_digest(copy / name)
    (copy / name).write_bytes((copy / name).read_bytes() + b"\0")
    message = _fail(copy).message
    assert str(copy / name) in message
    assert expected[:12] in message
    assert file_digest(copy / name)[:12] in message


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "is damaged"),
        (b'{"format": 1', "is damaged"),
        (b"\x80\x81", "is damaged"),
        (b'{"format": "\xff"}', "is damaged"),
        (b"[1]", "is damaged"),
        (b'{"name": "something else"}', "has no key 'format'"),
        (b'{"format": 2}', "missing required field `class_names`"),
        (b'{"format": 3}', "missing required field `class_names`"),
    ],
)
def test_a_damaged_model_json_is_told(copy, content, why):
    (copy / "model.json").write_bytes(content)
    message = _fail(copy).message
    assert str(copy / "model.json") in message
    assert why in message


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("class_names", "0123456789"),
        ("preprocessing", "as the tutorial does"),
        ("original", 1),
        ("history", {"loss": ["low"]}),
        ("files", None),
    ],
)
def test_a_value_of_another_type_is_named(copy, key, value):
    _change_info(copy, lambda document: document.update({key: value}))
    message = _fail(copy).message
    assert "model.json is damaged" in message
    assert f"$.{key}" in message


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("input_shape", [8, 8]),
        ("input_shape", [8, 8, 3]),
        ("color_mode", "cmyk"),
        ("channel_order", "bgr"),
        ("scale", "0..2"),
        ("mean", [0.5, 0.5, 0.5]),
        ("std", [0]),
        ("output", "ranks"),
    ],
)
def test_preprocessing_that_cannot_be_is_refused(copy, key, value):
    _change_info(copy, lambda document: document["preprocessing"].update({key: value}))
    message = _fail(copy).message
    assert "model.json is damaged" in message
    assert "$.preprocessing" in message


@pytest.mark.parametrize(
    ("version", "hint"), [(5, "update batchclf"), (1, "train the model again"), (0, "train the model again")]
)
def test_another_format_is_refused_before_the_rest_is_read(copy, version, hint):
    (copy / "model.json").write_text(json.dumps({"format": version, "all": "new"}))
    error = _fail(copy)
    assert f"has bundle format {version}; this batchclf reads formats 2 to 4" in error.message
    assert hint in error.hint


@pytest.mark.parametrize("name", ["model.keras", "model.onnx"])
def test_a_file_without_a_digest_is_refused(copy, name):
    _change_info(copy, lambda document: document["files"].pop(name))
    assert f"names no {name}" in _fail(copy).message


def test_a_key_of_a_later_minor_version_does_no_harm(copy):
    _change_info(copy, lambda document: document.update(note="made by hand"))
    assert load_bundle(copy).info.recipe == "mlp"


def test_loading_and_onnx_runtime_import_no_tensorflow(digits_bundle):
    program = (
        "import sys, numpy\n"
        "from pathlib import Path\n"
        "from batchclf.models.bundle import load_bundle\n"
        "from batchclf.models.runtime.registry import open_runtime\n"
        "runtime = open_runtime(load_bundle(Path(sys.argv[1])), 'onnx')\n"
        "print(runtime.probabilities(numpy.zeros((2, 8, 8, 1), numpy.uint8)).shape)\n"
        "print(sorted({'tensorflow', 'keras', 'onnx', 'tf2onnx'} & set(sys.modules)))\n"
    )
    command = [sys.executable, "-c", program, str(digits_bundle)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["(2, 10)", "[]"]
    assert done.stderr == ""
