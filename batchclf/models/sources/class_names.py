"""The class names of a model that was trained elsewhere: in the order of its outputs."""

import json
from pathlib import Path
from typing import Any

from batchclf.errors import UsageError

FORMS = "one class a line, a JSON list, or a JSON object such as Keras' class_indices ({NAME: INDEX})"


def read_class_names(text: str) -> tuple[str, ...]:
    """Read `--classes`: a file, or names with commas between them; in the order of the model's outputs.

    A file holds one class a line, a JSON list, or a JSON object: name to index (Keras' `class_indices`), index to
    name, a `classes.json` as `data export` writes it, or a bundle's model.json. Raises UsageError where it cannot
    be read, or the names are fewer than two, empty or not unique.
    """
    path = Path(text)
    if _is_file(path):
        names, source = _from_file(path), str(path)
    elif "," in text:
        names, source = [name.strip() for name in text.split(",")], "--classes"
    else:
        raise UsageError(
            f"--classes: there is no file {text}, and it is no list with commas either",
            hint=f"give names with commas between them, or a file with {FORMS}",
        )
    return check_class_names(names, source)


def check_class_names(names: list[str], source: str) -> tuple[str, ...]:
    """Give class names as they are; raises UsageError, with their source, if they are fewer than two or not unique."""
    if len(names) < 2:
        raise UsageError(f"{source} names {len(names)} class; a classifier has at least two", hint=f"give {FORMS}")
    if not all(names):
        raise UsageError(f"{source} has an empty class name", hint="give each class a name")
    double = next((name for name in names if names.count(name) > 1), None) if len(set(names)) < len(names) else None
    if double is not None:
        raise UsageError(f"{source} names the class '{double}' twice", hint="class names must be unique")
    return tuple(names)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a long list is too long for a file's name
        return False


def _from_file(path: Path) -> list[str]:
    try:
        content = path.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"the class names {path} cannot be read: {error}", hint="give a UTF-8 file") from error
    if not content.lstrip().startswith(("[", "{")):
        return [line.strip() for line in content.splitlines() if line.strip()]
    try:
        return _from_json(json.loads(content))
    except ValueError as error:
        raise UsageError(f"the class names {path} cannot be read: {error}", hint=f"give {FORMS}") from error


def _from_json(document: Any) -> list[str]:
    if isinstance(document, dict) and isinstance(document.get("class_names"), list):
        document = document["class_names"]
    elif isinstance(document, dict) and isinstance(document.get("classes"), dict | list):
        inner = document["classes"]
        document = list(inner.values()) if isinstance(inner, dict) else inner
    if isinstance(document, dict):
        if all(isinstance(value, str) for value in document.values()):
            document = {name: int(index) for index, name in document.items()}
        if not all(type(index) is int for index in document.values()):
            raise ValueError("a JSON object must map names to numbers")
        if sorted(document.values()) != list(range(len(document))):
            raise ValueError(f"the indices must be 0 to {len(document) - 1}, each once")
        document = sorted(document, key=document.__getitem__)
    if not isinstance(document, list) or not all(isinstance(name, str) for name in document):
        raise ValueError("the JSON list must hold text only")
    return document
