"""The report's charts by name, as the templates use them: from a view to SVG."""

from typing import Any

from markupsafe import Markup

from batchclf.report.charts import calibration as chart_calibration
from batchclf.report.charts import data as chart_data
from batchclf.report.charts import gap as chart_gap
from batchclf.report.charts import ranking as chart_ranking
from batchclf.report.sections.calibration import CalibrationView
from batchclf.report.sections.data import DataView
from batchclf.report.sections.earlier_runs import NightsView
from batchclf.report.sections.gap import GapView
from batchclf.report.sections.images import HistogramPanel
from batchclf.report.sections.learning import LearningView
from batchclf.report.sections.ranking import RankingView, area_text
from batchclf.report.sections.report import ReportView


def figures(view: ReportView) -> dict[str, Any]:
    """Draw every figure of the page."""
    return {
        **_of_gap(view.gap),
        **_of_calibration(view.calibration),
        **_of_ranking(view.ranking),
        **_of_data(view.data),
        "unlabelled": [
            _histogram(target.histogram, f"unlabelled-{number}") for number, target in enumerate(view.unlabelled, 1)
        ],
    }


def _of_gap(gap: GapView) -> dict[str, Any]:
    rows = [(row.name, row.train, row.test) for row in gap.dumbbells]
    return {
        "dumbbell": _svg(chart_gap.dumbbell(rows)) if rows else None,
        "curves": learning_curves(gap.learning),
        "nights": _of_nights(gap.nights),
    }


def learning_curves(learning: LearningView) -> list[Markup]:
    """Draw the curves of a training, with the epoch whose weights were kept, or else the best one, marked."""
    mark = None
    if learning.kept is not None and learning.kept != len(learning.curves[0].train if learning.curves else ()):
        mark = chart_gap.Mark(learning.kept, f"kept: epoch {learning.kept:,}")
    elif learning.best is not None:
        mark = chart_gap.Mark(learning.best, f"best epoch {learning.best}")
    return [
        _svg(chart_gap.learning_curve(curve.metric, curve.train, curve.held, mark, on=learning.held))
        for curve in learning.curves
    ]


def _of_nights(nights: NightsView) -> list[dict[str, Any]]:
    charts = []
    if nights.gap:
        charts.append(("Gap by run, in points", chart_gap.nights_gap(nights.days, nights.gap)))
    if any(nights.test):
        charts.append(("Accuracy by run", chart_gap.nights_accuracy(nights.days, nights.train, nights.test)))
    return [{"caption": f"{caption}, with 95% intervals", "svg": _svg(svg)} for caption, svg in charts]


def _of_calibration(calibration: CalibrationView) -> dict[str, Any]:
    if calibration.missing:
        return {}
    return {
        "reliability": _svg(
            chart_calibration.reliability(
                calibration.bins, calibration.temperature.bins if calibration.temperature else ()
            )
        ),
        "coverage": _svg(chart_calibration.coverage(calibration.coverage)),
        "histogram": [_histogram(panel, f"confidence-{panel.kind}") for panel in calibration.panels],
    }


def _of_ranking(ranking: RankingView) -> dict[str, Any]:
    if ranking.missing:
        return {}
    named = list(zip(ranking.names, ranking.drawn, strict=True))
    roc = [chart_ranking.NamedCurve(name, area_text(c.auc.value if c.auc else None), c.roc) for name, c in named]
    recall = [chart_ranking.NamedCurve(name, area_text(c.average_precision), c.precision_recall) for name, c in named]
    return {
        "roc": _svg(chart_ranking.roc(roc, [each.roc for each in ranking.others])),
        "precision_recall": _svg(
            chart_ranking.precision_recall(recall, [each.precision_recall for each in ranking.others])
        ),
    }


def _of_data(data: DataView) -> dict[str, Any]:
    return {
        "balance": _svg(chart_data.class_balance(data.balance.drawn)) if data.balance else None,
        "spreads": [
            _svg(chart_data.image_histogram(each.quantity, f"spread-{each.quantity}", each.scored, each.expected))
            for each in data.spreads
        ],
    }


def _histogram(panel: HistogramPanel, name: str) -> Markup:
    return _svg(chart_calibration.confidence_histogram(panel.kind, panel.title, panel.counts, name))


def _svg(svg: str) -> Markup:
    # The charts escape every name themselves.
    return Markup(svg)
