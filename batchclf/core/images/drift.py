"""Whether the images and predictions of this run are distributed as those that the model is known by."""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import erfc, lgamma, log, pi, sqrt

import numpy as np
from numpy.typing import NDArray

from batchclf.core.images.statistics import Histogram
from batchclf.core.text import decimal, exact_percent, percent
from batchclf.core.text import p_value as p_text

SURE_P, LARGE_PSI = 0.01, 0.1
"""Below this p value and from this PSI on a difference is called drift.

0.1 is where the usual rule for the PSI (N. Siddiqi, "Credit Risk Scorecards", 2006) begins to speak of a change.
"""

PSI_BINS = 10
LEAST_IMAGES = 5
"""Fewer have no distribution to speak of, whatever a test says of each."""

LEAST_EXPECTED, LEAST_LIMITING = 5, 100
"""From so many expected of each class (W. G. Cochran, 1954), or images a side, on a limiting distribution is used."""

KOLMOGOROV_SMIRNOV, CHI_SQUARED = "two-sample Kolmogorov-Smirnov", "chi-squared"
MONTE_CARLO = " (Monte Carlo)"
_DRAWS, _DRAWN_AT_ONCE, _ENOUGH, _SEED = 999, 111, 100, 1
_LARGEST_POOL = 10**9
"""numpy draws from fewer images than that."""

PREDICTED_CLASS = "predicted class"


@dataclass(frozen=True, slots=True)
class Drift:
    """One quantity of the scored images against the same quantity of the reference.

    `quantity` is "brightness", "contrast", "confidence" or "predicted class". `test` names the test: "two-sample
    Kolmogorov-Smirnov" or "chi-squared", with " (Monte Carlo)" if the p value was simulated. `psi` is the population
    stability index. `drifted` if the p value is below 0.01 and the PSI at least 0.1: with many images even differences
    that do not matter are certain. With too few images for a test, `test` is "" and statistic, p value and PSI are
    None. `change` compares the two in a few words, such as "mean 24, reference 73". `names` are the classes of a
    "predicted class", empty otherwise; its histograms have one bin a class.
    """

    quantity: str
    split: str
    reference: str
    test: str
    statistic: float | None
    p_value: float | None
    psi: float | None
    drifted: bool
    sentence: str
    scored: Histogram
    expected: Histogram
    names: tuple[str, ...] = ()
    change: str = ""

    @property
    def sure(self) -> bool:
        """Whether a test was made and found a difference, small or large."""
        return self.p_value is not None and self.p_value < SURE_P


@dataclass(frozen=True)
class Reference:
    """What a model was known by when it was trained.

    `brightness` and `contrast` are those of the `trained` images that it was trained on; `confidence` (20 bins of 0 to
    1) and `predicted` (one count a class) say what it predicts for the `held_out` test images: its predictions for
    the training images are surer than any later ones.
    """

    trained: int
    brightness: Histogram
    contrast: Histogram
    held_out: int
    confidence: Histogram
    predicted: tuple[int, ...]


def drift_of_values(quantity: str, split: str, reference: str, scored: Histogram, expected: Histogram) -> Drift | None:
    """Compare a quantity by its histograms, which must have the same bins; None where one of them is empty.

    The Kolmogorov-Smirnov test sees only the bins, which makes its limiting distribution a little cautious.
    """
    first, second = np.array(scored.counts), np.array(expected.counts)
    if not first.any() or not second.any():
        return None
    if few := _too_few(first, second, int(second[[0, -1]].min())):
        return _untested(quantity, split, reference, few, scored, expected)
    test, statistic, p_value = kolmogorov_smirnov(first, second)
    psi = stability_index(*_coarse(first, second))
    change = _shares_below(scored, expected) if scored.high <= 1 else _means(scored, expected)
    return _drift(quantity, split, reference, test, (statistic, p_value, psi), change, scored, expected)


def drift_of_classes(
    split: str, reference: str, scored: Sequence[int], expected: Sequence[int], names: tuple[str, ...]
) -> Drift | None:
    """Compare how often each class is predicted; None where one side has no prediction."""
    first, second = np.array(scored, np.int64), np.array(expected, np.int64)
    if not first.any() or not second.any():
        return None
    of_scored, of_expected = (Histogram(0.0, float(len(names)), tuple(side.tolist())) for side in (first, second))
    if few := _too_few(first, second, int(second.min())):
        return _untested(PREDICTED_CLASS, split, reference, few, of_scored, of_expected, names)
    test, statistic, p_value = chi_squared(first, second)
    shares = first / first.sum(), second / second.sum()
    most = int(np.argmax(np.abs(shares[0] - shares[1])))
    change = f"{names[most]} {percent(shares[0][most])}, reference {percent(shares[1][most])}"
    values = statistic, p_value, stability_index(first, second)
    return _drift(PREDICTED_CLASS, split, reference, test, values, change, of_scored, of_expected, names)


def images_needed(expected: int, rare: int, p_value: float) -> int | None:
    """Give the least number of images of which the most extreme sample is below a p value; None if none is.

    That sample has all of its images in the bin of which the reference has fewest, `rare` of `expected`. If both are
    drawn from the same images its chance is C(n + rare, n) / C(n + expected, n), which falls with n.
    """
    if rare >= expected:
        return None

    def enough(n: int) -> bool:
        chance = lgamma(n + rare + 1) - lgamma(rare + 1) - lgamma(n + expected + 1) + lgamma(expected + 1)
        return chance < log(p_value)

    most = 1
    while not enough(most):
        most *= 2
    return bisect_left(range(most), True, key=enough)


def kolmogorov_smirnov(first: NDArray[np.int64], second: NDArray[np.int64]) -> tuple[str, float, float]:
    """Give the name, the statistic and the p value of the two-sample test, two-sided, on counts in the same bins.

    From LEAST_LIMITING images a side on the p value is that of Kolmogorov's limiting distribution with the correction
    of M. A. Stephens ("EDF statistics for goodness of fit", 1974); below, that of `monte_carlo`, which knows of ties.
    """
    n, m = int(first.sum()), int(second.sum())
    before = np.cumsum(first + second)

    def distance(rows: NDArray[np.int64]) -> NDArray[np.float64]:
        # In whole numbers up to the end, so that equal distances are equal
        whole: NDArray[np.int64] = np.abs(np.cumsum(rows, axis=1) * (n + m) - n * before).max(axis=1)
        return whole / (n * m)

    statistic = float(distance(first[None])[0])
    if min(n, m) < LEAST_LIMITING and n + m < _LARGEST_POOL:
        return KOLMOGOROV_SMIRNOV + MONTE_CARLO, statistic, monte_carlo(first, second, distance)
    root = sqrt(n * m / (n + m))
    return KOLMOGOROV_SMIRNOV, statistic, kolmogorov_tail((root + 0.12 + 0.11 / root) * statistic)


def monte_carlo(
    first: NDArray[np.int64],
    second: NDArray[np.int64],
    statistic: Callable[[NDArray[np.int64]], NDArray[np.float64]],
) -> float:
    """Give the p value of two rows of counts by drawing `first` anew from the images of both, without replacement.

    `statistic` gives that of each of (draws, bins) first rows; a large one is extreme. It is the permutation test of
    homogeneity with both margins fixed. Of at most 999 draws the p value is (extreme + 1) / 1000; drawing stops at the
    100th extreme one, and then it is 100 / draws (J. Besag and P. Clifford, "Sequential Monte Carlo p-values", 1991).
    Both are valid at any number of images: under homogeneity P(p <= a) <= a. The seed is fixed, so it repeats.
    """
    random = np.random.default_rng(_SEED)
    seen = statistic(first[None])[0] * (1 - 1e-9)  # sums of floats: a tie may be off by rounding
    extreme = 0
    for made in range(0, _DRAWS, _DRAWN_AT_ONCE):
        drawn = random.multivariate_hypergeometric(first + second, first.sum(), _DRAWN_AT_ONCE, method="marginals")
        hits = np.flatnonzero(statistic(drawn) >= seen)
        if extreme + len(hits) >= _ENOUGH:
            return float(_ENOUGH / (made + hits[_ENOUGH - extreme - 1] + 1))
        extreme += len(hits)
    return (extreme + 1) / (_DRAWS + 1)


def kolmogorov_tail(x: float) -> float:
    """Give the chance that a value of Kolmogorov's distribution lies above `x` >= 0 (A. Kolmogorov, 1933)."""
    if x <= 0:
        return 1.0
    odd = np.arange(1, 40, 2)
    if x < 1:
        # The series with 1 - p, which is quick where x is small.
        return float(1 - sqrt(2 * pi) / x * np.exp(-((odd * pi / x) ** 2) / 8).sum())
    terms = np.arange(1, 20)
    return float(2 * ((-1.0) ** (terms - 1) * np.exp(-2 * (terms * x) ** 2)).sum())


def chi_squared(first: NDArray[np.int64], second: NDArray[np.int64]) -> tuple[str, float, float]:
    """Give the name, the statistic and the p value of Pearson's test of homogeneity on two rows, without correction.

    If fewer than LEAST_EXPECTED of a class that occurs are expected in a row, the p value is that of `monte_carlo`.
    """
    there = (first + second) > 0
    first, second = first[there], second[there]
    n, m = int(first.sum()), int(second.sum())
    pooled = (first + second).astype(np.float64)

    def pearson(rows: NDArray[np.int64]) -> NDArray[np.float64]:
        # (O - E)² / E of both rows: their differences are equal, their expectations n and m to n + m
        expected = pooled * (n / (n + m))
        sums: NDArray[np.float64] = ((rows - expected) ** 2 / pooled).sum(axis=1) * (n + m) ** 2 / (n * m)
        return sums

    statistic = float(pearson(first[None])[0])
    # Rare classes are not merged: a folder of one class would have one cell and p 1 (decision 146)
    if pooled.min() * min(n, m) / (n + m) < LEAST_EXPECTED and n + m < _LARGEST_POOL:
        return CHI_SQUARED + MONTE_CARLO, statistic, monte_carlo(first, second, pearson)
    return CHI_SQUARED, statistic, chi_squared_tail(statistic, len(first) - 1)


def chi_squared_tail(x: float, freedom: int) -> float:
    """Give the chance that a chi-squared value with `freedom` degrees lies above `x` >= 0; 1 without any freedom.

    By the finite sums of M. Abramowitz and I. Stegun, "Handbook of Mathematical Functions", 26.4.4 and 26.4.5.
    """
    half = x / 2
    if freedom < 1 or half <= 0:
        return 1.0
    odd = freedom % 2
    # The terms x^k e^(-x/2) / (...) as logarithms: with many classes they leave the range of floats.
    powers = np.arange(freedom // 2) + odd / 2
    logs = powers * log(half) - half - np.array([lgamma(power + 1) for power in powers])
    return min(1.0, (erfc(sqrt(half)) if odd else 0.0) + float(np.exp(logs).sum()))


def stability_index(first: NDArray[np.int64], second: NDArray[np.int64]) -> float:
    """Give the population stability index of two rows of counts: the sum of (p - q) ln(p / q) over the bins, 0 to ∞.

    Half an image is added to each bin, so that empty ones do not make it infinite. Of more than PSI_BINS bins all
    together get the images of PSI_BINS: more would outweigh few images in many classes.
    """
    added = 0.5 * min(1.0, PSI_BINS / len(first))
    p, q = ((side + added) / (side.sum() + added * len(side)) for side in (first, second))
    return float(((p - q) * np.log(p / q)).sum())


def _coarse(first: NDArray[np.int64], second: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Join neighbouring bins to at most PSI_BINS of about as many images of `second`, as is usual for the PSI."""
    before = np.cumsum(second) - second
    group = np.minimum(before * PSI_BINS // second.sum(), PSI_BINS - 1)
    starts = np.flatnonzero(np.diff(group, prepend=-1))
    return np.add.reduceat(first, starts), np.add.reduceat(second, starts)


def _drift(
    quantity: str,
    split: str,
    reference: str,
    test: str,
    values: tuple[float, float, float],
    change: str,
    scored: Histogram,
    expected: Histogram,
    names: tuple[str, ...] = (),
) -> Drift:
    statistic, p_value, psi = values
    # Both: of many images even a difference that does not matter has a small p value (decision 056)
    drifted = p_value < SURE_P and psi >= LARGE_PSI
    short = test.replace(KOLMOGOROV_SMIRNOV, "KS")
    numbers = f"{short} {decimal(statistic)}, {p_text(p_value)}, PSI {decimal(psi)}"
    if drifted:
        sentence = f"Drift in {quantity}: {change} ({numbers})."
    elif p_value < SURE_P:
        sentence = f"No drift in {quantity}, only a small difference: {change} ({numbers})."
    else:
        sentence = f"No drift in {quantity}: {change} ({numbers})."
    found = scored, expected, names, change
    return Drift(quantity, split, reference, test, statistic, p_value, psi, drifted, sentence, *found)


def _too_few(first: NDArray[np.int64], second: NDArray[np.int64], rare: int) -> str:
    """Say that no test of two rows of counts can find drift, "" if one can; the least bin of `second` has `rare`."""
    n, m = int(first.sum()), int(second.sum())
    if m < LEAST_IMAGES:
        return f"too few images: the reference has {m:,}, the test needs {LEAST_IMAGES}"
    if (needed := images_needed(m, rare, SURE_P / 2)) is None:
        return "there is only one class"
    needed = max(needed, LEAST_IMAGES)
    return f"too few images: {n:,} scored, the test needs {needed:,}" if n < needed else ""


def _untested(
    quantity: str,
    split: str,
    reference: str,
    why: str,
    scored: Histogram,
    expected: Histogram,
    names: tuple[str, ...] = (),
) -> Drift:
    sentence = f"Drift in {quantity} not checked: {why}."
    return Drift(quantity, split, reference, "", None, None, None, False, sentence, scored, expected, names)


def furthest_apart(scored: Histogram, expected: Histogram) -> tuple[float, float, float]:
    """Give the edge of the bins below which the shares of both differ most, and these two shares.

    Both histograms must have the same bins and an image at least. The difference is the Kolmogorov-Smirnov statistic.
    """
    below = [np.cumsum(side.counts) / sum(side.counts) for side in (scored, expected)]
    place = int(np.argmax(np.abs(below[0] - below[1])))
    width = (scored.high - scored.low) / len(scored.counts)
    return round(scored.low + (place + 1) * width, 9), float(below[0][place]), float(below[1][place])


def mean_of_bins(histogram: Histogram) -> int:
    """Estimate the mean from the middles of the bins, as a whole number; there must be an image."""
    counts = np.array(histogram.counts)
    width = (histogram.high - histogram.low) / len(counts)
    return round(histogram.low + width * float(counts @ (np.arange(len(counts)) + 0.5)) / int(counts.sum()))


def _shares_below(scored: Histogram, expected: Histogram) -> str:
    # Bins tell no mean of shares that lie close to 1: it would contradict the exact one (decision 152)
    edge, share, of_reference = furthest_apart(scored, expected)
    return f"{percent(share)} of the images below {exact_percent(edge)}, reference {percent(of_reference)}"


def _means(scored: Histogram, expected: Histogram) -> str:
    return f"mean {mean_of_bins(scored)}, reference {mean_of_bins(expected)}"
