"""The text of a job file, to name the line of a key in an error."""

import re
from collections.abc import Iterator
from pathlib import Path

from batchclf.errors import JobFileError

Keys = tuple[str | int, ...]
"""The way to a value: names of keys, and the places within lists, from 0."""

_HEADER = re.compile(r"\s*(\[\[?)\s*(.+?)\s*\]\]?\s*(?:#.*)?")
_PART = re.compile(r"""\s*(?:"((?:[^"\\]|\\.)*)"|'([^']*)'|([A-Za-z0-9_-]+))\s*(\.|=|$)""")
_LONG_TEXT = re.compile(r"\"\"\"|'''")


class JobText:
    """A job file's path and text; `error` makes an exception that names file, line and key."""

    def __init__(self, path: Path, text: str) -> None:
        self.path = path
        self._text = text
        self._lines: dict[Keys, int] | None = None

    def error(self, keys: Keys, what: str, hint: str) -> JobFileError:
        """Make the error for what is wrong with a key; `keys` () is the whole file."""
        line = self._line(keys)
        where = str(self.path) if line is None else f"{self.path}, line {line}"
        return JobFileError(f"{where}: {what}", hint=hint, line=line, key=dotted(keys))

    def _line(self, keys: Keys) -> int | None:
        """Find the line of a key, or of the table or list around it that has one of its own; from 1."""
        if self._lines is None:
            self._lines = {}
            for found, number in _located(self._text):
                for length in range(1, len(found) + 1):
                    self._lines.setdefault(found[:length], number)
        for length in range(len(keys), 0, -1):
            if keys[:length] in self._lines:
                return self._lines[keys[:length]]
        return None


def dotted(keys: Keys) -> str:
    """Write a way to a value as `gate.rules[0].max`."""
    text = ""
    for key in keys:
        text += f"[{key}]" if isinstance(key, int) else f".{key}" if text else key
    return text


def _located(text: str) -> Iterator[tuple[Keys, int]]:
    """Yield each table and key that begins a line, with that line's number."""
    table: Keys = ()
    counts: dict[Keys, int] = {}
    closing = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if closing:
            closing = "" if closing in line else closing
            continue
        if (header := _HEADER.fullmatch(line)) and (parts := _parts(header[2])) is not None:
            table = _within(parts[:-1], counts)
            table += parts[-1:]
            if header[1] == "[[":
                counts[table] = counts.get(table, -1) + 1
                yield table, number
                table += (counts[table],)
            else:
                table = _within(parts, counts)
            yield table, number
        elif "=" in line and (parts := _parts(line)):
            yield table + parts, number
            longs = _LONG_TEXT.findall(line)
            closing = longs[-1] if len(longs) % 2 else ""


def _within(parts: tuple[str, ...], counts: dict[Keys, int]) -> Keys:
    """Put in which table of each list of tables is meant: the last one so far."""
    table: Keys = ()
    for part in parts:
        table += (part,)
        if table in counts:
            table += (counts[table],)
    return table


def _parts(text: str) -> tuple[str, ...] | None:
    """Read a dotted key at the start of a text, up to `=` or the end; None if there is none."""
    parts: tuple[str, ...] = ()
    place = 0
    while found := _PART.match(text, place):
        double, single, bare, end = found.groups()
        parts += (next(each for each in (double, single, bare) if each is not None),)
        place = found.end()
        if end != ".":
            return parts
    return None
