"""Placeholders in a job file's texts: `${NAME}` of the environment, `{date:…}` and `{yesterday:…}` of the run date."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

_PLACEHOLDER = re.compile(r"(\$\$\{|\{\{|\}\})|\$\{([^{}]*)\}|\{([A-Za-z_]*)(?::([^{}]*))?\}")
_ENVIRONMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?", re.DOTALL)
# Dates only: %H would be 00 in every run (decision 108)
_DATE_CODES = re.compile(r"[^%]|%[aAbBdeFGgjmuUVwWyY%]|%-[dejmUVWy]", re.DOTALL)
"""strftime's codes that a date has, and the same without leading zeros."""

DAYS = {"date": 0, "yesterday": -1}
_OPEN_DAY = re.compile(rf"\{{({'|'.join(DAYS)})\b")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What placeholders stand for: the run date and the environment's variables."""

    run_date: date
    environment: Mapping[str, str]


def expand(text: str, of: Surroundings) -> str:
    """Put in what each placeholder stands for.

    `${NAME}` is an environment variable, `${NAME:-text}` one with a default if it is not set or empty.
    `{date:%Y/%m}` is the run date in strftime's format, `{date}` as YYYY-MM-DD, `{yesterday}` the day before. `$${`,
    `{{` and `}}` stand for `${`, `{` and `}`. Raises ValueError, in words for whoever wrote the text, if one cannot be
    understood.
    """
    parts = []
    end = 0
    for found in _PLACEHOLDER.finditer(text):
        parts += [_plain(text[end : found.start()]), _value(found, of)]
        end = found.end()
    return "".join([*parts, _plain(text[end:])])


def variables(text: str, *, needed: bool = False) -> set[str]:
    """Name the environment variables that a text's placeholders stand for; with `needed` those without a default."""
    named = (_ENVIRONMENT.fullmatch(found[2] or "") for found in _PLACEHOLDER.finditer(text))
    return {each[1] for each in named if each and not (needed and each[2] is not None)}


def is_dated(text: str) -> bool:
    """Whether a text holds a placeholder of the run date, so that it becomes another one every day."""
    return any(found[3] in DAYS and not found[1] for found in _PLACEHOLDER.finditer(text))


def _plain(text: str) -> str:
    if "${" in text:
        raise ValueError(f"in '{text}' a '${{' is not closed, or has braces within; write '$${{' for the text '${{'")
    if found := _OPEN_DAY.search(text):
        raise ValueError(f"in '{text}' a '{found[0]}' is not closed; write '{{{found[0]}' for the text '{found[0]}'")
    return text


def _value(found: re.Match[str], of: Surroundings) -> str:
    escaped, variable, day, layout = found.groups()
    if escaped:
        return escaped.removeprefix("$") if escaped.startswith("$") else escaped[0]
    if variable is not None:
        return _variable(variable, of.environment)
    if day not in DAYS:
        raise ValueError(
            f"'{found[0]}' is no placeholder; there are {{date:%Y-%m-%d}} and {{yesterday:%Y-%m-%d}}, and "
            "{{ and }} for braces"
        )
    if not re.fullmatch(f"({_DATE_CODES.pattern})*", layout or "", re.DOTALL):
        raise ValueError(f"'{found[0]}' has a code that no date has; there are %Y, %m, %d, %j, %G, %V, %a, %b and more")
    try:
        return (of.run_date + timedelta(days=DAYS[day])).strftime(layout or "%Y-%m-%d")
    except OverflowError:
        raise ValueError(f"'{found[0]}': there is no day before {of.run_date}") from None


def _variable(text: str, environment: Mapping[str, str]) -> str:
    named = _ENVIRONMENT.fullmatch(text)
    if named is None:
        raise ValueError(f"'${{{text}}}' names no environment variable; write ${{NAME}} or ${{NAME:-default}}")
    name, default = named.groups()
    found = environment.get(name)
    if default is not None:
        return found or default
    if found is None:
        raise ValueError(f"the environment variable {name} is not set; set it, or write ${{{name}:-default}}")
    return found
