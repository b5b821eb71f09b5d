"""The report's charts by name, as the templates use them: from a view to SVG."""

from typing import Any

from batchclf.report.charts.calibration import calibration_figures, histogram_figure
from batchclf.report.charts.data import data_figures
from batchclf.report.charts.gap import gap_figures
from batchclf.report.sections.whole_report import ReportView


def figures(view: ReportView) -> dict[str, Any]:
    """Draw every figure of the page."""
    return {
        **gap_figures(view.gap),
        **calibration_figures(view.calibration),
        **_ranking_figures(view),
        **data_figures(view.data),
        "unlabelled": [
            histogram_figure(subset.histogram, f"unlabelled-{number}")
            for number, subset in enumerate(view.unlabelled, 1)
        ],
    }


def _ranking_figures(view: ReportView) -> dict[str, Any]:
    if view.ranking.missing:
        return {}
    from batchclf.report.charts.ranking import ranking_figures

    return ranking_figures(view.ranking)
