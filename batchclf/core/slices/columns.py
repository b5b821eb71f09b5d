"""The columns that images are sliced by: texts as they are, numbers cut into parts of equal size."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from batchclf.core.text import counted, exact, significant, visible

MOST_VALUES = 100
"""A column of texts with more values is left out: it says what an image is called, not what it is like."""

MOST_NUMBERS = 30
"""Up to so many different numbers are values of their own, such as hours; more are cut into parts."""

LEAST_OF_PART = 30
"""Numbers are cut into parts of at least so many images: into tenths, quarters or halves."""

_PARTS = ((10, "tenth"), (4, "quarter"), (2, "half"))
_ORDINALS = ("", "", "2nd", "3rd", *(f"{number}th" for number in range(4, 10)))
UNKNOWN = ""
"""The value of an image for which a column has nothing."""

Codes = NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Column:
    """A way to slice n images: `codes`, (n,) int32, says which of `values` each image has.

    `words` describe the images of each value. `parts` are the codes of the parts of a number, the lowest first; empty
    for texts.
    """

    name: str
    values: tuple[str, ...]
    words: tuple[str, ...]
    codes: Codes
    parts: tuple[int, ...] = ()

    def slice_name(self, code: int) -> str:
        """Name the slice of a value, as rules of the gate do: `camera=3`."""
        return f"{self.name}={self.values[code]}"


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A column by which nothing is sliced, and why not."""

    column: str
    reason: str


@dataclass(frozen=True, slots=True)
class Ends:
    """What the lowest and the highest part of a number are called, and its unit."""

    low: str = "lowest"
    high: str = "highest"
    unit: str = ""


ENDS: Mapping[str, Ends] = {
    "brightness": Ends("darkest", "brightest"),
    "size": Ends("smallest", "largest", " pixels"),
    "aspect": Ends("narrowest", "widest"),
}
"""What the parts of the images' own numbers are called."""


def column_of_texts(name: str, codes: Codes, values: Sequence[str]) -> Column | LeftOut:
    """Slice by texts; `codes`, (n,), are places in `values`, which may hold texts that no image has.

    Texts that are all numbers, of more than MOST_NUMBERS values, are cut into parts.
    """
    places: dict[str, int] = {}
    once = np.array([places.setdefault(value, len(places)) for value in values] or [0], np.int32)
    codes, values = once[codes], tuple(places)
    here = np.unique(codes)
    known = [values[code] for code in here.tolist()]
    if len(known) < 2:
        return LeftOut(name, "all images have the same value" if len(codes) and known[0] else "no image has a value")
    numbers = None if len(known) <= MOST_NUMBERS else _numbers(known)
    if numbers is not None:
        return column_of_numbers(name, numbers[np.searchsorted(here, codes)])
    if len(known) > MOST_VALUES:
        return LeftOut(name, f"it has {counted(len(known), 'value')}, and at most {MOST_VALUES} make slices")
    order = sorted(range(len(known)), key=lambda place: _by_number(known[place]))
    rank = np.empty(len(known), np.int32)
    rank[order] = np.arange(len(known))
    ordered = tuple(known[place] for place in order)
    words = tuple(f"{name} {visible(value)}" if value != UNKNOWN else f"{name} not given" for value in ordered)
    return Column(name, ordered, words, rank[np.searchsorted(here, codes)])


def column_of_numbers(name: str, numbers: NDArray[np.floating]) -> Column | LeftOut:
    """Slice by numbers, (n,), nan where unknown: by themselves if they are few, else by parts of equal size.

    Equal numbers are always in one part.
    """
    known = np.isfinite(numbers)
    values, counts = np.unique(numbers[known], return_counts=True)
    places = np.searchsorted(values, numbers[known])  # return_inverse takes three times the memory
    if len(values) < 2 and len(values) + (not known.all()) < 2:
        return LeftOut(name, "all images have the same value" if len(values) else "no image has a value")
    if len(values) <= MOST_NUMBERS:
        codes = np.zeros(len(numbers), np.int32)
        codes[known] = places + 1
        return column_of_texts(name, codes, (UNKNOWN, *map(_shown, values.tolist())))
    return _cut(name, numbers, known, values, places, counts)


def _cut(
    name: str,
    numbers: NDArray[np.floating],
    known: NDArray[np.bool_],
    values: NDArray[np.floating],
    places: NDArray[np.int64],
    counts: NDArray[np.int64],
) -> Column:
    total = int(counts.sum())
    number, word = next((each for each in _PARTS if total >= each[0] * LEAST_OF_PART), _PARTS[-1])
    # By the middle of its ranks, so that a number that many images share lies in one part
    middle = np.cumsum(counts) - counts / 2
    part_of_value = np.minimum((middle * number / total).astype(np.int64), number - 1)
    there, part_of_value = np.unique(part_of_value, return_inverse=True)
    firsts = np.searchsorted(part_of_value, np.arange(len(there)))
    lasts = np.append(firsts[1:], len(values)) - 1
    ends = ENDS.get(name, Ends())
    titles = _titles(len(there), number, word, ends)
    words = [
        f"{name} {low} to {high}{ends.unit} ({title})"
        for low, high, title in zip(
            map(_shown, values[firsts].tolist()), map(_shown, values[lasts].tolist()), titles, strict=True
        )
    ]
    codes = np.full(len(numbers), len(there), np.int32)
    codes[known] = part_of_value[places]
    unknown = [] if known.all() else [UNKNOWN]
    return Column(
        name,
        (*titles, *unknown),
        (*words, *(f"{name} not known" for _ in unknown)),
        codes,
        tuple(range(len(there))),
    )


def _titles(there: int, number: int, word: str, ends: Ends) -> list[str]:
    """Name the parts: as tenths if there are ten, else by their place among those that there are."""
    if there == number:
        middle = [f"{_ORDINALS[place]} {word}" for place in range(2, number)]
        return [f"{ends.low} {word}", *middle, f"{ends.high} {word}"]
    if there == 1:
        return ["known"]
    middle = [f"{_ORDINALS[place]} of {there} parts" for place in range(2, there)]
    return [f"{ends.low} of {there} parts", *middle, f"{ends.high} of {there} parts"]


def _numbers(texts: Sequence[str]) -> NDArray[np.float64] | None:
    """Read texts as numbers, nan for an empty one; None if one is no finite number."""
    try:
        found = np.array([float(text) if text != UNKNOWN else np.nan for text in texts])
    except ValueError:
        return None
    empty = np.array([text == UNKNOWN for text in texts])
    return found if np.isfinite(found[~empty]).all() else None


def _by_number(text: str) -> tuple[bool, float, str]:
    """Sort texts: an unknown one last, numbers by their size, all else by its letters."""
    try:
        return text == UNKNOWN, float(text), text
    except ValueError:
        return text == UNKNOWN, float("inf"), text


def _shown(value: float) -> str:
    return exact(float(significant(value))) if abs(value) < 1e15 else significant(value)
