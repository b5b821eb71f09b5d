"""The rows of a query as a table for people, as CSV, as JSON lines, or as values for one JSON object."""

import csv
import io
import json
import math
import re
import sys
from collections.abc import Iterable, Iterator
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

from batchclf import atomic
from batchclf.cli.console import encodable, escaped
from batchclf.cli.tables import aligned
from batchclf.errors import QueryError
from batchclf.jobs.query.sql import QueryResult
from batchclf.storage.csv_files.cells import safe_cell

WIDEST = 60
"""Characters of a cell in a table; of a longer text the end is left out."""

_NUMBER_TYPES = re.compile(r"U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|DOUBLE|FLOAT|DECIMAL.*")


def print_rows(result: QueryResult, form: str, limit: int | None) -> tuple[int, int]:
    """Print at most `limit` rows on standard output, as UTF-8 unless it is a table; counts those and the others."""
    counted = _Counted(result, limit)
    for line in _lines(result, form, counted):
        if form == "table":
            sys.stdout.write(encodable(line))
        else:
            sys.stdout.flush()
            sys.stdout.buffer.write(line.encode())
    sys.stdout.flush()
    return counted.count()


def write_rows(out: Path, result: QueryResult, form: str, limit: int | None) -> tuple[int, int]:
    """Write at most `limit` rows into a file in UTF-8, in one step; counts those and the others. Raises OSError."""
    counted = _Counted(result, limit)
    out.parent.mkdir(parents=True, exist_ok=True)
    with atomic.new_file(out) as handle:
        for line in _lines(result, form, counted):
            handle.write(line.encode())
    return counted.count()


def json_rows(result: QueryResult, limit: int | None) -> tuple[list[list[Any]], int]:
    """Give at most `limit` rows as plain JSON values; counts the others."""
    counted = _Counted(result, limit)
    return [list(map(_plain, row)) for row in counted], counted.count()[1]


class _Counted:
    """The first rows of a result; counts them, and then those that are left."""

    def __init__(self, result: QueryResult, limit: int | None) -> None:
        self._rows = result.rows
        self._limit = limit
        self._given = 0

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        for row in islice(self._rows, self._limit):
            self._given += 1
            yield row

    def count(self) -> tuple[int, int]:
        return self._given, sum(1 for _ in self._rows)


def _lines(result: QueryResult, form: str, rows: Iterable[tuple[Any, ...]]) -> Iterator[str]:
    if form == "csv":
        return _csv(result, rows)
    return _jsonl(result, rows) if form == "jsonl" else _table(result, rows)


def _csv(result: QueryResult, rows: Iterable[tuple[Any, ...]]) -> Iterator[str]:
    """Write RFC 4180, with the `'` before texts that a spreadsheet would run."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(map(safe_cell, result.columns))
    for row in rows:
        yield _taken(text)
        # A negative number is no formula.
        writer.writerow([_text(value) if _is_number(value) else safe_cell(_text(value)) for value in row])
    yield _taken(text)


def _taken(text: io.StringIO) -> str:
    lines = text.getvalue()
    text.seek(0)
    text.truncate()
    return lines


def _jsonl(result: QueryResult, rows: Iterable[tuple[Any, ...]]) -> Iterator[str]:
    doubled = [name for name in result.columns if result.columns.count(name) > 1]
    if doubled:
        raise QueryError(f"two columns are called {doubled[0]}", hint="give one another name: … AS name")
    for row in rows:
        yield json.dumps(dict(zip(result.columns, map(_plain, row), strict=True)), ensure_ascii=False) + "\n"


def _table(result: QueryResult, rows: Iterable[tuple[Any, ...]]) -> Iterator[str]:
    shown = [list(map(_shown, result.columns)), *([_shown(_text(value, short=True)) for value in row] for row in rows)]
    right = [place for place, kind in enumerate(result.types) if _NUMBER_TYPES.fullmatch(kind)]
    lines, widths = aligned(shown, right)
    rule = "  ".join("-" * width for width in widths)
    return iter([f"{line}\n" for line in (lines[0], rule, *lines[1:])])


def _shown(text: str) -> str:
    """Show a text in one line: what is not printable as an escape, a long one without its end."""
    return escaped(text if len(text) <= WIDEST else text[: WIDEST - 1] + "…")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | Decimal)


def _text(value: Any, *, short: bool = False) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.7g}" if short and abs(value) < 1e6 else repr(value)
    if isinstance(value, list | tuple | dict):
        return json.dumps(_plain(value), ensure_ascii=False)
    return str(value)


def _plain(value: Any) -> Any:
    """Turn a value of DuckDB into one that JSON has; what is not finite is null, as what is not known."""
    if isinstance(value, Decimal):
        value = float(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, list | tuple):
        return list(map(_plain, value))
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    return str(value)
