"""The table of the classes: what each one's images and predictions are worth, worst first."""

from collections.abc import Mapping
from dataclasses import dataclass

from batchclf.core.estimate import Estimate, Interval
from batchclf.core.gate.evidence import Share
from batchclf.core.metrics.confusion import ConfusionCounts
from batchclf.core.metrics.gap import Gap
from batchclf.core.metrics.labelled import ClassMetrics, LabelledMetrics
from batchclf.core.text import (
    NOTHING,
    class_name,
    count,
    decimal,
    interval_text,
    percent,
    percent_interval,
    points,
    points_interval,
)
from batchclf.report.parts.bar import Bar, bar
from batchclf.report.parts.markdown_text import code

SHOWN_NAMES = 20
"""So many classes without images or predictions are named."""

NAMED = 3
"""So many classes and pairs are named in Markdown."""


@dataclass(frozen=True, slots=True)
class Value:
    """A number as shown, and its 95% interval; – and empty where there is nothing to rest on."""

    text: str
    interval: str = ""


@dataclass(frozen=True, slots=True)
class ClassRow:
    """One class's metrics. `gap` and `auc` are empty texts where the run has none at all.

    `clear` where the gap is more than chance; `mistaken` is the class that its wrong images are most often taken for,
    with their number. `place` is the class's among all.
    """

    place: int
    name: str
    support: str
    recall: Value
    bar: Bar | None
    precision: Value
    f1: Value
    gap: Value
    clear: bool
    auc: Value
    mistaken: str
    mistaken_count: str


@dataclass(frozen=True)
class ClassesView:
    """`unseen` and `never_predicted` name classes that have no image or no prediction, cut after some."""

    rows: tuple[ClassRow, ...]
    with_gap: bool
    with_auc: bool
    unseen: tuple[str, ...]
    never_predicted: tuple[str, ...]


def classes_view(labelled: LabelledMetrics, gap: Gap | None) -> ClassesView:
    """Show what the labelled images say about each class."""
    gaps = {each.name: each.gap for each in gap.per_class} if gap else {}
    aucs = {each.name: each.auc for each in labelled.ranking or ()}
    mistaken = _mistaken(labelled.confusion)
    ordered = sorted(labelled.per_class, key=_by_recall)
    places = {name: place for place, name in enumerate(labelled.confusion.class_names)}
    rows = [_class_row(places[metrics.name], metrics, gaps, aucs, mistaken.get(metrics.name)) for metrics in ordered]
    return ClassesView(
        rows=tuple(rows),
        with_gap=gap is not None,
        with_auc=labelled.ranking is not None,
        unseen=_names([c.name for c in labelled.per_class if not c.support]),
        never_predicted=_names([c.name for c in labelled.per_class if not c.predicted]),
    )


def f1_interval(metrics: ClassMetrics) -> Interval | None:
    """Compute the 95% interval of F1 as `Share` does; None for a class without images and predictions."""
    either = metrics.support + metrics.predicted - metrics.correct
    return Share(metrics.correct, either, f1=True).estimate().interval if either else None


def _by_recall(metrics: ClassMetrics) -> float:
    return metrics.recall.value if metrics.recall else 2.0


def _names(names: list[str]) -> tuple[str, ...]:
    shown = tuple(class_name(name) for name in names[:SHOWN_NAMES])
    hidden = len(names) - len(shown)
    return (*shown, f"{count(hidden)} more") if hidden else shown


def _mistaken(confusion: ConfusionCounts) -> dict[str, tuple[str, int]]:
    """Find for each class what its images are most often taken for; ties go to the earlier class."""
    wrong = confusion.wrong_cells()
    names = confusion.class_names
    found: dict[str, tuple[str, int]] = {}
    for i, j, number in zip(wrong.labels.tolist(), wrong.predictions.tolist(), wrong.counts.tolist(), strict=True):
        found.setdefault(names[i], (names[j], number))
    return found


def _class_row(
    place: int,
    metrics: ClassMetrics,
    gaps: Mapping[str, Estimate | None],
    aucs: Mapping[str, Estimate | None],
    mistaken: tuple[str, int] | None,
) -> ClassRow:
    recall, f1, gap = metrics.recall, f1_interval(metrics), gaps.get(metrics.name)
    auc = aucs.get(metrics.name)
    return ClassRow(
        place=place,
        name=class_name(metrics.name),
        support=count(metrics.support),
        recall=_share(recall),
        bar=bar(recall.value, recall.interval) if recall else None,
        precision=_share(metrics.precision),
        f1=Value(decimal(metrics.f1), interval_text(f1, decimal) if f1 else ""),
        gap=Value(points(gap.value), points_interval(gap)) if gap else Value(NOTHING),
        clear=gap is not None and not gap.interval.low <= 0 <= gap.interval.high,
        auc=Value(decimal(auc.value), interval_text(auc.interval, decimal)) if auc else Value(NOTHING),
        mistaken=class_name(mistaken[0]) if mistaken else "",
        mistaken_count=count(mistaken[1]) if mistaken else "",
    )


def _share(estimate: Estimate | None) -> Value:
    return Value(percent(estimate.value), percent_interval(estimate)) if estimate else Value(NOTHING)


def weakest_lines(labelled: LabelledMetrics) -> list[str]:
    """Name the weakest classes and the most frequent confusions in Markdown."""
    recalls = [(each.recall, each.name) for each in labelled.per_class if each.recall]
    worst = sorted(recalls, key=lambda each: each[0].value)[:NAMED]
    classes = [f"{code(name)} {percent(recall.value)} ({percent_interval(recall)})" for recall, name in worst]
    pairs = [
        f"{code(pair.label)} taken for {code(pair.prediction)} {count(pair.count)}×"
        for pair in labelled.confused_pairs[:NAMED]
    ]
    return [
        f"- Weakest classes by recall: {', '.join(classes)}",
        f"- Most confused: {', '.join(pairs) or 'none, every labelled image is right'}",
    ]
