"""Files that hold class names, of other toolchains too: which forms there are, and how each is read."""

import csv
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

FORMS = (
    "one class a line, lines such as '0 NAME', a CSV with the columns index and name, YAML with names, a JSON list, or "
    "a JSON object such as Keras' class_indices ({NAME: INDEX}) or a config.json"
)
_NUMBERED = re.compile(r"(\d+)(?:\s*[:,;\t]\s*|\s+)(\S.*)")
_SYNSET = re.compile(r"(n\d{8})[\s,]+(\S.*)")
_INDEX = ("index", "idx", "id", "class_id", "class_index", "label_id")
_NAME = ("name", "class", "class_name", "label", "label_name")
_KEYS = ("class_names", "label_names", "labels", "names", "classes")
"""Keys of objects under which names stand: ours and TensorFlow Hub's, timm's, Ultralytics', those of `data export`."""


@dataclass(frozen=True)
class ClassFile:
    """What a file says: `names` in the order of the model's outputs, and `words` on where it says so.

    `marks` sets equal names apart: the WordNet id of each, empty if the file has none.
    """

    names: list[str]
    words: str
    marks: list[str] = field(default_factory=list)


def parse_class_file(path: Path, content: str) -> ClassFile:
    """Read the content of a class file; raises ValueError with the reason if it cannot be read."""
    if path.suffix.lower() in (".yaml", ".yml"):
        return _of_document(_yaml(content))
    if content.lstrip().startswith(("[", "{")):
        return _of_document(json.loads(content))
    lines = [line.strip() for line in content.splitlines() if line.strip()]
    if path.suffix.lower() == ".csv":
        return _of_table(list(csv.reader(lines)))
    return _of_lines(lines)


def _of_lines(lines: Sequence[str]) -> ClassFile:
    # One line is too few to tell a number from a part of a name
    numbered = [match.groups() for line in lines if (match := _NUMBERED.fullmatch(line))]
    if len(lines) == len(numbered) > 1:
        pairs = [(int(index), name) for index, name in numbered]
        first = min(index for index, _ in pairs)
        # Others are names, such as `1 euro` and `50 cents`
        if sorted(index for index, _ in pairs) == list(range(first, first + len(pairs))):
            return ClassFile(_in_order(pairs), "lines of index and name")
    synsets = [match.groups() for line in lines if (match := _SYNSET.fullmatch(line))]
    if len(lines) == len(synsets) > 1:
        names, marks = [name for _, name in synsets], [mark for mark, _ in synsets]
        return ClassFile(names, "lines of WordNet id and name", marks)
    return ClassFile(list(lines), "a class a line")


def _of_table(rows: Sequence[Sequence[str]]) -> ClassFile:
    """Read a CSV with a column of names, and one of indices; with a header, or without one."""
    header = [cell.strip().lower() for cell in rows[0]] if rows else []
    index = next((header.index(name) for name in _INDEX if name in header), None)
    name = next((header.index(each) for each in _NAME if each in header), None)
    if len(header) == 1:
        return ClassFile([row[0].strip() for row in rows[int(name is not None) :]], "a class a line")
    if name is None and index is None and len(header) == 2 and header[0].isdigit():
        index, name, body = 0, 1, rows
    else:
        body = rows[1:]
    if name is None or index is None:
        raise ValueError(
            f"the columns must be index ({', '.join(_INDEX)}) and name ({', '.join(_NAME)}); its first line is "
            f"{','.join(rows[0]) if rows else 'missing'}"
        )
    if any(len(row) <= max(index, name) for row in body):
        raise ValueError("a line has too few cells")
    wrong = next((row[index] for row in body if not row[index].strip().isdecimal()), None)
    if wrong is not None:
        raise ValueError(f"'{wrong}' is no index")
    return ClassFile(_in_order([(int(row[index]), row[name].strip()) for row in body]), "columns of index and name")


def _of_document(document: Any, words: str = "") -> ClassFile:
    """Read a JSON or YAML document."""
    if isinstance(document, dict):
        for key in ("id2label", *_KEYS):
            if isinstance(document.get(key), dict | list):
                inner = document[key]
                # `data export` maps a class's folder to its name, in the order of the classes.
                by_folder = (
                    key == "classes" and isinstance(inner, dict) and all(isinstance(v, str) for v in inner.values())
                )
                return _of_document(list(inner.values()) if by_folder else inner, key)
        if isinstance(document.get("pretrained_cfg"), dict):
            return _of_document(document["pretrained_cfg"], "pretrained_cfg")
        return _of_mapping(document, words)
    if isinstance(document, list) and document and all(isinstance(each, dict) for each in document):
        pairs = [(each.get("id"), each.get("name")) for each in document]
        if all(type(index) is int and isinstance(name, str) for index, name in pairs):
            return ClassFile(_in_order(pairs), words or "a list of id and name")
        raise ValueError("the objects of the list must have an id, which is a whole number, and a name")
    if not isinstance(document, list) or not all(isinstance(name, str) for name in document):
        raise ValueError("the list must hold text only" if isinstance(document, list) else "it holds no class names")
    return ClassFile(document, words or "a list")


def _of_mapping(document: Mapping[Any, Any], words: str) -> ClassFile:
    """Read {NAME: INDEX}, {INDEX: NAME}, or Keras' {INDEX: [WordNet id, NAME]}."""
    values = list(document.values())
    if document and all(isinstance(value, list) and len(value) == 2 for value in values):
        pairs = [(int(index), (str(mark), str(name))) for index, (mark, name) in document.items()]
        found = _in_order(pairs)
        return ClassFile(
            [name for _, name in found], words or "index to WordNet id and name", [mark for mark, _ in found]
        )
    if all(isinstance(value, str) for value in values):
        return ClassFile(_in_order([(int(index), name) for index, name in document.items()]), words or "index to name")
    if not all(type(index) is int for index in values):
        raise ValueError("an object must map names to numbers, or numbers to names")
    if any(type(name) is int for name in document):
        raise ValueError("it maps numbers to numbers; put names that are numbers in quotes")
    return ClassFile(_in_order([(index, str(name)) for name, index in document.items()]), words or "name to index")


def _in_order(pairs: Sequence[tuple[int, Any]]) -> list[Any]:
    """Sort by index; raises ValueError unless the indices are 0 and the numbers that follow, each once."""
    ordered = sorted(pairs, key=lambda pair: pair[0])
    if [index for index, _ in ordered] != list(range(len(ordered))):
        raise ValueError(f"the indices must be 0 to {len(ordered) - 1}, each once; the first output has the index 0")
    return [name for _, name in ordered]


def _yaml(content: str) -> Any:
    if find_spec("yaml") is None:
        raise ValueError("YAML needs PyYAML, which is not installed: pip install 'batchclf[import]'")
    import yaml

    try:
        return yaml.safe_load(content)
    except yaml.YAMLError as error:
        raise ValueError(f"it is no YAML: {' '.join(str(error).split())}") from error
