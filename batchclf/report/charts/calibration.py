"""The figures on confidence: reliability diagram, accuracy against coverage, histograms."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from batchclf.core.estimate import Estimate
from batchclf.core.text import count, counted, exact, exact_percent, percent, percent_interval
from batchclf.report.charts.canvas import (
    INK,
    MUTED,
    RIGHT,
    WIDTH,
    WRONG,
    Anchor,
    Chart,
    Key,
    Plane,
    markup,
    nice_ticks,
    percent_ticks,
    spread,
    value_range,
)
from batchclf.report.sections.calibration import CalibrationView
from batchclf.report.sections.images import HistogramPanel, UnlabelledView

if TYPE_CHECKING:
    from batchclf.core.metrics.calibration import CalibrationBin, CoveragePoint

_HISTOGRAM = {"all": RIGHT, "right": RIGHT, "wrong": WRONG}
_MARKED = (0.9, 0.99, 0.8, 0.5, 0.95)
"""The thresholds that are written at the curve, the most wanted first."""

_BEGIN: Anchor = "left"
_END: Anchor = "right"
_AT_AXIS = 30.0
"""A mark so many pixels or less from the axis has its text right of it."""

_TEXT_ROOM = np.array([44.0, 16.0])
"""Width and height of the text at a mark, in pixels; no two may lie on each other."""


def reliability(bins: "Sequence[CalibrationBin]", before: "Sequence[CalibrationBin]" = ()) -> str:
    """Draw accuracy (with interval) against mean confidence for each bin that has images, as inline SVG.

    `before` are the bins without the model's temperature, drawn as a light line beside those with it.
    """
    confidences, accuracies = _filled(bins)
    chart = Chart("reliability", 324 if before else 300)
    plane = Plane(chart, (50, 42, WIDTH - 14, 290), (0, 1), (0, 1))
    plane.y_ticks(percent_ticks(0, 1))
    plane.x_ticks(percent_ticks(0, 1), lines=True)
    plane.x_label("confidence; height: accuracy")
    plane.line([0, 1], [0, 1], MUTED, width=1.2, dash=(5, 3))
    note = ""
    if before:
        old, right = _filled(before)
        values = [each.value for each in right]
        plane.line(old, values, MUTED, width=1.0, opacity=0.7)
        plane.dots(old, values, MUTED, "s", 5)
        chart.legend([Key("without temperature", MUTED, "s", ()), Key("with it", RIGHT, "o")], WIDTH - 14, 312)
        note = f" Without temperature: {_pairs(old, values)}"
    lows, highs = [e.interval.low for e in accuracies], [e.interval.high for e in accuracies]
    values = [each.value for each in accuracies]
    plane.whiskers(confidences, lows, highs, RIGHT)
    plane.dots(confidences, values, RIGHT, "o", 6.5)
    _stops_of_bins(plane, before, "Without temperature: confidence")
    _stops_of_bins(plane, bins, "With temperature: confidence" if before else "Confidence")
    return chart.svg("Reliability diagram", _pairs(confidences, values) + note)


def _stops_of_bins(plane: Plane, bins: "Sequence[CalibrationBin]", what: str) -> None:
    for confidence, accuracy in zip(*_filled(bins), strict=True):
        right = f"{percent(accuracy.value)} right ({percent_interval(accuracy)})"
        plane.stop(confidence, accuracy.value, f"{what} {percent(confidence)}", right, counted(accuracy.n, "image"))


def _filled(bins: "Sequence[CalibrationBin]") -> tuple[list[float], list[Estimate]]:
    """Give mean confidence and accuracy of the bins that have images."""
    filled = [(each.confidence, each.accuracy) for each in bins if each.confidence is not None and each.accuracy]
    return [confidence for confidence, _ in filled], [accuracy for _, accuracy in filled]


def _pairs(confidences: Sequence[float], values: Sequence[float]) -> str:
    pairs = zip(confidences, values, strict=True)
    return "; ".join(f"{percent(confidence)} confidence, {percent(value)} right" for confidence, value in pairs) + "."


def coverage(points: "Sequence[CoveragePoint]") -> str:
    """Draw the accuracy (with interval) of the predictions used against their share, one point a threshold."""
    known = [(point, point.accuracy) for point in points if point.accuracy is not None]
    shares = [point.coverage for point, _ in known]
    values = [accuracy.value for _, accuracy in known]
    lows, highs = ([getattr(accuracy.interval, end) for _, accuracy in known] for end in ("low", "high"))
    chart = Chart("coverage", 300)
    # The interval of the last few images would flatten all else.
    low, high = value_range([*values, lows[0], highs[0]])
    plane = Plane(chart, (50, 42, WIDTH - 14, 290), (0, 1), (low, min(high, 1 + 0.04 * (1 - low))))
    plane.y_ticks(percent_ticks(*plane.y))
    plane.x_ticks(percent_ticks(0, 1))
    plane.x_label("share of the images used; height: their accuracy")
    plane.band(shares, np.maximum(lows, low), np.minimum(highs, plane.y[1]), RIGHT)
    plane.line(shares, values, RIGHT)
    for place in spread(len(known)):
        point, accuracy = known[place]
        plane.stop(
            point.coverage,
            accuracy.value,
            f"Confidence at least {exact_percent(point.threshold)}",
            f"{counted(point.images, 'image')} ({percent(point.coverage)})",
            f"{percent(accuracy.value)} right ({percent_interval(accuracy)})",
        )
    _mark(plane, {point.threshold: (point.coverage, accuracy.value) for point, accuracy in known})
    first, end = known[0], known[-1]
    fact = (
        f"{percent(first[1].value)} accuracy on all images; {percent(end[1].value)} on the {percent(end[0].coverage)} "
        f"with a confidence of at least {exact_percent(end[0].threshold)}."
    )
    return chart.svg("Accuracy against coverage", fact)


def _mark(plane: Plane, places: Mapping[float, tuple[float, float]]) -> None:
    """Write some thresholds at their places on the curve, as far as they have room."""
    taken: list[NDArray[np.float64]] = []
    for threshold in (each for each in _MARKED if each in places):
        share, accuracy = places[threshold]
        place = plane.at(share, accuracy)[0]
        # Left of the curve, which falls to the right, unless the axis is there.
        at_axis = place[0] < plane.left + _AT_AXIS
        across, anchor = (8.0, _BEGIN) if at_axis else (-8.0, _END)
        middle = place + np.array([across + np.sign(across) * _TEXT_ROOM[0] / 2, -10.0])
        if any((np.abs(middle - other) < _TEXT_ROOM).all() for other in taken):
            continue
        taken.append(middle)
        plane.dots([share], [accuracy], RIGHT)
        plane.text(share, accuracy, f"≥ {exact_percent(threshold)}", across=across, up=-10, colour=INK, anchor=anchor)


def confidence_histogram(kind: str, title: str, counts: Sequence[int], name: str) -> str:
    """Draw counts in equal bins of confidence from 0 to 1 as inline SVG.

    `kind` is "all", "right" or "wrong" and chooses the colour; `name` distinguishes figures of one page. Right
    and wrong predictions are figures of their own: on the scale of a good model's right ones the wrong ones
    could not be seen.
    """
    chart = Chart(name, 200)
    most = max(1, *counts)
    plane = Plane(chart, (50, 42, WIDTH - 14, 190), (0, 1), (0, 1.04 * most))
    plane.y_ticks([(value, _short(value)) for value in nice_ticks(0, most, 4, integer=True)])
    edges = np.linspace(0, 1, len(counts) + 1)
    plane.bars(edges[:-1] + 0.002, edges[1:] - 0.002, counts, _HISTOGRAM[kind])
    for low, high, images in zip(edges[:-1].tolist(), edges[1:].tolist(), counts, strict=True):
        head = f"Confidence {exact_percent(round(low, 9))} to {exact_percent(round(high, 9))}"
        plane.stop((low + high) / 2, images, head, counted(images, "image"))
    plane.x_ticks(percent_ticks(0, 1))
    plane.x_label("confidence; bar height: images")
    sure = sum(counts[-(len(counts) // 10 or 1) :])
    fact = f"{title}, {count(sure)} of them with a confidence of at least 90%."
    return chart.svg("Confidence of the predictions", fact)


def _short(number: float) -> str:
    return f"{exact(number / 1000)}k" if number >= 10_000 else count(round(number))


def calibration_figures(calibration: CalibrationView) -> dict[str, Any]:
    """Draw the figures of the calibration section by name; empty if there is no calibration."""
    if calibration.missing:
        return {}
    return {
        "reliability": markup(
            reliability(calibration.bins, calibration.temperature.bins if calibration.temperature else ())
        ),
        "coverage": markup(coverage(calibration.coverage)),
        "histogram": [_histogram(panel, f"confidence-{panel.kind}") for panel in calibration.panels],
    }


def unlabelled_figures(subsets: Sequence[UnlabelledView]) -> dict[str, Any]:
    """Draw how sure the predictions of images without labels are, a figure for each subset."""
    return {
        "unlabelled": [
            _histogram(subset.histogram, f"unlabelled-{number}") if subset.histogram else ""
            for number, subset in enumerate(subsets, 1)
        ]
    }


def _histogram(panel: HistogramPanel, name: str) -> Markup:
    """Draw a histogram of confidences; `name` distinguishes the figures of one page."""
    return markup(confidence_histogram(panel.kind, panel.title, panel.counts, name))
