"""Images that occur more than once, above all in both train and test, where they hide a gap."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from batchclf.core.estimate import Estimate

if TYPE_CHECKING:
    from batchclf.core.metrics.gap import Gap
    from batchclf.core.metrics.labelled import LabelledMetrics

SHOWN_PAIRS = 50
EXACT, NEAR, UNCONFIRMED = "exact", "near", "unconfirmed"
"""Kinds of a duplicate: of the same content; nearly the same pixels; of a like hash, its pixels not compared."""


@dataclass(frozen=True, slots=True)
class DuplicatePair:
    """Two images that are the same (`exact`) or nearly so (`near`); `first` is in train where one of them is.

    Labels are None where unknown; two different labels of one image mean that one of them is wrong.
    """

    kind: Literal["exact", "near"]
    first_split: str
    first_path: str
    first_label: str | None
    second_split: str
    second_path: str
    second_label: str | None


@dataclass(frozen=True, slots=True)
class Duplicates:
    """What was found. `checked` says in words what was compared with what: a phrase without a full stop.

    `exact` and `near` count the images of `split` that have such a duplicate in train (of any other kind of run: an
    earlier one within the subset); an image with both counts as exact. `pairs` are the first of them, at most 50,
    contradicting labels first. `accuracy_without` and `gap_without` are test accuracy and train-test gap with those
    images left out; None where there is no gap.
    """

    split: str
    images: int
    exact: int
    near: int
    contradicting: int
    checked: str
    pairs: tuple[DuplicatePair, ...]
    accuracy_without: Estimate | None
    gap_without: Estimate | None


@dataclass(frozen=True, eq=False)
class DuplicateRows:
    """Some rows of duplicates.csv: a duplicate and its original in each; a label is "" where unknown.

    `predictions` are those for the duplicates; `correlations` say how alike the pixels are, nan where unknown.
    """

    kinds: Sequence[str]
    splits: Sequence[str]
    paths: Sequence[str]
    labels: Sequence[str]
    predictions: Sequence[str]
    original_splits: Sequence[str]
    original_paths: Sequence[str]
    original_labels: Sequence[str]
    correlations: Sequence[float]

    def __len__(self) -> int:
        """Count the rows."""
        return len(self.kinds)

    def pair(self, row: int) -> DuplicatePair:
        """One row that is exact or near as a `DuplicatePair`."""
        return DuplicatePair(
            "exact" if self.kinds[row] == EXACT else "near",
            self.original_splits[row],
            self.original_paths[row],
            self.original_labels[row] or None,
            self.splits[row],
            self.paths[row],
            self.labels[row] or None,
        )


def summarise(
    pieces: Iterable[DuplicateRows], split: str, images: int, test: "LabelledMetrics | None", gap: "Gap | None"
) -> Duplicates:
    """Sum the rows of duplicates.csv up; `images` of `split` were looked at.

    `test` are the metrics of `split` where it was compared with train, else None; then there is no gap without
    duplicates.
    """
    counts = dict.fromkeys((EXACT, NEAR, UNCONFIRMED), 0)
    contradicting = labelled = correct = 0
    # What is shown first: contradicting labels, then exact duplicates.
    shown: dict[tuple[bool, str], list[DuplicatePair]] = {
        (contradicts, kind): [] for contradicts in (True, False) for kind in (EXACT, NEAR)
    }
    for rows in pieces:
        for row, kind in enumerate(rows.kinds):
            counts[kind] += 1
            if kind == UNCONFIRMED:
                continue
            label, other = rows.labels[row], rows.original_labels[row]
            contradicts = bool(label and other and label != other)
            contradicting += contradicts
            labelled += bool(label)
            correct += bool(label) and label == rows.predictions[row]
            pairs = shown[contradicts, kind]
            if len(pairs) < SHOWN_PAIRS:
                pairs.append(rows.pair(row))
    accuracy = gap_without = None
    if test is not None and gap is not None and test.total > labelled:
        from batchclf.core.metrics.intervals import difference, wilson

        accuracy = wilson(test.correct - correct, test.total - labelled)
        gap_without = difference(gap.train, accuracy)
    return Duplicates(
        split=split,
        images=images,
        exact=counts[EXACT],
        near=counts[NEAR],
        contradicting=contradicting,
        checked=_checked(test is not None, counts[UNCONFIRMED]),
        pairs=tuple(pair for pairs in shown.values() for pair in pairs)[:SHOWN_PAIRS],
        accuracy_without=accuracy,
        gap_without=gap_without,
    )


def with_all_exact(found: Duplicates, exact: int) -> Duplicates:
    """Set the number of exact duplicates where duplicates.csv lists only the first of them."""
    return replace(found, exact=exact, checked=f"{found.checked}; of the exact duplicates {found.exact:,} are listed")


def _checked(against_train: bool, unconfirmed: int) -> str:
    what = "each test image with all training images" if against_train else "the images with one another"
    text = f"{what}, by their content; those that look alike by a difference hash also pixel by pixel"
    if not unconfirmed:
        return text
    more = "1 more looks" if unconfirmed == 1 else f"{unconfirmed:,} more look"
    return f"{text} ({more} like another, but the pixels were not compared)"
