"""What to do with a model that is not a bundle yet; loaded only to say so."""

import os
import shlex
from pathlib import Path

IMPORTED_SUFFIXES = (".keras", ".h5", ".hdf5", ".tflite", ".onnx")
PYTORCH_SUFFIXES = (".pt", ".pth", ".safetensors")
_CLASS_FILES = ("classes.txt", "labels.txt", "classes.json", "class_indices.json")
"""Names that a file of class names often has."""


def import_command(path: Path) -> str:
    """Give the command that makes a bundle of a model's file or SavedModel folder; "" if it is neither."""
    saved_model = os.path.isfile(path / "saved_model.pb")  # noqa: PTH113 (Path's raises for long names)
    if not saved_model and not (path.suffix.lower() in IMPORTED_SUFFIXES and path.is_file()):
        return ""
    beside = (path if saved_model else path.parent, path.parent)
    found = [folder / name for folder in beside for name in _CLASS_FILES if (folder / name).is_file()]
    classes = shlex.quote(str(found[0])) if found else "FILE"
    return (
        f"batchclf model import {shlex.quote(str(path))} --classes {classes} --out {shlex.quote(f'models/{path.stem}')}"
    )


def import_hint(path: Path) -> str:
    """Say how to make a bundle of what is at a path; "" if that is no model that we know."""
    if path.suffix.lower() in (*PYTORCH_SUFFIXES, ".pt2") and path.is_file():
        return f"a PyTorch model is exported first; see how with: batchclf model import {shlex.quote(str(path))}"
    command = import_command(path)
    return command and f"import it first: {command}"
