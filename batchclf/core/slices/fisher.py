"""Fisher's exact test, one-sided."""

from math import exp, lgamma

_NEGLIGIBLE = 1e-17


def fisher_less(hits: int, n: int, all_hits: int, total: int) -> float:
    """Compute the one-sided p value of Fisher's exact test (R. A. Fisher, 1935), 0 to 1.

    That is the chance that `n` of `total` images, drawn at random, hold at most `hits` of the `all_hits` right ones.
    Raises ValueError if the counts cannot be.
    """
    misses = total - all_hits
    if not max(0, n - misses) <= hits <= min(n, all_hits) or n > total:
        raise ValueError(f"{hits} hits of {n} among {all_hits} of {total} cannot be")
    # A short sum, so that a run need not import scipy (decision 077); summed from the side that has less of it
    if hits * total < n * all_hits:
        return min(1.0, _tail(hits, n, all_hits, misses))
    above = hits + 1
    if above > min(n, all_hits):
        return 1.0
    # At least `above` right images among those drawn are at most n - above wrong ones
    return max(0.0, 1.0 - _tail(n - above, n, misses, all_hits))


def _tail(hits: int, n: int, all_hits: int, misses: int) -> float:
    """Add up the chances of at most `hits`, which is below the mean: each is smaller than the one before."""
    total = all_hits + misses
    term = exp(_log_choose(all_hits, hits) + _log_choose(misses, n - hits) - _log_choose(total, n))
    whole = 0.0
    for place in range(hits, max(0, n - misses) - 1, -1):
        whole += term
        if term <= _NEGLIGIBLE * whole:
            break
        term *= place * (misses - n + place) / ((all_hits - place + 1) * (n - place + 1))
    return whole


def _log_choose(n: int, k: int) -> float:
    return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)
