"""The class names of a model that was trained elsewhere: in the order of its outputs."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from batchclf.core.text import counted, first_of
from batchclf.core.types import Say, unheard
from batchclf.errors import UsageError
from batchclf.models.sources.class_files import FORMS, ClassFile, parse_class_file


def read_class_names(text: str, *, unique: bool = False, say: Say = unheard) -> tuple[str, ...]:
    """Read `--classes`: a file, or names with commas between them; in the order of the model's outputs.

    A file holds one class a line, lines of index or WordNet id and name, a CSV of index and name, YAML with `names`,
    a JSON list, or a JSON object: name to index (Keras' `class_indices`), index to name, `imagenet_class_index.json`,
    a config.json of Hugging Face (`id2label`) or timm (`label_names`), a `classes.json` as `data export` writes it, or
    a bundle's model.json. `say` gets a line on what was taken from where. With `unique` the WordNet id or else the
    index is added to names that occur more than once.

    Raises UsageError if it cannot be read, or the names are fewer than two, empty or not unique.
    """
    path = Path(text)
    if _is_file(path):
        return taken_class_names(_from_file(path), str(path), unique=unique, say=say)
    if "," not in text:
        raise UsageError(
            f"--classes: there is no file {text}, and it is no list with commas either",
            hint=f"give names with commas between them, or a file with {FORMS}",
        )
    found = ClassFile([name.strip() for name in text.split(",")], "--classes")
    return check_class_names(_apart(found) if unique else found.names, "--classes")


def taken_class_names(found: ClassFile, source: str, *, unique: bool = False, say: Say = unheard) -> tuple[str, ...]:
    """Take the class names that were found in a file; raises UsageError as `read_class_names` does."""
    words = f" ({found.words})" if found.words else ""
    say(f"classes: {counted(len(found.names), 'name')} from {source}{words}: {first_of(found.names, 5)}")
    return check_class_names(_apart(found) if unique else found.names, source)


def check_order(own: Sequence[str], source: str, asked: Sequence[str], say: Say) -> None:
    """Compare the class names of `--classes` with those of a file of the model.

    Raises UsageError if only the order is another; `say` gets a line if the names are.
    """
    if tuple(own) == tuple(asked):
        return
    if sorted(own) == sorted(asked):
        raise UsageError(
            f"--classes has another order than the names in {source}: {first_of(own, 5)}",
            hint="give the class names in the order of the model's outputs",
        )
    say(f"classes: {source} has the names {first_of(own, 5)}; those of --classes are taken: {first_of(asked, 5)}")


def check_class_names(names: list[str], source: str) -> tuple[str, ...]:
    """Give class names as they are; raises UsageError, with their source, if they are fewer than two or not unique."""
    if len(names) < 2:
        raise UsageError(f"{source} names {len(names)} class; a classifier has at least two", hint=f"give {FORMS}")
    if not all(names):
        raise UsageError(f"{source} has an empty class name", hint="give each class a name")
    double = next((name for name in names if names.count(name) > 1), None) if len(set(names)) < len(names) else None
    if double is not None:
        raise UsageError(
            f"{source} names the class '{double}' twice",
            hint="class names must be unique; --unique-names adds an id to those that are not",
        )
    return tuple(names)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a long list is too long for a file's name
        return False


def _from_file(path: Path) -> ClassFile:
    try:
        content = path.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"the class names {path} cannot be read: {error}", hint="give a UTF-8 file") from error
    try:
        return parse_class_file(path, content)
    except ValueError as error:
        raise UsageError(f"the class names {path} cannot be read: {error}", hint=f"give {FORMS}") from error


def _apart(found: ClassFile) -> list[str]:
    """Add a mark to each name that occurs more than once; the file's own, else the index."""
    times, marks = Counter(found.names), found.marks or list(map(str, range(len(found.names))))
    return [f"{name} ({mark})" if times[name] > 1 else name for name, mark in zip(found.names, marks, strict=True)]
