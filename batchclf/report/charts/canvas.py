"""What every figure of the report is drawn with: a plane with ticks and series, as inline SVG by matplotlib.

Matplotlib's axes take 25 ms a figure to set up and lay out, most of it for text that the browser sets anyway. So
figures are drawn with a renderer of their own (decision 136). Text and axes take the page's colours and font; the
colours of the series are CSS variables (`--series-a`, …), so that they follow light and dark mode.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from html import escape
from math import isfinite
from typing import Literal

import matplotlib
import numpy as np
from markupsafe import Markup
from matplotlib.backend_bases import RendererBase
from matplotlib.font_manager import FontProperties
from matplotlib.markers import MarkerStyle
from matplotlib.path import Path
from matplotlib.text import Text
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import Affine2D, IdentityTransform
from numpy.typing import ArrayLike, NDArray

from batchclf.core.text import exact_percent, visible
from batchclf.report.charts.svg_renderer import SvgRenderer

WIDTH = 400.0
"""Width of a figure in CSS pixels at its natural size; the page scales it."""

SMALL_WIDTH = 240.0
"""Width of the figure beside the largest number."""

MOST_STOPS = 100
"""Of a curve with more points so many have values, evenly spread."""

# matplotlib wants real colours: each stands for what _THEME puts in its place.
INK, MUTED, GRID = "#010101", "#020202", "#030303"
SERIES = ("#040404", "#050505", "#060606", "#070707", "#080808")
TRAIN, TEST = RIGHT, WRONG = SERIES[:2]
_THEME = {INK: "currentColor", MUTED: "var(--muted)", GRID: "var(--grid)"}
_THEME |= {colour: f"var(--series-{letter})" for colour, letter in zip(SERIES, "abcde", strict=True)}

DASHED, DOTTED = (5.0, 3.0), (1.5, 2.5)
TEXT = 12.0
_CHARACTER = 0.56
"""A character's width, as a part of the font size, in the fonts that pages are set in."""

_SIMPLER = 0.25
"""A line may be drawn so many pixels away from where it is, with fewer points."""

Anchor = Literal["left", "center", "right"]
Along = Literal["x", "y", "xy"]
_NO_TRANSFORM = IdentityTransform()


@dataclass(frozen=True, slots=True)
class Key:
    """An entry of a legend: what a series is called and how it is drawn.

    `dash` is None for a series without a line, () for a solid one.
    """

    text: str
    colour: str
    marker: str = ""
    dash: Sequence[float] | None = None


class Chart:
    """A figure under way, `height` by `width` pixels; y goes up from the lower edge, as matplotlib has it."""

    def __init__(self, name: str, height: float, *, width: float = WIDTH, along: Along = "x") -> None:
        """Begin; `name` distinguishes the figures of one page: letters, digits and hyphens.

        Its stops follow each other `along` x or y, or lie anywhere; the pointer finds the nearest in that direction.
        """
        self.name = name
        self.width, self.height = width, height
        self._along = along
        self._steps: list[Callable[[RendererBase], None]] = []
        self._stops: list[tuple[float, str]] = []

    def path(
        self,
        path: Path,
        *,
        stroke: str = "",
        fill: str = "",
        width: float = 1.0,
        dash: Sequence[float] | None = None,
        opacity: float = 1.0,
    ) -> None:
        """Draw a path given in pixels."""

        def draw(renderer: RendererBase) -> None:
            context = renderer.new_gc()
            context.set_linewidth(width if stroke else 0.0)
            if stroke:
                context.set_foreground(stroke)
            if dash:
                context.set_dashes(0, list(dash))
            if opacity < 1:
                context.set_alpha(opacity)
            renderer.draw_path(context, path, _NO_TRANSFORM, matplotlib.colors.to_rgb(fill) if fill else None)

        self._steps.append(draw)

    def dots(self, places: NDArray[np.float64], colour: str, marker: str = "o", size: float = 6.0) -> None:
        """Put a filled marker (`o`, `D`, `s`, `^`) of `size` pixels at each of (n, 2) places."""
        if not len(places):
            return

        def draw(renderer: RendererBase) -> None:
            context = renderer.new_gc()
            context.set_linewidth(0.0)
            style = MarkerStyle(marker)
            scaled = style.get_transform() + Affine2D().scale(size)
            face = matplotlib.colors.to_rgb(colour)
            renderer.draw_markers(context, style.get_path(), scaled, Path(places), _NO_TRANSFORM, face)

        self._steps.append(draw)

    def text(
        self, x: float, y: float, text: str, *, colour: str = MUTED, anchor: Anchor = "left", size: float = TEXT
    ) -> None:
        """Write text whose middle line is at `y`; what it is is for the caller to make visible and short."""

        def draw(renderer: RendererBase) -> None:
            context = renderer.new_gc()
            context.set_foreground(colour)
            base = round(y - 0.36 * size, 1)
            # With a Text at hand the renderer writes the anchor, so that the width may be unknown.
            at = Text(round(x, 1), base, text, ha=anchor, transform=_NO_TRANSFORM)
            renderer.draw_text(context, x, self.height - base, text, FontProperties(size=size), 0, mtext=at)

        self._steps.append(draw)

    def legend(self, keys: Iterable[Key], right: float, y: float) -> None:
        """Write a legend in one line that ends at `right`."""
        for key in reversed(list(keys)):
            right -= TEXT * _CHARACTER * len(key.text) + _mark_width(key)
            self.key(key, right, y)
            right -= 14

    def key(self, key: Key, x: float, y: float) -> None:
        """Write one entry of a legend: its mark and its text."""
        width = _mark_width(key)
        if key.dash is not None:
            self.path(Path([(x, y), (x + width - 6, y)]), stroke=key.colour, width=2.0, dash=key.dash)
        if key.marker:
            self.dots(np.array([(x + width / 2 - 3, y)]), key.colour, key.marker)
        self.text(x + width, y, key.text, colour=INK)

    def stop(self, places: NDArray[np.float64], head: str, *values: str) -> None:
        """Say what is drawn at (n, 2) places that belong together, for charts.js to show at the pointer or on a key."""
        if not len(places):
            return
        down = [(x, round(self.height - y, 1)) for x, y in places.tolist()]
        at = " ".join(f"{x:g},{y:g}" for x, y in down)
        order = {"x": down[0][0], "y": down[0][1], "xy": 0.0}[self._along]
        self._stops.append((order, "\t".join([at, *map(visible, (head, *values))])))

    def _stop_attributes(self) -> str:
        """Write the stops in their order, one a line, with tabs between places, head and values."""
        if not self._stops:
            return ""
        # XML would read a bare tab or line break of an attribute as a space
        lines = [text for _, text in sorted(self._stops, key=lambda stop: stop[0])]
        text = escape("\n".join(lines)).replace("\n", "&#10;").replace("\t", "&#9;")
        return f' data-along="{self._along}" data-stops="{text}"'

    def svg(self, title: str, description: str) -> str:
        """Write the figure as an SVG element that can stand in a page beside others: no prolog, ids of its own."""
        # No Figure: to load it and set it up takes longer than to draw (decision 136)
        renderer = SvgRenderer(self.name, self.width, self.height, _THEME)
        for step in self._steps:
            step(renderer)
        head = (
            f'<svg viewBox="0 0 {self.width:g} {self.height:g}" role="img"{self._stop_attributes()} '
            f'aria-labelledby="{self.name}-title {self.name}-desc">'
            f'<title id="{self.name}-title">{escape(title)}</title>'
            f'<desc id="{self.name}-desc">{escape(description)}</desc>'
        )
        return head + "\n".join(renderer.elements) + "</svg>"


class Plane:
    """The part of a chart that has axes; x and y are data, each with the range that the box shows."""

    def __init__(
        self,
        chart: Chart,
        box: tuple[float, float, float, float],
        x: tuple[float, float],
        y: tuple[float, float],
    ) -> None:
        """Lay a plane into `box`: left, bottom, right and top in pixels."""
        self.chart = chart
        self.left, self.bottom, self.right, self.top = box
        self.x, self.y = x, y

    def at(self, x: ArrayLike, y: ArrayLike) -> NDArray[np.float64]:
        """Give the places of data in pixels: (n, 2)."""
        across = self.left + (np.asarray(x, float) - self.x[0]) / (self.x[1] - self.x[0]) * (self.right - self.left)
        up = self.bottom + (np.asarray(y, float) - self.y[0]) / (self.y[1] - self.y[0]) * (self.top - self.bottom)
        return np.round(np.column_stack(np.broadcast_arrays(across, up)), 1)

    def x_ticks(self, ticks: Sequence[tuple[float, str]], *, lines: bool = False) -> None:
        """Write (value, text) below the plane, with lines across it if wanted, and draw its base line."""
        places = self.at([value for value, _ in ticks], self.y[0])[:, 0].tolist()
        if lines:
            self.chart.path(_segments([((x, self.bottom), (x, self.top)) for x in places]), stroke=GRID, width=0.8)
        for x, (_, text) in zip(places, ticks, strict=True):
            self.chart.text(x, self.bottom - 11, text, anchor="center")
        self.chart.path(Path([(self.left, self.bottom), (self.right, self.bottom)]), stroke=MUTED, width=0.8)

    def y_ticks(self, ticks: Sequence[tuple[float, str]]) -> None:
        """Write (value, text) left of the plane and draw a line across it for each."""
        places = self.at(self.x[0], [value for value, _ in ticks])[:, 1].tolist()
        self.chart.path(_segments([((self.left, y), (self.right, y)) for y in places]), stroke=GRID, width=0.8)
        for y, (_, text) in zip(places, ticks, strict=True):
            self.chart.text(self.left - 6, y, text, anchor="right")

    def x_label(self, text: str) -> None:
        """Write what x is below its ticks; what y is belongs into the same line or the figure's caption."""
        self.chart.text((self.left + self.right) / 2, self.bottom - 29, text, anchor="center")

    def line(
        self,
        x: ArrayLike,
        y: ArrayLike,
        colour: str,
        *,
        width: float = 1.8,
        dash: Sequence[float] | None = None,
        opacity: float = 1.0,
    ) -> None:
        """Draw a line through points; it is interrupted where one is not finite."""
        path = Path(self.at(x, y))
        path.should_simplify = True
        path.simplify_threshold = _SIMPLER
        self.chart.path(path, stroke=colour, width=width, dash=dash, opacity=opacity)

    def band(self, x: ArrayLike, low: ArrayLike, high: ArrayLike, colour: str) -> None:
        """Fill what is between two lines, faintly."""
        edge = np.concatenate([self.at(x, low), self.at(x, high)[::-1]])
        self.chart.path(Path(edge), fill=colour, opacity=0.18)

    def bars(self, low: ArrayLike, high: ArrayLike, values: ArrayLike, colour: str) -> None:
        """Draw a bar from the base line up for each value above it, from `low` to `high` across."""
        first, last = self.at(low, self.y[0]), self.at(high, values)
        shown = last[:, 1] > self.bottom
        boxes = [
            [(x, y), (x, up), (right, up), (right, y), (x, y)]
            for (x, y), (right, up) in zip(first[shown].tolist(), last[shown].tolist(), strict=True)
        ]
        if boxes:
            codes = [Path.MOVETO, Path.LINETO, Path.LINETO, Path.LINETO, Path.CLOSEPOLY] * len(boxes)
            self.chart.path(Path(np.concatenate(boxes), codes), fill=colour)

    def whiskers(self, x: ArrayLike, low: ArrayLike, high: ArrayLike, colour: str) -> None:
        """Draw intervals as upright lines."""
        ends = zip(self.at(x, low).tolist(), self.at(x, high).tolist(), strict=True)
        self.chart.path(_segments([(start, end) for start, end in ends]), stroke=colour, width=1.5, opacity=0.6)

    def dots(self, x: ArrayLike, y: ArrayLike, colour: str, marker: str = "o", size: float = 6.0) -> None:
        """Put a marker at each point that is finite."""
        places = self.at(x, y)
        self.chart.dots(places[np.isfinite(places).all(axis=1)], colour, marker, size)

    def stop(self, x: ArrayLike, y: ArrayLike, head: str, *values: str) -> None:
        """Say what is drawn at the points that are finite, as `Chart.stop` does."""
        places = self.at(x, y)
        self.chart.stop(places[np.isfinite(places).all(axis=1)], head, *values)

    def text(
        self,
        x: float,
        y: float,
        text: str,
        *,
        across: float = 0.0,
        up: float = 0.0,
        colour: str = MUTED,
        anchor: Anchor = "left",
    ) -> None:
        """Write text beside a point, `across` and `up` pixels away from it."""
        place = self.at(x, y)[0]
        self.chart.text(float(place[0]) + across, float(place[1]) + up, text, colour=colour, anchor=anchor)


def nice_ticks(low: float, high: float, most: int = 5, *, integer: bool = False) -> list[float]:
    """Choose at most `most` + 1 round values within a range."""
    locator = MaxNLocator(nbins=most, integer=integer, min_n_ticks=1, steps=[1, 2, 2.5, 5, 10])
    return [value for value in map(float, locator.tick_values(low, high)) if low - 1e-9 <= value <= high + 1e-9]


def percent_ticks(low: float, high: float, most: int = 5) -> list[tuple[float, str]]:
    """Choose round shares within a range, written as percentages; none is above 100%."""
    return [(value, exact_percent(round(value, 8))) for value in nice_ticks(low, high, most) if value <= 1.0001]


def value_range(values: Iterable[float], room: float = 0.08, least: float = 0.02) -> tuple[float, float]:
    """Give the range of the finite values with some room at both ends; it is never empty."""
    finite = [value for value in values if isfinite(value)] or [0.0, 1.0]
    low, high = min(finite), max(finite)
    around = room * max(high - low, least)
    if high - low < least:
        around += (least - (high - low)) / 2
    return low - around, high + around


def spread(points: int, most: int = MOST_STOPS) -> list[int]:
    """Choose at most `most` of so many points, evenly, the first and the last among them."""
    return sorted({round(place) for place in np.linspace(0, points - 1, min(points, most)).tolist()})


def short_name(name: str, longest: int = 20) -> str:
    """Make a name fit beside a figure."""
    text = visible(name)
    return text if len(text) <= longest else text[: longest - 1] + "…"


def text_width(texts: Iterable[str], size: float = TEXT) -> float:
    """Estimate how many pixels the longest of some texts takes."""
    return size * _CHARACTER * max(map(len, texts), default=0)


def _mark_width(key: Key) -> float:
    return 14.0 if key.dash is None else 28.0


def _segments(lines: Sequence[tuple[Sequence[float], Sequence[float]]]) -> Path:
    """Make one path of many lines, each with its two ends."""
    ends = np.asarray(lines, float).reshape(-1, 2)
    return Path(ends, [Path.MOVETO, Path.LINETO] * len(lines))


def markup(svg: str) -> Markup:
    """Mark an SVG as safe to put into a page as it is."""
    # The charts escape every name themselves.
    return Markup(svg)
