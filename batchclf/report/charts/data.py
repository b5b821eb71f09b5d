"""The figures on the data: how many images a class has, and what the images look like beside those of the training."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from batchclf.core.images.drift import furthest_apart, mean_of_bins
from batchclf.core.images.statistics import Histogram
from batchclf.core.text import count, counted, exact, exact_percent, percent, visible
from batchclf.report.charts.canvas import (
    DASHED,
    GRID,
    INK,
    SERIES,
    WIDTH,
    Chart,
    Key,
    Plane,
    markup,
    nice_ticks,
    percent_ticks,
    short_name,
    text_width,
)
from batchclf.report.sections.data import DataView

TRUE, PREDICTED = SCORED, REFERENCE = SERIES[:2]
_ROW = 22.0


def class_balance(rows: Sequence[tuple[str, int, int]]) -> str:
    """Draw (class, images of it, images predicted as it) as a bar with a diamond, as inline SVG, the first on top."""
    height = 70 + _ROW * len(rows)
    chart = Chart("balance", height, along="y")
    names = [short_name(name) for name, _, _ in rows]
    most = max(1, *(max(true, predicted) for _, true, predicted in rows))
    left = min(150.0, 12 + text_width(names))
    plane = Plane(chart, (left, 46, WIDTH - 24, height - 24), (0, most), (-len(rows) + 0.4, 0.6))
    plane.x_ticks([(value, count(round(value))) for value in nice_ticks(0, most, 4, integer=True)], lines=True)
    plane.x_label("images")
    for place, (short, (full, true, predicted)) in enumerate(zip(names, rows, strict=True)):
        plane.text(0, -place, short, across=-8, colour=INK, anchor="right")
        plane.line([0, true], [-place, -place], TRUE, width=10)
        plane.stop([true, predicted], -place, full, f"{counted(true, 'image')} of it", f"{count(predicted)} predicted")
    ends, places = [predicted for _, _, predicted in rows], -np.arange(len(rows))
    plane.dots(ends, places, GRID, "D", 11)  # a rim, since the diamond often lies on the bar
    plane.dots(ends, places, PREDICTED, "D", 7)
    keys = [Key("true class", TRUE, "s"), Key("predicted", PREDICTED, "D")]
    chart.legend(keys, WIDTH - 4, height - 10)
    pairs = [f"{visible(name)} {count(true)} and {count(predicted)}" for name, true, predicted in rows]
    return chart.svg("Images by class, true and predicted", "; ".join(pairs) + ".")


def image_histogram(quantity: str, name: str, scored: Histogram, expected: Histogram | None) -> str:
    """Draw how a quantity is spread over the scored images, and as a dashed line over those of the reference.

    Both as shares of their images, in the same bins. `name` distinguishes figures of one page.
    """
    chart = Chart(name, 220)
    edges = np.linspace(scored.low, scored.high, len(scored.counts) + 1)
    sides = [_shares(side) for side in (scored, expected) if side is not None]
    most = max(0.01, *(float(shares.max()) for shares in sides))
    plane = Plane(chart, (50, 42, WIDTH - 14, 192), (scored.low, scored.high), (0, 1.04 * most))
    plane.y_ticks(percent_ticks(0, most, 4))
    # From the base line up, along the bins, and down to it again.
    steps = np.repeat(edges, 2)
    stairs = [np.concatenate([[0.0], np.repeat(shares, 2), [0.0]]) for shares in sides]
    plane.band(steps, np.zeros(len(steps)), stairs[0], SCORED)
    plane.line(steps, stairs[0], SCORED, width=1.5)
    keys = [Key("scored", SCORED, dash=())]
    if expected is not None:
        plane.line(steps, stairs[1], REFERENCE, width=1.5, dash=DASHED)
        keys.append(Key("reference", REFERENCE, dash=DASHED))
    _stops_of_bins(plane, f"Images of {quantity}", edges, sides)
    plane.x_ticks(_ticks(scored))
    plane.x_label(f"{quantity}; height: share of the images")
    chart.legend(keys, WIDTH - 4, 208)
    return chart.svg(f"{quantity.capitalize()} of the images", " ".join(_facts(scored, expected)))


def _stops_of_bins(plane: Plane, what: str, edges: NDArray[np.float64], sides: Sequence[NDArray[np.float64]]) -> None:
    shown = exact_percent if plane.x[1] <= 1 else exact
    for low, high, *shares in zip(edges[:-1].tolist(), edges[1:].tolist(), *(of.tolist() for of in sides), strict=True):
        words = [f"{side} {percent(share)}" for side, share in zip(("Scored", "Reference"), shares, strict=False)]
        plane.stop((low + high) / 2, shares, f"{what} {shown(round(low, 4))} to {shown(round(high, 4))}", *words)


def _shares(histogram: Histogram) -> NDArray[np.float64]:
    counts = np.array(histogram.counts, np.float64)
    return np.asarray(counts / max(counts.sum(), 1.0))


def _ticks(histogram: Histogram) -> list[tuple[float, str]]:
    if histogram.high <= 1:
        return percent_ticks(histogram.low, histogram.high)
    return [(value, exact(value)) for value in nice_ticks(histogram.low, histogram.high, 6)]


def _facts(scored: Histogram, expected: Histogram | None) -> list[str]:
    """Say of both sides what the sentence on drift says, and of how many images."""
    sides = [("Scored", scored), *([("Reference", expected)] if expected else [])]
    images = {side: sum(histogram.counts) for side, histogram in sides}
    if expected and scored.high <= 1 and all(images.values()):
        edge, *shares = furthest_apart(scored, expected)
        what = [f"{percent(share)} below {exact_percent(edge)}" for share in shares]
    else:
        what = [f"mean {mean_of_bins(of)} of {exact(of.high)}" if images[side] else "none" for side, of in sides]
    return [
        f"{side}: {words} over {counted(images[side], 'image')}." for (side, _), words in zip(sides, what, strict=True)
    ]


def data_figures(data: DataView) -> dict[str, Any]:
    """Draw the figures of the data section by name."""
    return {
        "balance": markup(class_balance(data.balance.drawn)) if data.balance else None,
        "spreads": [
            markup(image_histogram(each.quantity, f"spread-{each.quantity}", each.scored, each.expected))
            for each in data.spreads
        ],
    }
