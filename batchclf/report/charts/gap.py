"""The figures on overfitting: learning curves, train against test by class, the gap over the runs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

import numpy as np
from markupsafe import Markup

from batchclf.core.estimate import Estimate
from batchclf.core.text import count, counted, decimal, exact, interval_text, percent, points, visible
from batchclf.core.training_record import Held
from batchclf.report.charts.canvas import (
    DASHED,
    INK,
    MUTED,
    TEST,
    TRAIN,
    WIDTH,
    Chart,
    Key,
    Plane,
    markup,
    nice_ticks,
    percent_ticks,
    short_name,
    spread,
    text_width,
    value_range,
)
from batchclf.report.sections.earlier_runs import EarlierRunsView
from batchclf.report.sections.gap import GapView
from batchclf.report.sections.learning import LearningView

_MOST_DOTS = 40
_KEYS = {
    "Train": Key("Train", TRAIN, "o", ()),
    "Test": Key("Test", TEST, "D", DASHED),
    "Validation": Key("Validation", TEST, "D", DASHED),
}


@dataclass(frozen=True, slots=True)
class Mark:
    """An epoch that is marked in a learning curve, from 1 on, and what it is."""

    epoch: int
    text: str


def learning_curve(
    metric: str, train: Sequence[float], held: Sequence[float], mark: Mark | None = None, *, on: Held = "test"
) -> str:
    """Draw one training metric by epoch as inline SVG.

    `held` was measured on the images that `on` names; it is empty where there are none. `metric` is "accuracy" (0 to 1,
    shown as a percentage) or "loss".
    """
    series = [(word, values) for word, values in (("Train", train), (on.capitalize(), held)) if len(values)]
    epochs = max((len(values) for _, values in series), default=1)
    chart = Chart(f"curve-{metric}", 240)
    low, high = value_range([*train, *held], least=1e-3)
    plane = Plane(chart, (50, 42, WIDTH - 12, 200), (0.5, 1.5) if epochs == 1 else (1, epochs), (low, high))
    plane.y_ticks(_metric_ticks(metric, low, high))
    plane.x_ticks([(epoch, count(round(epoch))) for epoch in nice_ticks(1, epochs, 8, integer=True)])
    plane.x_label("epoch")
    if mark is not None:
        plane.line([mark.epoch] * 2, [low, high], MUTED, width=1.2, dash=(2, 2))
        plane.text(mark.epoch, high, mark.text, up=9, anchor="right" if mark.epoch > epochs / 2 else "left")
    for word, values in series:
        key, numbers = _KEYS[word], np.arange(1, len(values) + 1)
        plane.line(numbers, values, key.colour, dash=key.dash)
        if len(values) <= _MOST_DOTS:
            plane.dots(numbers, values, key.colour, key.marker)
    shown = _shown(metric)
    for place in spread(epochs):
        there = [(word, values[place]) for word, values in series if place < len(values)]
        words = [f"{word} {shown(value)}" for word, value in there]
        plane.stop(place + 1, [value for _, value in there], f"Epoch {count(place + 1)}", *words)
    chart.legend([_KEYS[word] for word, _ in series], WIDTH - 4, 228)
    facts = [_course(word, values, metric) for word, values in series]
    return chart.svg(f"{metric.capitalize()} by epoch", " ".join(facts))


def dumbbell(
    rows: Sequence[tuple[str, float, float]], name: str = "dumbbell", *, width: float = WIDTH, longest: int = 20
) -> str:
    """Draw (class, train recall, test recall) as pairs of dots with the gap in points, as inline SVG.

    Recalls are shares, 0 to 1; the first row is drawn on top. Names are cut to `longest` characters.
    """
    height = 66 + 24 * len(rows)
    chart = Chart(name, height, width=width, along="y")
    names = [short_name(each, longest) for each, _, _ in rows]
    low, high = value_range([share for _, *pair in rows for share in pair])
    left = min(150.0, 12 + text_width(names))
    # Right of the largest dot stands its gap.
    plane = Plane(chart, (left, 42, width - 56, height - 26), (low, high), (-len(rows) + 0.4, 0.6))
    plane.x_ticks(percent_ticks(low, high, 4), lines=True)
    plane.x_label("recall and gap in points" if width < WIDTH else "accuracy (recall); the number is the gap in points")
    for place, (short, (full, train, test)) in enumerate(zip(names, rows, strict=True)):
        plane.text(low, -place, short, across=-8, colour=INK, anchor="right")
        plane.line([train, test], [-place, -place], MUTED, width=2.2, opacity=0.55)
        plane.text(max(train, test), -place, points(train - test), across=9, colour=INK)
        words = f"Train {percent(train)}", f"Test {percent(test)}", f"Gap {points(train - test)} points"
        plane.stop([train, test], -place, full, *words)
    places = -np.arange(len(rows))
    plane.dots([train for _, train, _ in rows], places, TRAIN, "o", 8)
    plane.dots([test for _, _, test in rows], places, TEST, "D", 7)
    chart.legend([Key("Train", TRAIN, "o"), Key("Test", TEST, "D")], width - 4, height - 10)
    pairs = [f"{visible(n)} {percent(a)} and {percent(b)}" for n, a, b in rows]
    return chart.svg("Recall by class on train and test", "; ".join(pairs) + ".")


@dataclass(frozen=True, slots=True)
class RunNames:
    """What some runs are called: their dates YYYY-MM-DD, and in full."""

    dates: Sequence[str]
    full: Sequence[str]


def runs_accuracy(names: RunNames, train: Sequence[Estimate | None], test: Sequence[Estimate | None]) -> str:
    """Draw the accuracies of some runs, the oldest first, with their intervals; None where one is not known."""
    chart = Chart("runs-accuracy", 240)
    series = {word: runs for word, runs in (("Train", train), ("Test", test)) if any(runs)}
    plane = _by_run(chart, names.dates, _ends([each for runs in series.values() for each in runs]), 0.005)
    plane.y_ticks(percent_ticks(*plane.y))
    for word, runs in series.items():
        _course_of_runs(plane, _KEYS[word], runs)
    _stops_of_runs(plane, names.full, series, percent)
    chart.legend([_KEYS[word] for word in series], WIDTH - 4, 228)
    facts = [_first_and_last(f"{word} accuracy", runs, percent) for word, runs in series.items()]
    return chart.svg("Accuracy by run", " ".join(facts))


def runs_gap(names: RunNames, gaps: Sequence[Estimate | None]) -> str:
    """Draw the train-test gaps of some runs, the oldest first, with their intervals; None where there is none."""
    chart = Chart("runs-gap", 240)
    plane = _by_run(chart, names.dates, [0.0, *_ends(gaps)], 0.01)
    plane.y_ticks([(value, points(value)) for value in nice_ticks(*plane.y)])
    plane.line(plane.x, [0, 0], MUTED, width=1.4)
    _course_of_runs(plane, Key("Gap", TRAIN, "s"), gaps)
    _stops_of_runs(plane, names.full, {"Gap in points": gaps}, points)
    return chart.svg("Gap between train and test by run", _first_and_last("Gap in points", gaps, points))


def _metric_ticks(metric: str, low: float, high: float) -> list[tuple[float, str]]:
    if metric == "accuracy":
        return percent_ticks(low, high)
    return [(value, exact(value)) for value in nice_ticks(low, high)]


def _ends(runs: Sequence[Estimate | None]) -> list[float]:
    return [end for each in runs if each for end in (each.interval.low, each.interval.high)]


def _by_run(chart: Chart, dates: Sequence[str], ends: Sequence[float], least: float) -> Plane:
    """Lay out runs side by side, and write the dates of some of them."""
    plane = Plane(chart, (50, 42, WIDTH - 12, 206), (-0.5, len(dates) - 0.5), value_range(ends, least=least))
    # So many dates fit beside one another.
    plane.x_ticks([(place, dates[place]) for place in spread(len(dates), 4)])
    plane.x_label("run, newest right")
    return plane


def _course_of_runs(plane: Plane, key: Key, runs: Sequence[Estimate | None]) -> None:
    known = [place for place, each in enumerate(runs) if each is not None]
    estimates = [each for each in runs if each is not None]
    values = [np.nan if each is None else each.value for each in runs]
    lows, highs = [e.interval.low for e in estimates], [e.interval.high for e in estimates]
    plane.whiskers(known, lows, highs, key.colour)
    plane.line(np.arange(len(runs)), values, key.colour, dash=key.dash)
    plane.dots(np.arange(len(runs)), values, key.colour, key.marker)


def _stops_of_runs(
    plane: Plane,
    names: Sequence[str],
    series: Mapping[str, Sequence[Estimate | None]],
    shown: Callable[[float], str],
) -> None:
    for place, name in enumerate(names):
        known = {word: estimate for word, runs in series.items() if (estimate := runs[place])}
        words = [f"{word} {shown(e.value)} ({interval_text(e.interval, shown)})" for word, e in known.items()]
        plane.stop(place, [each.value for each in known.values()], name, *words)


def _first_and_last(what: str, runs: Sequence[Estimate | None], shown: Callable[[float], str]) -> str:
    known = [each.value for each in runs if each is not None]
    if len(known) == 1:
        return f"{what}: {shown(known[0])} in one run."
    return f"{what}: {shown(known[0])} in the first of {len(known)} runs, {shown(known[-1])} in the last."


def _shown(metric: str) -> Callable[[float], str]:
    return percent if metric == "accuracy" else decimal


def _course(word: str, values: Sequence[float], metric: str) -> str:
    shown = _shown(metric)
    finite = [value for value in values if isfinite(value)]
    if not finite:
        return f"{word}: no finite value."
    return f"{word}: {shown(finite[0])} at first, {shown(finite[-1])} after {counted(len(values), 'epoch')}."


def gap_figures(gap: GapView) -> dict[str, Any]:
    """Draw the figures of the gap section by name."""
    rows = [(row.name, row.train, row.test) for row in gap.dumbbells]
    return {
        "dumbbell": markup(dumbbell(rows)) if rows else None,
        "curves": learning_curves(gap.learning),
        "earlier_runs": _runs_figures(gap.earlier_runs),
    }


def learning_curves(learning: LearningView) -> list[Markup]:
    """Draw the curves of a training, with the epoch whose weights were kept, or else the best one, marked."""
    mark = None
    if learning.kept is not None and learning.kept != len(learning.curves[0].train if learning.curves else ()):
        mark = Mark(learning.kept, f"kept: epoch {learning.kept:,}")
    elif learning.best is not None:
        mark = Mark(learning.best, f"best epoch {learning.best}")
    return [
        markup(learning_curve(curve.metric, curve.train, curve.held, mark, on=learning.held))
        for curve in learning.curves
    ]


def _runs_figures(runs: EarlierRunsView) -> list[dict[str, Any]]:
    charts, names = [], RunNames(runs.dates, runs.names)
    if runs.gap:
        charts.append(("Gap by run, in points", runs_gap(names, runs.gap)))
    if any(runs.test):
        charts.append(("Accuracy by run", runs_accuracy(names, runs.train, runs.test)))
    return [{"caption": f"{caption}, with 95% intervals", "svg": markup(svg)} for caption, svg in charts]
