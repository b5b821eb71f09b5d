"""The part of the report on rankings: ROC and precision-recall of each class against the rest."""

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from batchclf.core.text import approximate, class_name, count, counted, decimal, error_bound, exact, interval_text

if TYPE_CHECKING:
    from batchclf.core.metrics.labelled import LabelledMetrics
    from batchclf.core.metrics.ranking import ClassRanking

# Nobody can follow thirty lines (decision 080)
MOST_CURVES = 10
"""Up to so many classes are all drawn; of more only the worst WORST_CURVES, and the range of the others."""

WORST_CURVES = 8
MOST_ROWS = 100


@dataclass(frozen=True)
class RankedRow:
    """One class against the rest."""

    name: str
    positives: str
    negatives: str
    auc: str
    auc_interval: str
    average_precision: str


@dataclass(frozen=True)
class RankingView:
    """`missing` says why there is nothing to show. `drawn` have curves of their own, of `others` the range is shown.

    `binned` says how right the areas are if they come from bins, empty if they are exact. `worst` is the class that the
    sentence ends with, `names` are those of the drawn classes. `part` and `rows_part`
    say how many classes are left out of the charts and of the table.
    """

    missing: str
    sentence: str
    worst: str
    binned: str
    drawn: "tuple[ClassRanking, ...]"
    names: tuple[str, ...]
    others: "tuple[ClassRanking, ...]"
    part: str
    rows: tuple[RankedRow, ...]
    rows_part: str


def ranking_view(labelled: "LabelledMetrics") -> RankingView:
    """Show how well each class's probability separates its images from the others, the worst class first."""
    missing = _why_missing(labelled)
    if labelled is None or labelled.ranking is None or missing:
        return RankingView(missing, "", "", "", (), (), (), "", (), "")
    ordered = sorted(labelled.ranking, key=lambda each: 2.0 if each.auc is None else each.auc.value)
    known = [each for each in ordered if each.auc is not None]
    drawn = known if len(known) <= MOST_CURVES else known[:WORST_CURVES]
    total = count(len(ordered))
    return RankingView(
        missing="",
        sentence=_sentence(known),
        worst=class_name(known[0].name),
        binned=_binned(labelled.ranking),
        drawn=tuple(drawn),
        names=tuple(class_name(each.name) for each in drawn),
        others=tuple(known[len(drawn) :]),
        part=f"the {len(drawn)} worst of {total} classes" if len(drawn) < len(known) else "",
        rows=tuple(map(_row, ordered[:MOST_ROWS])),
        rows_part=f"showing {MOST_ROWS} of {total} classes" if len(ordered) > MOST_ROWS else "",
    )


def area_text(area: float | None, error: float | None = 0.0) -> str:
    """Format an area under a curve, 0 to 1, that is right to `error`: with four decimals at most, and two at least."""
    return approximate(area, error) if area is not None and error else decimal(area)


def _why_missing(labelled: "LabelledMetrics") -> str:
    if labelled.ranking is None:
        return (
            "These curves need the probabilities of all classes: score with --probabilities, or add a column per class "
            "to the table."
        )
    if all(each.auc is None for each in labelled.ranking):
        return "All labelled images are of one class; these curves need images of other classes, too."
    return ""


def _sentence(known: "list[ClassRanking]") -> str:
    """Say the means over the classes and the lowest area, whose class the page names after it."""
    mean = sum(each.auc.value for each in known if each.auc) / len(known)
    error = max(each.auc_error or 0.0 for each in known)
    precisions = [each for each in known if each.average_precision is not None]
    means = area_text(mean, error)
    if len(precisions) == len(known):
        precision = sum(each.average_precision or 0.0 for each in precisions) / len(precisions)
        means += (
            f", average precision {area_text(precision, max(each.average_precision_error or 0.0 for each in known))}"
        )
    worst = known[0]
    return (
        f"Mean area under the ROC curve (AUC) over {count(len(known))} classes: {means}. "
        f"Lowest AUC: {area_text(worst.auc.value if worst.auc else None, worst.auc_error)},"
    )


def _binned(ranking: "tuple[ClassRanking, ...]") -> str:
    """Say how right areas from bins are, and of how many classes one is left out; "" if all are exact."""
    aucs, precisions = (
        [error for each in ranking if (error := getattr(each, name)) is not None]
        for name in ("auc_error", "average_precision_error")
    )
    left_out = sum(
        (each.positives > 0 and each.average_precision is None)
        or (each.positives > 0 and each.negatives > 0 and each.auc is None)
        for each in ranking
    )
    if not (left_out or any(aucs) or any(precisions)):
        return ""
    text = (
        "With this many images the areas are computed from bins: an AUC is exact to "
        f"{error_bound(max(aucs, default=0.0))}, an average precision to {error_bound(max(precisions, default=0.0))}."
    )
    if left_out:
        from batchclf.core.metrics.ranking import LARGEST_ERROR  # which a run without labels does not need

        classes = counted(left_out, "class", "classes")
        text += f" One with a larger error than {exact(LARGEST_ERROR)} is left out, in {classes}."
    return text


def _row(each: "ClassRanking") -> RankedRow:
    interval = each.auc.interval if each.auc else None
    return RankedRow(
        name=class_name(each.name),
        positives=count(each.positives),
        negatives=count(each.negatives),
        auc=area_text(each.auc.value if each.auc else None, each.auc_error),
        auc_interval=interval_text(interval, partial(area_text, error=each.auc_error)) if interval else "",
        average_precision=area_text(each.average_precision, each.average_precision_error),
    )
