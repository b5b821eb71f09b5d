"""The tail of the binomial distribution."""

from math import exp, lgamma, log

_NEGLIGIBLE = 1e-17


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
