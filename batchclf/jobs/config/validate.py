"""Check the content of a job file against its types, and say everything that is wrong in plain words."""

import difflib
from collections.abc import Iterator
from typing import Any, get_args, get_origin

import msgspec

from batchclf.core.options import REQUIRED, choices, expected, is_table, meant_share, options_of, why_not
from batchclf.core.renames import JOB_KEYS
from batchclf.errors import JobFileError
from batchclf.jobs.config.toml_lines import JobText, Keys, dotted


def wrong_content(
    content: dict[str, Any], kind: type[msgspec.Struct], text: JobText, keys: Keys = ()
) -> Iterator[JobFileError]:
    """Yield an error for every key that `kind` does not take, and for every value of a wrong type."""
    options = options_of(kind)
    for key, value in content.items():
        if key in options:
            # Value by value, so that all mistakes are reported, each with its line (decision 107)
            yield from _wrong_value(value, options[key].kind, text, (*keys, key))
        else:
            yield _unknown(key, list(options), text, keys)
    for name, option in options.items():
        if option.default is REQUIRED and name not in content:
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
    inner = get_args(kind)
    if is_table(kind) and isinstance(value, dict):
        yield from wrong_content(value, kind, text, keys)
    elif get_origin(kind) is dict and isinstance(value, dict):
        for name, each in value.items():
            yield from _not_as_expected(name, inner[0], text, (*keys, name))
            yield from _wrong_value(each, inner[1], text, (*keys, name))
    elif get_origin(kind) is list and is_table(inner[0]) and isinstance(value, list):
        for number, each in enumerate(value):
            yield from _wrong_value(each, inner[0], text, (*keys, number))
    else:
        yield from _not_as_expected(value, kind, text, keys)


def _not_as_expected(value: Any, kind: Any, text: JobText, keys: Keys) -> Iterator[JobFileError]:
    if (why := why_not(value, kind)) is not None:
        of = choices(kind)
        hint = f"choose of: {', '.join(map(str, of))}" if of else f"{dotted(keys)} takes {expected(kind)}"
        if of and isinstance(value, str) and (near := difflib.get_close_matches(value, of, 1)):
            hint = f"did you mean '{near[0]}'? {hint}"
        elif share := meant_share(value, kind):
            hint = f"did you mean {share}?"
        yield text.error(keys, f"{dotted(keys)}: {why}", hint)
