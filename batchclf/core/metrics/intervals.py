"""Confidence intervals of proportions and of their differences."""

from math import exp, log, pi, sqrt, tan
from statistics import NormalDist

from batchclf.core.estimate import Estimate, Interval

LEVEL = 0.95
Z = NormalDist().inv_cdf(0.5 + LEVEL / 2)


def critical_value(level: float) -> float:
    """Give how many standard deviations an interval of a level (0.95 is 95%) reaches to each side; 0 < level < 1."""
    return NormalDist().inv_cdf(0.5 + level / 2)


def student_critical_value(freedom: int) -> float:
    """Give how many standard errors a 95% interval by Student's t reaches to each side, with `freedom` >= 1 degrees.

    From 3 degrees on by the expansion of Abramowitz and Stegun 26.7.5, which is 0.12% too small at 3 and nearer after.
    """
    if freedom == 1:
        return tan(pi * LEVEL / 2)
    if freedom == 2:
        return LEVEL * sqrt(2 / (1 - LEVEL**2))
    z = Z
    terms: tuple[float, ...] = (
        z,
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return sum(term * (1 / freedom) ** power for power, term in enumerate(terms))


def logit_interval(mean: float, error: float, n: int, most: float) -> Interval:
    """Give the 95% interval of a mean of `n` >= 2 values that lie within 0 to `most`; `error` is its standard error.

    It is Student's interval of logit(mean / most), by the delta method, carried back: it lies within 0 to `most` and is
    longer on the side that has more room (decision 144). Equal values give an interval without a length.
    """
    if error <= 0 or not 0 < mean < most:
        return Interval(mean, mean)
    share = mean / most
    # A half beyond 700 would overflow; it reaches both ends.
    half = min(student_critical_value(n - 1) * error / most / (share * (1 - share)), 600.0)
    low, high = (1 / (1 + exp(-(log(share / (1 - share)) + side))) for side in (-half, half))
    return Interval(most * low, most * high)


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


def square_and_add(first: Estimate, second: Estimate, correlated: float, value: float | None = None) -> Interval:
    """Give the interval of `first - second` from those of both and the correlation of the two estimates, -1 to 1.

    Newcombe 1998 for shares; for any two estimates it is called MOVER (Zou and Donner 2008, Statistics in Medicine
    27:1693; with a correlation Zou 2007). It is not cut to what a difference can be. `value` is the difference where it
    is known more exactly.
    """
    value = first.value - second.value if value is None else value
    below = _joined(first.value - first.interval.low, second.interval.high - second.value, correlated)
    above = _joined(first.interval.high - first.value, second.value - second.interval.low, correlated)
    return Interval(value - below, value + above)


def difference(first: Estimate, second: Estimate) -> Estimate:
    """Estimate `first - second` of two independent proportions, within -1 to 1.

    The interval is Newcombe's hybrid score interval (Newcombe 1998, method 10), built from the two Wilson
    intervals; `n` is the smaller of the two.
    """
    interval = square_and_add(first, second, 0.0)
    ends = Interval(max(-1.0, interval.low), min(1.0, interval.high))
    return Estimate(first.value - second.value, ends, min(first.n, second.n))


def _joined(first: float, second: float, phi: float) -> float:
    # Rounding must not make it negative where both are the same and phi is 1.
    return sqrt(max(0.0, first**2 - 2 * phi * first * second + second**2))
