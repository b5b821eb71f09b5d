"""Numbers, times and names in words, as pages and sentences show them."""

import unicodedata
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from math import ceil, floor, isclose, isfinite, log10

from batchclf.core.estimate import Estimate, Interval

NOTHING = "–"
"""Stands where a value has nothing to rest on."""

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
GUARDED_STARTS = ("'", *FORMULA_STARTS)
"""What a text begins with that gets a `'` in front in a CSV file."""

LONGEST_CLASS_NAME = 80
_JOINERS = "\u200c\u200d"
_MINUS = "\u2212"
_NOISE = 1e-13
"""So far from 0 and 1 a number can come to lie by the rounding of floats alone."""


def visible(text: str) -> str:
    r"""Show control, direction-changing and undecodable characters of a name as escapes such as `\u202e`.

    A name must not be able to look like another one, and a lone surrogate (a file name that is not UTF-8)
    cannot be written. Zero-width joiners stay: Persian and Hindi words need them.
    """
    return "".join(c.encode("unicode_escape").decode("ascii") if _is_hidden(c) else c for c in text)


def utf8_text(text: str) -> str:
    """Replace the bytes of a file name that are no UTF-8 by `\\udcXX` escapes; any other text stays as it is."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


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
    """Format a share (0 to 1) as a percentage with two decimals.

    `0.00%` and `100.00%` stand for exactly 0 and 1 only: what would round to them is `<0.01%` and `>99.99%`.
    """
    return _bounded(100 * share, 2, "%", top=100) if isfinite(share) else NOTHING


def percent_interval(estimate: Estimate) -> str:
    """Format a proportion's 95% interval as percentages."""
    return interval_text(estimate.interval, percent)


def points(difference: float) -> str:
    """Format a difference of two shares in percentage points with one decimal and its sign."""
    return signed(100 * difference, 1)


def points_apart(difference: float) -> str:
    """Format the size of a difference of two shares in percentage points, for words that say its direction."""
    return points(abs(difference)).removeprefix("+")


def points_interval(estimate: Estimate) -> str:
    """Format the 95% interval of a difference in percentage points."""
    return interval_text(estimate.interval, points)


def decimal(value: float | None) -> str:
    """Format a number with four decimals.

    `0.0000` and `1.0000` stand for exactly 0 and 1 only: what would round to them is, as far from them as it may be,
    `<0.0001` and `>0.9999`.
    """
    return NOTHING if value is None or not isfinite(value) else _bounded(value, 4, "", top=1)


def approximate(value: float, error: float) -> str:
    """Format a number that may be off by `error`, above 0: with as many decimals as that leaves, 2 to 4."""
    return _bounded(value, next((each for each in (4, 3) if error <= 0.5 * 10**-each), 2), "", top=1)


def error_bound(error: float) -> str:
    """Format how far off a number may be, rounded up to one digit."""
    if not error:
        return "0"
    step = 10.0 ** floor(log10(error))
    return exact(ceil(error / step - _NOISE) * step)


def decimal_difference(difference: float) -> str:
    """Format a difference of two numbers that `decimal` formats, with three decimals and its sign."""
    return signed(difference, 3)


def signed(value: float, decimals: int) -> str:
    """Format a number with a plus or a real minus sign; what rounds to zero has none.

    Differences have one decimal less than the values, so that no rounding of those can contradict them (decision 151).
    """
    text = f"{abs(value):,.{decimals}f}"
    if not text.strip("0.,"):
        return text
    return f"+{text}" if value > 0 else f"{_MINUS}{text}"


def interval_text(interval: Interval, shown: Callable[[float], str]) -> str:
    """Format both ends of an interval as `shown` does."""
    return f"{shown(interval.low)} to {shown(interval.high)}"


def p_value(value: float) -> str:
    """Format a p value as in a sentence: `p = 0.0123`, `p < 0.0001`."""
    # Never 0: what is too small for a float is still a probability
    text = decimal(max(value, 2 * _NOISE))
    return f"p {text[0]} {text[1:]}" if text[0] in "<>" else f"p = {text}"


def exact_percent(share: float) -> str:
    """Format a share that somebody has chosen, such as a threshold or the end of a bin, with the digits that it has."""
    return f"{exact(100 * share)}%"


def significant(value: float, digits: int = 4) -> str:
    """Format a value of a model, such as an output, which may be of any size: with so many significant digits."""
    return f"{value:.{digits}g}"


def exact(value: float) -> str:
    """Format a number that somebody has chosen with the digits that it has, ten at most."""
    return f"{value:z,.10g}"


def times(ratio: float) -> str:
    """Format how many times as large something is: `3.2 times`."""
    return f"{ratio:,.1f} times"


def scientific(value: float) -> str:
    """Format a very small number, such as a difference between two computations: `2.4e-07`."""
    return f"{value:.1e}"


def _bounded(value: float, decimals: int, unit: str, *, top: int) -> str:
    """Format a number; what is not exactly 0 or `top` is never shown as if it were."""
    if isclose(value, top, rel_tol=_NOISE) or abs(value) < _NOISE:
        value = round(value)
    text = f"{value:z,.{decimals}f}"
    step = 10.0**-decimals
    number = float(text.replace(",", ""))
    if not number and value:
        text = f"<{step:.{decimals}f}" if value > 0 else f">-{step:.{decimals}f}"
    elif number == top and value != top:
        text = f">{top - step:.{decimals}f}" if value < top else f"<{top + step:.{decimals}f}"
    return text.replace("-", _MINUS) + unit


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


def size(bytes_: float) -> str:
    """Format a number of bytes with three significant digits: `512 bytes`, `1.23 MB`."""
    if bytes_ < 1000:
        return counted(round(bytes_), "byte")
    power = min(int(log10(bytes_) // 3), 4)
    digits = bytes_ / 1000**power
    if digits >= 999.5 and power < 4:
        digits, power = digits / 1000, power + 1
    decimals = 2 if digits < 9.995 else 1 if digits < 99.95 else 0
    return f"{digits:,.{decimals}f} {('kB', 'MB', 'GB', 'TB')[power - 1]}"


def moment(time: datetime) -> str:
    """Format a point in time with its weekday, to the minute, with the offset from UTC."""
    offset = time.strftime("%z")
    zone = f"UTC{offset[:3]}:{offset[3:5]}" if offset.strip("+-0") else "UTC"
    weekday = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")[time.weekday()]
    return f"{weekday} {time:%Y-%m-%d %H:%M} {zone}"


def run_date(time: datetime, date: str) -> str:
    """Give the date that a run is for, YYYY-MM-DD: its run date `date`, or without one the day when it began."""
    return visible(date) or f"{time:%Y-%m-%d}"


def run_words(time: datetime, date: str) -> str:
    """Name a run by when it began, and by its run date `date` if that is another day."""
    day = run_date(time, date)
    return moment(time) if day == f"{time:%Y-%m-%d}" else f"{moment(time)}, run date {day}"


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
