"""Tables of plain text for people."""

import unicodedata
from collections.abc import Collection, Sequence

from batchclf.core.text import visible
from batchclf.core.types import Say


def say_table(say: Say, header: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> None:
    """Print a table line by line; columns whose numbers are in `right` are aligned to the right."""
    lines, _ = aligned([list(map(visible, row)) for row in (header, *rows)], right)
    for line in lines:
        say(line)


def aligned(rows: Sequence[Sequence[str]], right: Collection[int] = ()) -> tuple[list[str], list[int]]:
    """Write rows as lines with columns below each other, those in `right` flush right; gives their widths, too."""
    widths = [max(map(_width, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = []
        for number, (cell, width) in enumerate(zip(row, widths, strict=True)):
            filling = " " * (width - _width(cell))
            cells.append(filling + cell if number in right else cell + filling)
        lines.append("  ".join(cells).rstrip())
    return lines, widths


def say_facts(say: Say, facts: dict[str, str]) -> None:
    """Print names and what belongs to them, a line each; those with nothing are left out."""
    facts = {name: text for name, text in facts.items() if text}
    width = max(map(len, facts), default=0) + 1
    for name, text in facts.items():
        say(f"{name + ':':{width}} {visible(text)}")


def _width(text: str) -> int:
    """Count a terminal's columns: two for East Asian wide characters, none for combining marks."""
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(c) else 1 + (unicodedata.east_asian_width(c) in "WF") for c in text)
