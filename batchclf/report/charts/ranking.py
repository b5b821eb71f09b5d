"""The figures on rankings: ROC and precision-recall of each class against the rest."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from batchclf.core.text import percent
from batchclf.report.charts.canvas import (
    DASHED,
    DOTTED,
    MUTED,
    SERIES,
    WIDTH,
    Chart,
    Key,
    Plane,
    markup,
    percent_ticks,
    short_name,
)
from batchclf.report.sections.ranking import RankingView, area_text

if TYPE_CHECKING:
    from batchclf.core.metrics.ranking import Curve  # which a run without labels does not need

_DASHES: tuple[Sequence[float], ...] = ((), DASHED, DOTTED)
_ROW = 18.0
BAND_STEPS = 60
STOPS_OF_CURVE = 8
"""Points of each curve that have their values in words: what is between them is not measured (decision 217)."""


@dataclass(frozen=True, slots=True)
class NamedCurve:
    """A curve with what its legend says: the class's name and the area below it."""

    name: str
    area: str
    curve: "Curve"


def roc(shown: Sequence[NamedCurve], rest: "Sequence[Curve]") -> str:
    """Draw ROC curves as inline SVG; of the curves in `rest` only the range is shown."""
    chart, plane = _square("roc", len(shown) + bool(rest))
    plane.x_label("false positive rate; height: true positive rate (recall)")
    plane.line([0, 1], [0, 1], MUTED, width=1.0, dash=(2, 2))
    _range_of(plane, rest, _true_positive_rate_at)
    for number, each in enumerate(shown):
        colour, dash = _look(number)
        plane.line(*_columns(each.curve), colour, width=1.6, dash=dash)
        _stops_of(plane, each, "false positives", "recall")
    _legend(chart, shown, bool(rest))
    return chart.svg("ROC curves, each class against the rest", _facts("area under the curve", shown))


def precision_recall(shown: Sequence[NamedCurve], rest: "Sequence[Curve]") -> str:
    """Draw precision against recall as inline SVG; of the curves in `rest` only the range is shown."""
    chart, plane = _square("precision-recall", len(shown) + bool(rest))
    plane.x_label("recall; height: precision")
    _range_of(plane, rest, _precision_at)
    for number, each in enumerate(shown):
        colour, dash = _look(number)
        plane.line(*_stairs(each.curve), colour, width=1.6, dash=dash)
        _stops_of(plane, each, "recall", "precision")
    _legend(chart, shown, bool(rest))
    return chart.svg("Precision against recall, each class against the rest", _facts("average precision", shown))


def _stops_of(plane: Plane, of: NamedCurve, across: str, up: str) -> None:
    """Give points of the curve that are evenly far from each other on it their values in words."""
    x, y = _columns(of.curve)
    length = np.concatenate([[0.0], np.cumsum(np.abs(np.diff(x)) + np.abs(np.diff(y)))])
    chosen = np.searchsorted(length, np.linspace(0, length[-1], STOPS_OF_CURVE) - 1e-9)
    for place in np.unique(np.minimum(chosen, len(x) - 1)).tolist():
        plane.stop(x[place], y[place], of.name, f"{percent(x[place])} {across}", f"{percent(y[place])} {up}")


def _square(name: str, keys: int) -> tuple[Chart, Plane]:
    legend = _ROW * -(-keys // 2)
    chart = Chart(name, 330 + legend, along="xy")
    plane = Plane(chart, (50, 50 + legend, WIDTH - 14, 322 + legend), (0, 1), (0, 1.01))
    plane.y_ticks(percent_ticks(0, 1))
    plane.x_ticks(percent_ticks(0, 1), lines=True)
    return chart, plane


def _look(number: int) -> tuple[str, Sequence[float]]:
    """Give colour and dashes of a series: no two of fifteen are the same, and neighbours differ in both."""
    return SERIES[number % len(SERIES)], _DASHES[number % len(_DASHES)]


def _legend(chart: Chart, shown: Sequence[NamedCurve], rest: bool) -> None:
    """Write names and areas in two columns below the axes."""
    rows = -(-(len(shown) + rest) // 2)
    for number, each in enumerate(shown):
        colour, dash = _look(number)
        column, row = divmod(number, rows)
        key = Key(f"{short_name(each.name, 15)} {each.area}", colour, dash=dash)
        chart.key(key, 12 + 196 * column, _ROW * (rows - row) - 8)
    if rest:
        column, row = divmod(len(shown), rows)
        x, y = 12 + 196 * column, _ROW * (rows - row) - 8
        box = Plane(chart, (x, y - 5, x + 22, y + 5), (0, 1), (0, 1))
        box.band([0, 1], [0, 0], [1, 1], MUTED)
        chart.text(x + 28, y, "range of the others")


def _range_of(
    plane: Plane, curves: "Sequence[Curve]", value: "Callable[[NDArray[np.float64], Curve], NDArray[np.float64]]"
) -> None:
    if not curves:
        return
    at = np.linspace(0, 1, BAND_STEPS + 1)
    values = np.array([value(at, curve) for curve in curves])
    plane.band(at, values.min(axis=0), values.max(axis=0), MUTED)


def _columns(curve: "Curve") -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    x, y = np.array(curve).T
    return x, y


def _true_positive_rate_at(rate: NDArray[np.float64], curve: "Curve") -> NDArray[np.float64]:
    return np.interp(rate, *_columns(curve))


def _precision_at(recall: NDArray[np.float64], curve: "Curve") -> NDArray[np.float64]:
    """Read a precision-recall curve: between two points the precision is that of the second."""
    recalls, precisions = _columns(curve)
    place = np.searchsorted(recalls, np.minimum(recall, recalls[-1]), side="left")
    return np.asarray(precisions[place])


def _stairs(curve: "Curve") -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give the corners of a precision-recall curve."""
    recalls, precisions = _columns(curve)
    return np.repeat(recalls, 2)[:-1], np.repeat(precisions, 2)[1:]


def _facts(area: str, shown: Sequence[NamedCurve]) -> str:
    return f"The {area}: " + "; ".join(f"{each.name} {each.area}" for each in shown) + "."


def ranking_figures(ranking: RankingView) -> dict[str, Any]:
    """Draw the figures of the ranking section by name."""
    named = list(zip(ranking.names, ranking.drawn, strict=True))
    by_roc = [NamedCurve(name, area_text(c.auc.value if c.auc else None, c.auc_error), c.roc) for name, c in named]
    by_recall = [
        NamedCurve(name, area_text(c.average_precision, c.average_precision_error), c.precision_recall)
        for name, c in named
    ]
    return {
        "roc": markup(roc(by_roc, [each.roc for each in ranking.others])),
        "precision_recall": markup(precision_recall(by_recall, [each.precision_recall for each in ranking.others])),
    }
