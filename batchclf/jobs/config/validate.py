"""Check the content of a job file against its types, and say everything that is wrong in plain words."""

import difflib
import math
import re
from collections.abc import Iterator
from types import NoneType
from typing import Any, Literal, get_args, get_origin

import msgspec

from batchclf.core.renames import JOB_KEYS
from batchclf.data.size_text import SIZE
from batchclf.errors import JobFileError
from batchclf.jobs.config.spec import NAME, NO_NUL
from batchclf.jobs.config.toml_lines import JobText, Keys, dotted

_WORDS = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "str": "a text in quotes",
    "array": "a list",
    "object": "a table",
}
_PATTERNS = {
    NAME: "a name of letters, digits, '.', '_' and '-' that begins with a letter or digit",
    NO_NUL: "a path that is not empty and has no NUL character",
    SIZE: "a height and a width such as 224x224",
}


def wrong_content(content: dict[str, Any], kind: Any, text: JobText, keys: Keys = ()) -> Iterator[JobFileError]:
    """Yield an error for every key that `kind`, a struct, does not take, and for every value of a wrong type."""
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    for key, value in content.items():
        if key in fields:
            # Value by value, so that all mistakes are reported, each with its line (decision 107)
            yield from _wrong_value(value, fields[key].type, text, (*keys, key))
        else:
            yield _unknown(key, list(fields), text, keys)
    for name, field in fields.items():
        if field.required and name not in content:
            yield text.error(keys, f"[{dotted(keys)}] lacks the key '{name}'", f"write: {name} = …")


def _unknown(key: str, known: list[str], text: JobText, keys: Keys) -> JobFileError:
    where = f"[{dotted(keys)}]" if keys else "the top level"
    renamed = JOB_KEYS.get(".".join([*(each for each in keys if isinstance(each, str)), key]))
    nearest = difflib.get_close_matches(key, known, 1, 0.5)
    return text.error(
        (*keys, key),
        f"{where} has no key '{key}'; it takes: {', '.join(known)}",
        f"it is called '{renamed}' now" if renamed else f"did you mean '{nearest[0]}'?" if nearest else "remove it",
    )


def _wrong_value(value: Any, kind: Any, text: JobText, keys: Keys) -> Iterator[JobFileError]:
    kind = without_none(kind)
    arguments = get_args(kind)
    if is_struct(kind) or get_origin(kind) is dict:
        if not isinstance(value, dict):
            yield _not_as_expected(text, keys, _difference("object", value), kind)
        elif is_struct(kind):
            yield from wrong_content(value, kind, text, keys)
        else:
            for name, each in value.items():
                if (why := _why_not(name, arguments[0])) is not None:
                    yield _not_as_expected(text, (*keys, name), why, arguments[0])
                yield from _wrong_value(each, arguments[1], text, (*keys, name))
    elif get_origin(kind) is list and is_struct(arguments[0]) and isinstance(value, list):
        for number, each in enumerate(value):
            yield from _wrong_value(each, arguments[0], text, (*keys, number))
    elif (why := _why_not(value, kind)) is not None:
        yield _not_as_expected(text, keys, why, kind)


def _not_as_expected(text: JobText, keys: Keys, why: str, kind: Any) -> JobFileError:
    choices = literals(kind)
    hint = f"choose of: {', '.join(map(str, choices))}" if choices else "docs/jobs.md lists what each key takes"
    return text.error(keys, f"{dotted(keys)}: {why}", hint)


def _why_not(value: Any, kind: Any) -> str | None:
    """Say why a value is not of a type that holds no struct; None if it is."""
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        return _in_words(str(error), value, kind)
    except OverflowError:
        return f"{value:.3g} is too large" if isinstance(value, float) else "the number is too large"
    if isinstance(value, float) and not math.isfinite(value):
        return f"a finite number is expected, not {value}"
    return None


def _in_words(message: str, value: Any, kind: Any) -> str:
    """Put msgspec's message into the words of docs/jobs.md."""
    message, _, place = message.partition(" - at `$")
    if place and isinstance(value, list):
        number = int(re.findall(r"[0-9]+", place)[0])
        return f"{_in_words(message, value[number], get_args(kind)[0])} (value {number + 1} of the list)"
    if message.startswith("Invalid enum value"):
        return f"'{value}' is none of the values that it takes"
    if "matching regex" in message:
        return f"{_PATTERNS[get_args(kind)[1].pattern]} is expected, not {value!r}"
    if found := re.fullmatch(r"Expected `(\w+)`(?: of length)?( [<>]=? [0-9.]+)", message):
        what = _WORDS[found[1]]
        return f"{what}{found[2]} is expected, not {value}" if "length" not in message else f"{what} is empty"
    if found := re.fullmatch(r"Expected `(\w+)`, got `\w+`", message):
        return _difference(found[1], value)
    return message


def _difference(kind: str, value: Any) -> str:
    names = {bool: "bool", int: "int", float: "float", str: "str", list: "array", dict: "object"}
    got = _WORDS.get(names.get(type(value), ""), f"a {type(value).__name__}")
    return f"{_WORDS.get(kind, kind)} is expected, not {got}"


def is_struct(kind: Any) -> bool:
    """Whether a type is a table of the job file."""
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def without_none(kind: Any) -> Any:
    """Take `| None` off a type."""
    if NoneType in get_args(kind):
        (kind,) = (each for each in get_args(kind) if each is not NoneType)
    return kind


def literals(kind: Any) -> list[Any]:
    """List the values of a choice, or of a list of choices; [] for other types."""
    if get_origin(kind) is Literal:
        return list(get_args(kind))
    return [choice for inner in get_args(kind) for choice in literals(inner)]
