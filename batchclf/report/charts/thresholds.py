"""The figure on refusing unsure images: how right those are that are kept, by how many these are."""

from typing import Any

from batchclf.core.metrics.thresholds import Refusal
from batchclf.core.text import decimal, exact, percent
from batchclf.report.charts.canvas import (
    GRID,
    INK,
    SERIES,
    WIDTH,
    Chart,
    Plane,
    markup,
    percent_ticks,
    value_range,
)
from batchclf.report.sections.thresholds import ThresholdsView

_HEIGHT = 260.0


def threshold_figures(view: ThresholdsView) -> dict[str, Any]:
    """Draw the figures of the section by name; an empty text if there are too few images for a curve."""
    enough = view.refusal is not None and len(view.refusal.drawn.curve) > 1
    return {"refusal": markup(accuracy_by_coverage(view.refusal.drawn)) if view.refusal and enough else ""}


def accuracy_by_coverage(of: Refusal) -> str:
    """Draw the accuracy of the kept images by their share as inline SVG, with the cheapest threshold marked."""
    _, coverage, accuracy = zip(*of.curve, strict=True)
    best = of.best if of.best is not None and of.best.accuracy is not None else None
    marked = [best.accuracy.value] if best is not None and best.accuracy is not None else []
    low, high = value_range([*accuracy, *marked])
    chart = Chart("accuracy-by-coverage", _HEIGHT)
    plane = Plane(chart, (58, 46, WIDTH - 14, _HEIGHT - 14), (0, 1), (low, min(high, 1.005)))
    plane.y_ticks(percent_ticks(low, min(high, 1.0)))
    plane.x_ticks(percent_ticks(0, 1))
    plane.x_label("share of the images kept; height: accuracy of those")
    plane.line(coverage, accuracy, SERIES[0])
    for threshold, kept, right in of.curve:
        head = f"Confidence at least {decimal(threshold)}"
        plane.stop(kept, right, head, f"{percent(kept)} of the images kept", f"{percent(right)} of these right")
    surest = f"of the most confident {percent(coverage[-1])} {percent(accuracy[-1])}"
    description = f"Of all images {percent(accuracy[0])} are right, {surest}."
    if best is not None and best.accuracy is not None:
        x, y = best.coverage.value, best.accuracy.value
        plane.line([x, x], [low, y], GRID, width=1.2)
        plane.dots([x], [y], SERIES[1], "D", 8.0)
        text, right = f"cheapest: {exact(best.threshold)}", x <= 0.5
        plane.text(x, y, text, across=8 if right else -8, up=-14, colour=INK, anchor="left" if right else "right")
        description += f" The cheapest threshold is {exact(best.threshold)}: {percent(x)} kept, {percent(y)} right."
    return chart.svg("Accuracy of the images kept, by share kept", description)
