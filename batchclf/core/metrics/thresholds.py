"""Thresholds: of two classes, from which probability on an image is positive; of any, below which one is refused.

A threshold that is chosen on the images that it is judged on looks better than it is. So it is chosen on one half of
them and judged on the other.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import floor

import numpy as np
from numpy.typing import NDArray

from batchclf.core.estimate import Estimate
from batchclf.core.metrics.intervals import wilson

Numbers = NDArray[np.float64]
Flags = NDArray[np.bool_]

SHOWN_THRESHOLDS = (0.0, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999)
CURVE_POINTS, LEAST_OF_POINT = 60, 30
_MOST_DECIMALS = 17


@dataclass(frozen=True)
class AtThreshold:
    """What a threshold does to `images`: positive are those whose probability is at least `threshold`.

    `precision` is the share of them that is right, None if none is positive; `recall` the share of the images of the
    positive class that is found, None if there is none.
    """

    threshold: float
    images: int
    precision: Estimate | None
    recall: Estimate | None


@dataclass(frozen=True)
class ChosenThreshold:
    """A threshold that reaches `target` on the `chosen_on` images of one half, `judged` on the other half.

    `judged` is None if no threshold does; `missing` says why.
    """

    target: float
    chosen_on: int
    judged: AtThreshold | None
    missing: str = ""


@dataclass(frozen=True)
class TwoClasses:
    """What the threshold does where there are two classes; `assumed` says that nobody has named the positive one.

    `fixed` is a threshold that was given, on all images. `at_recall` has the highest precision that keeps a recall,
    `at_precision` the highest recall that keeps a precision.
    """

    positive_class: str
    assumed: bool
    fixed: AtThreshold
    at_recall: ChosenThreshold
    at_precision: ChosenThreshold


@dataclass(frozen=True)
class AtRefusal:
    """What comes of refusing every image whose confidence is below `threshold`.

    `coverage` is the share of the `images` that is kept, `accuracy` that of those that are right, None if none is kept.
    `cost` is the mean cost of an image, None without costs: that of an error for a kept one that is wrong, that of a
    look for a refused one.
    """

    threshold: float
    images: int
    coverage: Estimate
    accuracy: Estimate | None
    cost: float | None


@dataclass(frozen=True)
class Refusal:
    """Refusing unsure images: some thresholds on all images, in `rows`, and the one that costs least.

    `best` was chosen on the `chosen_on` images of one half and is judged on the other; None without costs, or if a half
    has no image. `keep_all` is the other half if nothing is refused. `curve` has (threshold, coverage, accuracy) from
    all images kept to few.
    """

    error_cost: float | None
    review_cost: float | None
    rows: tuple[AtRefusal, ...]
    curve: tuple[tuple[float, float, float], ...]
    chosen_on: int
    best: AtRefusal | None
    keep_all: AtRefusal | None


@dataclass(frozen=True)
class ThresholdFindings:
    """The thresholds of one split or directory. `missing` says why there are none, empty otherwise.

    `two_classes` is None unless there are two.
    """

    images: int
    missing: str
    two_classes: TwoClasses | None
    refusal: Refusal | None


@dataclass(frozen=True)
class Scored:
    """n labelled images of a class against the other: `scores` are the probabilities of the class, (n,) 0 to 1."""

    scores: Numbers
    positive: Flags

    def only(self, chosen: Flags) -> "Scored":
        """Keep the images where `chosen`, (n,) bool, is true."""
        return Scored(self.scores[chosen], self.positive[chosen])

    def at(self, threshold: float) -> AtThreshold:
        """Say what a threshold does to them."""
        found = self.scores >= threshold
        hits, claimed, there = (int(each.sum()) for each in (found & self.positive, found, self.positive))
        return AtThreshold(
            threshold,
            len(self.scores),
            wilson(hits, claimed) if claimed else None,
            wilson(hits, there) if there else None,
        )

    def curve(self) -> tuple[Numbers, Numbers, Numbers]:
        """Give each score as a threshold, highest first, with precision and recall; needs a positive image."""
        order = np.argsort(-self.scores, kind="stable")
        scores, hits = self.scores[order], np.cumsum(self.positive[order])
        last = np.flatnonzero(np.append(scores[1:] != scores[:-1], True))
        return scores[last], hits[last] / (last + 1), hits[last] / hits[-1]


def two_classes(
    of: Scored,
    judged: Flags,
    positive_class: str,
    *,
    assumed: bool,
    threshold: float,
    at_recall: float,
    at_precision: float,
) -> TwoClasses:
    """Judge a given threshold on all images; choose others on one half and judge them where `judged`, (n,) bool."""
    # (decision 175)
    first, second = of.only(~judged), of.only(judged)
    return TwoClasses(
        positive_class,
        assumed,
        of.at(threshold),
        _chosen(first, second, "recall", at_recall),
        _chosen(first, second, "precision", at_precision),
    )


def _chosen(first: Scored, second: Scored, kept: str, target: float) -> ChosenThreshold:
    """Choose the threshold that keeps one of precision and recall at `target`, and is best in the other."""
    n = len(first.scores)
    if not first.positive.any() or not second.positive.any():
        return ChosenThreshold(target, n, None, "a half of the images has none of the positive class")
    thresholds, precision, recall = first.curve()
    keeps, gains = (recall, precision) if kept == "recall" else (precision, recall)
    allowed = np.flatnonzero(keeps >= target)
    if not len(allowed):
        return ChosenThreshold(target, n, None, f"no threshold reaches this {kept}")
    # Of equal ones that which keeps most
    best = allowed[np.lexsort((-keeps[allowed], -gains[allowed]))[0]]
    below = float(thresholds[best + 1]) if best + 1 < len(thresholds) else -1.0
    return ChosenThreshold(target, n, second.at(_between(below, float(thresholds[best]))))


def refusal(
    confidence: Numbers, right: Flags, judged: Flags, *, error_cost: float | None, review_cost: float | None
) -> Refusal:
    """Refuse images below a confidence: `confidence` is (n,) 0 to 1, n >= 1, and `right` says which are.

    With both costs the threshold of the least cost is chosen where `judged`, (n,) bool, is false; of equal ones the
    lowest. If confidences are true probabilities it is 1 - review_cost / error_cost (C. K. Chow, On optimum recognition
    error and reject tradeoff, IEEE Transactions on Information Theory 16:41, 1970).
    """
    of = _Kept(confidence, right, error_cost, review_cost)
    rows: dict[float, AtRefusal] = {}
    for threshold in SHOWN_THRESHOLDS:
        row = of.at(threshold)
        # Of thresholds that keep the same images one is enough
        if row.accuracy is not None:
            rows.setdefault(row.coverage.value, row)
    first, second = of.only(~judged), of.only(judged)
    best = None
    if error_cost is not None and review_cost is not None and len(first.right) and len(second.right):
        best = second.at(first.cheapest())
    return Refusal(
        error_cost,
        review_cost,
        tuple(rows.values()),
        tuple(of.curve()),
        len(first.right),
        best,
        None if best is None else second.at(0.0),
    )


@dataclass(frozen=True)
class _Kept:
    """Images that are kept or refused by their confidence, with what an error and a look cost."""

    confidence: Numbers
    right: Flags
    error_cost: float | None
    review_cost: float | None

    def only(self, chosen: Flags) -> "_Kept":
        return _Kept(self.confidence[chosen], self.right[chosen], self.error_cost, self.review_cost)

    def at(self, threshold: float) -> AtRefusal:
        kept = self.confidence >= threshold
        n, images = int(kept.sum()), len(kept)
        hits = int(self.right[kept].sum())
        cost = None
        if self.error_cost is not None and self.review_cost is not None:
            cost = ((n - hits) * self.error_cost + (images - n) * self.review_cost) / images
        return AtRefusal(threshold, images, wilson(n, images), wilson(hits, n) if n else None, cost)

    def _steps(self) -> tuple[Numbers, NDArray[np.integer], NDArray[np.integer]]:
        """Give each confidence, highest first, how many are at least so confident, and how many of them are right."""
        order = np.argsort(-self.confidence, kind="stable")
        confidence, hits = self.confidence[order], np.cumsum(self.right[order], dtype=np.int64)
        last = np.flatnonzero(np.append(confidence[1:] != confidence[:-1], True))
        return confidence[last], last + 1, hits[last]

    def cheapest(self) -> float:
        confidence, kept, hits = self._steps()
        cost = (kept - hits) * (self.error_cost or 0.0) + (len(self.right) - kept) * (self.review_cost or 0.0)
        best = len(cost) - 1 - int(np.argmin(cost[::-1]))
        return 0.0 if best == len(cost) - 1 else _between(float(confidence[best + 1]), float(confidence[best]))

    def curve(self) -> Iterator[tuple[float, float, float]]:
        confidence, kept, hits = self._steps()
        places = np.unique(np.linspace(0, len(kept) - 1, CURVE_POINTS).astype(np.int64))
        for place in places[::-1].tolist():
            # Of fewer images the accuracy jumps with each
            if kept[place] >= min(LEAST_OF_POINT, kept[-1]):
                yield float(confidence[place]), float(kept[place] / kept[-1]), float(hits[place] / kept[place])


def _between(below: float, at: float) -> float:
    """Give the shortest decimal above `below` and at most `at`: people copy it, and no rounding moves an image."""
    for decimals in range(1, _MOST_DECIMALS):
        scale = 10.0**decimals
        short = round(floor(at * scale) / scale, decimals)
        if below < short <= at:
            return short
    return at
