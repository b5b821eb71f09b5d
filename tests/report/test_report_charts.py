"""The figures: SVG that can stand in a page, and the picture of a data set's first images."""

import io
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from PIL import Image
from report_cases import HOSTILE

from batchclf.report import charts
from batchclf.report.view_format import visible

COUNTS = [0] * 15 + [1, 2, 3, 4, 25]
FIGURES = {
    "accuracy": lambda: charts.learning_curve("accuracy", [0.8, 0.9], [0.7, 0.75]),
    "loss": lambda: charts.learning_curve("loss", [0.8, 0.5, 0.4], []),
    "one epoch": lambda: charts.learning_curve("loss", [0.8], [0.9]),
    "dumbbell": lambda: charts.dumbbell([("Shirt", 0.9, 0.7), ("Bag", 0.95, 0.96)]),
    "one class": lambda: charts.dumbbell([("Shirt", 1.0, 1.0)]),
    "histogram": lambda: charts.confidence_histogram("wrong", "35 wrong", COUNTS, "wrong"),
}


def texts(svg):
    return [element.text for element in ET.fromstring(svg).iter("text")]


@pytest.mark.parametrize("figure", FIGURES)
def test_figure_is_accessible_small_and_the_same_each_time(figure):
    svg = FIGURES[figure]()
    root = ET.fromstring(svg)
    assert root.get("role") == "img"
    named = {element.get("id"): element.text for element in root.iter() if element.get("id")}
    title, description = (named[name] for name in root.get("aria-labelledby").split())
    assert title
    assert description.endswith(".")
    assert len(svg) < 20_000
    assert svg == FIGURES[figure]()


@pytest.mark.parametrize("figure", FIGURES)
def test_figure_takes_its_colours_and_font_from_the_page(figure):
    svg = FIGURES[figure]()
    assert "var(--series-" in svg
    assert "currentColor" in svg or "var(--muted)" in svg
    for foreign in ("#0", "font-family", "http", "<style", "<metadata"):
        assert foreign not in svg


def test_ids_of_two_figures_do_not_meet():
    first, second = (charts.confidence_histogram("all", "35", COUNTS, name) for name in ("a", "b"))
    ids = [{e.get("id") for e in ET.fromstring(svg).iter() if e.get("id")} for svg in (first, second)]
    assert not ids[0] & ids[1]
    for svg, own in zip((first, second), ids, strict=True):
        used = {e.get("href")[1:] for e in ET.fromstring(svg).iter() if e.get("href")}
        assert used <= own


def test_names_are_text_and_nothing_else():
    svg = charts.dumbbell([(name, 0.9, 0.8) for name in HOSTILE])
    shown = texts(svg)
    for name in map(visible, HOSTILE):
        assert (name if len(name) <= 20 else name[:19] + "…") in shown
    assert "<script" not in svg


def test_dumbbell_describes_each_pair_and_writes_the_gap():
    svg = FIGURES["dumbbell"]()
    assert {"+20.0", "\u22121.0"} <= set(texts(svg))
    assert "Shirt 90.0% and 70.0%; Bag 95.0% and 96.0%." in svg


def test_dumbbell_has_no_tick_beyond_all_right():
    ticks = [t for t in texts(charts.dumbbell([("a", 1.0, 0.98), ("b", 0.99, 0.97)])) if t.endswith("%")]
    assert ticks
    assert all(float(tick.rstrip("%")) <= 100 for tick in ticks)


def test_curve_of_some_broken_epochs_says_so():
    svg = charts.learning_curve("loss", [float("nan"), 0.5], [float("nan")] * 2)
    assert "Train: 0.500 at first, 0.500 after 2 epochs. Test: no finite value." in svg


def decoded(png):
    with Image.open(io.BytesIO(png)) as image:
        assert image.format == "PNG"
        return np.asarray(image.convert("RGB")), image.info


def count_of(pixels, colour):
    return int((pixels == colour).all(axis=2).sum())


def test_grid_shows_grey_images_as_they_are():
    images = np.stack([np.full((8, 8, 1), value, np.uint8) for value in (0, 128, 77)])
    pixels, info = decoded(charts.grid_png(images, ["zero", "$x_1$", "77"]))
    # The grid is 2 inches a cell at 100 dots an inch, so each image covers many thousand pixels.
    for value in (0, 128, 77):
        assert count_of(pixels, (value, value, value)) > 10_000
    assert "Software" not in info


def test_grid_shows_colours_and_wraps_after_the_last_column():
    images = np.zeros((7, 6, 6, 3), np.uint8)
    images[:, :, :, 0] = 200
    wide, _ = decoded(charts.grid_png(images, list("abcdefg")))
    narrow, _ = decoded(charts.grid_png(images, list("abcdefg"), columns=2))
    assert wide.shape == (420, 1000, 3)
    assert narrow.shape == (840, 400, 3)
    assert count_of(wide, (200, 0, 0)) > 7 * 10_000


def test_grid_writes_captions_literally():
    images = np.zeros((1, 4, 4, 1), np.uint8)
    first, again, formula, plain = (charts.grid_png(images, [name], 1) for name in ("$x$", "$x$", "x", "$\\bad{"))
    assert first == again
    assert len({first, formula, plain}) == 3
    for name in (*HOSTILE, "漢字"):
        charts.grid_png(images, [name], 1)


@pytest.mark.parametrize(
    "shape, captions",
    [((0, 4, 4, 1), []), ((2, 4, 4), ["a", "b"]), ((1, 4, 4, 2), ["a"]), ((2, 4, 4, 3), ["a"])],
)
def test_grid_refuses_what_is_no_set_of_images(shape, captions):
    with pytest.raises(ValueError):
        charts.grid_png(np.zeros(shape, np.uint8), captions)
