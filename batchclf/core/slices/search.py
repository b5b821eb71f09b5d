"""Search for the weakest slices of one and two columns, and judge what was found on other images."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from batchclf.core.metrics.intervals import LEVEL, Z
from batchclf.core.slices.columns import Column
from batchclf.core.slices.fisher import fisher_less
from batchclf.core.slices.measure import Labelled, joint, measure_slice, with_codes
from batchclf.core.slices.result import Search, SliceMetrics, WeakSlice

MOST_JUDGED = 10
"""So many slices are judged; the more there are, the less each can show."""

MOST_ALIKE = 0.8
"""A slice that shares more of its images with one that is judged already says the same (Jaccard index)."""

Chosen = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A slice of one or two columns: which columns, and its value in each; `upper` is how accurate it is at best."""

    columns: tuple[int, ...]
    codes: tuple[int, ...]
    upper: float

    def chosen(self, columns: Sequence[Column]) -> Chosen:
        """Say which images it has: (n,) bool."""
        found = columns[self.columns[0]].codes == self.codes[0]
        for column, code in zip(self.columns[1:], self.codes[1:], strict=True):
            found &= columns[column].codes == code
        return np.asarray(found)


def find_weakest(images: Labelled, columns: Sequence[Column], judged: Chosen, least: int) -> Search | None:
    """Find the slices of one or two columns that are the least accurate in one half, and judge them on the other.

    `judged` says which images are in the other half, (n,) bool. A slice has at least `least` / 2 images in each. What
    ranks a slice is the upper end of its accuracy's 95% interval (Wilson): it is the lower the weaker the slice is and
    the more images show it. One of two columns must be below the interval of each of its two alone. At most MOST_JUDGED
    are judged, and Holm's method counts these: what was looked at in the first half has no part in the second. None if
    there is no column, or a half without images.
    """
    # What was searched for is judged where nothing was searched (decision 173)
    first, second = images.only(~judged), images.only(judged)
    if not columns or not len(first) or not len(second):
        return None
    half = max(1, -(-least // 2))
    here, there = ([with_codes(each, each.codes[side]) for each in columns] for side in (~judged, judged))
    looked_at, candidates = _candidates(first, here, half)
    of_first, of_second = first.group(), second.group()
    weakest: list[WeakSlice] = []
    taken: list[Chosen] = []
    for each in sorted(candidates, key=lambda candidate: candidate.upper):
        chosen, at = each.chosen(here), each.chosen(there)
        if len(taken) == MOST_JUDGED:
            break
        if at.sum() < half or any(_alike(chosen, other) > MOST_ALIKE for other in taken):
            continue
        taken.append(chosen)
        name, words = _named(each, columns)
        found = measure_slice(first.only(chosen), of_first, name, words)
        seen = measure_slice(second.only(at), of_second, name, words)
        weakest.append(WeakSlice(found, seen, _p_value(seen, second), 1.0, is_weak=False))
    return Search(looked_at, 2 * half, len(first), len(second), _adjusted(weakest))


def _candidates(images: Labelled, columns: Sequence[Column], least: int) -> tuple[int, list[_Candidate]]:
    """List the slices that are less accurate than all images, and count those that were looked at."""
    right, overall = images.right, float(images.right.mean())
    singles, found, looked_at = [], [], 0
    for place, column in enumerate(columns):
        n, hits = _counts(column.codes, right, len(column.values))
        share, low, upper = _wilson(n, hits)
        singles.append(low)
        looked_at += int((n >= least).sum())
        weak = np.flatnonzero((n >= least) & (share < overall))
        found += [_Candidate((place,), (code,), float(upper[code])) for code in weak.tolist()]
    for (a, first), (b, second) in combinations(enumerate(columns), 2):
        width = len(second.values)
        n, hits = _counts(first.codes.astype(np.int64) * width + second.codes, right, len(first.values) * width)
        share, _, upper = _wilson(n, hits)
        # Less than all of the images of each of the two columns alone, or it would be one of those again
        alone = np.minimum(np.repeat(singles[a], width), np.tile(singles[b], len(first.values)))
        looked_at += int((n >= least).sum())
        weak = np.flatnonzero((n >= least) & (share < np.minimum(alone, overall)))
        found += [_Candidate((a, b), divmod(code, width), float(upper[code])) for code in weak.tolist()]
    return looked_at, found


def _counts(codes: NDArray[np.integer], right: Chosen, most: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    return np.bincount(codes, minlength=most), np.bincount(codes[right], minlength=most)


def _wilson(n: NDArray[np.int64], hits: NDArray[np.int64]) -> tuple[NDArray[np.float64], ...]:
    """Give share, lower and upper end of Wilson's interval, as `wilson` does, of many at once; 0 of none is 0 to 1."""
    of = np.maximum(n, 1)
    share = hits / of
    centre = (share + Z**2 / (2 * of)) / (1 + Z**2 / of)
    half = Z / (1 + Z**2 / of) * np.sqrt(share * (1 - share) / of + Z**2 / (4 * of**2))
    return share, np.where(n > 0, centre - half, 0.0), np.where(n > 0, centre + half, 1.0)


def _alike(first: Chosen, second: Chosen) -> float:
    return float((first & second).sum() / max(1, (first | second).sum()))


def _named(candidate: _Candidate, columns: Sequence[Column]) -> tuple[str, str]:
    of = [columns[place] for place in candidate.columns]
    if len(of) == 1:
        code = candidate.codes[0]
        return of[0].slice_name(code), of[0].words[code]
    return joint(of[0], of[1], (candidate.codes[0], candidate.codes[1]))


def _p_value(seen: SliceMetrics, images: Labelled) -> float:
    return fisher_less(seen.correct, seen.images, int(images.right.sum()), len(images))


def _adjusted(weakest: Sequence[WeakSlice]) -> tuple[WeakSlice, ...]:
    """Adjust the p values for their number by Holm's step-down method (S. Holm, 1979)."""
    order = sorted(range(len(weakest)), key=lambda place: weakest[place].p_value)
    adjusted, highest = [1.0] * len(weakest), 0.0
    for left, place in zip(range(len(weakest), 0, -1), order, strict=True):
        highest = max(highest, min(1.0, left * weakest[place].p_value))
        adjusted[place] = highest
    return tuple(
        replace(each, adjusted=p_value, is_weak=p_value <= 1 - LEVEL)
        for each, p_value in zip(weakest, adjusted, strict=True)
    )
