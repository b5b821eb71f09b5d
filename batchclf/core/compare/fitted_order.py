"""Whether the names of the classes stand in another order than the model's outputs."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from batchclf.core.compare.paired_tests import mcnemar_exact
from batchclf.core.text import count, counted, first_of, percent

CLASS_ORDER_FILE = "class_order.txt"
"""The class names, one a line, in the order that fits the labels, if the given one does not."""

LEAST_GAIN, MOST_P, LEAST_IMAGES = 0.2, 1e-6, 10
"""By so much accuracy the fitted order must be better, with so small a p value, counting classes of so many images."""

LEAST_GAIN_OF_MOVED = 0.5
"""A mean gain of so much in the moved classes, and of LEAST_GAIN in each, is enough, too: two swapped among many."""

_LISTED = 20


@dataclass(frozen=True, slots=True)
class FittedOrder:
    """The order of the class names that fits labelled images best.

    `given` and `fitted` count those of `images` that are right in either order; both leave out nothing. `names` are
    the class names in the fitted order, one an output; `moved` are the places, from 0, at which they differ from those
    given. `p_value` is that of McNemar's test on halves of the images that the order was not fitted on.
    """

    images: int
    given: int
    fitted: int
    p_value: float
    names: tuple[str, ...]
    moved: tuple[int, ...]


def fitted_order(class_names: tuple[str, ...], counts: NDArray[np.int64]) -> FittedOrder | None:
    """Find the order of class names that fits, if the given one does not; None if it does or too little is known.

    `counts` is (classes, classes) int64: images by true class, then by predicted class. The order is the assignment of
    most right images (H. W. Kuhn, "The Hungarian method", 1955). An order that is fitted to images suits them too well:
    guesses for 10 images of each of 100 classes gain 0.13 by it. So gain and p value are those of each half of the
    images under the order of the other half, drawn with a fixed seed; classes of fewer than LEAST_IMAGES images do not
    count. The moved classes must gain on average, too: a large class that is taken for a small one is no order.
    """
    images, given = int(counts.sum()), int(counts.trace())
    if not images:
        return None
    support = counts.sum(axis=1)
    enough = support >= LEAST_IMAGES
    could_gain = counts.max(axis=1) - counts.diagonal() >= LEAST_GAIN_OF_MOVED * support
    if _most_gained(counts) < LEAST_GAIN * images and not (enough & could_gain).any():
        return None
    half = np.random.default_rng(0).binomial(counts, 0.5)
    halves = half, counts - half
    if _gains_too_little(halves, enough):
        return None
    gained, lost, tested = np.zeros((3, len(counts)), np.int64)
    for fit, test in (halves, halves[::-1]):
        columns = _assignment(fit)
        moved = np.flatnonzero(enough & (columns != np.arange(len(columns))))
        gained[moved] += test[moved, columns[moved]]
        lost[moved] += test[moved, moved]
        tested[moved] += test[moved].sum(axis=1)
    gain, of_moved = gained - lost, tested > 0
    p_value = mcnemar_exact(int(lost.sum()), int(gained.sum()))
    if p_value >= MOST_P:
        return None
    gains = gain[of_moved] / tested[of_moved]
    swapped = gains.mean() >= LEAST_GAIN_OF_MOVED and gains.min() >= LEAST_GAIN
    if gains.mean() < LEAST_GAIN or not (swapped or gain.sum() >= LEAST_GAIN * images):
        return None
    columns = _assignment(counts)
    names = list(class_names)
    for true, column in enumerate(columns.tolist()):
        names[column] = class_names[true]
    fitted = int(counts[np.arange(len(columns)), columns].sum())
    places = tuple(place for place, name in enumerate(names) if name != class_names[place])
    return FittedOrder(images, given, fitted, p_value, tuple(names), places)


def _most_gained(counts: NDArray[np.int64]) -> int:
    """Bound how many more images are right in any order: no more than the rows', or the columns', largest cells."""
    return int(min(counts.max(axis=1).sum(), counts.max(axis=0).sum()) - counts.trace())


def _gains_too_little(halves: tuple[NDArray[np.int64], NDArray[np.int64]], enough: NDArray[np.bool_]) -> bool:
    """Whether no order can gain LEAST_GAIN of the images of a class; then there is nothing to fit.

    So it is if a model gives nearly all images one class. What the classes that are not `enough` lose does not count.
    """
    if not enough.any():
        return True
    most = sum(_most_gained(part) + int(part.diagonal()[~enough].sum()) for part in halves)
    least = min(int(part[enough].sum(axis=1).min()) for part in halves)
    return most < LEAST_GAIN * least


def right_in_any_order(counts: NDArray[np.int64]) -> int:
    """Count the images that are right if the class names may stand in any order, each half judged by the other's order.

    `counts` is (classes, classes) int64: images by true class, then by predicted class. The given order counts if it is
    better. So a way to feed a model can be recognised although its class names are mixed up.
    """
    half = np.random.default_rng(0).binomial(counts, 0.5)
    rows = np.arange(len(counts))
    fitted = sum(
        int(test[rows, _assignment(fit)].sum()) for fit, test in ((half, counts - half), (counts - half, half))
    )
    return max(fitted, int(counts.trace()))


def fitted_order_sentence(order: FittedOrder, file: str = "") -> str:
    """Say that the class names are in the wrong order, and what to do.

    `file` has the names in the order that fits, if it was written.
    """
    if len(order.names) <= _LISTED:
        which = f"in the order {', '.join(order.names)}"
    else:
        outputs = [f"{order.names[place]} at place {place + 1}" for place in order.moved]
        which = f"with {count(len(order.moved))} names moved, {first_of(outputs, 3)}"
    return (
        f"the class names do not seem to be in the order of the model's outputs: "
        f"{percent(order.given / order.images)} of {counted(order.images, 'image')} are right as given, "
        f"{percent(order.fitted / order.images)} {which}; import the model again with "
        f"{f'--classes {file}' if file else 'its class names in that order'}, or correct the labels"
    )


def _assignment(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Give each true class a predicted class of its own so that most images are right; of equals the given order."""
    # Only here: runs with names in order need no SciPy (decision 143)
    from scipy.optimize import linear_sum_assignment

    return np.asarray(linear_sum_assignment(counts * (len(counts) + 1) + np.eye(len(counts), dtype=np.int64), True)[1])
