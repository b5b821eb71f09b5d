"""Whether the images and predictions of this run are distributed as those that the model is known by."""

from collections.abc import Sequence
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
LEAST_EXPECTED = 5
"""Classes of which fewer are expected are counted together in the chi-squared test (W. G. Cochran, 1954)."""

KOLMOGOROV_SMIRNOV, CHI_SQUARED = "two-sample Kolmogorov-Smirnov", "chi-squared"
PREDICTED_CLASS = "predicted class"


@dataclass(frozen=True, slots=True)
class Drift:
    """One quantity of the scored images against the same quantity of the reference.

    `quantity` is "brightness", "contrast", "confidence" or "predicted class". `test` names the test: "two-sample
    Kolmogorov-Smirnov" or "chi-squared". `psi` is the population stability index. `drifted` where the p value is below
    0.01 and the PSI at least 0.1: with many images even differences that do not matter are certain. `names` are the
    classes of a "predicted class", empty otherwise; its histograms have one bin a class.
    """

    quantity: str
    split: str
    reference: str
    test: str
    statistic: float
    p_value: float
    psi: float
    drifted: bool
    sentence: str
    scored: Histogram
    expected: Histogram
    names: tuple[str, ...] = ()


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

    The Kolmogorov-Smirnov test sees only the bins, which makes it a little cautious.
    """
    first, second = np.array(scored.counts), np.array(expected.counts)
    if not first.any() or not second.any():
        return None
    statistic, p_value = kolmogorov_smirnov(first, second)
    psi = stability_index(*_coarse(first, second))
    change = _shares_below(scored, expected) if scored.high <= 1 else _means(scored, expected)
    values = statistic, p_value, psi
    return _drift(quantity, split, reference, KOLMOGOROV_SMIRNOV, values, change, scored, expected)


def drift_of_classes(
    split: str, reference: str, scored: Sequence[int], expected: Sequence[int], names: tuple[str, ...]
) -> Drift | None:
    """Compare how often each class is predicted; None where one side has no prediction."""
    first, second = np.array(scored, np.int64), np.array(expected, np.int64)
    if not first.any() or not second.any():
        return None
    statistic, p_value = chi_squared(first, second)
    shares = first / first.sum(), second / second.sum()
    most = int(np.argmax(np.abs(shares[0] - shares[1])))
    change = (
        f"{names[most]} is {percent(shares[0][most])} of the predictions, {percent(shares[1][most])} in the reference"
    )
    of_scored, of_expected = (Histogram(0.0, float(len(names)), tuple(side.tolist())) for side in (first, second))
    values = statistic, p_value, stability_index(first, second)
    return _drift(PREDICTED_CLASS, split, reference, CHI_SQUARED, values, change, of_scored, of_expected, names)


def kolmogorov_smirnov(first: NDArray[np.int64], second: NDArray[np.int64]) -> tuple[float, float]:
    """Give the statistic and the p value of the two-sample test, two-sided, on counts in the same bins.

    The p value is that of Kolmogorov's limiting distribution with the correction of M. A. Stephens ("EDF statistics
    for goodness of fit", 1974), good from some four images a side on.
    """
    n, m = int(first.sum()), int(second.sum())
    statistic = float(np.abs(np.cumsum(first) / n - np.cumsum(second) / m).max())
    root = sqrt(n * m / (n + m))
    return statistic, kolmogorov_tail((root + 0.12 + 0.11 / root) * statistic)


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


def chi_squared(first: NDArray[np.int64], second: NDArray[np.int64]) -> tuple[float, float]:
    """Give the statistic and the p value of Pearson's test of homogeneity on two rows of counts, without correction.

    Classes of which fewer than LEAST_EXPECTED are expected in one of the rows are counted together.
    """
    table = np.stack([first, second]).astype(np.float64)
    shares = table.sum(axis=1, keepdims=True) / table.sum()
    rare = (shares * table.sum(axis=0)).min(axis=0) < LEAST_EXPECTED
    table = np.append(table[:, ~rare], table[:, rare].sum(axis=1, keepdims=True), axis=1)
    table = table[:, table.any(axis=0)]
    expected = shares * table.sum(axis=0)
    statistic = float(((table - expected) ** 2 / expected).sum())
    return statistic, chi_squared_tail(statistic, table.shape[1] - 1)


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

    Half an image is added to each bin, so that empty ones do not make it infinite.
    """
    p, q = ((side + 0.5) / (side.sum() + 0.5 * len(side)) for side in (first, second))
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
    short = "KS" if test == KOLMOGOROV_SMIRNOV else test
    numbers = f"{short} {decimal(statistic)}, {p_text(p_value)}, PSI {decimal(psi)}"
    if drifted:
        sentence = f"The {quantity} has drifted: {change} ({numbers})."
    elif p_value < SURE_P:
        sentence = f"The {quantity} differs, but not by much: {change} ({numbers})."
    else:
        sentence = f"No drift of the {quantity} can be told: {change} ({numbers})."
    return Drift(quantity, split, reference, test, statistic, p_value, psi, drifted, sentence, scored, expected, names)


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
    # Bins tell no mean of shares that lie close to 1: it would contradict the exact one (decision 147)
    edge, share, of_reference = furthest_apart(scored, expected)
    return f"{percent(share)} of the images are below {exact_percent(edge)}, {percent(of_reference)} in the reference"


def _means(scored: Histogram, expected: Histogram) -> str:
    return f"its mean is {mean_of_bins(scored)}, {mean_of_bins(expected)} in the reference"
