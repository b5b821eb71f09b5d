"""Text as cells of a CSV file: safe in a spreadsheet, and the text again."""

import re
from collections.abc import Sequence
from typing import Any

from batchclf.core.text import GUARDED_STARTS, utf8_text

_PLAIN = re.compile(r"[A-Za-z0-9_/][A-Za-z0-9_/. +-]*")
_PLAIN_LINES = re.compile(rf"(?:{_PLAIN.pattern}\n)*")
_NEEDS_QUOTES = re.compile(r'[",\r\n]')


def utf8_values(value: Any) -> Any:
    """Make all texts in a tree of plain values UTF-8 by `utf8_text`; tuples become lists."""
    if isinstance(value, str):
        return utf8_text(value)
    if isinstance(value, dict):
        return {utf8_values(key): utf8_values(each) for key, each in value.items()}
    return [utf8_values(each) for each in value] if isinstance(value, list | tuple) else value


def safe_cell(text: str) -> str:
    """Keep a spreadsheet from running a cell: put `'` before text that would start a formula (or a `'`).

    The text is made UTF-8 by `utf8_text`.
    """
    text = utf8_text(text)
    # Also before a quote, so that the guard can be undone without doubt (decision 009)
    return "'" + text if text.startswith(GUARDED_STARTS) else text


def csv_cell(text: str) -> str:
    """Write a text as a cell of a CSV file: made safe by `safe_cell`, in quotes where RFC 4180 asks for them."""
    if _PLAIN.fullmatch(text):
        return text
    text = safe_cell(text)
    return '"' + text.replace('"', '""') + '"' if _NEEDS_QUOTES.search(text) else text


def csv_cells(texts: Sequence[str]) -> list[bytes]:
    """Write texts as cells in UTF-8, each as `csv_cell` does; quick where all of them are plain."""
    lines = "\n".join(texts) + "\n"
    # A line break within a text makes two plain lines of it.
    if lines.count("\n") == len(texts) and _PLAIN_LINES.fullmatch(lines):
        return lines.encode().split(b"\n")[:-1]
    return [csv_cell(text).encode() for text in texts]
