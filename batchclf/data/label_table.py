"""Labels by path from a CSV, as people keep them in spreadsheets."""

import csv
import difflib
import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from batchclf.data.file_list import relative_path
from batchclf.errors import DataError, ModelError

COLUMNS = ("path", "label")
DELIMITERS = (",", ";", "\t")
# What `storage.cells.safe_cell` puts a `'` before; a test holds that the two agree.
GUARDED_STARTS = ("'", "=", "+", "-", "@", "\t", "\r")


@dataclass(eq=False)
class LabelTable:
    """Class names by path, from the file `source`; `unmet` are the paths whose file has not been found yet."""

    source: Path
    by_path: dict[str, str]
    unmet: set[str] = field(default_factory=set)

    def unmatched(self) -> str:
        """Say how many rows name no file that was found; empty where there are none."""
        if not self.unmet:
            return ""
        first = next(path for path in self.by_path if path in self.unmet)
        if len(self.unmet) == 1:
            return f"1 row of {self.source.name} names no file that was found: {first}"
        return f"{len(self.unmet):,} rows of {self.source.name} name no file that was found, the first: {first}"


def read_label_table(source: Path, root: Path, class_names: tuple[str, ...]) -> LabelTable:
    """Read a CSV with a header and the columns `path` (relative to `root`) and `label` (a class, or empty).

    UTF-8; comma, semicolon or tab, whichever the header has; other columns are ignored, and so is the `'` with which
    batchclf guards cells against spreadsheets. Raises DataError where the file cannot be read or is no such CSV,
    ModelError where a label is not in `class_names`; the message names the line.
    """
    text = _read(source)
    delimiter = _delimiter(text, source)
    rows = _rows(text, delimiter, source)
    header = [cell.strip() for cell in next(rows)[1]]
    path_at, label_at = (header.index(name) for name in COLUMNS)
    # One string a class, however many rows name it.
    names = {name: name for name in ("", *class_names)}
    seen: dict[str, tuple[str, int]] = {}
    for line, row in rows:
        if len(row) <= max(path_at, label_at):
            raise DataError(f"line {line} of {source} has {len(row)} of the {len(header)} cells that the header names")
        path, label = _unguarded(row[path_at]), _unguarded(row[label_at])
        if not path:
            raise DataError(f"line {line} of {source} has no path", hint="take the line away, or give its path")
        if label not in names:
            raise _no_class(label, line, source, class_names)
        path = relative_path(path, root) or path
        before, line_before = seen.setdefault(path, (names[label], line))
        if before != label:
            raise DataError(
                f"{source} has two labels for {path}: '{before}' in line {line_before} and '{label}' in line {line}",
                hint="take one of the two lines away",
            )
    return LabelTable(source, {path: label for path, (label, _) in seen.items() if label})


def _read(source: Path) -> str:
    try:
        content = source.read_bytes()
    except OSError as error:
        raise DataError(f"the labels {source} cannot be read: {error.strerror}") from error
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        hint = "save it as CSV UTF-8"
        raise DataError(f"the labels {source} are not UTF-8 (line {line})", hint=hint) from error


def _delimiter(text: str, source: Path) -> str:
    """Find the delimiter with which the first line names the columns, each once."""
    for delimiter in DELIMITERS:
        header = [cell.strip() for cell in next(_rows(text, delimiter, source), (1, []))[1]]
        if all(header.count(name) == 1 for name in COLUMNS):
            return delimiter
    first = text.lstrip().split("\n", 1)[0].strip()
    raise DataError(
        f"the labels {source} have no header that names the columns path and label once each; it reads: {first[:80]!r}",
        hint="the first line should be: path,label",
    )


def _rows(text: str, delimiter: str, source: Path) -> Iterator[tuple[int, list[str]]]:
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


def _unguarded(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(GUARDED_STARTS) else cell


def _no_class(label: str, line: int, source: Path, class_names: tuple[str, ...]) -> ModelError:
    nearest = difflib.get_close_matches(label, class_names, 1)
    return ModelError(
        f"the label '{label}' in line {line} of {source} is not a class of the model ({', '.join(class_names)})",
        hint=f"did you mean '{nearest[0]}'?" if nearest else "leave the label empty where none is known",
    )
