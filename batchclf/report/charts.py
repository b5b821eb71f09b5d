"""The report's figures, the only place that draws with matplotlib.

Figures for the page are inline SVG whose text and axes take the page's colours and font; the colours of the
series are CSS variables (`--series-a`, …), so that they follow light and dark mode.
"""

import io
import re
import warnings
from collections.abc import Sequence
from html import escape
from math import isfinite
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy.typing import NDArray

from batchclf.report.view_format import counted, percent, points, visible

WIDTH = 400.0
"""Width of a figure in CSS pixels at its natural size; the page scales it."""

# matplotlib wants real colours: each stands for what _page_tag puts in its place.
_INK, _MUTED, _GRID = "#010101", "#020202", "#030303"
_A, _B, _RIGHT, _WRONG = "#040404", "#050505", "#060606", "#070707"
_THEME = {
    _INK: "currentColor",
    _MUTED: "var(--muted)",
    _GRID: "var(--grid)",
    _A: "var(--series-a)",
    _B: "var(--series-b)",
    _RIGHT: "var(--series-a)",
    _WRONG: "var(--series-b)",
}
_RC: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "batchclf",
    "font.size": 12,
    "text.color": _INK,
    "axes.labelcolor": _MUTED,
    "axes.edgecolor": _MUTED,
    "axes.linewidth": 0.8,
    "xtick.color": _MUTED,
    "ytick.color": _MUTED,
    "grid.color": _GRID,
    "grid.linewidth": 0.8,
    "axes.axisbelow": True,
}
_SERIES = {"all": _RIGHT, "right": _RIGHT, "wrong": _WRONG}
_LONGEST_NAME = 20


def learning_curve(metric: str, train: Sequence[float], test: Sequence[float]) -> str:
    """Draw one training metric by epoch as inline SVG; `test` is empty where it was not measured.

    `metric` is "accuracy" (0 to 1, shown as a percentage) or "loss".
    """
    shown = percent if metric == "accuracy" else "{:.3f}".format
    lines = [("Train", train, _A, "o", "-"), ("Test", test, _B, "D", "--")]
    lines = [line for line in lines if len(line[1])]
    with matplotlib.rc_context(_RC):
        figure = _figure(240)
        axes = figure.add_axes((0.125, 0.17, 0.86, 0.69))
        for word, values, colour, marker, style in lines:
            epochs = np.arange(1, len(values) + 1)
            axes.plot(epochs, values, color=colour, marker=marker, ls=style, ms=4.5, lw=1.8, label=word)
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8, min_n_ticks=1))
        if metric == "accuracy":
            axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g}%"))
        _plain(axes, "y")
        _legend(figure)
        title = f"{metric.capitalize()} by epoch"
        facts = [_course(word, values, shown) for word, values, *_ in lines]
        return _svg(figure, f"curve-{metric}", title, " ".join(facts))


def dumbbell(rows: Sequence[tuple[str, float, float]]) -> str:
    """Draw (class, train recall, test recall) as pairs of dots with the gap in points, as inline SVG.

    Recalls are shares, 0 to 1; the first row is drawn on top.
    """
    height = 72 + 25 * len(rows)
    places = -np.arange(len(rows))
    train, test = (np.array([row[i] for row in rows]) for i in (1, 2))
    names = [_label(row[0]) for row in rows]
    with matplotlib.rc_context(_RC):
        figure = _figure(height)
        left = min(0.36, 0.04 + 0.018 * max(map(len, names)))
        axes = figure.add_axes((left, 44 / height, 0.985 - left, 1 - 74 / height))
        axes.hlines(places, test, train, color=_MUTED, lw=2.2, alpha=0.55)
        axes.plot(train, places, "o", color=_A, ms=7, ls="", label="Train")
        axes.plot(test, places, "D", color=_B, ms=6.2, ls="", label="Test")
        low, high = min(train.min(), test.min()), max(train.max(), test.max())
        room = max(0.02, high - low)
        axes.set_xlim(low - 0.08 * room, high + 0.22 * room)
        axes.set_ylim(-len(rows) + 0.4, 0.6)
        for place, of_train, of_test in zip(places, train, test, strict=True):
            at = (max(of_train, of_test), place)
            text = points(of_train - of_test)
            axes.annotate(text, at, xytext=(9, 0), textcoords="offset points", va="center", fontsize=11)
        axes.set_yticks(places, names, parse_math=False, color=_INK)
        axes.tick_params(axis="y", length=0)
        ticks = MaxNLocator(nbins=5).tick_values(low, high)
        axes.set_xticks([tick for tick in ticks if low - 0.08 * room <= tick <= 1.0001])
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g}%"))
        axes.set_xlabel("recall; the number is the gap in points")
        _plain(axes, "x")
        _legend(figure, handlelength=0.8)
        pairs = [f"{visible(n)} {percent(a)} and {percent(b)}" for n, a, b in rows]
        return _svg(figure, "dumbbell", "Recall on train and on test by class", "; ".join(pairs) + ".")


def confidence_histogram(kind: str, title: str, counts: Sequence[int], name: str) -> str:
    """Draw counts in equal bins of confidence from 0 to 1 as inline SVG.

    `kind` is "all", "right" or "wrong" and chooses the colour; `name` tells figures of one page apart. Right
    and wrong predictions are figures of their own: on the scale of a good model's right ones the wrong ones
    could not be seen.
    """
    with matplotlib.rc_context(_RC):
        figure = _figure(200)
        axes = figure.add_axes((0.12, 0.21, 0.84, 0.76))
        edges = np.linspace(0, 1, len(counts) + 1)
        axes.bar(edges[:-1], counts, width=1 / len(counts), align="edge", color=_SERIES[kind], ec="none")
        axes.set_xlim(0, 1)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g}%"))
        axes.yaxis.set_major_locator(MaxNLocator(nbins=4, integer=True))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _short(value)))
        axes.set_xlabel("confidence; bar height: images")
        _plain(axes, "y")
        sure = sum(counts[-(len(counts) // 10 or 1) :])
        fact = f"{title}, {counted(sure, 'image')} of them with a confidence of 90% or more."
        return _svg(figure, name, "Confidence of the predictions", fact)


def grid_png(images: NDArray[np.uint8], captions: Sequence[str], columns: int = 5) -> bytes:
    """Draw images in a grid, each with its caption below, as PNG bytes.

    `images` is (n, height, width, channels) uint8 with 1 channel (shown grey, 0 is black) or 3 (RGB). Raises
    ValueError where there is no image, the shape is another or captions and images differ in number.
    """
    if images.ndim != 4 or images.shape[3] not in (1, 3) or not len(images):
        raise ValueError(f"expected images of shape (n, height, width, 1 or 3), got {images.shape}")
    if len(captions) != len(images):
        raise ValueError(f"{len(captions)} captions for {len(images)} images")
    rows = -(-len(images) // columns)
    with matplotlib.rc_context({"font.size": 10}):
        figure = Figure(figsize=(2 * columns, 2.1 * rows), dpi=100, layout="constrained")
        for index, (image, caption) in enumerate(zip(images, captions, strict=True)):
            axes = figure.add_subplot(rows, columns, index + 1)
            if image.shape[2] == 1:
                axes.imshow(image[:, :, 0], cmap="gray", vmin=0, vmax=255)
            else:
                axes.imshow(image)
            axes.set_xticks([])
            axes.set_yticks([])
            axes.set_xlabel(_label(caption), parse_math=False)
        return _save(figure, "png", {"Software": None})


def _figure(height: float) -> Figure:
    return Figure(figsize=(WIDTH / 72, height / 72), dpi=72)


def _plain(axes: Axes, grid: Any) -> None:
    """Leave only what is needed to read values: the lines across, and the base line."""
    axes.grid(axis=grid)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.tick_params(axis=grid, length=0)


def _legend(figure: Figure, handlelength: float = 2.0) -> None:
    figure.legend(
        loc="upper right",
        ncols=2,
        frameon=False,
        borderaxespad=0.1,
        handletextpad=0.4,
        handlelength=handlelength,
    )


def _label(name: str) -> str:
    """Make a name fit beside a figure."""
    text = visible(name)
    return text if len(text) <= _LONGEST_NAME else text[: _LONGEST_NAME - 1] + "…"


def _short(number: float) -> str:
    return f"{number / 1000:,g}k" if number >= 10_000 else f"{number:,.0f}"


def _course(word: str, values: Sequence[float], shown: Any) -> str:
    finite = [value for value in values if isfinite(value)]
    if not finite:
        return f"{word}: no finite value."
    return f"{word}: {shown(finite[0])} at first, {shown(finite[-1])} after {counted(len(values), 'epoch')}."


def _save(figure: Figure, kind: str, metadata: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # SVG text is set by the browser, which has the glyphs; a PNG shows a box for a glyph it lacks.
        warnings.filterwarnings("ignore", message=r"(?s)Glyph .* missing from", category=UserWarning)
        warnings.filterwarnings("ignore", message="Matplotlib currently does not support", category=UserWarning)
        figure.savefig(buffer, format=kind, metadata=metadata, transparent=kind == "svg")
    return buffer.getvalue()


def _svg(figure: Figure, name: str, title: str, description: str) -> str:
    """Save as an SVG element that can stand in a page beside others: no prolog, ids of its own."""
    absent = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    text = _save(figure, "svg", absent).decode("utf-8")
    body = text[text.index("<svg") :]
    body = body[body.index(">") + 1 :]
    body = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->", "", body, flags=re.DOTALL)
    # Only inside tags: a class may be called id="x" or #010101.
    body = re.sub(r"<[^>]*>", lambda tag: _page_tag(tag[0], name), body)
    width, height = (round(72 * size) for size in figure.get_size_inches())
    head = (
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-labelledby="{name}-title {name}-desc">'
        f'<title id="{name}-title">{escape(title)}</title><desc id="{name}-desc">{escape(description)}</desc>'
    )
    return head + re.sub(r"\n\s*", "\n", body).lstrip()


def _page_tag(tag: str, name: str) -> str:
    """Give a tag's ids the figure's name, and its colours and font the page's."""
    tag = re.sub(r'^<g id="[^"]*"', "<g", tag)
    tag = re.sub(r' transform="rotate\(-?0 [^"]*"', "", tag)
    tag = re.sub(r'\bid="([^"]*)"', rf'id="{name}-\1"', tag)
    tag = re.sub(r'(?:xlink:)?href="#([^"]*)"', rf'href="#{name}-\1"', tag)
    tag = re.sub(r"url\(#([^)]*)\)", rf"url(#{name}-\1)", tag)
    tag = re.sub(r"#0\d0\d0\d", lambda colour: _THEME.get(colour[0], colour[0]), tag)
    # matplotlib writes `font:` or `font-size: …; font-family: …`, depending on its version.
    tag = re.sub(r"font: (?:\w+ )*?([\d.]+)px [^;\"]*", r"font-size: \1px", tag)
    return re.sub(r"font-family: [^;\"]*;? ?", "", tag).replace("\n", " ")
