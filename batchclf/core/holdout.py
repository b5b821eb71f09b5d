"""Which images are held out: a share of every class by chance, images of one group all on one side."""

import numpy as np
from numpy.typing import NDArray

_PASSES = 20
"""Looks at all groups at most; three or four leave nothing to be bettered."""

Counts = list[tuple[int, int]]
"""A group's images: pairs of a class and how many are of it."""


def hold_out(
    labels: NDArray[np.int64], share: float, seed: int, groups: NDArray[np.int64] | None = None
) -> NDArray[np.bool_]:
    """Choose the images that are held out: (n,) bool for `labels`, (n,) int64 class indices from 0.

    Of a class of m images `round(share * m)` are held out, at least one where it has two or more, and at least one
    stays. Which ones is drawn from `numpy.random.default_rng(seed)`, class by class.

    `groups` is (n,) int64; images of the same number are held out together or not at all. The numbers themselves do
    not matter, only which are the same. The groups come in an order drawn from `seed`. First each is held out that fits
    into what its classes have still to give. Then a class with two groups or more that has nothing held out gives the
    group that does least harm. At last single groups change sides as long as that brings the classes nearer to their
    shares, by the sum over classes of ((held out - wanted) / images)². No change may leave a class nothing on the side
    that stays. So a class of one group is never held out; one of two groups or more gives nothing only where that
    would take another class's last images.

    Raises ValueError where `share` is not between 0 and 1, or `groups` is not as long as `labels`.
    """
    if not 0 < share < 1:
        raise ValueError(f"the share to hold out is {share}, expected a number between 0 and 1")
    rng = np.random.default_rng(seed)
    if groups is None:
        return _without_groups(labels, share, rng)
    if groups.shape != labels.shape:
        raise ValueError(f"there are {len(groups)} group numbers for {len(labels)} images")
    if not len(labels):
        return np.zeros(0, bool)
    numbers = _by_first_image(groups)
    found = _GroupSplit(labels, numbers, share)
    order: list[int] = rng.permutation(found.count).tolist()
    found.fill(order)
    found.give_each_class_one(order)
    found.improve(order)
    return np.array(found.held, bool)[numbers]


def _without_groups(labels: NDArray[np.int64], share: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    held = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        held[rng.permutation(members)[: _wanted(share, len(members), len(members))]] = True
    return held


def _wanted(share: float, images: int, groups: int) -> int:
    """Count the images of a class to hold out; at least one stays."""
    return min(round(share * images) or int(groups > 1), images - 1)


def _by_first_image(groups: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number groups from 0 in the order of their first images: the draw does not depend on the numbers given."""
    _, first, inverse = np.unique(groups, return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[inverse]


class _GroupSplit:
    """Groups on two sides; `held` says of each whether it is held out, at first none."""

    def __init__(self, labels: NDArray[np.int64], numbers: NDArray[np.int64], share: float) -> None:
        classes = int(labels.max()) + 1
        pairs, counts = np.unique(numbers * classes + labels, return_counts=True)
        self.count = int(numbers.max()) + 1
        self.held = [False] * self.count
        self._counts: list[Counts] = [[] for _ in range(self.count)]
        for pair, images in zip(pairs.tolist(), counts.tolist(), strict=True):
            self._counts[pair // classes].append((pair % classes, images))
        self._images: list[int] = np.bincount(labels, minlength=classes).tolist()
        self._groups: list[int] = np.bincount(pairs % classes, minlength=classes).tolist()
        self._wanted = [
            _wanted(share, images, groups) if images else 0
            for images, groups in zip(self._images, self._groups, strict=True)
        ]
        self._given = [0] * classes

    def fill(self, order: list[int]) -> None:
        """Hold out each group that fits into what its classes have still to give."""
        for group in order:
            if all(self._given[c] + images <= self._wanted[c] for c, images in self._counts[group]):
                self._move(group)

    def give_each_class_one(self, order: list[int]) -> None:
        """Have each class of two groups or more hold one out, as far as every class keeps one."""
        empty_handed = [c for c, groups in enumerate(self._groups) if groups > 1 and not self._given[c]]
        members: dict[int, list[int]] = {c: [] for c in empty_handed}
        for group in order if members else []:
            for c, _ in self._counts[group]:
                if c in members:
                    members[c].append(group)
        for c, of_class in members.items():
            possible = [group for group in of_class if not self.held[group] and self._may_move(group)]
            if not self._given[c] and possible:
                self._move(min(possible, key=self._worse_by))

    def improve(self, order: list[int]) -> None:
        """Move single groups as long as that brings the classes nearer to their shares."""
        for _ in range(_PASSES):
            moved = False
            for group in order if self._given != self._wanted else []:
                if self._worse_by(group) < -1e-12 and self._may_move(group):
                    self._move(group)
                    moved = True
            if not moved:
                return

    def _may_move(self, group: int) -> bool:
        """Whether each class keeps an image, and of what it holds out one, when the group changes sides."""
        if self.held[group]:
            return all(self._given[c] > images for c, images in self._counts[group])
        return all(self._images[c] - self._given[c] > images for c, images in self._counts[group])

    def _worse_by(self, group: int) -> float:
        """Say what the sum of squares would grow by if the group changed sides."""
        sign, worse = -1 if self.held[group] else 1, 0.0
        for c, images in self._counts[group]:
            before = self._given[c] - self._wanted[c]
            worse += ((before + sign * images) ** 2 - before**2) / self._images[c] ** 2
        return worse

    def _move(self, group: int) -> None:
        sign = -1 if self.held[group] else 1
        for c, images in self._counts[group]:
            self._given[c] += sign * images
        self.held[group] = not self.held[group]
