"""The figure beside the largest number: the accuracy over the runs, or else the gap by class."""

from typing import Any

from batchclf.core.text import percent
from batchclf.report.charts.canvas import SMALL_WIDTH, markup
from batchclf.report.charts.gap import dumbbell
from batchclf.report.charts.trends import trend
from batchclf.report.sections.metrics import NumbersView


def first_figure(view: NumbersView) -> dict[str, Any]:
    """Draw the figure, with what stands above it."""
    if view.runs:
        svg = trend("first-runs", "Accuracy over the runs", view.runs, percent, width=SMALL_WIDTH)
        caption = f"Over the last {len(view.runs)} runs"
    else:
        svg = dumbbell(view.gaps, "first-gaps", width=SMALL_WIDTH, longest=11)
        caption = "Classes with the largest gap"
    return {"first": {"svg": markup(svg), "caption": caption}}
