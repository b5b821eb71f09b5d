"""Parts of records in JSON documents: some keys of a record in an order of their own, with the record's own types."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar, cast, get_type_hints

import msgspec

_Part = TypeVar("_Part")


def part_of(record: type, keys: str, rename: Mapping[str, str] | None = None) -> Callable[[type[_Part]], type[_Part]]:
    """Make a class the part of a record that a JSON document shows, in the order of `keys`, with blanks between them.

    Fields and properties of the record have the types that it gives them, unless the class annotates them itself.
    `rename` has other names of keys in JSON. The class is an immutable msgspec Struct, for `part` to fill.
    """

    def decorated(kind: type[_Part]) -> type[_Part]:
        own, fields = get_type_hints(kind), get_type_hints(record)
        types = [(key, own.get(key) or fields.get(key) or _of_property(record, key)) for key in keys.split()]
        namespace = {"__doc__": kind.__doc__}
        made = msgspec.defstruct(
            kind.__name__, types, module=kind.__module__, namespace=namespace, rename=rename, frozen=True
        )
        return cast("type[_Part]", made)

    return decorated


def part(kind: type[_Part], record: object, **others: object) -> _Part:
    """Fill a part from a record; `others` are values that are none of its attributes as they are."""
    keys = [field.name for field in msgspec.structs.fields(cast("type[msgspec.Struct]", kind))]
    return kind(**{key: others[key] if key in others else getattr(record, key) for key in keys})


def _of_property(record: type, key: str) -> Any:
    return get_type_hints(getattr(record, key).fget)["return"]
