"""How much of a difference in accuracy comes from the classes of the images, and how much does not."""

from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from batchclf.core.estimate import Estimate, Interval
from batchclf.core.metrics.intervals import Z, difference, square_and_add, wilson

Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Group:
    """Labelled images by their true class: how many there are and how many of them are right, (classes,) int64 each."""

    support: Counts
    correct: Counts

    @property
    def images(self) -> int:
        """How many there are."""
        return int(self.support.sum())

    def accuracy(self) -> Estimate:
        """Give the share that is right, with Wilson's interval; there must be an image."""
        return wilson(int(self.correct.sum()), self.images)


@dataclass(frozen=True, slots=True)
class ClassMix:
    """A difference in accuracy, -1 to 1, in two parts that add up to it.

    `mix` is what the classes alone make of it: some are harder than others. `beyond` is what is left.
    """

    mix: Estimate
    beyond: Estimate


def class_mix(of: Group, elsewhere: Group) -> ClassMix | None:
    """Split the difference in accuracy between some images and all others by their classes.

    `mix` is the accuracy to be expected of `of`, if each of its classes were as accurate as elsewhere, minus the
    accuracy elsewhere; `beyond` is the accuracy of `of` minus the expected one. That is a decomposition of the
    difference between two rates (E. Kitagawa, Components of a difference between two rates, JASA 50:1168, 1955) with
    the class accuracies elsewhere as the standard, which epidemiology calls indirect standardisation.

    None if `of` has a class of which there is no image elsewhere: nothing says how accurate it would be.
    """
    # The classes elsewhere are the standard: of the slice's own there are too few images (decision 174)
    weights = of.support / of.images
    rates = _rates(elsewhere, weights)
    if rates is None:
        return None
    shift = _weighted(weights - elsewhere.support / elsewhere.images, rates, elsewhere)
    expected = _weighted(weights, rates, elsewhere)
    beyond = square_and_add(of.accuracy(), expected, 0.0)
    return ClassMix(shift, _bounded(of.accuracy().value - expected.value, beyond, of.images))


def class_mix_between(first: Group, second: Group, elsewhere: Group) -> ClassMix | None:
    """Split the difference in accuracy `first` minus `second` by their classes, as `class_mix` does.

    The standard is how accurate each class is `elsewhere`, in images of neither. None if one of them has a class that
    does not occur there.
    """
    weights = first.support / first.images - second.support / second.images
    rates = _rates(elsewhere, first.support + second.support)
    if rates is None:
        return None
    mix = _weighted(weights, rates, elsewhere)
    total = difference(first.accuracy(), second.accuracy())
    beyond = square_and_add(total, mix, 0.0)
    return ClassMix(mix, _bounded(total.value - mix.value, beyond, total.n))


def _rates(of: Group, needed: NDArray[np.float64] | Counts) -> NDArray[np.float64] | None:
    """Give the accuracy of each class, 0 for one without images; None if one of those is needed."""
    if not of.images or ((needed > 0) & (of.support == 0)).any():
        return None
    return np.asarray(of.correct / np.maximum(of.support, 1))


def _weighted(weights: NDArray[np.float64], rates: NDArray[np.float64], of: Group) -> Estimate:
    """Add up class accuracies by weights, with the normal interval.

    In the variance each class has one more image, as accurate as all are: a class of one image that is right would
    otherwise be taken for one that is always right.
    """
    smooth = (of.correct + of.accuracy().value) / (of.support + 1)
    variance = float((weights**2 * smooth * (1 - smooth) / np.maximum(of.support, 1)).sum())
    value, half = float((weights * rates).sum()), Z * sqrt(variance)
    return Estimate(value, Interval(value - half, value + half), of.images)


def _bounded(value: float, interval: Interval, n: int) -> Estimate:
    return Estimate(value, Interval(max(-1.0, interval.low), min(1.0, interval.high)), n)
