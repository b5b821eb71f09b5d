"""The part of the report on the data: class balance, the images themselves, and whether they have drifted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from batchclf.core.images.drift import PREDICTED_CLASS, Drift
from batchclf.core.images.statistics import SHOWN_SIZES, Histogram, ImageStatistics
from batchclf.core.records.findings import Findings
from batchclf.core.text import (
    NOTHING,
    class_name,
    count,
    counted,
    decimal,
    exact,
    exact_percent,
    listed,
    p_value,
    percent,
    points,
    signed,
    times,
    visible,
)
from batchclf.report.sections.duplicates import DuplicatesView, duplicates_without_gap

if TYPE_CHECKING:
    from batchclf.core.metrics.labelled import LabelledMetrics

MOST_BALANCE = 25
"""Up to so many classes are all shown; of more, the LARGEST with the most images and the SMALLEST with the fewest."""

LARGEST, SMALLEST = 15, 10
SHOWN_CHANGES = 10

_NO_IMAGES = "Drift was not checked: the run read predictions, not images."
_NOT_KEPT = "Drift was not checked: this run kept no image statistics. New runs do."


@dataclass(frozen=True, slots=True)
class BalanceRow:
    """One class: `true` and `predicted` images, and their difference."""

    name: str
    true: str
    true_share: str
    predicted: str
    predicted_share: str
    difference: str


@dataclass(frozen=True)
class BalanceView:
    """How many images the classes have; `drawn` are (class, true, predicted) of the rows; `part` says what is left
    out.
    """

    sentence: str
    drawn: tuple[tuple[str, int, int], ...]
    rows: tuple[BalanceRow, ...]
    part: str


@dataclass(frozen=True, slots=True)
class LooksRow:
    """A size or a mode, and how many images of each split have it."""

    name: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class LooksView:
    """Sizes and modes: in `sentences` where all images of a split are alike, else also as rows under `splits`."""

    sentences: tuple[str, ...]
    splits: tuple[str, ...]
    sizes: tuple[LooksRow, ...]
    modes: tuple[LooksRow, ...]


@dataclass(frozen=True, slots=True)
class BinRow:
    """One bin of a histogram: its range and the images in it; `expected` are those of the reference."""

    range: str
    scored: str
    scored_share: str
    expected: str
    expected_share: str


@dataclass(frozen=True)
class SpreadView:
    """How a quantity is spread over the images; `reference` is empty where there is none to compare with.

    `scored` and `expected` are what the figure draws.
    """

    quantity: str
    reference: str
    scored: Histogram
    expected: Histogram | None
    rows: tuple[BinRow, ...]


@dataclass(frozen=True, slots=True)
class DriftRow:
    """One test for drift; `alarm` where the quantity has drifted."""

    quantity: str
    reference: str
    test: str
    statistic: str
    p_value: str
    psi: str
    verdict: str
    alarm: bool
    sentence: str


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """How often a class is predicted, as a share of the predictions; `difference` is in points."""

    name: str
    scored: str
    expected: str
    difference: str


@dataclass(frozen=True)
class DriftView:
    """`missing` says why drift cannot be checked. `changes` are the classes whose share of the predictions has moved
    most.
    """

    missing: str
    sentence: str
    alarm: bool
    rows: tuple[DriftRow, ...]
    changes: tuple[ChangeRow, ...]
    changes_part: str


@dataclass(frozen=True)
class DataView:
    """`missing` says why nothing is known of the images. `balance` is None without labels, `duplicates` where they
    are shown with the gap or were not looked for.
    """

    missing: str
    balance: BalanceView | None
    looks: LooksView
    spreads: tuple[SpreadView, ...]
    drift: DriftView
    duplicates: DuplicatesView | None


def data_view(findings: Findings, names: Mapping[str, str]) -> DataView:
    """Show the data of a run; `names` has what its subsets are called, by split."""
    main, statistics = findings.main, _main_first(findings)
    found, duplicates = findings.duplicates, None
    if found is not None and findings.gap is None:
        in_train = {"test", "train"} <= {evaluation.split for evaluation in findings.evaluations}
        duplicates = duplicates_without_gap(found, _name(found.split, names), in_train=in_train)
    return DataView(
        missing="" if statistics else _NO_IMAGES if findings.record.is_of_predictions else _NOT_KEPT,
        balance=_balance(main.labelled) if main.labelled else None,
        looks=_looks(statistics, names),
        spreads=_spreads(statistics, findings.drift),
        drift=_drift(findings),
        duplicates=duplicates,
    )


def _name(split: str, names: Mapping[str, str]) -> str:
    return visible(names.get(split, split or "directory"))


def _main_first(findings: Findings) -> list[ImageStatistics]:
    return sorted((s for s in findings.statistics if s.images), key=lambda each: each.split != findings.main.split)


def _balance(labelled: "LabelledMetrics") -> BalanceView:
    names = labelled.confusion.class_names
    true, predicted = labelled.confusion.support.tolist(), labelled.confusion.predicted.tolist()
    order, part = list(range(len(names))), ""
    if len(names) > MOST_BALANCE:
        order.sort(key=lambda each: -true[each])
        order = order[:LARGEST] + order[-SMALLEST:]
        part = f"the {LARGEST} largest and the {SMALLEST} smallest of {count(len(names))} classes"
    total = labelled.total
    return BalanceView(
        sentence=_balance_sentence(true),
        drawn=tuple((class_name(names[i]), true[i], predicted[i]) for i in order),
        rows=tuple(
            BalanceRow(
                name=class_name(names[i]),
                true=count(true[i]),
                true_share=percent(true[i] / total),
                predicted=count(predicted[i]),
                predicted_share=percent(predicted[i] / total),
                difference=signed(predicted[i] - true[i], 0),
            )
            for i in order
        ),
        part=part,
    )


def _balance_sentence(true: Sequence[int]) -> str:
    there = [images for images in true if images]
    least, most = min(there), max(there)
    classes = counted(len(there), "class", "classes")
    absent = len(true) - len(there)
    rest = f"; {counted(absent, 'class has', 'classes have')} no images" if absent else ""
    if least == most:
        return f"{classes} of {counted(most, 'image')}{' each' if len(there) > 1 else ''}{rest}."
    return (
        f"{classes} of {count(least)} to {counted(most, 'image')}{rest}: the largest is {times(most / least)} "
        "the size of the smallest."
    )


def _looks(statistics: Sequence[ImageStatistics], names: Mapping[str, str]) -> LooksView:
    splits = tuple(_name(each.split, names) for each in statistics)
    alike = all(len(each.sizes) == 1 and not each.other_sizes and len(each.modes) == 1 for each in statistics)
    sentences = tuple(_looks_sentence(each) for each in statistics)
    if alike:
        return LooksView(sentences, splits, (), ())
    sizes = {_size_name(width, height): None for each in statistics for width, height, _ in each.sizes}
    of_sizes = [{_size_name(width, height): n for width, height, n in each.sizes} for each in statistics]
    if any(each.other_sizes for each in statistics):
        other = "other or unknown"
        sizes[other] = None
        for found, each in zip(of_sizes, statistics, strict=True):
            found[other] = each.other_sizes
    modes = {mode: None for each in statistics for mode, _ in each.modes}
    of_modes = [dict(each.modes) for each in statistics]
    return LooksView(sentences, splits, _rows(sizes, of_sizes, statistics), _rows(modes, of_modes, statistics))


def _looks_sentence(each: ImageStatistics) -> str:
    of = f"all {count(each.images)} images are" if each.images > 1 else "the one image is"
    size = f"{of} {_size_name(*each.sizes[0][:2])} pixels" if len(each.sizes) == 1 and not each.other_sizes else ""
    mode = visible(each.modes[0][0]) if len(each.modes) == 1 else ""
    if size:
        return f"{size}, {mode}" if mode else f"{size}, in {len(each.modes)} modes"
    return f"{counted(each.images, 'image')} of {_sizes_words(each)}, {mode or f'in {len(each.modes)} modes'}"


def _sizes_words(each: ImageStatistics) -> str:
    if not each.sizes:
        return "unknown size"
    if not each.other_sizes:
        return counted(len(each.sizes), "size")
    if len(each.sizes) < SHOWN_SIZES:  # so the others are not of further sizes
        return f"{counted(len(each.sizes), 'size')} (that of {count(each.other_sizes)} is unknown)"
    return f"{len(each.sizes)} sizes or more"


def _size_name(width: int, height: int) -> str:
    return f"{width} × {height}"


def _rows(
    keys: Mapping[str, None], found: Sequence[Mapping[str, int]], statistics: Sequence[ImageStatistics]
) -> tuple[LooksRow, ...]:
    return tuple(
        LooksRow(
            visible(key),
            tuple(
                f"{count(of[key])} ({percent(of[key] / each.images)})" if of.get(key) else NOTHING
                for of, each in zip(found, statistics, strict=True)
            ),
        )
        for key in keys
    )


def _spreads(statistics: Sequence[ImageStatistics], drift: Sequence[Drift]) -> tuple[SpreadView, ...]:
    """Show what was compared with a reference; of the images at least how they are."""
    compared = {each.quantity: each for each in drift if each.quantity != PREDICTED_CLASS}
    spreads = []
    for quantity in ("brightness", "contrast", "confidence"):
        found = compared.get(quantity)
        if found:
            spreads.append(_spread(quantity, visible(found.reference), found.scored, found.expected))
        elif statistics and quantity != "confidence":  # which has a section of its own
            spreads.append(_spread(quantity, "", getattr(statistics[0], quantity), None))
    return tuple(spreads)


def _spread(quantity: str, reference: str, scored: Histogram, expected: Histogram | None) -> SpreadView:
    width = (scored.high - scored.low) / len(scored.counts)
    total, of = max(sum(scored.counts), 1), max(sum(expected.counts), 1) if expected else 1
    shown, rows = exact_percent if scored.high <= 1 else exact, []
    for place, images in enumerate(scored.counts):
        other = expected.counts[place] if expected else 0
        low, high = scored.low + place * width, scored.low + (place + 1) * width
        between = f"{shown(low)} to {shown(high)}"
        rows.append(BinRow(between, count(images), percent(images / total), count(other), percent(other / of)))
    return SpreadView(quantity, reference, scored, expected, tuple(rows))


def _drift(findings: Findings) -> DriftView:
    drift = findings.drift
    if not drift:
        note = _NO_IMAGES if findings.record.is_of_predictions else visible(findings.drift_note) or _NOT_KEPT
        return DriftView(note, "", False, (), (), "")
    drifted = [each.quantity for each in drift if each.drifted]
    if drifted:
        have = "has" if len(drifted) == 1 else "have"
        sentence = (
            f"{len(drifted)} of {counted(len(drift), 'quantity', 'quantities')} {have} drifted: {_listed(drifted)}."
        )
    elif seen := [each.quantity for each in drift if each.test]:
        sentence = f"No drift in {_listed(seen)}."
    else:
        sentence = ""
    if untested := [each.quantity for each in drift if not each.test]:
        sentence = f"{sentence} Not checked: {_listed(untested)}.".lstrip()
    of_classes = next((each for each in drift if each.names), None)
    changes = _changes(of_classes) if of_classes else ()
    shown, names = len(changes), of_classes.names if of_classes else ()
    return DriftView(
        missing="",
        sentence=sentence,
        alarm=bool(drifted),
        rows=tuple(map(_drift_row, drift)),
        changes=changes,
        changes_part=f"the {shown} largest changes of {count(len(names))} classes" if shown < len(names) else "",
    )


def _listed(names: Sequence[str]) -> str:
    return listed([visible(name) for name in names])


def _drift_row(each: Drift) -> DriftRow:
    if each.statistic is None or each.p_value is None or each.psi is None:
        test, statistic, chance, psi, verdict = NOTHING, NOTHING, NOTHING, NOTHING, "not checked"
    else:
        test, statistic, psi = visible(each.test), decimal(each.statistic), decimal(each.psi)
        chance = p_value(each.p_value).removeprefix("p ").removeprefix("= ")
        verdict = "drift" if each.drifted else "small difference" if each.sure else "no drift"
    return DriftRow(
        quantity=visible(each.quantity),
        reference=visible(each.reference),
        test=test,
        statistic=statistic,
        p_value=chance,
        psi=psi,
        verdict=verdict,
        alarm=each.drifted,
        sentence=visible(each.change or each.sentence),
    )


def _changes(of_classes: Drift) -> tuple[ChangeRow, ...]:
    totals = [max(sum(side.counts), 1) for side in (of_classes.scored, of_classes.expected)]
    shares = [
        (name, scored / totals[0], expected / totals[1])
        for name, scored, expected in zip(
            of_classes.names, of_classes.scored.counts, of_classes.expected.counts, strict=True
        )
    ]
    shares.sort(key=lambda each: -abs(each[1] - each[2]))
    return tuple(
        ChangeRow(class_name(name), percent(scored), percent(expected), points(scored - expected))
        for name, scored, expected in shares[:SHOWN_CHANGES]
    )
