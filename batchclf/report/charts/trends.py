"""A number over the runs, for the index of all runs and beside the largest number of a report."""

from collections.abc import Callable, Sequence

from batchclf.core.text import interval_text, run_words
from batchclf.report.charts.canvas import SERIES, WIDTH, Chart, Plane, nice_ticks, value_range
from batchclf.report.sections.run_point import RunPoint

HEIGHT = 140.0
MOST_DOTS = 60
"""With more runs than this only those that are marked get a dot."""


def trend(
    name: str, title: str, runs: Sequence[RunPoint], shown: Callable[[float], str], *, width: float = WIDTH
) -> str:
    """Draw at least two runs, the oldest first, each a step, with a band for the intervals, as inline SVG.

    `name` distinguishes figures of one page; `shown` writes a value, on the axis, in the description and at the run.
    """
    # Not by the clock: a pause between two runs says nothing of the model (decision 218)
    chart, places = Chart(name, HEIGHT, width=width), range(len(runs))
    lows, highs = [run.value.interval.low for run in runs], [run.value.interval.high for run in runs]
    box = (54, 26, width - 12, HEIGHT - 8)
    plane = Plane(chart, box, (0, len(runs) - 1), value_range([*lows, *highs], least=0.01))
    plane.y_ticks([(value, shown(value)) for value in nice_ticks(*plane.y, 4)])
    plane.x_ticks([])
    first, last = (_day(run, of=runs) for run in (runs[0], runs[-1]))
    chart.text(plane.left, 11, first)
    chart.text(plane.right, 11, last, anchor="right")
    plane.band(places, lows, highs, SERIES[0])
    plane.line(places, [run.value.value for run in runs], SERIES[0])
    for marked, colour, marker, size in ((False, SERIES[0], "o", 5.0), (True, SERIES[1], "D", 7.0)):
        chosen = [place for place in places if runs[place].marked is marked]
        if chosen and (marked or len(runs) <= MOST_DOTS):
            plane.dots(chosen, [runs[place].value.value for place in chosen], colour, marker, size)
    for place, run in enumerate(runs):
        value = f"{shown(run.value.value)} ({interval_text(run.value.interval, shown)})"
        plane.stop(place, run.value.value, run_words(run.time, run.date), value, *(["not good"] if run.marked else []))
    return chart.svg(title, _described(runs, shown))


def _day(run: RunPoint, of: Sequence[RunPoint]) -> str:
    """Write a run's date, with its time if all runs are of one day."""
    return run.date if of[0].date != of[-1].date else f"{run.time:%Y-%m-%d %H:%M}"


def _described(runs: Sequence[RunPoint], shown: Callable[[float], str]) -> str:
    lowest, highest = (find(runs, key=lambda run: run.value.value) for find in (min, max))
    words = ", ".join(
        f"{word} {shown(run.value.value)} on {run.date}"
        for word, run in (("first", runs[0]), ("last", runs[-1]), ("lowest", lowest), ("highest", highest))
    )
    marked = sum(run.marked for run in runs)
    return f"{len(runs)} runs: {words}.{f' Not good: {marked}.' if marked else ''}"
