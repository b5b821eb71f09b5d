"""Whether rows of predictions agree with themselves, within the digits that are printed (decision 149)."""

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from batchclf.core.text import exact
from batchclf.core.types import ROUNDING, SUM_TOLERANCE
from batchclf.errors import PredictionsError
from batchclf.storage.csv_files.read import Cells
from batchclf.storage.predictions.columns import PROBABILITY, ParsedRows, Source, names_twice

_SAMPLE = 200
"""Rows whose cells are looked at for how many digits are printed."""
_HALF_PRECISION = 2.0**-8
"""Relative error of a difference that was computed in bfloat16, the coarsest type that models compute in."""
Numbers = NDArray[np.float64]


class Reader(Protocol):
    """What is needed of a `RowReader`, which has its rows checked."""

    source: Source
    names: tuple[str, ...]
    renormalize: bool
    ranks: list[str]
    claims: list[str]
    of_classes: list[str]


def check_rows(reader: Reader, rows: ParsedRows, first: int, cells: Cells) -> None:
    """Raise PredictionsError, with the line, if one of some rows contradicts itself; `first` is the first's number."""
    check = _RowCheck(reader, rows, first, cells)
    check.sums()
    check.ranks()
    check.claims()
    check.margin()


@dataclass(frozen=True, eq=False, slots=True)
class _RowCheck:
    reader: Reader
    rows: ParsedRows
    first: int
    cells: Cells
    _digits: dict[str, tuple[int, int]] = field(default_factory=dict)

    def ranks(self) -> None:
        """Refuse a row whose n-th class is not its n-th most probable one; of equal ones any is right."""
        names, ranks = self.reader.names, self.reader.ranks
        twice = names_twice(self.rows.ranked)
        if twice.any():
            row = int(np.argmax(twice))
            raise self._error(row, f"{' and '.join(ranks)} name a class twice", "name another class in each column")
        if self.rows.probabilities is None:
            return
        best, of_ranks = self.rows.best(), self.rows.of_ranks()
        for rank in range(min(best.shape[1], len(ranks))):
            wrong = of_ranks[:, rank] < best[:, rank]
            if wrong.any():
                row, column = int(np.argmax(wrong)), ranks[rank]
                named = self.rows.ranked[row]
                other = next(
                    int(number)
                    for number in np.flatnonzero(self.rows.probabilities[row] >= best[row, rank])
                    if number not in named[:rank]
                )
                raise self._error(
                    row,
                    f"the {column} is '{names[named[rank]]}' with probability {self._probability(row, named[rank])}, "
                    f"but '{names[other]}' has {self._probability(row, other)}",
                    f"write the class with the {f'{rank + 1}. ' if rank else ''}highest probability as {column}, or "
                    "correct the probabilities",
                )

    def claims(self) -> None:
        """Refuse a row whose confidence is not the probability of its prediction, before or after `renormalize`."""
        if self.rows.probabilities is None:
            self._claims_alone()
            return
        of_ranks, sums = self.rows.of_ranks(), self._sums()
        for rank, column in enumerate(self.reader.claims):
            claimed, of_row = self.rows.claimed[:, rank], of_ranks[:, rank]
            half = self._half(column, claimed) + ROUNDING
            wrong = np.abs(claimed - of_row) > half + self._half(PROBABILITY, of_row)
            if self.reader.renormalize:
                wrong &= np.abs(claimed - of_row / sums) > half
            if wrong.any():
                row = int(np.argmax(wrong))
                named = self.reader.ranks[rank]
                raise self._error(
                    row,
                    f"{column} is '{self.cells[column][row]}', but the probability of the {named} is "
                    f"{self._probability(row, int(self.rows.ranked[row, rank]))}",
                    f"write the probability of the {named} as {column}, or correct the probabilities",
                )

    def _claims_alone(self) -> None:
        """Refuse a row whose best classes do not come with falling probabilities, or with more than 1 together."""
        claims, claimed = self.reader.claims, self.rows.claimed
        halves = np.column_stack([self._half(column, claimed[:, rank]) for rank, column in enumerate(claims)])
        for rank in range(1, len(claims)):
            wrong = claimed[:, rank] > claimed[:, rank - 1] + halves[:, rank] + halves[:, rank - 1] + ROUNDING
            if wrong.any():
                row, (one, other) = int(np.argmax(wrong)), claims[rank - 1 : rank + 1]
                raise self._error(
                    row,
                    f"{other} is '{self.cells[other][row]}', more than {one}, '{self.cells[one][row]}'",
                    "write the most probable class first",
                )
        sums = np.nansum(claimed, axis=1)
        wrong = sums > 1 + np.maximum(SUM_TOLERANCE, np.nansum(halves, axis=1))
        if wrong.any():
            row = int(np.argmax(wrong))
            there = " and ".join(name for name in claims if name in self.cells)
            raise self._error(
                row, f"{there} sum to {exact(sums[row])}, more than 1", "write the probabilities of a softmax"
            )

    def margin(self) -> None:
        """Refuse a row whose margin is not what its most probable class is ahead of the second by."""
        if "margin" not in self.cells:
            return
        margin, first = self.rows.margin, self.rows.claimed[:, 0]
        half = self._half("margin", margin) + margin * _HALF_PRECISION + ROUNDING
        if self.rows.probabilities is not None:
            best, ahead = self.rows.best(), self.rows.ahead()
            half += self._half(PROBABILITY, best).sum(axis=1)
            least = most = ahead
            if self.reader.renormalize:
                divided = ahead / self._sums()
                wrong = (np.abs(margin - ahead) > half) & (np.abs(margin - divided) > half)
            else:
                wrong = np.abs(margin - ahead) > half
        else:
            half += 2 * self._half("confidence", first)
            # The second probability lies between 0 and what the first leaves.
            least, most = 2 * first - 1 - SUM_TOLERANCE, first
            if len(self.reader.claims) > 1:
                second = self.rows.claimed[:, 1]
                half += np.nan_to_num(self._half(self.reader.claims[1], second))
                least, most = (np.where(np.isnan(second), bound, first - second) for bound in (least, most))
            wrong = (margin < least - half) | (margin > most + half)
        if wrong.any():
            row = int(np.argmax(wrong))
            expected = (
                f"{exact(most[row])}"
                if most[row] - least[row] < ROUNDING
                else (f"from {exact(max(0.0, least[row]))} to {exact(most[row])}")
            )
            raise self._error(
                row,
                f"margin is '{self.cells['margin'][row]}', but the highest probability minus the second is {expected}",
                "write that difference as margin, or leave the column away",
            )

    def sums(self) -> None:
        """Refuse a row that does not sum to 1; with `renormalize`, only one that sums to 0 or to no number."""
        if self.rows.probabilities is None:
            return
        sums = self._sums()
        if self.reader.renormalize:
            wrong = ~((sums > 0) & np.isfinite(sums))
        else:
            wrong = np.abs(sums - 1) > SUM_TOLERANCE
            if wrong.any():
                half = self._half(PROBABILITY, self.rows.probabilities).sum(axis=1)
                wrong &= np.abs(sums - 1) > half + ROUNDING
        if wrong.any():
            row = int(np.argmax(wrong))
            raise self._error(
                row,
                f"the probabilities sum to {exact(sums[row])}, not to 1",
                "write the probabilities of a softmax, "
                + (
                    "and at least one above 0"
                    if self.reader.renormalize
                    else "or use --renormalize to divide each row by its sum"
                ),
            )

    def _sums(self) -> Numbers:
        assert self.rows.probabilities is not None
        sums: Numbers = self.rows.probabilities.sum(axis=1)
        return sums

    def _half(self, column: str, values: Numbers) -> Numbers:
        """Half of the last printed digit of each value, by the most decimals and significant digits of a column.

        The cells of many rows count, since writers leave zeros at the end away. PROBABILITY stands for all its columns.
        """
        if column not in self._digits:
            columns = self.reader.of_classes if column == PROBABILITY else [column] if column in self.cells else []
            step = max(1, len(values) // _SAMPLE)
            digits = [_digits(cell) for name in columns for cell in self.cells[name][::step]] or [(1, 1)]
            self._digits[column] = max(d for d, _ in digits), max(s for _, s in digits)
        decimals, significant = self._digits[column]
        exponents = np.floor(np.log10(np.maximum(np.nan_to_num(values), 1e-300)))
        half: Numbers = 0.5 * np.maximum(10.0**-decimals, 10.0 ** (exponents - significant + 1))
        return half

    def _probability(self, row: int, number: int) -> str:
        return self.cells[self.reader.of_classes[number]][row]

    def _error(self, row: int, what: str, hint: str) -> PredictionsError:
        source = self.reader.source
        return PredictionsError(f"{source.path}, {source.place(self.first + row)}: {what}", hint=hint)


def _digits(cell: str) -> tuple[int, int]:
    """Count the decimals (at least 1: whole numbers of 0 and 1 are exact) and the significant digits of a number."""
    mantissa, _, exponent = cell.strip().lower().partition("e")
    whole, _, fraction = mantissa.lstrip("+-").partition(".")
    return max(1, len(fraction) - int(exponent or 0)), max(1, len((whole + fraction).lstrip("0")))
