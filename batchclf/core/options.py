"""What an option is: a field of a struct, with its type, default and help, and with the words that describe it.

Job file, JSON schema, command line and docs make their options from these fields, so an option stands in one place.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from math import isfinite
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin

import msgspec
from msgspec import Meta

from batchclf.core.text import exact

Positive = Annotated[int, Meta(ge=1)]
WholeNumber = Annotated[int, Meta(ge=0)]
Seed = Annotated[int, Meta(ge=0, le=2**32 - 1)]
"""The seeds that numpy takes."""

Share = Annotated[float, Meta(ge=0, le=1)]
ShareBelowOne = Annotated[float, Meta(ge=0, lt=1)]
InnerShare = Annotated[float, Meta(gt=0, lt=1)]
NotNegative = Annotated[float, Meta(ge=0)]
AboveZero = Annotated[float, Meta(gt=0)]
Seconds = Annotated[float, Meta(gt=0, le=86_400)]
"""A day at the most."""

Text = Annotated[str, Meta(min_length=1)]
ChannelNumbers = Annotated[
    list[float], Meta(min_length=1, max_length=3, extra={"words": "one finite number a channel: one, or three"})
]
PathText = Annotated[
    str, Meta(pattern=r"^[^\x00]+$", extra={"words": "a path that is not empty and has no NUL character"})
]
SIZE = r"^[1-9][0-9]{0,4}[xX][1-9][0-9]{0,4}\Z"
"""What a height and a width as text look like, up to 99999x99999."""

SizeText = Annotated[str, Meta(pattern=SIZE, extra={"words": "a height and a width such as 224x224"})]

REQUIRED = msgspec.NODEFAULT
"""The default of an option that must be given."""


def option(about: str, *, example: Any = None, unset: str = "", metavar: str = "", more: str = "") -> Meta:
    """Describe an option, in `Annotated[TYPE, …]`.

    `about` is one sentence without a full stop, in lower case. `example` is a value to show if there is no default,
    `unset` says what None stands for, `metavar` names the value on the command line. `more` is Markdown that the docs'
    tables add.
    """
    words = {"about": about, "unset": unset, "metavar": metavar, "more": more}
    default = f" (default: {unset})" if unset else ""
    examples = None if example is None else [example]
    return Meta(description=f"{capitalised(about)}{default}.", examples=examples, extra=words)


def capitalised(text: str) -> str:
    """Begin a sentence with a capital letter, and leave the others as they are."""
    return text[:1].upper() + text[1:]


@dataclass(frozen=True, slots=True)
class Option:
    """An option by its name in TOML; `attribute` is the field's own name.

    `kind` is the type of its value, without None. `default` is REQUIRED if there is none. `about`, `unset`, `metavar`
    and `more` are those of `option`; `sentence` is `about` and `unset` in one. `example` is the default, or if that is
    None or empty the example; None without one.
    """

    name: str
    attribute: str
    kind: Any
    default: Any
    example: Any
    sentence: str
    about: str
    unset: str
    metavar: str
    more: str


@lru_cache
def options_of(struct: type[msgspec.Struct]) -> dict[str, Option]:
    """Give the options of a struct, by their names in TOML. Raises TypeError if one is not described."""
    return {field.encode_name: _option(struct, field) for field in msgspec.structs.fields(struct)}


def _option(struct: type[msgspec.Struct], field: msgspec.structs.FieldInfo) -> Option:
    kind, *notes = get_args(field.type) if get_origin(field.type) is Annotated else (field.type,)
    described = [note for note in notes if isinstance(note, Meta) and note.extra and "about" in note.extra]
    if not described:
        raise TypeError(f"{struct.__name__}.{field.name} is no option: it has no description")
    others = [note for note in notes if note not in described]
    if NoneType in get_args(kind):
        (kind,) = (each for each in get_args(kind) if each is not NoneType)
    if others:
        kind = Annotated[(kind, *others)]
    default = field.default if field.default_factory is REQUIRED else field.default_factory()
    examples = described[0].examples or [None]
    return Option(
        field.encode_name,
        field.name,
        kind,
        default,
        example=examples[0] if default in (REQUIRED, None, [], {}) else default,
        sentence=described[0].description or "",
        **(described[0].extra or {}),
    )


def values_of(options: msgspec.Struct, struct: type[msgspec.Struct]) -> dict[str, Any]:
    """Give the fields of `struct` as options of it, or of a struct that extends it, have them."""
    return {name: getattr(options, name) for name in struct.__struct_fields__}


def given_of(options: msgspec.Struct, names: Iterable[str]) -> list[str]:
    """Name those of some options, by their names in TOML, that are not at their defaults."""
    known = options_of(type(options))
    return [name for name in names if getattr(options, known[name].attribute) != known[name].default]


def not_default(options: msgspec.Struct) -> dict[str, Any]:
    """Give those of some options, by their names in TOML, that are not at their defaults."""
    return {name: getattr(options, name) for name in given_of(options, options_of(type(options)))}


def fits(value: Any, kind: Any) -> bool:
    """Whether a value is of a type, within its bounds, and finite if it is a number."""
    return why_not(value, kind) is None


def why_not(value: Any, kind: Any) -> str | None:
    """Say why a value, as TOML has it, is not of a type that holds no table; None if it is."""
    if isinstance(value, float) and not isfinite(value):
        return f"a finite number is expected, not {value}"
    if type(value) is int and abs(value) >= 2**63:  # more than TOML has to know, and than msgspec compares
        return "the number is too large"
    items = _item_kind(kind)
    if isinstance(value, list) and items is not None:
        for number, each in enumerate(value, 1):
            if (why := why_not(each, items)) is not None:
                return f"{why} (value {number} of the list)"
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError:
        if items is None and choices(kind) and isinstance(value, str):
            return f"'{value}' is none of the values that it takes"
        base = without_bounds(kind)
        same = type(value) is (get_origin(base) or base) or (type(value) is int and base is float)
        return f"{expected(kind if same else base)} is expected, not {_shown(value) if same else _sort(value)}"
    return None


def meant_share(value: Any, kind: Any) -> str:
    """Write the share that a percentage such as 86 or "86%" may stand for, if `kind` takes shares; "" if none."""
    base, of = _parts(kind)
    if base is not float or 1 not in (of.get("le"), of.get("lt")):
        return ""
    try:
        share = float(value.removesuffix("%") if isinstance(value, str) else value) / 100
    except (TypeError, ValueError, OverflowError):
        return ""
    return exact(round(share, 9)) if 0.01 < share <= 1 and fits(share, kind) else ""


def _item_kind(kind: Any) -> Any:
    """Give the type of a list's items; None if it is no list."""
    base = without_bounds(kind)
    return get_args(base)[0] if get_origin(base) is list else None


_SORTS = {bool: "true or false", int: "a whole number", float: "a number", str: "a text in quotes", list: "a list"}


def _shown(value: Any) -> str:
    return "an empty list" if value == [] else repr(value)


def _sort(value: Any) -> str:
    """Say what sort of value one is."""
    return _SORTS.get(type(value), "a table" if isinstance(value, dict) else f"a {type(value).__name__}")


def is_table(kind: Any) -> bool:
    """Whether a type is a struct, so a table of a job file."""
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def choices(kind: Any) -> tuple[Any, ...]:
    """Give the values of a choice, or of a list of choices; () for other types."""
    base = without_bounds(kind)
    if get_origin(base) is list:
        return choices(get_args(base)[0])
    return get_args(base) if get_origin(base) is Literal else ()


def expected(kind: Any) -> str:
    """Say what a value of a type is, within a sentence: `a whole number from 1 on`."""
    base, of = _parts(kind)
    if "words" in of:
        return str(of["words"])
    not_empty = " that is not empty" if of.get("min_length") else ""
    if get_origin(base) is Literal:
        return f"one of: {', '.join(map(str, choices(base)))}"
    if base in (int, float):
        return f"a {_number(base, of)}"
    if get_origin(base) is list:
        return f"a list{not_empty}"
    return {bool: "true or false", str: f"a text in quotes{not_empty}"}.get(base, "a table")


def type_words(kind: Any) -> str:
    """Write a type for a table in the docs: `whole number from 1`, `"a"` or `"b"` in code, `list of text`."""
    base, of = _parts(kind)
    if get_origin(base) is Literal:
        *others, last = [f'`"{value}"`' for value in choices(base)]
        return f"{', '.join(others)} or {last}"
    if get_origin(base) is list:
        return f"list of {type_words(get_args(base)[0])}"
    if base in (int, float):
        return _number(base, of).removesuffix(" on")
    return "true or false" if base is bool else "text"


def without_bounds(kind: Any) -> Any:
    """Give a type without its bounds: int, float, bool, str, a list, a `Literal` or a table."""
    return _parts(kind)[0]


def _parts(kind: Any) -> tuple[Any, dict[str, Any]]:
    """Take a type apart: what it is without its bounds, and these, with the words that stand for it if it has some."""
    if get_origin(kind) is not Annotated:
        return kind, {}
    base, *notes = get_args(kind)
    names = ("ge", "gt", "le", "lt", "min_length")
    of = {name: getattr(note, name) for note in notes for name in names if getattr(note, name) is not None}
    words = [note.extra["words"] for note in notes if note.extra]
    return base, {**of, "words": words[0]} if words else of


def _number(base: Any, of: dict[str, Any]) -> str:
    """Write a type of numbers with its bounds: `number from 0 to below 1`."""
    words = "whole number" if base is int else "number"
    low = f" from {of['ge']}" if "ge" in of else f" above {of['gt']}" if "gt" in of else ""
    if "le" in of:
        return f"{words}{low} to {of['le']}"
    if "lt" in of:
        return f"{words}{low} {'and' if 'gt' in of else 'to'} below {of['lt']}"
    return f"{words}{low} on" if "ge" in of else f"{words}{low}"
