"""Numbers, times and names in words, as pages and sentences show them."""

import unicodedata
from collections.abc import Sequence
from datetime import datetime, timedelta
from math import isfinite

from batchclf.core.estimate import Estimate

NOTHING = "–"
"""Stands where a value has nothing to rest on."""

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
GUARDED_STARTS = ("'", *FORMULA_STARTS)
"""What a text begins with that gets a `'` in front in a CSV file."""

LONGEST_CLASS_NAME = 80
_JOINERS = "\u200c\u200d"


def visible(text: str) -> str:
    r"""Show control, direction-changing and undecodable characters of a name as escapes such as `\u202e`.

    A name must not be able to look like another one, and a lone surrogate (a file name that is not UTF-8)
    cannot be written. Zero-width joiners stay: Persian and Hindi words need them.
    """
    return "".join(c.encode("unicode_escape").decode("ascii") if _is_hidden(c) else c for c in text)


def plain_text(cell: str) -> str:
    """Undo the `'` that guards a cell of a CSV file against spreadsheets; any other `'` is part of the text."""
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(GUARDED_STARTS) else cell


def class_name(text: str) -> str:
    """Show a class's name; of a very long one the middle is left out, since it may stand in many places."""
    name = visible(text)
    if len(name) <= LONGEST_CLASS_NAME:
        return name
    half = LONGEST_CLASS_NAME // 2
    return f"{name[:half]}…{name[-half:]}"


def _is_hidden(character: str) -> bool:
    category = unicodedata.category(character)
    return (category[0] == "C" and character not in _JOINERS) or category in ("Zl", "Zp")


def percent(share: float) -> str:
    """Format a share (0 to 1) as a percentage with one decimal; what rounds to zero has no sign."""
    return f"{share:z.1%}" if isfinite(share) else NOTHING


def percent_interval(estimate: Estimate) -> str:
    """Format a proportion's 95% interval as percentages."""
    return f"{percent(estimate.interval.low)} to {percent(estimate.interval.high)}"


def points(difference: float) -> str:
    """Format a difference of two shares in percentage points, with its sign."""
    return signed(100 * difference, 1)


def points_interval(estimate: Estimate) -> str:
    """Format the 95% interval of a difference in percentage points."""
    return f"{points(estimate.interval.low)} to {points(estimate.interval.high)}"


def signed(value: float, decimals: int) -> str:
    """Format a number with a plus or a real minus sign; what rounds to zero has none."""
    text = f"{abs(value):,.{decimals}f}"
    if not text.strip("0.,"):
        return text
    return f"+{text}" if value > 0 else f"\u2212{text}"


def decimal(value: float | None) -> str:
    """Format a number with three decimals; what rounds to zero has no sign."""
    return NOTHING if value is None or not isfinite(value) else f"{value:z,.3f}"


def count(number: int) -> str:
    """Format a number of things with thousands separators."""
    return f"{number:,}"


def listed(words: Sequence[str]) -> str:
    """Join words as in a sentence: `a`, `a and b`, `a, b and c`."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else list(words))


def duration(seconds: float) -> str:
    """Format a duration in the two largest units that say something."""
    if seconds < 0.005:
        return "< 0.01 s"
    if seconds < 9.95:
        return f"{seconds:.2f} s" if seconds < 0.995 else f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{counted(whole // 86400, 'day')} {whole % 86400 // 3600} h"


def moment(time: datetime) -> str:
    """Format a point in time with its weekday, to the minute, with the offset from UTC."""
    offset = time.strftime("%z")
    zone = f"UTC{offset[:3]}:{offset[3:5]}" if offset.strip("+-0") else "UTC"
    weekday = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")[time.weekday()]
    return f"{weekday} {time:%Y-%m-%d %H:%M} {zone}"


def age(since: timedelta) -> str:
    """Say how long ago something was, in its largest unit; below an hour nothing is said."""
    hours = int(since.total_seconds() // 3600)
    if hours < 1:
        return ""
    return counted(hours, "hour") if hours < 48 else counted(hours // 24, "day")


def counted(number: int, one: str, many: str = "") -> str:
    """Format a number with its noun: `1 image`, `2 images`; `many` only where it is not `one` + s."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def first_of(texts: Sequence[str], most: int) -> str:
    """Join the first `most` texts by commas, and say how many more there are."""
    rest = len(texts) - most
    shown = ", ".join(texts[:most])
    return f"{shown} and {rest:,} more" if rest > 0 else shown
