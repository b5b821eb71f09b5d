"""`batchclf model import` without `--classes` takes the names that the file has itself, or asks for them."""

import json
from pathlib import Path

import onnx
import pytest
from quantised_cases import CLASSES, network

SOFTMAX = [("Softmax", (), {})]
ULTRALYTICS = {"task": "classify", "names": str(dict(enumerate(CLASSES))), "imgsz": "[8, 8]"}


def noted(path, notes):
    """Write metadata as Ultralytics' exporter does."""
    model = onnx.load(network(path, SOFTMAX))
    for key, value in notes.items():
        model.metadata_props.add(key=key, value=value)
    onnx.save(model, path)


def test_the_names_in_the_metadata_are_taken(cli):
    noted("a.onnx", ULTRALYTICS)
    code, out, err = cli("model", "import", "a.onnx", "--scale", "0..1", "--out", "bundle")
    assert code == 0, err
    assert "classes: 10 names from a.onnx itself: a, b, c, d, e" in out
    assert json.loads(Path("bundle/model.json").read_text())["class_names"] == list(CLASSES)
    other = ",".join(reversed(CLASSES))
    code, _, err = cli("model", "import", "a.onnx", "--classes", other, "--scale", "0..1", "--out", "second")
    assert code == 2
    assert "--classes has another order than the names in a.onnx" in err


@pytest.mark.parametrize(
    ("notes", "message", "hint"),
    [
        ({}, "a.onnx gives no class names", "give --classes"),
        ({**ULTRALYTICS, "names": "{0: 'a', 2: 'b'}"}, "a.onnx gives no class names", "give --classes"),
        ({**ULTRALYTICS, "names": "open('x')"}, "a.onnx gives no class names", "give --classes"),
        ({**ULTRALYTICS, "task": "detect"}, "its task is detect", "of the task classify"),
    ],
)
def test_names_that_are_not_there_are_asked_for(cli, notes, message, hint):
    noted("a.onnx", notes)
    code, _, err = cli("model", "import", "a.onnx", "--scale", "0..1", "--out", "bundle")
    assert code != 0
    assert message in err
    assert hint in err
    assert not Path("bundle").exists()
