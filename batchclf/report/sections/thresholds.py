"""The part of the report on thresholds: positive from which probability on, refused below which confidence."""

from dataclasses import dataclass

from batchclf.core.estimate import Estimate
from batchclf.core.metrics.thresholds import (
    AtRefusal,
    AtThreshold,
    ChosenThreshold,
    Refusal,
    ThresholdFindings,
    TwoClasses,
)
from batchclf.core.text import (
    NOTHING,
    class_name,
    count,
    counted,
    decimal,
    exact,
    exact_percent,
    percent,
    percent_interval,
)
from batchclf.report.parts.markdown_text import prose

LEAST_KEPT = 0.8
"""Without costs the sentence is about the highest of the shown thresholds that keeps so many of the images."""


@dataclass(frozen=True, slots=True)
class ThresholdRow:
    """A threshold of two classes, and what it does."""

    aim: str
    threshold: str
    precision: str
    precision_interval: str
    recall: str
    recall_interval: str
    images: str


@dataclass(frozen=True)
class TwoClassesView:
    """The positive class; `note` says if nobody has named it."""

    name: str
    note: str
    rows: tuple[ThresholdRow, ...]


@dataclass(frozen=True, slots=True)
class RefusalRow:
    """A confidence below which images are refused, and what comes of it."""

    threshold: str
    coverage: str
    accuracy: str
    accuracy_interval: str
    cost: str


@dataclass(frozen=True)
class RefusalView:
    """Refusing unsure images; `note` says how the threshold was chosen. `drawn` is what the figure shows."""

    sentence: str
    note: str
    with_cost: bool
    rows: tuple[RefusalRow, ...]
    drawn: Refusal


@dataclass(frozen=True)
class ThresholdsView:
    """`missing` says why there are no thresholds."""

    missing: str
    two_classes: TwoClassesView | None
    refusal: RefusalView | None


def thresholds_view(found: ThresholdFindings | None) -> ThresholdsView | None:
    """Show the thresholds of the main split; None if there are none, as in runs of an earlier batchclf."""
    if found is None:
        return None
    return ThresholdsView(
        found.missing,
        None if found.two_classes is None else _two_classes(found.two_classes),
        None if found.refusal is None else _refusal(found.refusal),
    )


def threshold_lines(found: ThresholdFindings | None) -> list[str]:
    """Say what the thresholds do in Markdown."""
    if found is None or found.missing:
        return []
    lines = []
    if found.two_classes is not None:
        of = _two_classes(found.two_classes)
        for row in of.rows:
            if row.threshold != NOTHING:
                words = f"{row.aim}: threshold {row.threshold}, precision {row.precision}, recall {row.recall}"
                lines.append(f"- {prose(of.name)}, {prose(words)}")
    if found.refusal is not None and found.refusal.best is not None:
        lines.append(f"- {prose(_refusal(found.refusal).sentence)}")
    return lines


def _two_classes(of: TwoClasses) -> TwoClassesView:
    name = class_name(of.positive_class)
    note = "Assumed: the second class. Set positive_class to choose it."
    return TwoClassesView(
        name,
        note if of.assumed else "",
        (
            _row("as given", of.fixed),
            _chosen(f"best precision at a recall of at least {exact_percent(of.at_recall.target)}", of.at_recall),
            _chosen(f"best recall at a precision of at least {exact_percent(of.at_precision.target)}", of.at_precision),
        ),
    )


def _chosen(aim: str, of: ChosenThreshold) -> ThresholdRow:
    if of.judged is None:
        return ThresholdRow(f"{aim}: {of.missing}", NOTHING, NOTHING, "", NOTHING, "", NOTHING)
    return _row(aim, of.judged)


def _row(aim: str, at: AtThreshold) -> ThresholdRow:
    return ThresholdRow(
        aim,
        exact(at.threshold),
        *_share(at.precision),
        *_share(at.recall),
        count(at.images),
    )


def _share(estimate: Estimate | None) -> tuple[str, str]:
    return (NOTHING, "") if estimate is None else (percent(estimate.value), percent_interval(estimate))


def _refusal(of: Refusal) -> RefusalView:
    return RefusalView(
        sentence=_cheapest(of) if of.best is not None else _kept(of),
        note=_note(of),
        with_cost=of.error_cost is not None,
        rows=tuple(map(_refusal_row, of.rows)),
        drawn=of,
    )


def _cheapest(of: Refusal) -> str:
    best, everything = of.best, of.keep_all
    assert best is not None
    assert everything is not None
    if best.threshold == 0:
        return f"No threshold costs less than keeping all images ({decimal(best.cost)} per image)."
    right = "none of them" if best.accuracy is None else f"{percent(best.accuracy.value)} of those"
    words = (
        f"Refuse images below a confidence of {exact(best.threshold)}: {percent(best.coverage.value)} of the images "
        f"are kept, {right} right. The mean cost per image is {decimal(best.cost)}, {decimal(everything.cost)} if all "
        "are kept."
    )
    if best.cost is not None and of.review_cost is not None and best.cost > of.review_cost:
        words += f" Reviewing every image costs less: {exact(of.review_cost)}."
    return words


def _kept(of: Refusal) -> str:
    enough = [row for row in of.rows if row.coverage.value >= LEAST_KEPT]
    row = enough[-1] if enough else of.rows[0]
    if row.accuracy is None or row.threshold == 0:
        return "Even the lowest threshold refuses more than a fifth of the images."
    return (
        f"With images below a confidence of {exact(row.threshold)} refused, {percent(row.coverage.value)} of the "
        f"images are kept; {percent(row.accuracy.value)} of those are right, "
        f"{percent(of.rows[0].accuracy.value if of.rows[0].accuracy else 0.0)} of all."
    )


def _note(of: Refusal) -> str:
    if of.error_cost is None or of.review_cost is None:
        return (
            "No threshold was chosen. With error_cost and review_cost set, the cheapest threshold is chosen on one "
            "half of the images and tested on the other. A threshold picked from this table looks better than it is."
        )
    if of.best is None:
        return "No threshold was chosen: one half of the images is empty."
    return (
        f"An error costs {exact(of.error_cost)}, a review {exact(of.review_cost)}. The threshold was chosen on "
        f"{counted(of.chosen_on, 'image')} and tested on {count(of.best.images)} others; the table is of all images."
    )


def _refusal_row(of: AtRefusal) -> RefusalRow:
    accuracy, interval = _share(of.accuracy)
    cost = NOTHING if of.cost is None else decimal(of.cost)
    return RefusalRow(exact(of.threshold), percent(of.coverage.value), accuracy, interval, cost)
