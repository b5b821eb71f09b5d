"""Class names that are nearly the same, as slips make them: `Cat` and `cat`, `dog` and `dog `, `3` and `3.0`."""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable

from batchclf.core.text import class_name, first_of, listed

NO_CLASS = "(no class)"
"""The class of predictions that are empty or name no class; it has no images, so they count as wrong (decision 170)."""

_SHOWN = 5
_BLANKS = re.compile(r"[\s_]+|(?<=\w)-(?=\w)")
_WHOLE = re.compile(r"0*(\d+)(\.0*)?")


def look_alikes(names: Iterable[str]) -> list[tuple[str, ...]]:
    """Group names that differ only in case, blanks, `_` or `-`, Unicode form, or as whole numbers are written.

    Each group has at least two different names, in the order given; so have the groups.
    """
    groups: dict[str, list[str]] = defaultdict(list)
    for name in dict.fromkeys(names):
        groups[_folded(name)].append(name)
    return [tuple(group) for group in groups.values() if len(group) > 1]


def look_alike_warning(names: Iterable[str], join: str = "join them by --label-map FILE") -> str:
    """Say which names look alike, and how to `join` them; empty if none do."""
    groups = [listed([f"'{_with_blanks(name)}'" for name in group]) for group in look_alikes(names)]
    if not groups:
        return ""
    shown = first_of(groups, _SHOWN)
    return f"class names that look alike: {shown}; if they mean one class, {join}"


def _folded(name: str) -> str:
    folded = _BLANKS.sub(" ", unicodedata.normalize("NFKC", name).casefold()).strip()
    whole = _WHOLE.fullmatch(folded)
    return whole[1] if whole else folded or name


def _with_blanks(name: str) -> str:
    """Show outer blanks, which nobody sees otherwise, as `␣`."""
    inner = name.strip()
    start = len(name) - len(name.lstrip())
    return "␣" * start + class_name(inner) + "␣" * (len(name) - start - len(inner))
