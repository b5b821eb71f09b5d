"""How class names become folder names, and back: `T-shirt/top` cannot be a folder."""

import json
import re
import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from batchclf.errors import DataError

if TYPE_CHECKING:
    from batchclf.data.sources.interface import ImageSource

CLASS_MAP_FILE = "classes.json"
CLASS_MAP_FORMAT = 1
_LONGEST = 200
"""UTF-8 bytes; file systems take 255, and a number may have to be added."""
# Separators, control characters and lone surrogates, and what Windows forbids.
_UNSAFE = re.compile(r'[\x00-\x1f\x7f-\x9f\ud800-\udfff<>:"/\\|?*]')
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?", re.IGNORECASE)


def folder_names(class_names: Iterable[str]) -> dict[str, str]:
    """Give each class a folder name of its own: class name → folder name, in the order given.

    A name that is a portable folder name stays as it is. Otherwise what a folder cannot hold on Linux,
    Windows or macOS becomes `_` (`T-shirt/top` → `T-shirt_top`), so do leading and trailing dots and spaces.
    Folder names are at most 255 bytes and differ by more than case; where two would not, the later one gets
    a number (`a_b`, `a_b_2`). Raises ValueError where a class name occurs twice.
    """
    names = list(class_names)
    if len(set(names)) != len(names):
        raise ValueError("class names must be unique")
    taken = {_comparable(CLASS_MAP_FILE)}
    chosen: dict[str, str] = {}
    # Names that can stay come first, so that no made-up name takes theirs.
    for name in sorted(names, key=lambda name: _portable(name) != name):
        chosen[name] = _free(_portable(name), taken)
        taken.add(_comparable(chosen[name]))
    return {name: chosen[name] for name in names}


def write_class_map(folder: Path, mapping: Mapping[str, str]) -> None:
    """Write `mapping` (class name → folder name, as from `folder_names`) to `classes.json` in `folder`.

    Raises OSError where the file cannot be written.
    """
    classes = {folder_name: class_name for class_name, folder_name in mapping.items()}
    text = json.dumps({"format": CLASS_MAP_FORMAT, "classes": classes}, indent=2)
    (folder / CLASS_MAP_FILE).write_text(text + "\n", encoding="ascii")


def class_map_of(source: "ImageSource") -> dict[str, str] | None:
    """Read `classes.json` of a source: folder name → class name, in the file's order.

    None where there is no such file. Raises DataError where it cannot be read, is not a class map or is of a
    newer format.
    """
    content, path = source.file(CLASS_MAP_FILE), source.named(CLASS_MAP_FILE)
    if content is None:
        return None
    try:
        document = json.loads(content, object_pairs_hook=_without_doubles)
    except (ValueError, RecursionError) as error:
        raise _not_a_class_map(path, f"it is not valid JSON ({error})") from error
    if not isinstance(document, dict):
        raise _not_a_class_map(path, "it holds no JSON object")
    version = document.get("format")
    if version != CLASS_MAP_FORMAT:
        raise _not_a_class_map(path, f"its format is {version!r}, expected {CLASS_MAP_FORMAT}")
    classes = document.get("classes")
    if not isinstance(classes, dict):
        raise _not_a_class_map(path, "it has no object named classes")
    for folder_name, class_name in classes.items():
        if not isinstance(class_name, str):
            raise _not_a_class_map(path, f"classes.{folder_name} is {class_name!r}, expected a class name")
        if folder_name in ("", ".", "..") or "/" in folder_name:
            raise _not_a_class_map(path, f"classes.{folder_name} does not name a folder")
    return classes


def _portable(name: str) -> str:
    """Replace what some file system would not take; the result is never empty."""
    safe = _UNSAFE.sub("_", name)
    core = safe.strip(". ")
    start = len(safe) - len(safe.lstrip(". "))
    safe = "_" * start + core + "_" * (len(safe) - start - len(core))
    if _RESERVED.fullmatch(safe):
        safe = f"_{safe}"
    if len(safe.encode()) > _LONGEST:
        safe = safe.encode()[:_LONGEST].decode(errors="ignore").rstrip(". ")
    return safe or "_"


def _free(folder_name: str, taken: set[str]) -> str:
    """Find the first of NAME, NAME_2, NAME_3, … that is not taken."""
    candidate, number = folder_name, 1
    while _comparable(candidate) in taken:
        number += 1
        candidate = f"{folder_name}_{number}"
    return candidate


def _comparable(folder_name: str) -> str:
    """Fold what macOS and Windows take for the same name: case, and how accents are composed."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", folder_name).casefold())


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        keys = [key for key, _ in pairs]
        double = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {double!r} occurs twice")
    return document


def _not_a_class_map(path: str, why: str) -> DataError:
    return DataError(
        f"{path} is not a class map: {why}",
        hint=f'it should read {{"format": {CLASS_MAP_FORMAT}, "classes": {{"FOLDER": "CLASS NAME", …}}}}; '
        "without the file, the folders' own names are the class names",
    )
