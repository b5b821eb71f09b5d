"""Plain values as JSON has them."""

from collections.abc import Mapping
from math import isfinite
from typing import Any


def json_values(value: Any) -> Any:
    r"""Make a tree of plain values JSON: no number that is none, and texts in UTF-8 (other bytes as `\udcXX`)."""
    match value:
        case str():
            return value if value.isascii() else value.encode("utf-8", "backslashreplace").decode("utf-8")
        case float():
            return value if isfinite(value) else None
        case Mapping():
            return {json_values(key): json_values(each) for key, each in value.items()}
        case list() | tuple():
            return value if value and type(value[0]) is int else [json_values(each) for each in value]
    return value
