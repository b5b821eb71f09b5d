"""How sure a rule can be: values and changes with their intervals, one at a time or of many classes at once."""

from dataclasses import dataclass
from math import sqrt
from typing import Literal

from batchclf.core.compare.paired_tests import binomial_tail, correlation, mcnemar_exact
from batchclf.core.estimate import Estimate, Interval
from batchclf.core.metrics.intervals import LEVEL, critical_value, square_and_add, wilson
from batchclf.core.metrics.multiple_tests import FALSE_ALARMS


@dataclass(frozen=True, slots=True)
class Measure:
    """A metric of one run; it rests on `n` images. `interval` is None where there is none."""

    value: float
    n: int
    interval: Interval | None = None


@dataclass(frozen=True, slots=True)
class Share:
    """A metric that is a proportion, `hits` of `n`, or F1, which is 2 J / (1 + J) of such a one, the Jaccard index J.

    So it has an interval at any level: Wilson's, for F1 the indirect one (Flores, Salicrú, Sánchez-Pla and Ocaña,
    2022). Needs n > 0.
    """

    hits: int
    n: int
    f1: bool = False

    @property
    def value(self) -> float:
        """The metric's value, 0 to 1."""
        return self._turned(self.hits / self.n)

    def estimate(self, level: float = LEVEL) -> Estimate:
        """Give the value with its interval of a level, 0 to 1."""
        plain = wilson(self.hits, self.n, critical_value(level)).interval
        return Estimate(self.value, Interval(self._turned(plain.low), self._turned(plain.high)), self.n)

    def surely_below(self, bound: float, risk: float) -> bool:
        """Whether the true value is below a bound, by the exact binomial test at a one-sided risk."""
        return self.value < bound and binomial_tail(self.hits, self.n, self._plain(bound)) <= risk

    def surely_above(self, bound: float, risk: float) -> bool:
        """Whether the true value is above a bound, likewise."""
        return self.value > bound and binomial_tail(self.n - self.hits, self.n, 1 - self._plain(bound)) <= risk

    def _turned(self, share: float) -> float:
        return 2 * share / (1 + share) if self.f1 else share

    def _plain(self, value: float) -> float:
        return value / (2 - value) if self.f1 else value


@dataclass(frozen=True, slots=True)
class Pairs:
    """Images that both runs scored with the same label, by who got them right: both, one only, neither."""

    both: int
    first_only: int
    second_only: int
    neither: int

    @property
    def images(self) -> int:
        """How many there are."""
        return self.both + self.first_only + self.second_only + self.neither


@dataclass(frozen=True, slots=True)
class Change:
    """How far a metric moved from the `first` run to the `second`; `value` is second minus first.

    `n` is the smaller number of images; `same_images` says that both runs rest on the same ones. `p_value` is that of
    McNemar's exact test, where that was made.
    """

    first: float
    second: float
    interval: Interval | None
    n: int
    same_images: bool = False
    p_value: float | None = None

    @property
    def value(self) -> float:
        """The difference."""
        return self.second - self.first


def share_change(first: Share, second: Share, pairs: Pairs | None, level: float = LEVEL) -> Change:
    """Estimate how far a share moved, with its interval of a level.

    `pairs` are the images that both rest on, None where that is not known. The interval is made of both shares' own by
    square-and-add: Newcombe's (1998, method 10) where all images are the same or all are others; between, the
    correlation counts as far as the images are the same: two means of n and m independent images of which c are the
    same correlate with rho c / sqrt(n m), rho being that of a single image's two predictions. Where all are the same
    McNemar's exact test is made as well.
    """
    of_first, of_second = first.estimate(level), second.estimate(level)
    shared, phi = 0, 0.0
    if pairs is not None and pairs.images:
        shared = pairs.images
        phi = correlation(pairs.both, pairs.first_only, pairs.second_only, pairs.neither)
    same = shared == first.n == second.n
    found = square_and_add(of_second, of_first, _of_means(phi, shared, first.n, second.n))
    p_value = mcnemar_exact(pairs.first_only, pairs.second_only) if same and pairs is not None else None
    interval = Interval(max(-1.0, found.low), min(1.0, found.high))
    return Change(first.value, second.value, interval, min(first.n, second.n), same, p_value)


def measure_change(first: Measure, second: Measure, paired: tuple[Interval | None, int] | None) -> Change:
    """Estimate how far any metric moved.

    `paired` is the 95% interval of the change on the images that both runs scored, and how many those are; None where
    they have none in common. Where they are all images, that is the interval. Otherwise both runs' own intervals are
    joined by square-and-add, also called MOVER (Zou and Donner 2008), with the correlation that the paired interval
    tells (Zou 2007), as far as the images are the same. None where one run's metric has no interval.
    """
    n = min(first.n, second.n)
    of_pairs, shared = paired or (None, 0)
    if shared == first.n == second.n:
        return Change(first.value, second.value, of_pairs, n, same_images=True)
    if first.interval is None or second.interval is None:
        return Change(first.value, second.value, None, n)
    rho = 0.0
    if of_pairs is not None and shared > 1:
        # What the intervals of both would be on the shared images alone: they shrink with the root of the number.
        one, two = (
            _half(interval) * sqrt(of / shared)
            for interval, of in ((first.interval, first.n), (second.interval, second.n))
        )
        if one > 0 and two > 0:
            rho = max(-1.0, min(1.0, (one**2 + two**2 - _half(of_pairs) ** 2) / (2 * one * two)))
    of_first, of_second = (
        Estimate(first.value, first.interval, first.n),
        Estimate(second.value, second.interval, second.n),
    )
    interval = square_and_add(of_second, of_first, _of_means(rho, shared, first.n, second.n))
    return Change(first.value, second.value, interval, n)


def surely_beyond(change: Change, max_drop: float | None, max_rise: float | None, risk: float = FALSE_ALARMS) -> bool:
    """Whether a metric moved further than allowed, the whole interval says so, and McNemar's test does not object."""
    if change.interval is None:
        return beyond(change.value, max_drop, max_rise)
    # Interval and exact test must agree: half of all good runs are worse than the one before (decision 094)
    if change.p_value is not None and change.p_value > risk:
        return False
    low, high = change.interval.low, change.interval.high
    fell = max_drop is not None and high < -max_drop and beyond(change.value, max_drop, None)
    rose = max_rise is not None and low > max_rise and beyond(change.value, None, max_rise)
    return fell or rose


def beyond(value: float, max_drop: float | None, max_rise: float | None) -> bool:
    """Whether a difference itself is further than allowed; rounding (0.86 - 0.83 > 0.03) does not count."""
    fell = max_drop is not None and value < -max_drop - 1e-9
    return fell or (max_rise is not None and value > max_rise + 1e-9)


def _of_means(of_one_image: float, shared: int, first: int, second: int) -> float:
    return of_one_image * shared / sqrt(first * second)


def _half(interval: Interval) -> float:
    return (interval.high - interval.low) / 2


Side = Literal["inside", "outside", "both"]


def side_of(interval: Interval, minimum: float | None, maximum: float | None) -> Side:
    """Say whether an interval lies within bounds, beyond one of them, or on both sides of one."""
    low, high = interval.low, interval.high
    if (minimum is not None and high < minimum) or (maximum is not None and low > maximum):
        return "outside"
    kept = (minimum is None or low >= minimum) and (maximum is None or high <= maximum)
    return "inside" if kept else "both"
