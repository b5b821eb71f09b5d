"""The ways in which metrics are computed, and the quantities that their formulas are made of."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from batchclf.core.metrics.class_sums import ClassSums, ratio

if TYPE_CHECKING:
    from batchclf.core.metrics.calibration import Calibration

LOWEST_PROBABILITY = float(np.finfo(np.float64).eps)
HIGHEST_LOG_LOSS = float(-np.log(LOWEST_PROBABILITY))
HIGHEST_BRIER = 2.0
"""Log loss clips probabilities to at least this, as scikit-learn's log_loss does."""


Term = Callable[[ClassSums], NDArray[Any]]
"""What each class adds to a sum: (…, classes) numbers, each from its own class's sums and `images` alone."""


@dataclass(frozen=True, slots=True)
class OfClasses:
    """A metric of the confusion matrix: `value` of the sum of each of `terms` over the classes, arrays of any shape.

    Value, baseline, interval and paired interval follow from it. `share_of_right` says that it is the share of the
    images that are right, whose paired interval is in closed form.
    """

    terms: tuple[Term, ...]
    value: Callable[..., NDArray[np.float64]]
    share_of_right: bool = False


@dataclass(frozen=True, slots=True)
class OfHits:
    """The share of the images whose true class is among the first `rank` predicted ones; 0 stands for any rank."""

    rank: int


@dataclass(frozen=True, slots=True)
class OfImages:
    """The mean over the images of what `values` gives of their probabilities.

    `values` takes the (n,) true classes, none below 0, and the (n, classes) probabilities, and gives (n,) float64.
    `baseline` takes the shares of the true classes that occur, which the baseline predicts for each image. An image's
    value is from 0 to `most`.
    """

    values: Callable[[NDArray[np.int64], NDArray[np.float64]], NDArray[np.float64]]
    baseline: Callable[[NDArray[np.float64]], float]
    most: float


@dataclass(frozen=True, slots=True)
class OfCalibration:
    """What `value` reads from the calibration of a split."""

    value: Callable[["Calibration"], float]


@dataclass(frozen=True, slots=True)
class OfGap:
    """How much worse a metric is on the test split than on the train split; `of_probabilities` if that needs them."""

    of_probabilities: bool = False


@dataclass(frozen=True, slots=True)
class OfClass:
    """A share of one class: its right images among the `images` of its (support, predicted, correct).

    `missing` says why there are none. `f1` turns the share J into F1, 2 J / (1 + J).
    """

    images: Callable[[int, int, int], int]
    missing: str = "the class has no image"
    f1: bool = False


@dataclass(frozen=True, slots=True)
class OfRun:
    """What is counted elsewhere: confidences of all images, images, drift, pairs that two runs have scored, thresholds.

    `needs` is what thresholds need: the positive class, or costs.
    """

    source: Literal["scores", "count", "drift", "pairs", "thresholds"]
    needs: Literal["", "positive_class", "costs"] = ""


Formula = OfClasses | OfHits | OfImages | OfCalibration | OfGap | OfClass | OfRun


def totals(formulas: Iterable[OfClasses], sums: ClassSums) -> dict[Term, NDArray[Any]]:
    """Add up each term of some formulas over the classes, once: (…) numbers."""
    return {term: np.asarray(term(sums).sum(axis=-1)) for term in _terms(formulas)}


def values_of(formulas: Mapping[str, OfClasses], of: Mapping[Term, NDArray[Any]]) -> dict[str, NDArray[np.float64]]:
    """Compute each metric from the totals of its terms: (…) float64 by its name."""
    return {name: formula.value(*(of[term] for term in formula.terms)) for name, formula in formulas.items()}


def moved_totals(formulas: Iterable[OfClasses], after: ClassSums, before: ClassSums) -> dict[Term, NDArray[Any]]:
    """Say what the totals are if one class alone has its sums of `after`, each class in turn: (classes,) numbers.

    All other classes have those of `before`; both are (classes,) and have the same `images`.
    """
    return {term: (at := term(before)).sum() - at + term(after) for term in _terms(formulas)}


def _terms(formulas: Iterable[OfClasses]) -> dict[Term, None]:
    return dict.fromkeys(term for formula in formulas for term in formula.terms)


right, images = attrgetter("correct"), attrgetter("support")
recall, precision, f1 = map(attrgetter, ("recall", "precision", "f1"))


def present(of: ClassSums) -> NDArray[np.bool_]:
    """Whether a class has images."""
    return of.support > 0


def occurring(of: ClassSums) -> NDArray[np.bool_]:
    """Whether a class is a label or a prediction."""
    return of.support + of.predicted > 0


def chance(of: ClassSums) -> NDArray[np.float64]:
    """How often a class is right by chance, as a share of the images."""
    return of.shares * of.guessed


def shares_squared(of: ClassSums) -> NDArray[np.float64]:
    """The square of the share of a label."""
    return of.shares**2


def guessed_squared(of: ClassSums) -> NDArray[np.float64]:
    """The square of the share of a prediction."""
    return of.guessed**2


def correlation(
    right: NDArray[np.int64],
    images: NDArray[np.int64],
    chance: NDArray[np.float64],
    labels: NDArray[np.float64],
    predictions: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Compute Gorodkin's R_K (2004), for two classes Matthews' correlation; the last two are sums of squared shares."""
    spread = (1 - labels) * (1 - predictions)
    return ratio(right / images - chance, np.sqrt(np.maximum(spread, 0.0)))


def log_losses(labels: NDArray[np.int64], probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give -ln(probability of the true class) of each image, (n,), as scikit-learn's log_loss does."""
    return np.asarray(-np.log(np.clip(probabilities[np.arange(len(labels)), labels], LOWEST_PROBABILITY, 1.0)))


def brier_scores(labels: NDArray[np.int64], probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the sum over the classes of (probability - 1 or 0)², 1 for the true class, of each image, (n,): 0 to 2.

    Brier 1950; for two classes it is twice the binary one.
    """
    errors = probabilities.copy()
    errors[np.arange(len(labels)), labels] -= 1.0
    return np.asarray(np.einsum("ij,ij->i", errors, errors))
