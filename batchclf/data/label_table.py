"""Labels by path from a CSV, as people keep them in spreadsheets."""

import csv
import difflib
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

from batchclf.core.text import counted, plain_text
from batchclf.data.file_list import UTF_16_MARKS
from batchclf.data.sources.addresses import Address, Location
from batchclf.errors import DataError, ModelError

if TYPE_CHECKING:
    from batchclf.data.sources.interface import ImageSource

COLUMNS = ("path", "label")
MAP_COLUMNS = ("label", "class")
MOST_UNLABELLED = 10_000
DELIMITERS = (",", ";", "\t")

Opened = tuple[list[str], str, Iterator[tuple[int, list[str]]]]
"""A CSV that was opened: its header, its delimiter and, once, its rows, see `read_table`."""


@dataclass(eq=False)
class LabelTable:
    """Class names by path, from the file `source`, and which of them the files of a selection have met so far.

    `unmet` are the paths whose file has not been found yet, `found` counts files, `labelled` images with a label;
    `unlabelled` are the first images without one. `repeats` says how many rows say again what an earlier one says, ""
    for none. Of reviewed labels `given` are those that the images had, and `differing` the paths that have another one.
    """

    source: Location
    by_path: dict[str, str]
    repeats: str = ""
    unmet: set[str] = field(default_factory=set)
    found: int = 0
    labelled: int = 0
    unlabelled: list[str] = field(default_factory=list)
    given: Mapping[str, str | None] = field(default_factory=dict)
    differing: list[str] = field(default_factory=list)

    def begin(self) -> None:
        """Forget the files that have been met."""
        self.unmet, self.found, self.labelled, self.unlabelled = set(self.by_path), 0, 0, []
        self.differing = []

    def meet(self, path: str, label: str | None, *, image: bool) -> None:
        """Take note of a file that was found, and of whether it is an image to score."""
        self.unmet.discard(path)
        self.found += 1
        if image and label is not None:
            self.labelled += 1
        elif image and len(self.unlabelled) < MOST_UNLABELLED:
            self.unlabelled.append(path)

    def correct(self, path: str, label: str | None) -> str | None:
        """Give the reviewed label of an image that has `label`, which it keeps if nobody has reviewed it."""
        reviewed = self.by_path.get(path)
        if reviewed is None:
            return label
        if label not in (reviewed, self.given[path]):
            self.differing.append(path)
        return reviewed

    def difference(self) -> str:
        """Say how many images had another label when they were reviewed; empty if there are none."""
        if not self.differing:
            return ""
        return (
            f"{counted(len(self.differing), 'image')} of {self.source.name} had another label when reviewed; the "
            f"reviewed one is used, the first: {self.differing[0]}"
        )

    def unmatched(self) -> str:
        """Say how many rows name no file that was found; empty if there are none."""
        return unmatched_words(self.source, [path for path in self.by_path if path in self.unmet])

    def warning(self, *, listed: bool) -> str:
        """Say that the labels fit badly once all files have been met; empty if they fit.

        They fit if at least half of the rows name a file that was found, and an image has a label. If the files are a
        list, `listed`, the rows may be about others as well: then half of as many rows as there are files will do.
        """
        if not self.by_path:
            return f"{self.source} has no row with a label"
        if not self.found:
            return ""
        met, rows = len(self.by_path) - len(self.unmet), len(self.by_path)
        if 2 * met < (min(rows, self.found) if listed else rows):
            from batchclf.data.near_miss import near_miss

            words = near_miss(self.unmet, self.unlabelled)
            more = f"; {words}" if words else ""
            return f"only {met:,} of {counted(rows, 'row')} of {self.source} name a file that was found{more}"
        return "" if self.labelled else f"no image that was chosen has a label in {self.source}"


def unmatched_words(source: Location, unmet: Sequence[str]) -> str:
    """Say how many rows of a table name no file that was found, in order `unmet`; empty if there are none."""
    if not unmet:
        return ""
    if len(unmet) == 1:
        return f"1 row of {source.name} names no file that was found: {unmet[0]}"
    return f"{len(unmet):,} rows of {source.name} name no file that was found, the first: {unmet[0]}"


def read_label_map(source: Location, class_names: tuple[str, ...] | None) -> dict[str, str]:
    """Read a CSV with a header and the columns `label` (somebody's) and `class`: label → class name, "" if ignored.

    Several labels may mean one class. An empty class, or `ignore` unless that is a class itself, means that images of
    the label count as having none. Raises DataError if the file cannot be read, is no such CSV or gives a label two
    meanings, ModelError if a class is not in `class_names`; the message names the line. Any class will do if
    `class_names` is None.
    """
    words = {"ignore": "", "": "", **{name: name for name in class_names or ()}}
    seen: dict[str, tuple[str, int]] = {}
    for line, (label, name) in _pairs(source, MAP_COLUMNS, read_table(source, MAP_COLUMNS, "label map")):
        if class_names is None:
            words.setdefault(name, name)
        elif name not in words:
            raise no_class_error(
                name, line, source, class_names, "class", "write ignore for a label that has no class here"
            )
        before, line_before = seen.setdefault(label, (words[name], line))
        if before != words[name]:
            raise DataError(
                f"{source} maps '{label}' to '{before or 'ignore'}' in line {line_before} and to "
                f"'{words[name] or 'ignore'}' in line {line}",
                hint="take one of the two lines away",
            )
    if not seen:
        raise DataError(f"the label map {source} has no row", hint="give a row for each label: label,class")
    return {label: name for label, (name, _) in seen.items()}


def read_label_table(
    source: Location,
    images: "ImageSource",
    class_names: tuple[str, ...] | None,
    meanings: Mapping[str, str] = MappingProxyType({}),
    *,
    opened: Opened | None = None,
) -> LabelTable:
    """Read a CSV with a header and the columns `path` and `label` (a class, or empty); `opened` if it is open already.

    Paths are as somebody writes them of `images`, see `ImageSource.relative`.
    UTF-8; comma, semicolon or tab, whichever the header has; other columns are ignored, and so is the `'` with which
    batchclf guards cells against spreadsheets. Raises DataError where the file cannot be read or is no such CSV,
    ModelError where a label is neither in `class_names` nor in `meanings` (see `read_label_map`); the message names the
    line. Any label will do if `class_names` is None.
    """
    # One string a class, however many rows name it.
    names = {name: name for name in ("", *(class_names or ()))}
    seen: dict[str, tuple[str, int]] = {}
    rows, first_pair = 0, (0, 0)
    for line, (path, written) in _pairs(source, COLUMNS, opened or open_labels(source)):
        label = meanings.get(written, written)
        if not path:
            raise DataError(f"line {line} of {source} has no path", hint="take the line away, or give its path")
        if class_names is None:
            names.setdefault(label, label)
        elif label not in names:
            hint = "leave the label empty if none is known, or map it: --label-map FILE"
            raise no_class_error(label, line, source, class_names, "label", hint)
        path = images.relative(path) or path
        before, line_before = seen.setdefault(path, (names[label], line))
        if before != label:
            raise DataError(
                f"{source} has two labels for {path}: '{before}' in line {line_before} and '{label}' in line {line}",
                hint="take one of the two lines away",
            )
        if line != line_before and rows == len(seen):
            first_pair = line_before, line
        rows += 1
    by_path = {path: label for path, (label, _) in seen.items() if label}
    return LabelTable(source, by_path, repeats_words(source, rows - len(seen), first_pair))


def repeats_words(source: Location, rows: int, first: tuple[int, int]) -> str:
    """Say how many rows of a table repeat an earlier one, the `first` of which is in these lines; "" for none."""
    if not rows:
        return ""
    verb = "repeats" if rows == 1 else "repeat"
    return (
        f"{counted(rows, 'row')} of {source.name} {verb} an earlier one (the first: line {first[1]} repeats line "
        f"{first[0]}); each is counted once"
    )


def open_labels(source: Location) -> Opened:
    """Open a CSV of labels, see `read_table`: corrections or all labels, as its header says."""
    return read_table(source, COLUMNS, "labels")


def _pairs(source: Location, columns: tuple[str, str], opened: Opened) -> Iterator[tuple[int, tuple[str, str]]]:
    """Yield the two cells of each row that is not blank, with the number of the line that it begins in."""
    header, _, rows = opened
    one, other = (header.index(name) for name in columns)
    for line, row in rows:
        if len(row) <= max(one, other):
            raise DataError(f"line {line} of {source} has {len(row)} of the {len(header)} cells that the header names")
        yield line, (plain_text(row[one]), plain_text(row[other]))


def read_table(source: Location, columns: tuple[str, ...], what: str) -> Opened:
    """Open a CSV with a header that names `columns` once each; `what` names it in errors.

    Gives the header, the delimiter and the rows that are not blank, each with the number of the line that it begins in.
    Raises DataError if it cannot be read or is no such CSV.
    """
    text = _read(source, what)
    delimiter = _delimiter(text, source, columns)
    rows = _rows(text, delimiter, source)
    return [cell.strip() for cell in next(rows)[1]], delimiter, rows


def _read(source: Location, what: str) -> str:
    content = _content(source, what)
    if content[:2] in UTF_16_MARKS:
        raise DataError(f"the {what} {source} cannot be read: it is UTF-16", hint="save it as CSV UTF-8")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        hint = "save it as CSV UTF-8"
        raise DataError(f"the {what} {source} cannot be read: line {line} is not UTF-8", hint=hint) from error


def _content(source: Location, what: str) -> bytes:
    if isinstance(source, Address):
        from batchclf.data.sources.object_store import ObjectFolder

        content = ObjectFolder(source.parent).file(source.name)
        if content is None:
            raise DataError(f"there is no object {source}, which would be the {what}", hint="check it for a typo")
        return content
    try:
        return source.read_bytes()
    except OSError as error:
        raise DataError(f"the {what} {source} cannot be read: {error.strerror}") from error


def _delimiter(text: str, source: Location, columns: tuple[str, ...]) -> str:
    """Find the delimiter with which the first line names the columns, each once."""
    for delimiter in DELIMITERS:
        header = [cell.strip() for cell in next(_rows(text, delimiter, source), (1, []))[1]]
        if all(header.count(name) == 1 for name in columns):
            return delimiter
    first = text.lstrip().split("\n", 1)[0].strip()
    raise DataError(
        f"{source} has no header that names the column{'s' * (len(columns) > 1)} {' and '.join(columns)} once"
        f"{' each' * (len(columns) > 1)}; it reads: {first[:80]!r}",
        hint=f"the first line should be: {','.join(columns)}{',…' * (len(columns) == 1)}",
    )


def _rows(text: str, delimiter: str, source: Location) -> Iterator[tuple[int, list[str]]]:
    """Yield each row that is not blank with the number of the line it begins in."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    while True:
        line = reader.line_num + 1
        try:
            row = next(reader, None)
        except csv.Error as error:
            raise DataError(f"line {line} of {source} is not CSV: {error}") from error
        if row is None:
            return
        if any(row):
            yield line, row


def no_class_error(
    label: str, line: int, source: Location, class_names: tuple[str, ...], what: str, hint: str
) -> ModelError:
    """Make the error that a table names something that is no class of the model; `what` is a class or a label."""
    nearest = difflib.get_close_matches(label, class_names, 1)
    return ModelError(
        f"the {what} '{label}' in line {line} of {source} is not a class of the model ({', '.join(class_names)})",
        hint=f"did you mean '{nearest[0]}'? Otherwise {hint}" if nearest else hint,
    )
