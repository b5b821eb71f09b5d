"""Probabilities as text, a whole array at a time: Python's own formatting takes longer than scoring a small image."""

from collections.abc import Callable, Sequence
from functools import cache
from math import floor, frexp, ldexp
from typing import Any

import numpy as np
from numpy.typing import NDArray

WIDTH = 20
_Integers = NDArray[np.int64]
_LOWEST = -45  # float32 goes down to 1.4e-45
_POWERS = np.array([float(f"1e{exponent}") for exponent in range(_LOWEST, 1)])
_SCALES = np.array([float(f"1e{exponent}") for exponent in range(9 - _LOWEST)])
# Up to 10**12 a float32 times the power has at most 53 bits, so that the product is exact (decision 039)
_EXACT_SCALE = 12
_EXACT_POWER = 22
_TENS = np.array([float(f"1e{exponent}") for exponent in range(_EXACT_POWER + 1)])
# A text is put together of words: up to the first digit, the next two or four digits, the last four, the exponent.
_PARTS = np.dtype([("start", "u8"), ("middle", "u4"), ("last", "u4"), ("exponent", "u4")])
_STARTS = ["0.{}", "0.0{}", "0.00{}", "0.000{}", "{}.", "{}"]
_WITH_POINT, _ALONE = 4, 5
PAD = 0xFF
Text = NDArray[np.uint8]
"""Texts of UTF-8: (..., width) uint8. PAD, which no UTF-8 holds, fills the rest and may also stand in between."""


def seven_digits(values: NDArray[np.float32]) -> Text:
    """Write numbers with 7 significant digits, to the byte as Python's `%.7g` does.

    `values` may have any shape; the result has one axis more, of WIDTH.
    """
    return _texts(values, 7, lambda ordinary: _digits(ordinary, 7), lambda value: f"{value:.7g}")


def known_digits(values: NDArray[np.float32]) -> Text:
    """Write numbers as `seven_digits` does, and nothing for nan, which stands for what is not known."""
    texts, unknown = seven_digits(values), np.isnan(values)
    if unknown.any():
        texts[unknown] = PAD
    return texts


def seven_digit_numbers(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """Give the numbers that `seven_digits` writes, as `float` reads them: float64 of the same shape, to the bit."""
    flat = np.asarray(values, np.float64).ravel() + 0.0
    ordinary = (flat > 0) & (flat < 1)
    out = flat.copy()
    digits, exponents = _digits(flat[ordinary], 7)
    out[ordinary] = _decimal(digits, 6 - exponents)
    others = np.flatnonzero(~(ordinary | np.isnan(flat)))
    out[others] = [float(f"{value:.7g}") for value in flat[others].tolist()]
    numbers: NDArray[np.float64] = out.reshape(values.shape)
    return numbers


def _decimal(digits: _Integers, places: _Integers) -> NDArray[np.float64]:
    """Compute digits x 10^-places as the nearest float64, for digits below 2^24 and places of 1 to 51."""
    # A division of two exact numbers is rounded once; 10^22 is the last power that a float64 holds.
    out: NDArray[np.float64] = digits / _TENS[np.minimum(places, _EXACT_POWER)]
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
    for power in range(_EXACT_POWER + 1, 7 - _LOWEST):
        left, parts = Fraction(1, 10**power), []
        for _ in range(2):
            mantissa, exponent = frexp(float(left))
            parts.append(ldexp(floor(ldexp(mantissa, 26)), exponent - 26))
            left -= Fraction(parts[-1])
        powers.append([*parts, float(left)])
    return np.array(powers).T


def shortest(values: NDArray[np.float32]) -> Text:
    """Write numbers for JSON with as few digits (at most 9) as give the same float32 back.

    `values` may have any shape; the result has one axis more, of WIDTH. What JSON has no number for becomes null.
    """
    return _texts(values, 9, _fewest_digits, lambda value: str(np.float32(value)) if np.isfinite(value) else "null")


def _texts(
    values: NDArray[np.float32],
    places: int,
    digits_of: Callable[[NDArray[np.float64]], tuple[_Integers, _Integers]],
    write_other: Callable[[float], str],
) -> Text:
    flat = np.asarray(values, np.float64).ravel() + 0.0  # which makes 0 of -0
    ordinary = (flat > 0) & (flat < 1)
    if ordinary.all():
        return _spell(*digits_of(flat), places).reshape(*values.shape, WIDTH)
    out = np.empty((len(flat), WIDTH), np.uint8)
    out[ordinary] = _spell(*digits_of(flat[ordinary]), places)
    others = flat[~ordinary].tolist()  # most are 0 or 1
    table = {value: _padded(write_other(value), WIDTH) for value in set(others)}
    out[~ordinary] = np.frombuffer(b"".join(map(table.__getitem__, others)), np.uint8).reshape(-1, WIDTH)
    return out.reshape(*values.shape, WIDTH)


def _digits(values: NDArray[np.float64], places: int) -> tuple[_Integers, _Integers]:
    """Round float32 values between 0 and 1 to `places` digits: whole numbers, and the exponent of the first digit."""
    exponents = np.searchsorted(_POWERS, values, side="right") + (_LOWEST - 1)
    scales = places - 1 - exponents
    scaled = values * _SCALES[scales]
    rounded = np.rint(scaled)  # to even where it is a tie, as Python does
    digits = rounded.astype(np.int64)
    inexact = np.flatnonzero(scales > _EXACT_SCALE)
    # Such a product is off by less than 1e-6. So near to a tie Python has to say.
    for row in inexact[np.abs(np.abs(scaled[inexact] - rounded[inexact]) - 0.5) < 1e-6]:
        mantissa, exponent = f"{values[row]:.{places - 1}e}".split("e")
        digits[row], exponents[row] = int(mantissa.replace(".", "")), int(exponent)
    up = np.flatnonzero(digits == 10**places)
    digits[up] //= 10
    exponents[up] += 1
    return digits, exponents


def _fewest_digits(values: NDArray[np.float64]) -> tuple[_Integers, _Integers]:
    """Find 9 digits of each float32 between 0 and 1, as many of them zeros at the end as the number allows."""
    digits, exponents = _digits(values, 9)
    # What is nearer than half of the step to the next number below is read as this number.
    near = 0.499999 * (values - np.nextafter(values.astype(np.float32), np.float32(0)))
    rows = np.arange(len(values))
    for places in range(8, 0, -1):
        fewer, first = _digits(values[rows], places)
        same = np.abs(fewer / _SCALES[places - 1 - first] - values[rows]) < near[rows]
        rows = rows[same]
        digits[rows] = fewer[same] * 10 ** (9 - places)
        exponents[rows] = first[same]
        if places < 7 and not len(rows):
            break
    return digits, exponents


def _padded(text: str, width: int) -> bytes:
    return text.encode().ljust(width, bytes([PAD]))


def _table(texts: list[str], width: int) -> NDArray[Any]:
    return np.frombuffer(b"".join(_padded(text, width) for text in texts), f"u{width}")


_START_WORDS = _table([start.format(digit) for start in _STARTS for digit in range(10)], 8)

_EXPONENT_WORDS = _table([f"e-{size:02d}" if size > 4 else "" for size in range(1 - _LOWEST)], 4)


def _digit_words(places: int) -> NDArray[Any]:
    """Whole numbers with their first zeros; then the same without their last ones."""
    whole = [f"{number:0{places}d}" for number in range(10**places)]
    return np.concatenate([_table(whole, 4), _table([text.rstrip("0") for text in whole], 4)])


_WORDS = {places: _digit_words(places) for places in (2, 4)}


def _spell(digits: _Integers, exponents: _Integers, places: int) -> Text:
    """Write `0.00123` from the exponent -4 on, `1.23e-05` below it."""
    out = np.empty(len(digits), _PARTS)
    upper, lower = np.divmod(digits, 10_000)
    middle_places = places - 5
    first, middle = np.divmod(upper, 10**middle_places)
    single = digits == first * 10 ** (places - 1)
    kind = np.where(exponents < -4, np.where(single, _ALONE, _WITH_POINT), -1 - exponents)
    out["start"] = _START_WORDS.take(kind * 10 + first)
    out["middle"] = _WORDS[middle_places].take(middle + 10**middle_places * (lower == 0))
    out["last"] = _WORDS[4].take(lower + 10_000)
    out["exponent"] = _EXPONENT_WORDS.take(-exponents)
    return out.view(np.uint8).reshape(-1, WIDTH)


def text_column(cells: Sequence[bytes]) -> Text:
    """Make a column, (n, width), of n >= 1 texts."""
    lengths = np.fromiter(map(len, cells), np.int64, len(cells))
    out = np.full((len(cells), int(lengths.max())), PAD, np.uint8)
    out[np.arange(out.shape[1]) < lengths[:, None]] = np.frombuffer(b"".join(cells), np.uint8)
    return out


def named_columns(names: Text, values: Text) -> Text:
    """Put the k texts `names`, (k, w), before the k `values` of each row, (n, k, v): one column, (n, k * (w + v))."""
    rows, count, width = values.shape
    out = np.empty((rows, count, names.shape[1] + width), np.uint8)
    out[:, :, : names.shape[1]] = names
    out[:, :, names.shape[1] :] = values
    return out.reshape(rows, -1)


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
