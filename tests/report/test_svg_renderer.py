"""The renderer of the figures, compared with matplotlib's own: what a release of matplotlib changes shows here."""

import io
import re
import xml.etree.ElementTree as ET

import matplotlib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import PathPatch
from matplotlib.path import Path
from matplotlib.transforms import IdentityTransform

from batchclf.report.charts.svg_renderer import SvgRenderer

PIXELS = IdentityTransform()
WIDTH, HEIGHT = 400.0, 200.0
BLACK, GREY = "#010101", "#020202"
COLOURS = {BLACK: "var(--a)", GREY: "var(--b)"}
PLACES = st.lists(st.tuples(st.integers(1, 399), st.integers(1, 199)), min_size=2, max_size=20, unique=True)


def figure():
    return Figure((WIDTH / 72, HEIGHT / 72), dpi=72, frameon=False)


def ours(of):
    renderer = SvgRenderer("x", WIDTH, HEIGHT, COLOURS)
    of.draw(renderer)
    return ET.fromstring(f"<svg>{''.join(renderer.elements)}</svg>")


def theirs(of):
    written = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none"}):
        of.savefig(written, format="svg")
    text = re.sub(r' xmlns="[^"]*"|xlink:', "", written.getvalue())
    return ET.fromstring(text[text.index("<svg") :])


def shapes(root):
    """The corners of all paths but those of markers, the places of markers and of texts."""
    hidden = {path for defs in root.iter("defs") for path in defs.iter("path")}
    paths = [corners(path.get("d")) for path in root.iter("path") if path not in hidden]
    markers = [(float(use.get("x")), float(use.get("y"))) for use in root.iter("use")]
    texts = [(text.text, float(text.get("x")), float(text.get("y"))) for text in root.iter("text")]
    return paths, markers, texts


def corners(data):
    found, here = [], (0.0, 0.0)
    for letter, numbers in re.findall(r"([A-Za-z])([^A-Za-z]*)", data):
        values = [float(number) for number in numbers.split()]
        if letter in "ML":
            here = tuple(values)
        elif letter != "z":
            across, down = {"l": values, "h": [*values, 0], "v": [0, *values]}[letter]
            here = (here[0] + across, here[1] + down)
        if letter != "z" and here not in found:
            found.append(here)
    return found


def same(of):
    own, reference = shapes(ours(of)), shapes(theirs(of))
    message = f"matplotlib {matplotlib.__version__} draws otherwise by itself: has its interface for renderers changed?"
    assert [len(each) for each in own] == [len(each) for each in reference], message
    for mine, other in zip(own[0], reference[0], strict=True):
        assert len(mine) == len(other), message
        np.testing.assert_allclose(mine, other, atol=0.06, err_msg=message)
    for mine, other in zip(own[1], reference[1], strict=True):
        np.testing.assert_allclose(mine, other, atol=0.06, err_msg=message)
    for mine, other in zip(own[2], reference[2], strict=True):
        assert mine[0] == other[0]
        np.testing.assert_allclose(mine[1:], other[1:], atol=0.06, err_msg=message)


@given(PLACES)
def test_lines_have_the_corners_of_matplotlibs_own(places):
    of = figure()
    of.add_artist(Line2D(*zip(*places, strict=True), color=BLACK, transform=PIXELS))
    same(of)


@pytest.mark.parametrize("marker", ["o", "D", "s", "^"])
def test_markers_stand_where_matplotlibs_own_stand(marker):
    of = figure()
    of.add_artist(Line2D([10, 200.04, 390], [20, 30, 170], linestyle="", marker=marker, color=BLACK, transform=PIXELS))
    same(of)


def test_filled_shapes_are_those_of_matplotlib():
    of = figure()
    box = [(10, 10), (10, 60), (90, 60), (90, 10), (10, 10)]
    of.add_artist(PathPatch(Path(box, closed=True), facecolor=BLACK, linewidth=0, transform=PIXELS))
    same(of)
    assert ours(of).find("path").get("fill") == "var(--a)"


@pytest.mark.parametrize(("anchor", "written"), [("left", "start"), ("center", "middle"), ("right", "end")])
def test_texts_are_anchored_as_matplotlibs_own(anchor, written):
    of = figure()
    of.text(0.5, 0.5, "<b>&amp; 95%", ha=anchor, color=GREY, size=12)
    same(of)
    text = ours(of).find("text")
    assert (text.get("text-anchor"), text.get("fill"), text.get("font-size")) == (written, "var(--b)", "12px")


def test_looks_are_attributes_of_the_page():
    of = figure()
    of.add_artist(Line2D([0, 100], [0, 100], color=BLACK, linewidth=2, linestyle=(0, (5, 3)), transform=PIXELS))
    line = ours(of).find("path")
    assert "style" not in line.attrib
    assert (line.get("fill"), line.get("stroke")) == ("none", "var(--a)")
    # matplotlib's lines scale their dashes with their width
    assert (line.get("stroke-width"), line.get("stroke-dasharray")) == ("2", "10,6")


def test_a_colour_that_the_page_does_not_have_is_an_error():
    of = figure()
    of.add_artist(Line2D([0, 1], [0, 1], color="red", transform=PIXELS))
    with pytest.raises(KeyError, match="#ff0000"):
        ours(of)
