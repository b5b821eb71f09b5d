"""Images that occur more than once: those of test that are also in train hide a part of the gap."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from batchclf.core.images.duplicates import Duplicates
from batchclf.core.text import (
    NOTHING,
    class_name,
    count,
    counted,
    percent,
    percent_interval,
    points,
    points_interval,
    visible,
)

if TYPE_CHECKING:
    from batchclf.core.metrics.gap import Gap


@dataclass(frozen=True)
class DuplicateRow:
    """One pair of images; `contradicting` where their labels differ."""

    kind: str
    first: str
    first_label: str
    second: str
    second_label: str
    contradicting: bool


@dataclass(frozen=True)
class DuplicatesView:
    """What was found, in sentences, and the first pairs; `part` says that there are more, `found` whether any."""

    found: bool
    sentence: str
    effect: str
    contradicting: str
    checked: str
    rows: tuple[DuplicateRow, ...]
    part: str


def duplicates_view(duplicates: Duplicates | None, gap: "Gap") -> DuplicatesView:
    """Show duplicates between train and test, and what accuracy and gap are without them."""
    if duplicates is None:
        sentence = "This run did not check for test images that are also in train. New runs do."
        return DuplicatesView(False, sentence, "", "", "", (), "")
    found = duplicates.exact + duplicates.near
    split = visible(duplicates.split)
    if not found:
        sentence = f"None of {counted(duplicates.images, 'checked image')} of {split} is also in train."
        return DuplicatesView(False, sentence, "", "", visible(duplicates.checked), (), "")
    are = "is" if found == 1 else "are"
    return _found(duplicates, f"{_how_many(duplicates, split)} {are} also in train", _effect(duplicates, gap))


def duplicates_without_gap(duplicates: Duplicates, name: str, *, in_train: bool) -> DuplicatesView:
    """Show duplicates where there is no gap that they could hide.

    `name` is what the subset is called; it was compared with train (`in_train`) or its images with one another.
    """
    found = duplicates.exact + duplicates.near
    if not found:
        twice = "is also in train" if in_train else "occurs twice"
        sentence = f"None of {counted(duplicates.images, 'checked image')} of {name} {twice}."
        return DuplicatesView(False, sentence, "", "", visible(duplicates.checked), (), "")
    if in_train:
        words = "is also in train" if found == 1 else "are also in train"
    else:
        words = "duplicates another" if found == 1 else "duplicate others"
    return _found(duplicates, f"{_how_many(duplicates, name)} {words}", "")


def _how_many(duplicates: Duplicates, name: str) -> str:
    found = duplicates.exact + duplicates.near
    return f"{count(found)} of {counted(duplicates.images, 'image')} of {name} ({percent(found / duplicates.images)})"


def _found(duplicates: Duplicates, fact: str, effect: str) -> DuplicatesView:
    kinds = [f"{count(n)} {word}" for n, word in ((duplicates.exact, "exact"), (duplicates.near, "near")) if n]
    found, shown = duplicates.exact + duplicates.near, len(duplicates.pairs)
    return DuplicatesView(
        found=True,
        sentence=f"{fact}: {' and '.join(kinds)}.",
        effect=effect,
        contradicting=_contradicting(duplicates.contradicting),
        checked=visible(duplicates.checked),
        rows=tuple(
            DuplicateRow(
                kind=pair.kind,
                first=visible(pair.first_path),
                first_label=_label(pair.first_label),
                second=visible(pair.second_path),
                second_label=_label(pair.second_label),
                contradicting=None not in (pair.first_label, pair.second_label)
                and pair.first_label != pair.second_label,
            )
            for pair in duplicates.pairs
        ),
        part=f"showing {shown} of {count(found)}" if shown < found else "",
    )


def _effect(duplicates: Duplicates, gap: "Gap") -> str:
    accuracy, without = duplicates.accuracy_without, duplicates.gap_without
    if accuracy is None or without is None:
        return "Without them no labelled image is left, so the gap cannot be computed."
    facts = (
        f"Without them test accuracy is {percent(accuracy.value)} (95% interval {percent_interval(accuracy)}) and the "
        f"gap {points(without.value)} points ({points_interval(without)})"
    )
    hidden = points(without.value - gap.gap.value)
    if hidden.startswith("+"):
        return f"{facts}: the duplicates hide {hidden[1:]} points of it."
    return f"{facts}: the duplicates do not hide any of it."


def _contradicting(number: int) -> str:
    if not number:
        return ""
    pairs = counted(number, "pair")
    return f"{pairs} {'has' if number == 1 else 'have'} two different labels: one of the two must be wrong."


def _label(label: str | None) -> str:
    return NOTHING if label is None else class_name(label)
