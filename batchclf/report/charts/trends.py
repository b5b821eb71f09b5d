"""A number over the runs, for the index of all runs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from batchclf.report.charts.canvas import SERIES, WIDTH, Chart, Plane, nice_ticks, value_range

HEIGHT = 140.0
MOST_DOTS = 60
"""With more runs than this only those that are marked get a dot."""


@dataclass(frozen=True, slots=True)
class TrendPoint:
    """One run's value at an aware time, with the ends of its interval; `marked` where the run was not good."""

    time: datetime
    value: float
    low: float
    high: float
    marked: bool = False


def trend(name: str, title: str, runs: Sequence[TrendPoint], shown: Callable[[float], str]) -> str:
    """Draw at least two runs by time, the oldest first, with a band for the intervals, as inline SVG.

    `name` distinguishes figures of one page; `shown` writes a value, on the axis and in the description.
    """
    chart, begin = Chart(name, HEIGHT), runs[0].time
    days = [(run.time - begin).total_seconds() / 86_400 for run in runs]
    span = days[-1] or 1.0
    lows, highs = [run.low for run in runs], [run.high for run in runs]
    plane = Plane(chart, (54, 26, WIDTH - 12, HEIGHT - 8), (0, span), value_range([*lows, *highs], least=0.01))
    plane.y_ticks([(value, shown(value)) for value in nice_ticks(*plane.y, 4)])
    plane.x_ticks([])
    dated = "%Y-%m-%d" if runs[0].time.date() != runs[-1].time.date() else "%Y-%m-%d %H:%M"
    chart.text(plane.left, 11, runs[0].time.strftime(dated))
    chart.text(plane.right, 11, runs[-1].time.strftime(dated), anchor="right")
    plane.band(days, lows, highs, SERIES[0])
    plane.line(days, [run.value for run in runs], SERIES[0])
    for marked, colour, marker, size in ((False, SERIES[0], "o", 5.0), (True, SERIES[1], "D", 7.0)):
        chosen = [place for place, run in enumerate(runs) if run.marked is marked]
        if chosen and (marked or len(runs) <= MOST_DOTS):
            plane.dots([days[place] for place in chosen], [runs[place].value for place in chosen], colour, marker, size)
    return chart.svg(title, _described(runs, shown))


def _described(runs: Sequence[TrendPoint], shown: Callable[[float], str]) -> str:
    lowest, highest = (find(runs, key=lambda run: run.value) for find in (min, max))
    words = ", ".join(
        f"{word} {shown(run.value)} on {run.time:%Y-%m-%d}"
        for word, run in (("first", runs[0]), ("last", runs[-1]), ("lowest", lowest), ("highest", highest))
    )
    marked = sum(run.marked for run in runs)
    return f"{len(runs)} runs: {words}.{f' Not good: {marked}.' if marked else ''}"
