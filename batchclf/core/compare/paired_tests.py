"""Two predictions for the same images: McNemar's exact test, and the interval of a paired difference."""

from math import exp, lgamma, log, sqrt

from batchclf.core.estimate import Estimate, Interval
from batchclf.core.metrics.intervals import square_and_add, wilson

_NEGLIGIBLE = 1e-17


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
    # A short sum, so that a run need not import scipy (decision 077)
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


def binomial_tail(hits: int, n: int, share: float) -> float:
    """Give the chance of at most `hits` of `n` where each one hits with chance `share`; exact but for rounding."""
    if hits >= n or share <= 0:
        return 1.0
    if share >= 1:
        return 0.0
    if hits > n * share:
        return 1 - binomial_tail(n - hits - 1, n, 1 - share)
    # From the largest term down; each next one is a known part of the one before.
    odds = (1 - share) / share
    term = exp(
        lgamma(n + 1) - lgamma(hits + 1) - lgamma(n - hits + 1) + hits * log(share) + (n - hits) * log(1 - share)
    )
    tail = 0.0
    for count in range(hits, -1, -1):
        tail += term
        term *= count / (n - count + 1) * odds
        if term <= tail * _NEGLIGIBLE:
            break
    return min(1.0, tail)
