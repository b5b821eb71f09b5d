"""Probabilities as text, a whole array at a time: Python's own formatting takes longer than scoring a small image."""

from collections.abc import Callable, Sequence
from functools import cache
from math import floor, frexp, ldexp
from typing import Any

import numpy as np
from numpy.typing import NDArray

_Integers = NDArray[np.int64]
_MOST_PLACES = 45  # float32 goes down to 1.4e-45
_SCALES = np.array([float(f"1e{places}") for places in range(9 + _MOST_PLACES)])
# Up to 10**12 a float32 times the power has at most 53 bits, so that the product is exact (decision 039)
_EXACT_SCALE = 12
_EXACT_POWER = 22
# A text is put together of words: up to the third digit, then groups of digits, the exponent (decision 195)
_SEVEN, _NINE = (4,), (2, 4)
PAD = 0xFF
Text = NDArray[np.uint8]
"""Texts of UTF-8: (..., width) uint8. PAD, which no UTF-8 holds, fills the rest and may also stand in between."""


def seven_digits(values: NDArray[np.float32]) -> Text:
    """Write numbers with 7 significant digits, to the byte as Python's `%.7g` does.

    `values` may have any shape; the result has one axis more.
    """
    flat = _float64(values)
    # 0 by the tables, too: most probabilities of a sure model are 0.
    return _texts(flat, flat >= 0, _SEVEN, lambda of: _digits(of, 7), seven_digit_text, values.shape)


def known_digits(values: NDArray[np.float32]) -> Text:
    """Write numbers as `seven_digits` does, and nothing for nan, which stands for what is not known."""
    texts, unknown = seven_digits(values), np.isnan(values)
    if unknown.any():
        texts[unknown] = PAD
    return texts


def seven_digit_text(value: float) -> str:
    """Write one number with 7 significant digits."""
    return f"{value:.7g}"


def seven_digit_numbers(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """Give the numbers that `seven_digits` writes, as `float` reads them: float64 of the same shape, to the bit."""
    flat = _float64(values)
    ordinary = (flat >= 0) & (flat < 1)
    digits, behind = _digits(flat[ordinary], 7)
    flat[ordinary] = _decimal(digits, behind + 6)
    others = np.flatnonzero(~(ordinary | np.isnan(flat)))
    flat[others] = [float(seven_digit_text(value)) for value in flat[others].tolist()]
    return flat.reshape(values.shape)


def _decimal(digits: _Integers, places: _Integers) -> NDArray[np.float64]:
    """Compute digits x 10^-places as the nearest float64, for digits below 2^24 and places of 6 to 51."""
    # A division of two exact numbers is rounded once; 10^22 is the last power that a float64 holds.
    out: NDArray[np.float64] = digits / _SCALES[np.minimum(places, _EXACT_POWER)]
    rows = np.flatnonzero(places > _EXACT_POWER)
    if not len(rows):
        return out
    few, at = digits[rows].astype(np.float64), places[rows] - _EXACT_POWER - 1
    # The power is a sum of three numbers; the products with the first two, which are short, are exact.
    high, middle, low = (few * parts[at] for parts in _small_powers())
    first = high + middle
    rest = (middle - (first - high)) + low
    out[rows] = rounded = first + rest
    # The error is below 2^-100 of the number. So near to a tie Python has to say.
    off = np.abs(np.abs(rest - (rounded - first)) - np.spacing(rounded) / 2)
    for row in rows[off < rounded * 2.0**-90].tolist():
        out[row] = float(f"{digits[row]}e-{places[row]}")
    return out


@cache
def _small_powers() -> NDArray[np.float64]:
    """Give 10^-23, 10^-24, …, each as a sum: 26 bits, the next 26 bits, and the rest, (3, n) float64."""
    from fractions import Fraction

    powers = []
    for power in range(_EXACT_POWER + 1, 7 + _MOST_PLACES):
        left, parts = Fraction(1, 10**power), []
        for _ in range(2):
            mantissa, exponent = frexp(float(left))
            parts.append(ldexp(floor(ldexp(mantissa, 26)), exponent - 26))
            left -= Fraction(parts[-1])
        powers.append([*parts, float(left)])
    return np.array(powers).T


def shortest(values: NDArray[np.float32]) -> Text:
    """Write numbers for JSON with as few digits (at most 9) as give the same float32 back.

    `values` may have any shape; the result has one axis more. What JSON has no number for becomes null.
    """
    flat = _float64(values)
    return _texts(flat, flat > 0, _NINE, _fewest_digits, _json_number, values.shape)


def _json_number(value: float) -> str:
    return str(np.float32(value)) if np.isfinite(value) else "null"


def _float64(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """One row of numbers, in which 0 stands for -0."""
    return np.add(values, 0.0, dtype=np.float64).ravel()


def _texts(
    flat: NDArray[np.float64],
    ordinary: NDArray[np.bool_],
    groups: tuple[int, ...],
    digits_of: Callable[[NDArray[np.float64]], tuple[_Integers, _Integers]],
    write_other: Callable[[float], str],
    shape: tuple[int, ...],
) -> Text:
    """Write the `ordinary` numbers that are below 1 by their digits, each of the others by `write_other`."""
    ordinary &= flat < 1
    if ordinary.all():
        return _spell(*digits_of(flat), groups).reshape(*shape, -1)
    texts = _spell(*digits_of(flat[ordinary]), groups)
    out = np.empty((len(flat), texts.shape[1]), np.uint8)
    out[ordinary] = texts
    others = flat[~ordinary].tolist()  # most are 1
    table = {value: _padded(write_other(value), out.shape[1]) for value in set(others)}
    out[~ordinary] = np.frombuffer(b"".join(map(table.__getitem__, others)), np.uint8).reshape(len(others), -1)
    return out.reshape(*shape, -1)


def _by_exponent() -> tuple[_Integers, NDArray[np.float64]]:
    """For each exponent field of a float64 below 1: the place behind the point of the first digit of its lowest number,
    and the power of ten among its numbers, infinity if there is none. For 0, whose field is 0, the place is 0.
    """
    behind, powers = np.zeros(1023, np.int64), np.full(1023, np.inf)
    for field in range(1023 - 149, 1023):
        lowest = 2.0 ** (field - 1023)
        behind[field] = next(place for place in range(1, _MOST_PLACES + 1) if float(f"1e-{place}") <= lowest)
        power = float(f"1e{1 - behind[field]}")
        if power < 2 * lowest:
            powers[field] = power
    return behind, powers


_BEHIND, _POWERS = _by_exponent()


def _digits(values: NDArray[np.float64], places: int) -> tuple[_Integers, _Integers]:
    """Round float32 values, 0 <= value < 1, to `places` digits: whole numbers, and the first digit's place behind the
    point, 1 for 0.5 and 2 for 0.05. Both are 0 for 0.
    """
    fields = values.view(np.int64) >> 52
    behind = _BEHIND.take(fields) - (values >= _POWERS.take(fields))
    scaled = values * _SCALES[places - 1 :].take(behind)
    rounded = np.rint(scaled)  # to even where it is a tie, as Python does
    digits = rounded.astype(np.int64)
    apart = np.abs(scaled - rounded)
    # A product that is not exact is off by less than 1e-6. So near to a tie Python has to say.
    near = np.flatnonzero(apart > 0.5 - 1e-6)
    for row in near[behind[near] + places - 1 > _EXACT_SCALE]:
        mantissa, exponent = f"{values[row]:.{places - 1}e}".split("e")
        digits[row], behind[row] = int(mantissa.replace(".", "")), -int(exponent)
    up = np.flatnonzero(digits == 10**places)
    digits[up] //= 10
    behind[up] -= 1
    return digits, behind


def _fewest_digits(values: NDArray[np.float64]) -> tuple[_Integers, _Integers]:
    """Find 9 digits of each float32 between 0 and 1, as many of them zeros at the end as the number allows."""
    digits, behind = _digits(values, 9)
    # What is nearer than half of the step to the next number below is read as this number.
    near = 0.499999 * (values - np.nextafter(values.astype(np.float32), np.float32(0)))
    rows = np.arange(len(values))
    for places in range(8, 0, -1):
        fewer, first = _digits(values[rows], places)
        same = np.abs(fewer / _SCALES[places - 1 + first] - values[rows]) < near[rows]
        rows = rows[same]
        digits[rows] = fewer[same] * 10 ** (9 - places)
        behind[rows] = first[same]
        if places < 7 and not len(rows):
            break
    return digits, behind


def _padded(text: str, width: int) -> bytes:
    return text.encode().ljust(width, bytes([PAD]))


def _table(texts: list[str], width: int) -> NDArray[Any]:
    return np.frombuffer(b"".join(_padded(text, width) for text in texts), f"u{width}")


def _all_digits(places: int) -> list[str]:
    """Whole numbers with their first zeros; then the same without their last ones."""
    whole = [f"{number:0{places}d}" for number in range(10**places)]
    return whole + [text.rstrip("0") for text in whole]


def _start(behind: int, digits: str) -> str:
    """Write the first three digits or fewer, the first of them at a place behind the point or, for 0, before it."""
    if behind:
        return f"0.{'0' * (behind - 1)}{digits}"
    return f"{digits[0]}.{digits[1:]}" if len(digits) > 1 else digits or "0"


_FIRST_DIGITS = _all_digits(3)
_START_WORDS = _table([_start(behind, digits) for behind in range(5) for digits in _FIRST_DIGITS], 8)
_GROUP_WORDS = {places: _table(_all_digits(places), 4) for places in (2, 4)}
# By the place of the first digit: 0.0001 is written as such, 0.00001 as 1e-05, its digits as those of 1.
_STARTS = np.array([behind if behind < 5 else 0 for behind in range(_MOST_PLACES + 1)]) * len(_FIRST_DIGITS)
_EXPONENT_WORDS = _table([f"e-{behind:02d}" if behind > 4 else "" for behind in range(_MOST_PLACES + 1)], 4)


def _spell(digits: _Integers, behind: _Integers, groups: tuple[int, ...]) -> Text:
    """Write `0.00123` if the first digit is in one of the first four places behind the point, else `1.23e-05`."""
    fields = [("start", "u8"), *((f"group{places}", "u4") for places in groups), ("exponent", "u4")]
    out = np.empty(len(digits), fields)
    out["exponent"] = _EXPONENT_WORDS.take(behind)
    left, all_zero = digits.astype(np.uint32), np.True_
    for places in reversed(groups):
        upper = left // 10**places
        group = left - upper * 10**places
        out[f"group{places}"] = _GROUP_WORDS[places].take(group + 10**places * all_zero)
        left, all_zero = upper, all_zero & (group == 0)
    out["start"] = _START_WORDS.take(left + _STARTS.take(behind) + 1000 * all_zero)
    return out.view(np.uint8).reshape(len(digits), out.itemsize)


def text_column(cells: Sequence[bytes]) -> Text:
    """Make a column, (n, width), of n >= 1 texts."""
    lengths = np.fromiter(map(len, cells), np.int64, len(cells))
    out = np.full((len(cells), int(lengths.max())), PAD, np.uint8)
    out[np.arange(out.shape[1]) < lengths[:, None]] = np.frombuffer(b"".join(cells), np.uint8)
    return out


def named_columns(names: Text, values: Text) -> Text:
    """Put the k texts `names`, (k, w), before the k `values` of each row, (n, k, v): one column, (n, k * (w + v))."""
    # Each text is copied as one piece: four times as fast as byte by byte (decision 195)
    fields = [(name, f"V{texts.shape[-1]}") for name, texts in (("name", names), ("value", values))]
    out = np.empty(values.shape[:2], fields)
    out["name"], out["value"] = names.view(fields[0][1])[:, 0], values.view(fields[1][1])[..., 0]
    return out.view(np.uint8)


def text_lines(rows: int, columns: Sequence[Text | bytes]) -> bytearray:
    """Join columns, (n, width) each, or one text for all rows, from left to right and the rows after each other."""
    parts = [np.frombuffer(each, np.uint8) if isinstance(each, bytes) else each for each in columns if len(each)]
    buffer = bytearray(rows * sum(part.shape[-1] for part in parts))
    out, at = np.frombuffer(buffer, np.uint8).reshape(rows, -1), 0
    for part in parts:
        out[:, at : at + part.shape[-1]] = part
        at += part.shape[-1]
    # All rows at once; the padding is a byte that no UTF-8 holds (decision 039)
    return buffer.translate(None, bytes([PAD]))
