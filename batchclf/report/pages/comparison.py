"""The comparison of two runs as plain data: everything that its page shows, formatted."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from batchclf.core.compare.result import CHANCE, ClassChange, Comparison, MetricChange
from batchclf.core.estimate import Interval
from batchclf.core.metrics.catalog import METRICS
from batchclf.core.records.run import RunRecord
from batchclf.core.text import (
    NOTHING,
    class_name,
    count,
    counted,
    duration,
    moment,
    percent,
    points,
    points_interval,
    visible,
)
from batchclf.report.parts.metric_words import difference, difference_interval, metric_value, metric_words
from batchclf.report.parts.pictures import Picture, album, pictures_in
from batchclf.report.parts.subset_words import is_cut, partial_words, subset_names
from batchclf.report.sections.flips import FlipGallery, flip_galleries, flip_test

State = Literal["passed", "failed", "uncertain", "none"]
Direction = Literal["better", "worse", ""]
"""Empty where the interval holds 0 or there is none."""


@dataclass(frozen=True)
class ChangeBar:
    """Paths in a box of 100 by 8 with 0 in the middle: the difference as a bar, its interval as a line."""

    value: str
    interval: str


@dataclass(frozen=True)
class MetricChangeRow:
    """One metric of both runs."""

    name: str
    meaning: str
    first: str
    second: str
    difference: str
    interval: str
    direction: Direction


@dataclass(frozen=True)
class ClassChangeRow:
    """One class; `bar` is on the scale of the class that has changed most."""

    name: str
    images: str
    first: str
    second: str
    difference: str
    interval: str
    negative_flips: str
    positive_flips: str
    bar: ChangeBar
    direction: Direction


@dataclass(frozen=True)
class RunFact:
    """A fact of both runs; `differs` where it is not the same."""

    term: str
    first: str
    second: str
    differs: bool


@dataclass(frozen=True)
class CompareView:
    """The whole page. The links are the addresses of the runs' reports, empty where there is none."""

    title: str
    subject: str
    state: State
    headline: str
    reason: str
    notes: tuple[str, ...]
    first_run: str
    second_run: str
    first_link: str
    second_link: str
    labelled: str
    fourfold: tuple[tuple[str, str], tuple[str, str]]
    test: str
    metrics: tuple[MetricChangeRow, ...]
    classes: tuple[ClassChangeRow, ...]
    galleries: tuple[FlipGallery, ...]
    facts: tuple[RunFact, ...]
    pictures: tuple[Picture, ...]
    generated: str
    class_count: int


def compare_view(
    comparison: Comparison,
    first: RunRecord,
    second: RunRecord,
    *,
    pictures: Mapping[tuple[str, str], bytes],
    links: tuple[str, str],
    generated: datetime,
) -> CompareView:
    """Put together what the page shows.

    `pictures` maps (split, path) to PNG, JPEG or WebP bytes; `links` are the addresses of the two reports, relative and
    percent-encoded; `generated` is an aware time. Raises ValueError where a picture is of another format.
    """
    state, headline = _verdict(comparison)
    galleries = flip_galleries(comparison, album(pictures), "the first run", "the second run")
    known, one = comparison.labelled > 0, (comparison.first_run, comparison.second_run)
    return CompareView(
        title=f"{headline}: {visible(one[1])} against {visible(one[0])}",
        subject=_subject(comparison, second),
        state=state,
        headline=headline,
        reason=comparison.sentence,
        notes=_notes(comparison, first, second),
        first_run=visible(one[0]),
        second_run=visible(one[1]),
        first_link=links[0],
        second_link=links[1],
        labelled=counted(comparison.labelled, "labelled image") if known else "",
        fourfold=(
            (count(comparison.both_right), count(comparison.only_first_right)),
            (count(comparison.only_second_right), count(comparison.both_wrong)),
        ),
        test=flip_test(comparison),
        metrics=tuple(map(_metric_row, comparison.metrics)),
        classes=_class_rows(comparison.per_class),
        galleries=galleries,
        facts=_facts(first, second),
        pictures=pictures_in(galleries),
        generated=moment(generated),
        class_count=len(second.model.class_names),
    )


def _subject(comparison: Comparison, second: RunRecord) -> str:
    """Name the job and what of it is compared."""
    name = subset_names(second).get(comparison.split, "")
    if not second.job:
        return visible(second.dataset.name) if second.dataset else name
    return f"{visible(second.job)} · {name}" if len(second.subsets) > 1 and name else visible(second.job)


def _verdict(comparison: Comparison) -> tuple[State, str]:
    if not comparison.changed:
        return "none", "Same predictions"
    if comparison.p_value is None:
        return "none", f"{percent(comparison.changed / comparison.images)} of the predictions differ"
    lost = len(comparison.lost_classes)
    classes = counted(lost, "class", "classes")
    if comparison.p_value >= CHANCE:
        return "uncertain", f"No overall difference, but {classes} worse" if lost else "No difference beyond chance"
    if comparison.only_second_right > comparison.only_first_right:
        return (
            "uncertain" if lost else "passed",
            f"Better overall, but {classes} worse" if lost else "The second run is better",
        )
    return "failed", "The second run is worse"


def _notes(comparison: Comparison, first: RunRecord, second: RunRecord) -> tuple[str, ...]:
    notes = [
        f"The {which} run is partial. {words}"
        for which, words in (("first", partial_words(first)), ("second", partial_words(second)))
        if words
    ]
    if comparison.only_first or comparison.only_second:
        notes.append(
            f"{counted(comparison.images, 'image')} in both runs and compared, {count(comparison.only_first)} "
            f"only in the first, {count(comparison.only_second)} only in the second."
        )
    if comparison.relabelled:
        notes.append(
            f"{counted(comparison.relabelled, 'image has', 'images have')} a different label in the second run, not "
            "counted as right or wrong."
        )
    if comparison.replaced:
        notes.append(f"{counted(comparison.replaced, 'image')} left out: the file has other content in the second run.")
    sources = [
        {subset.source for subset in record.subsets if subset.split == comparison.split} for record in (first, second)
    ]
    if sources[0] != sources[1]:
        here, there = (visible(", ".join(sorted(each))) for each in sources)
        notes.append(
            f"The runs scored different sources, {here} and {there}: images are matched by their paths within them."
        )
    return tuple(notes)


def _metric_row(change: MetricChange) -> MetricChangeRow:
    name, meaning = metric_words(change.name)
    return MetricChangeRow(
        name=name,
        meaning=meaning,
        first=metric_value(change.name, change.first),
        second=metric_value(change.name, change.second),
        difference=difference(change.name, change.difference),
        interval=difference_interval(change.name, change.interval),
        direction=_direction(change.interval, less_is_better=METRICS[change.name].larger_is_better is False),
    )


def _direction(interval: Interval | None, *, less_is_better: bool = False) -> Direction:
    if interval is None or interval.low <= 0 <= interval.high:
        return ""
    return "better" if (interval.low > 0) != less_is_better else "worse"


def _class_rows(changes: tuple[ClassChange, ...]) -> tuple[ClassChangeRow, ...]:
    ends = (end for each in changes for end in (each.difference.interval.low, each.difference.interval.high))
    widest = max(map(abs, ends), default=1.0) or 1.0
    return tuple(
        ClassChangeRow(
            name=class_name(each.name),
            images=count(each.images),
            first=percent(each.first.value),
            second=percent(each.second.value),
            difference=points(each.difference.value),
            interval=points_interval(each.difference),
            negative_flips=count(each.negative_flips),
            positive_flips=count(each.positive_flips),
            bar=_bar(each.difference.value / widest, each.difference.interval, widest),
            direction=_direction(each.difference.interval),
        )
        for each in changes
    )


def _bar(share: float, interval: Interval, widest: float) -> ChangeBar:
    low, high = 50 + 50 * interval.low / widest, 50 + 50 * interval.high / widest
    width = max(high - low, 0.4)
    return ChangeBar(f"M50 0h{50 * share:.1f}v8H50", f"M{low:.1f} 3h{width:.1f}v2h-{width:.1f}")


def _facts(first: RunRecord, second: RunRecord) -> tuple[RunFact, ...]:
    pairs = zip(_facts_of(first), _facts_of(second), strict=True)
    return tuple(RunFact(term, here, there, here != there) for (term, here), (_, there) in pairs)


def _facts_of(record: RunRecord) -> list[tuple[str, str]]:
    model = record.model
    own = not record.is_of_predictions
    return [
        ("Run", visible(record.run_id)),
        ("Started", moment(datetime.fromisoformat(record.started))),
        ("Took", duration(record.seconds)),
        ("Run date", visible(record.run_date) or NOTHING),
        ("Status", f"{record.status}, cut off by the deadline" if is_cut(record) else record.status),
        ("Sources", visible(", ".join(dict.fromkeys(subset.source for subset in record.subsets)))),
        ("Scored", count(sum(subset.scored for subset in record.subsets))),
        ("Skipped", count(sum(subset.skipped for subset in record.subsets))),
        ("Model", visible(model.path)),
        ("SHA-256 of the model", model.digest[:16]),
        ("Made", visible(model.created) or NOTHING),
        ("Recipe", visible(f"{model.recipe}, {model.parameters:,} parameters") if own else NOTHING),
        ("Settings", visible(", ".join(f"{name} {value}" for name, value in model.settings.items())) or NOTHING),
        ("Trained on", visible(model.trained_on)),
        (
            "Runtime",
            f"{record.runtime} on {record.device}, {record.precision}, resize {record.resize}" if own else NOTHING,
        ),
        ("Versions", visible(", ".join(f"{name} {version}" for name, version in record.versions.items())) or NOTHING),
        ("Command", visible(" ".join(record.command))),
    ]
