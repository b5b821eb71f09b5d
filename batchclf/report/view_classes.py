"""The parts of the report that are about classes: confusion matrix, per-class metrics, confused pairs."""

from bisect import bisect_right
from dataclasses import dataclass
from itertools import pairwise

from batchclf.core.confusion import ConfusionCounts
from batchclf.core.evaluation import ClassMetrics, LabelledMetrics
from batchclf.core.intervals import Estimate
from batchclf.report.view_format import NOTHING, count, decimal, percent, percent_interval, visible

HEAT_BOUNDS = (0.01, 0.05, 0.10, 0.25, 0.50, 0.75, 0.90)
"""Where the matrix's colour steps to the next of its eight levels, as a share of the true class."""

UPRIGHT_CLASSES, UPRIGHT_LENGTH = 12, 14
DENSE_CLASSES = 30
"""More or longer class names are set upright above the matrix; more classes make its cells smaller."""


@dataclass(frozen=True)
class Cell:
    """One cell: images, their share of the true class, and the colour class (`r1` to `r8`, `w1` to `w8`)."""

    count: str
    share: str
    heat: str


@dataclass(frozen=True)
class MatrixRow:
    """One true class."""

    name: str
    cells: tuple[Cell, ...]
    total: str


@dataclass(frozen=True)
class HeatStep:
    """One level of the legend; `text` is its range in percent."""

    level: int
    text: str


@dataclass(frozen=True)
class Matrix:
    """The confusion matrix as shown: rows are true classes, columns predicted ones."""

    names: tuple[str, ...]
    rows: tuple[MatrixRow, ...]
    predicted: tuple[str, ...]
    total: str
    upright: bool
    dense: bool
    legend: tuple[HeatStep, ...]


@dataclass(frozen=True)
class Bar:
    """A share and its interval as CSS lengths in percent of the bar's width."""

    value: str
    low: str
    width: str


@dataclass(frozen=True)
class ClassRow:
    """One class's metrics; – where there is nothing to rest on."""

    name: str
    support: str
    recall: str
    recall_interval: str
    bar: Bar | None
    precision: str
    precision_interval: str
    f1: str


@dataclass(frozen=True)
class PairRow:
    """One true class taken for another."""

    label: str
    prediction: str
    count: str
    share: str


@dataclass(frozen=True)
class ClassesView:
    """`unseen` and `never_predicted` name the classes that have no image or no prediction."""

    matrix: Matrix
    rows: tuple[ClassRow, ...]
    unseen: tuple[str, ...]
    never_predicted: tuple[str, ...]
    pairs: tuple[PairRow, ...]
    wrong: int
    wrong_text: str
    pairs_share: str


def classes_view(labelled: LabelledMetrics) -> ClassesView:
    """Show what the labelled images say about each class."""
    wrong = labelled.total - labelled.correct
    covered = sum(pair.count for pair in labelled.confused_pairs)
    return ClassesView(
        matrix=_matrix(labelled.confusion),
        rows=tuple(_class_row(metrics) for metrics in sorted(labelled.per_class, key=_by_recall)),
        unseen=tuple(visible(c.name) for c in labelled.per_class if not c.support),
        never_predicted=tuple(visible(c.name) for c in labelled.per_class if not c.predicted),
        pairs=tuple(
            PairRow(visible(pair.label), visible(pair.prediction), count(pair.count), percent(pair.share))
            for pair in labelled.confused_pairs
        ),
        wrong=wrong,
        wrong_text=count(wrong),
        pairs_share=percent(covered / wrong) if wrong else NOTHING,
    )


def _matrix(confusion: ConfusionCounts) -> Matrix:
    names = tuple(visible(name) for name in confusion.class_names)
    shares = confusion.row_normalised()
    rows = []
    for i, (numbers, total) in enumerate(zip(confusion.counts.tolist(), confusion.support.tolist(), strict=True)):
        cells = tuple(_cell(number, float(shares[i, j]), i == j) for j, number in enumerate(numbers))
        rows.append(MatrixRow(names[i], cells, count(total)))
    return Matrix(
        names=names,
        rows=tuple(rows),
        predicted=tuple(count(number) for number in confusion.predicted.tolist()),
        total=count(int(confusion.counts.sum())),
        upright=len(names) > UPRIGHT_CLASSES or max(map(len, names)) > UPRIGHT_LENGTH,
        dense=len(names) > DENSE_CLASSES,
        legend=_legend(),
    )


def _cell(number: int, share: float, right: bool) -> Cell:
    if not number:
        return Cell("0", "", "")
    level = 1 + bisect_right(HEAT_BOUNDS, share)
    return Cell(count(number), percent(share), f"{'r' if right else 'w'}{level}")


def _legend() -> tuple[HeatStep, ...]:
    edges = [f"{100 * bound:.0f}" for bound in HEAT_BOUNDS]
    between = [f"{low}–{high}" for low, high in pairwise(edges)]
    texts = [f"< {edges[0]}", *between, f"≥ {edges[-1]}"]
    return tuple(HeatStep(level, text) for level, text in enumerate(texts, 1))


def _by_recall(metrics: ClassMetrics) -> float:
    return metrics.recall.value if metrics.recall else 2.0


def _class_row(metrics: ClassMetrics) -> ClassRow:
    recall, precision = metrics.recall, metrics.precision
    return ClassRow(
        name=visible(metrics.name),
        support=count(metrics.support),
        recall=percent(recall.value) if recall else NOTHING,
        recall_interval=percent_interval(recall) if recall else "",
        bar=_bar(recall) if recall else None,
        precision=percent(precision.value) if precision else NOTHING,
        precision_interval=percent_interval(precision) if precision else "",
        f1=decimal(metrics.f1),
    )


def _bar(estimate: Estimate) -> Bar:
    low, high = 100 * estimate.interval.low, 100 * estimate.interval.high
    return Bar(f"{100 * estimate.value:.2f}%", f"{low:.2f}%", f"{high - low:.2f}%")
