"""Every table and key of a job file, dotted, as its types describe them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, get_args, get_origin

import msgspec

from batchclf.core.options import REQUIRED, Option, is_table, options_of
from batchclf.jobs.config.spec import JobSpec

NAME = "NAME"
"""Stands in a dotted key for a name that the user chooses."""


@dataclass(frozen=True, slots=True)
class Key:
    """A key or a table of a job file by its `dotted` name, and `kind`, the type of its value or None of a table.

    `table` is the dotted name of the table that it stands in. The keys of each `[[gate.rules]]` stand below
    `gate.rules`.
    """

    dotted: str
    table: str
    kind: Any
    option: Option


def keys_of(struct: type[msgspec.Struct] = JobSpec, table: str = "") -> Iterator[Key]:
    """Yield each table and key of a job file.

    The keys of a table follow on it, those that must be given first, and its own tables come last.
    """
    above = f"{table}." if table else ""
    inner: list[tuple[Key, type[msgspec.Struct] | None]] = []
    for option in sorted(options_of(struct).values(), key=lambda each: each.default is not REQUIRED):
        dotted, kind = above + option.name, option.kind
        if get_origin(kind) is dict:
            dotted, kind = f"{dotted}.{NAME}", get_args(kind)[1]
        elif get_origin(kind) is list and is_table(get_args(kind)[0]):
            (kind,) = get_args(kind)
        if is_table(kind):
            inner.append((Key(dotted, dotted, None, option), kind))
        elif dotted.endswith(NAME):
            inner.append((Key(dotted, dotted.rpartition(".")[0], kind, option), None))
        else:
            yield Key(dotted, table, kind, option)
    for key, struct_below in inner:
        yield key
        if struct_below is not None:
            yield from keys_of(struct_below, key.dotted)
