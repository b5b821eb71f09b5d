"""A renderer of matplotlib that writes SVG for a page: short paths, colours as CSS variables, ids of its own."""

from collections.abc import Mapping
from html import escape
from typing import Any

import numpy as np
from matplotlib.backend_bases import GraphicsContextBase, RendererBase
from matplotlib.colors import to_hex
from matplotlib.font_manager import FontProperties
from matplotlib.path import Path
from matplotlib.text import Text
from matplotlib.transforms import Affine2D, Transform

_ANCHORS = {"left": "start", "center": "middle", "right": "end"}
_LETTERS = {Path.MOVETO: "M", Path.LINETO: "L", Path.CURVE3: "Q", Path.CURVE4: "C", Path.CLOSEPOLY: "z"}


class SvgRenderer(RendererBase):
    """Draws what matplotlib's interface for backends knows, but images and shades; `elements` are what it has drawn.

    It is `width` by `height` pixels; `name` begins all ids. `colours` has what stands in the page for a colour, written
    as matplotlib writes it (`#010101`); no other may be drawn.
    """

    def __init__(self, name: str, width: float, height: float, colours: Mapping[str, str]) -> None:
        super().__init__()
        self.elements: list[str] = []
        self._name, self._colours = name, colours
        self._bounds = (0.0, 0.0, width, height)
        self._flip = Affine2D().scale(1, -1).translate(0, height)
        self._markers: dict[str, str] = {}

    def get_canvas_width_height(self) -> tuple[float, float]:
        """Give the size in pixels."""
        return self._bounds[2:]

    def draw_path(
        self,
        gc: GraphicsContextBase,
        path: Path,
        transform: Transform,
        rgbFace: Any = None,  # noqa: N803 (its name there)
    ) -> None:
        """Draw a path; a line, which has no `rgbFace`, is simplified if it says so, and cut off at the edges."""
        line = rgbFace is None
        data = _straight(
            path.cleaned(
                transform + self._flip,
                remove_nans=True,
                clip=self._bounds if line else None,
                simplify=path.should_simplify and line,
            )
        )
        self.elements.append(f'<path d="{data}"{self._look(gc, rgbFace)}/>')

    def draw_markers(
        self,
        gc: GraphicsContextBase,
        marker_path: Path,
        marker_trans: Transform,
        path: Path,
        trans: Transform,
        rgbFace: Any = None,  # noqa: N803 (its name there)
    ) -> None:
        """Draw a marker at each vertex of a path; a marker of one shape is written once."""
        data = _curved(marker_path.transformed(marker_trans + Affine2D().scale(1, -1)))
        if data not in self._markers:
            self._markers[data] = f"{self._name}-m{len(self._markers)}"
            self.elements.append(f'<defs>\n<path id="{self._markers[data]}" d="{data}"/>\n</defs>')
        places = np.rint(10 * (trans + self._flip).transform(path.vertices)).astype(int).tolist()
        href = f'<use href="#{self._markers[data]}"'
        uses = "".join(f'{href} x="{x / 10:g}" y="{y / 10:g}"/>' for x, y in places)
        self.elements.append(f"<g{self._look(gc, rgbFace)}>{uses}</g>")

    def draw_text(
        self,
        gc: GraphicsContextBase,
        x: float,
        y: float,
        s: str,
        prop: FontProperties,
        angle: float,
        ismath: Any = False,
        mtext: Text | None = None,
    ) -> None:
        """Write text in the page's font where `mtext` anchors it: how wide it is only the browser knows."""
        anchor = _ANCHORS["left" if mtext is None else mtext.get_horizontalalignment()]
        if mtext is not None:
            x, y = (mtext.get_transform() + self._flip).transform(mtext.get_unitless_position()).tolist()
        look = f'font-size="{prop.get_size_in_points():g}px" text-anchor="{anchor}" fill="{self._colour(gc.get_rgb())}"'
        self.elements.append(f'<text {look} x="{round(x, 1):g}" y="{round(y, 1):g}">{escape(s, quote=False)}</text>')

    def _look(self, gc: GraphicsContextBase, face: Any) -> str:
        """Write how a path is filled and drawn, as attributes."""
        # The page's policy names styles by their hash, so style="…" would not apply (decision 068)
        dashes: Any = gc.get_dashes()[1]
        width = gc.get_linewidth()
        values = {
            "fill": "none" if face is None else self._colour(face),
            "opacity": f"{gc.get_alpha():g}" if gc.get_forced_alpha() else "",
            "stroke-dasharray": ",".join(f"{each:g}" for each in dashes or ()),
            "stroke": self._colour(gc.get_rgb()) if width else "",
            "stroke-width": f"{width:g}" if width not in (0, 1) else "",
        }
        return "".join(f' {name}="{value}"' for name, value in values.items() if value)

    def _colour(self, rgb: Any) -> str:
        return self._colours[to_hex(rgb)]


def _straight(path: Path) -> str:
    """Write a path of straight lines with one decimal and steps from point to point: half as long."""
    written, here = [], [0, 0]
    places, codes = np.rint(10 * np.asarray(path.vertices)).tolist(), np.asarray(path.codes).tolist()
    for there, code in zip(places, codes, strict=True):
        across, down = there[0] - here[0], there[1] - here[1]
        if code == Path.CLOSEPOLY:
            written.append("z")
            continue
        if code == Path.MOVETO:
            written.append(f"M{_tenths(there[0])} {_tenths(there[1])}")
        elif code == Path.LINETO and (across or down):
            written.append(_step(across, down))
        elif code == Path.STOP:
            break
        here = there
    return "".join(written)


def _step(across: float, down: float) -> str:
    if not down:
        return f"h{_tenths(across)}"
    return f"l{_tenths(across)} {_tenths(down)}" if across else f"v{_tenths(down)}"


def _tenths(number: float) -> str:
    text = f"{number / 10:g}"
    return text.replace("0.", ".", 1) if text.startswith(("0.", "-0.")) else text


def _curved(path: Path) -> str:
    """Write a path of lines and curves with two decimals."""
    return "".join(
        _LETTERS[code] + ("" if code == Path.CLOSEPOLY else " ".join(f"{round(each, 2) + 0.0:g}" for each in vertices))
        for vertices, code in path.iter_segments(simplify=False)
    )
