"""Tables of plain text for people."""

import unicodedata
from collections.abc import Sequence

from batchclf.core.types import Say
from batchclf.report.view_format import visible


def say_table(say: Say, header: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> None:
    """Tell a table line by line; columns whose numbers are in `right` are aligned to the right."""
    shown = [list(map(visible, row)) for row in (header, *rows)]
    widths = [max(map(_width, column)) for column in zip(*shown, strict=True)]
    for row in shown:
        cells = []
        for number, (cell, width) in enumerate(zip(row, widths, strict=True)):
            filling = " " * (width - _width(cell))
            cells.append(filling + cell if number in right else cell + filling)
        say("  ".join(cells).rstrip())


def say_facts(say: Say, facts: dict[str, str]) -> None:
    """Tell names and what belongs to them, a line each; those with nothing are left out."""
    facts = {name: text for name, text in facts.items() if text}
    width = max(map(len, facts), default=0) + 1
    for name, text in facts.items():
        say(f"{name + ':':{width}} {visible(text)}")


def _width(text: str) -> int:
    """Count a terminal's columns: two for East Asian wide characters, none for combining marks."""
    return sum(0 if unicodedata.combining(c) else 1 + (unicodedata.east_asian_width(c) in "WF") for c in text)
