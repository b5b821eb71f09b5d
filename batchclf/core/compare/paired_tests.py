"""Two answers to the same questions: McNemar's exact test, and the interval of a paired difference."""

from math import sqrt

from batchclf.core.compare.binomial import binomial_tail
from batchclf.core.metrics.intervals import Estimate, Interval, square_and_add, wilson


def mcnemar_exact(first_only: int, second_only: int) -> float:
    """Compute the p value of McNemar's exact test (McNemar 1947): are flips one way as likely as flips the other way?

    Two-sided, from the binomial distribution with probability 1/2: 1.0 where nothing flipped. `first_only` and
    `second_only` count what only the first or only the second got right; raises ValueError where one is negative.
    """
    if min(first_only, second_only) < 0:
        raise ValueError(f"{first_only} and {second_only} are no counts")
    flips, fewer = first_only + second_only, min(first_only, second_only)
    if first_only == second_only:
        return 1.0
    return min(1.0, 2 * binomial_tail(fewer, flips, 0.5))


def paired_difference(both: int, first_only: int, second_only: int, neither: int) -> Estimate:
    """Estimate second minus first of two shares of the same images, within -1 to 1.

    The counts are of images right in both, in one only, in neither. The interval is Newcombe's square-and-add interval
    for paired data (Newcombe 1998, Statistics in Medicine 17:2635, method 10): the two Wilson intervals, joined by the
    correlation phi with his continuity correction. Raises ValueError where there is no image.
    """
    n = both + first_only + second_only + neither
    first, second = wilson(both + first_only, n), wilson(both + second_only, n)
    value = (second_only - first_only) / n
    interval = square_and_add(second, first, correlation(both, first_only, second_only, neither), value)
    return Estimate(value, Interval(max(-1.0, interval.low), min(1.0, interval.high)), n)


def correlation(both: int, first_only: int, second_only: int, neither: int) -> float:
    """Correlate right and wrong of two runs on the same images: phi, with Newcombe's continuity correction; -1 to 1."""
    margins = (both + first_only) * (second_only + neither) * (both + second_only) * (first_only + neither)
    if not margins:
        return 0.0
    n = both + first_only + second_only + neither
    excess: float = both * neither - first_only * second_only
    if excess > 0:
        excess = max(excess - n / 2, 0.0)
    return excess / sqrt(margins)
