"""The part of the report on rankings: ROC and precision-recall of each class against the rest."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from batchclf.core.text import class_name, count, decimal, interval_text

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

    `worst` is the class that the sentence ends with, `names` are those of the drawn classes. `part` and `rows_part`
    say how many classes are left out of the charts and of the table.
    """

    missing: str
    sentence: str
    worst: str
    drawn: "tuple[ClassRanking, ...]"
    names: tuple[str, ...]
    others: "tuple[ClassRanking, ...]"
    part: str
    rows: tuple[RankedRow, ...]
    rows_part: str


def ranking_view(labelled: "LabelledMetrics | None") -> RankingView:
    """Show how well each class's probability separates its images from the others, the worst class first."""
    missing = _why_missing(labelled)
    if labelled is None or labelled.ranking is None or missing:
        return RankingView(missing, "", "", (), (), (), "", (), "")
    ordered = sorted(labelled.ranking, key=lambda each: 2.0 if each.auc is None else each.auc.value)
    known = [each for each in ordered if each.auc is not None]
    drawn = known if len(known) <= MOST_CURVES else known[:WORST_CURVES]
    total = count(len(ordered))
    return RankingView(
        missing="",
        sentence=_sentence(known),
        worst=class_name(known[0].name),
        drawn=tuple(drawn),
        names=tuple(class_name(each.name) for each in drawn),
        others=tuple(known[len(drawn) :]),
        part=f"the {len(drawn)} worst of {total} classes" if len(drawn) < len(known) else "",
        rows=tuple(map(_row, ordered[:MOST_ROWS])),
        rows_part=f"showing {MOST_ROWS} of {total} classes" if len(ordered) > MOST_ROWS else "",
    )


def _why_missing(labelled: "LabelledMetrics | None") -> str:
    if labelled is None:
        return "Without labels nobody can tell how well a class is separated from the others; score images with labels."
    if labelled.ranking is None:
        return "These curves need the probability of every class for each image: score with --probabilities."
    if all(each.auc is None for each in labelled.ranking):
        return (
            "All labelled images are of one class, so there is nothing to separate it from; score images of others, "
            "too."
        )
    return ""


def _sentence(known: "list[ClassRanking]") -> str:
    """Say the means over the classes and the lowest area, whose class the page names after it."""
    mean = sum(each.auc.value for each in known if each.auc) / len(known)
    precisions = [each.average_precision for each in known if each.average_precision is not None]
    worst = known[0]
    means = f"{decimal(mean)}, average precision {decimal(sum(precisions) / len(precisions))}"
    return (
        f"Mean area under the ROC curve (AUC) over {count(len(known))} classes: {means}. "
        f"Lowest AUC: {decimal(worst.auc.value if worst.auc else None)},"
    )


def _row(each: "ClassRanking") -> RankedRow:
    interval = each.auc.interval if each.auc else None
    return RankedRow(
        name=class_name(each.name),
        positives=count(each.positives),
        negatives=count(each.negatives),
        auc=decimal(each.auc.value if each.auc else None),
        auc_interval=interval_text(interval, decimal) if interval else "",
        average_precision=decimal(each.average_precision),
    )
