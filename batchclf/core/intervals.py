"""Confidence intervals of proportions and of their differences."""

from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist

LEVEL = 0.95
Z = NormalDist().inv_cdf(0.5 + LEVEL / 2)


@dataclass(frozen=True, slots=True)
class Interval:
    """A 95% interval."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Estimate:
    """A measured value with its 95% interval; `n` is the number of images it rests on."""

    value: float
    interval: Interval
    n: int


def critical_value(level: float) -> float:
    """Give how many standard deviations an interval of a level (0.95 is 95%) reaches to each side; 0 < level < 1."""
    return NormalDist().inv_cdf(0.5 + level / 2)


def wilson(successes: int, n: int, z: float = Z) -> Estimate:
    """Estimate a proportion with its Wilson score interval (Wilson 1927, without continuity correction).

    The interval is one of 95% unless `z` is the critical value of another level. Needs 0 <= successes <= n and n > 0;
    raises ValueError otherwise. All values lie within 0 to 1.
    """
    if n <= 0 or not 0 <= successes <= n:
        raise ValueError(f"{successes} successes of {n} is not a proportion")
    share = successes / n
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    # At the ends the bound is exactly 0 or 1; rounding must not push the value outside.
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    high = 1.0 if successes == n else min(1.0, centre + half)
    return Estimate(share, Interval(low, high), n)


def difference(first: Estimate, second: Estimate) -> Estimate:
    """Estimate `first - second` of two independent proportions, within -1 to 1.

    The interval is Newcombe's hybrid score interval (Newcombe 1998, method 10), built from the two Wilson
    intervals; `n` is the smaller of the two.
    """
    gap = first.value - second.value
    below = sqrt((first.value - first.interval.low) ** 2 + (second.interval.high - second.value) ** 2)
    above = sqrt((first.interval.high - first.value) ** 2 + (second.value - second.interval.low) ** 2)
    return Estimate(gap, Interval(max(-1.0, gap - below), min(1.0, gap + above)), min(first.n, second.n))
