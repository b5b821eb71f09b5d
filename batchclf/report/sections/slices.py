"""The part of the report on slices: which images are recognised less well, and how much of that is their classes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from batchclf.core.estimate import Estimate
from batchclf.core.slices.result import Search, SliceFindings, SliceMetrics, Trend, WeakSlice
from batchclf.core.text import (
    NOTHING,
    count,
    counted,
    p_value,
    percent,
    percent_interval,
    points,
    points_apart,
    points_interval,
    visible,
)
from batchclf.report.parts.bar import Bar, bar
from batchclf.report.parts.markdown_text import code, prose
from batchclf.report.parts.pictures import Pictures
from batchclf.report.sections.images import Shot, shots

SHOWN_WEAK = 3
"""So many weak slices are shown with pictures; all stand in the table."""

SHOWN_TRENDS = 2
LONGEST_NAME = 120
_ONLY_HERE = "the effect of its class mix is unknown: one of its classes occurs nowhere else"


@dataclass(frozen=True, slots=True)
class SliceRow:
    """One slice as a line of a table; `bar` marks the accuracy that its classes lead one to expect."""

    words: str
    images: str
    accuracy: str
    interval: str
    bar: Bar
    difference: str
    class_mix: str
    beyond: str
    beyond_interval: str
    clear: bool


@dataclass(frozen=True, slots=True)
class JudgedRow:
    """A slice of the search: how it looks in the half that found it, and in the other."""

    words: str
    found: str
    row: SliceRow
    p_value: str
    weak: bool


@dataclass(frozen=True)
class WeakView:
    """A weak slice in words, with some of its errors."""

    words: str
    sentence: str
    errors: tuple[Shot, ...]


@dataclass(frozen=True)
class ColumnView:
    """The slices of a column, in order; `part` says how far apart the best and the worst are."""

    name: str
    part: str
    rows: tuple[SliceRow, ...]


@dataclass(frozen=True)
class SlicesView:
    """`lead` says what the search has shown, `method` how; `notes` what is left out."""

    lead: str
    trends: tuple[str, ...]
    weak: tuple[WeakView, ...]
    judged: tuple[JudgedRow, ...]
    method: str
    columns: tuple[ColumnView, ...]
    notes: tuple[str, ...]


def slices_view(found: SliceFindings | None, pictures: Pictures) -> SlicesView | None:
    """Show the slices of the main split; None if there are none, as in runs of an earlier batchclf."""
    if found is None:
        return None
    search = found.search
    weakest = search.weakest if search else ()
    return SlicesView(
        lead=_lead(found),
        trends=tuple(_trend(each, found) for each in found.trends[:SHOWN_TRENDS]),
        weak=tuple(_weak(each, pictures) for each in weakest if each.is_weak)[:SHOWN_WEAK],
        judged=tuple(map(_judged, weakest)),
        method=_method(search) if search else "",
        columns=tuple(_columns(found)),
        notes=tuple(_notes(found)),
    )


def slice_lines(found: SliceFindings | None) -> list[str]:
    """Name the weak slices in Markdown, and the numbers along which accuracy changes."""
    if found is None:
        return []
    lines = [f"- Slices: {prose(_lead(found))}"]
    for each in found.search.weakest if found.search else ():
        if each.is_weak:
            name = code(each.judged.name, LONGEST_NAME)
            lines.append(f"- Weak slice {name}: {prose(_sentence(each.judged))}")
    return lines + [f"- {prose(_trend(each, found))}" for each in found.trends[:1]]


def _lead(found: SliceFindings) -> str:
    search = found.search
    if search is None:
        return "No slices: the images do not differ in anything that is known about them."
    if not search.weakest:
        return (
            f"No slice of at least {counted(search.least, 'image')} is less accurate than the other images "
            f"({counted(search.looked_at, 'slice')} searched)."
        )
    weak, judged = sum(each.is_weak for each in search.weakest), len(search.weakest)
    looked = f"Of {counted(search.looked_at, 'slice')}, the {judged} weakest in one half of the images"
    if judged == 1:
        looked = f"Of {counted(search.looked_at, 'slice')}, the weakest in one half of the images"
    if not weak:
        verb = "is" if judged == 1 else "are"
        return f"{looked} {verb} not weaker beyond chance in the other half."
    which = "it is" if judged == 1 else f"{'all are' if weak == judged else f'{weak} are'}"
    return f"{looked} {'was' if judged == 1 else 'were'} tested on the other half: {which} weaker beyond chance."


def _method(search: Search) -> str:
    return (
        f"Slices of one or two columns with at least {counted(search.least, 'image')} were searched in "
        f"{counted(search.found_on, 'image')} and tested on the other {count(search.judged_on)}; a digest of the path "
        "assigns an image to a half. The p value is from Fisher's exact test against all other images, adjusted by "
        f"Holm's method for {counted(len(search.weakest), 'slice')}. Intervals are for each slice alone."
    )


def _weak(weak: WeakSlice, pictures: Pictures) -> WeakView:
    sentence = f"{_sentence(weak.judged)}; {p_value(weak.adjusted)}."
    return WeakView(visible(weak.judged.words), sentence, shots(weak.errors, pictures))


def _sentence(of: SliceMetrics) -> str:
    accuracy = f"{percent(of.accuracy.value)} of {counted(of.images, 'image')} right ({percent_interval(of.accuracy)})"
    if of.difference is None:
        return accuracy
    apart = f"{points_apart(of.difference.value)} points {_less(of.difference.value)} than the others"
    return f"{accuracy}, {apart}; {_mix_words(of.class_mix, of.beyond)}"


def _mix_words(class_mix: float | None, beyond: Estimate | None) -> str:
    """Say how much of a difference the classes make, and if what is left can be chance."""
    if class_mix is None or beyond is None:
        return _ONLY_HERE
    alone = "nothing" if points(class_mix) == "0.0" else f"{points_apart(class_mix)} points {_less(class_mix)}"
    left = f"{points(beyond.value)} ({points_interval(beyond)})"
    chance = ", which can be chance" if _unclear(beyond) else ""
    return f"its class mix alone: {alone}; beyond it: {left} points{chance}"


def _less(difference: float) -> str:
    return "less" if difference < 0 else "more"


def _unclear(estimate: Estimate) -> bool:
    return estimate.interval.low <= 0 <= estimate.interval.high


def _trend(trend: Trend, found: SliceFindings) -> str:
    better, worse = found.named(trend.better), found.named(trend.worse)
    if better is None or worse is None:
        return ""
    return (
        f"Accuracy falls from {percent(better.accuracy.value)} at {visible(better.words)} to "
        f"{percent(worse.accuracy.value)} at {visible(worse.words)}, {points_apart(trend.difference.value)} points "
        f"less; {_mix_words(trend.class_mix, trend.beyond)}."
    )


def _columns(found: SliceFindings) -> Iterator[ColumnView]:
    single = (each for each in found.slices if each.column)
    for name, of in groupby(single, key=lambda each: each.column):
        slices = list(of)
        shares = [each.accuracy.value for each in slices]
        part = f"{counted(len(slices), 'slice')}, {percent(min(shares))} to {percent(max(shares))}"
        yield ColumnView(visible(name), part, tuple(map(_row, slices)))


def _row(of: SliceMetrics) -> SliceRow:
    beyond, difference = of.beyond, of.difference
    return SliceRow(
        words=visible(of.words),
        images=count(of.images),
        accuracy=percent(of.accuracy.value),
        interval=percent_interval(of.accuracy),
        bar=bar(of.accuracy.value, of.accuracy.interval, None if beyond is None else of.accuracy.value - beyond.value),
        difference=NOTHING if difference is None else points(difference.value),
        class_mix=NOTHING if of.class_mix is None else points(of.class_mix),
        beyond=NOTHING if beyond is None else points(beyond.value),
        beyond_interval="" if beyond is None else points_interval(beyond),
        clear=beyond is not None and not _unclear(beyond),
    )


def _judged(weak: WeakSlice) -> JudgedRow:
    found = f"{percent(weak.found.accuracy.value)} of {count(weak.found.images)}"
    return JudgedRow(visible(weak.judged.words), found, _row(weak.judged), p_value(weak.adjusted), weak.is_weak)


def _notes(found: SliceFindings) -> Iterator[str]:
    yield from map(visible, found.missing)
    by_reason: dict[str, list[str]] = {}
    for each in found.left_out:
        by_reason.setdefault(each.reason, []).append(visible(each.column))
    if by_reason:
        yield f"Left out: {'; '.join(f'{_names(names)} ({reason})' for reason, names in by_reason.items())}."


def _names(names: Sequence[str]) -> str:
    return ", ".join(names)
