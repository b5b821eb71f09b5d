"""The figures: SVG that can stand in a page, and the picture of a data set's first images."""

import io
import re
import xml.etree.ElementTree as ET
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from report_cases import FASHION, HOSTILE, evaluate, of_probabilities, sample

from batchclf.core.images.statistics import Histogram
from batchclf.core.metrics.intervals import wilson
from batchclf.core.text import visible
from batchclf.report.charts import calibration as chart_calibration
from batchclf.report.charts import canvas as charts
from batchclf.report.charts import data as chart_data
from batchclf.report.charts import gap as chart_gap
from batchclf.report.charts import ranking as chart_ranking
from batchclf.report.charts.image_grid import grid_png
from batchclf.report.charts.ranking import NamedCurve

COUNTS = [0] * 15 + [1, 2, 3, 4, 25]
LIGHT = Histogram(0.0, 255.0, (*[0] * 20, *range(31)))
DARK = Histogram(0.0, 255.0, (*range(31), *[0] * 20))
LABELLED = evaluate(sample(FASHION, 800, skill=0.7)).labelled
ONE_IMAGE = evaluate(sample(FASHION, 1)).labelled
EQUAL = evaluate(of_probabilities(FASHION, np.full((40, 10), 0.1), np.arange(40) % 10)).labelled
BROKEN = float("nan")


def rankings(labelled):
    return [each for each in labelled.ranking if each.auc]


def roc(labelled, rest=()):
    return chart_ranking.roc([NamedCurve(each.name, "0.9", each.roc) for each in rankings(labelled)], rest)


def precision_recall(labelled, rest=()):
    named = [NamedCurve(each.name, "0.9", each.precision_recall) for each in rankings(labelled)]
    return chart_ranking.precision_recall(named, rest)


def runs_of(*days):
    return chart_gap.RunNames(days, [f"run of {day}" for day in days])


def some(*hits):
    return [None if each is None else wilson(each, 100) for each in hits]


FIGURES = {
    "accuracy": lambda: chart_gap.learning_curve(
        "accuracy", [0.8, 0.9], [0.7, 0.75], chart_gap.Mark(2, "best epoch 2")
    ),
    "loss": lambda: chart_gap.learning_curve("loss", [0.8, 0.5, 0.4], []),
    "of validation images": lambda: chart_gap.learning_curve(
        "loss", [0.8, 0.5, 0.4], [0.9, 0.6, 0.7], chart_gap.Mark(2, "kept: epoch 2"), on="validation"
    ),
    "one epoch": lambda: chart_gap.learning_curve("loss", [0.8], [0.9]),
    "many epochs": lambda: chart_gap.learning_curve(
        "loss", np.linspace(2, 1, 5000), np.linspace(2, 1.5, 5000), chart_gap.Mark(4999, "kept")
    ),
    "no finite epoch but one": lambda: chart_gap.learning_curve("loss", [BROKEN, 0.4, BROKEN], [BROKEN] * 3),
    "dumbbell": lambda: chart_gap.dumbbell([("Shirt", 0.9, 0.7), ("Bag", 0.95, 0.96)]),
    "25 classes": lambda: chart_gap.dumbbell([(f"class {i}", 0.9, 0.9 - i / 50) for i in range(25)]),
    "one class": lambda: chart_gap.dumbbell([("Shirt", 1.0, 1.0)]),
    "gaps": lambda: chart_gap.runs_gap(runs_of("2026-03-01", "2026-03-02", "2026-03-03"), some(3, None, 4)),
    "earlier runs": lambda: chart_gap.runs_accuracy(
        runs_of(*(f"2026-03-{i:02d}" for i in range(1, 31))), some(*range(60, 90)), some(*range(30))
    ),
    "no train": lambda: chart_gap.runs_accuracy(runs_of("2026-03-01", "2026-03-01"), [], some(90, 91)),
    "histogram": lambda: chart_calibration.confidence_histogram("wrong", "35 wrong", COUNTS, "wrong"),
    "reliability": lambda: chart_calibration.reliability(LABELLED.calibration.bins),
    "reliability with and without temperature": lambda: chart_calibration.reliability(
        LABELLED.calibration.bins, ONE_IMAGE.calibration.bins
    ),
    "reliability of one image": lambda: chart_calibration.reliability(ONE_IMAGE.calibration.bins),
    "coverage": lambda: chart_calibration.coverage(LABELLED.calibration.coverage),
    "coverage of one image": lambda: chart_calibration.coverage(ONE_IMAGE.calibration.coverage),
    "equal confidences": lambda: chart_calibration.coverage(EQUAL.calibration.coverage),
    "roc": lambda: roc(LABELLED),
    "roc of equal ones": lambda: roc(EQUAL),
    "roc with a range": lambda: roc(LABELLED, [each.roc for each in rankings(EQUAL)]),
    "precision": lambda: precision_recall(LABELLED),
    "precision with a range": lambda: precision_recall(EQUAL, [each.precision_recall for each in LABELLED.ranking]),
    "balance": lambda: chart_data.class_balance([("Shirt", 100, 90), ("Bag", 0, 10)]),
    "balance of 25": lambda: chart_data.class_balance([(f"class {i}", 10**i % 7919, i) for i in range(25)]),
    "balance of nothing predicted": lambda: chart_data.class_balance([("Shirt", 1, 0)]),
    "brightness": lambda: chart_data.image_histogram("brightness", "b", LIGHT, DARK),
    "brightness alone": lambda: chart_data.image_histogram("brightness", "b", LIGHT, None),
    "brightness of no image": lambda: chart_data.image_histogram(
        "brightness", "b", replace(LIGHT, counts=(0,) * 51), DARK
    ),
    "confidence": lambda: chart_data.image_histogram(
        "confidence", "c", Histogram(0, 1, COUNTS), Histogram(0, 1, COUNTS)
    ),
}


def stops_of(svg):
    """What the pointer and the arrow keys find: direction, and of each stop its places and its words."""
    root = ET.fromstring(svg)
    lines = [line.split("\t") for line in root.get("data-stops").split("\n")]
    places = [[tuple(map(float, place.split(","))) for place in line[0].split(" ")] for line in lines]
    return root.get("data-along"), places, [line[1:] for line in lines]


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
def test_figure_draws_within_its_bounds(figure):
    root = ET.fromstring(FIGURES[figure]())
    width, height = map(float, root.get("viewBox").split()[2:])
    for x, y in drawn(root):
        assert -1 <= x <= width + 1
        assert -1 <= y <= height + 1


def drawn(root):
    """Every point that lines and markers of a figure go through, and where its texts begin or end."""
    in_defs = {path for defs in root.iter("defs") for path in defs.iter("path")}
    for path in root.iter("path"):
        if path not in in_defs:
            yield from points_of(path.get("d"))
    for element in (*root.iter("use"), *root.iter("text")):
        yield float(element.get("x")), float(element.get("y"))


def points_of(data):
    """Follow a path of straight lines."""
    here = start = (0.0, 0.0)
    for letter, numbers in re.findall(r"([A-Za-z])([^A-Za-z]*)", data):
        values = [float(number) for number in numbers.split()]
        if letter == "M":
            here = start = tuple(values)
        elif letter == "z":
            here = start
        else:
            across, down = {"l": values, "h": [*values, 0], "v": [0, *values]}[letter]
            here = (here[0] + across, here[1] + down)
        yield here


@pytest.mark.parametrize("figure", FIGURES)
def test_figure_takes_its_colours_and_font_from_the_page(figure):
    svg = FIGURES[figure]()
    assert "var(--series-" in svg
    assert "currentColor" in svg or "var(--muted)" in svg
    for foreign in ("#0", "font-family", "http", "<style", "<metadata"):
        assert foreign not in svg


def test_lines_go_through_their_points():
    chart = charts.Chart("x", 100)
    plane = charts.Plane(chart, (0, 0, 100, 100), (0, 10), (0, 1))
    plane.line([0, 2.5, 10], [0, 0.123, 1], charts.TRAIN)
    plane.bars([0, 5], [4, 9], [0.5, 0.0], charts.TEST)
    line, bar = (list(points_of(path.get("d"))) for path in ET.fromstring(chart.svg("A", "b.")).iter("path"))
    np.testing.assert_allclose(line, [(0, 100), (25, 87.7), (100, 0)])
    np.testing.assert_allclose(sorted(set(bar)), [(0, 50), (0, 100), (40, 50), (40, 100)])


def test_a_line_is_interrupted_where_a_value_is_missing():
    chart = charts.Chart("x", 100)
    charts.Plane(chart, (0, 0, 100, 100), (0, 3), (0, 1)).line([0, 1, 2, 3], [0, 1, BROKEN, 1], charts.TRAIN)
    assert ET.fromstring(chart.svg("A", "b.")).find("path").get("d").count("M") == 2


def test_up_to_fifteen_curves_differ_in_colour_or_dashes():
    many = tuple(f"class {i}" for i in range(12))
    svg = roc(evaluate(sample(many, 400)).labelled)
    looks = re.findall(r'fill="none"([^>]* stroke="var\(--series-.\)" stroke-width="2")', svg)
    assert len(looks) == len(set(looks)) == 12


def test_reliability_draws_each_bin_that_has_images():
    bins = LABELLED.calibration.bins
    root = ET.fromstring(chart_calibration.reliability(bins))
    places = [(float(use.get("x")), float(use.get("y"))) for use in root.iter("use")]
    filled = [each for each in bins if each.images]
    assert len(places) == len(filled)
    # Places follow the shares: the same straight line for all.
    for axis, values in ((0, [b.confidence for b in filled]), (1, [b.accuracy.value for b in filled])):
        slope, start = np.polyfit(values, [place[axis] for place in places], 1)
        assert np.polyval((slope, start), values) == pytest.approx([place[axis] for place in places], abs=0.1)


def test_marked_thresholds_are_those_that_leave_images_and_have_room():
    marks = [text for text in texts(chart_calibration.coverage(LABELLED.calibration.coverage)) if text.startswith("≥")]
    assert marks
    known = {f"≥ {100 * point.threshold:g}%" for point in LABELLED.calibration.coverage if point.images}
    assert set(marks) <= known
    # With equal confidences all thresholds leave the same images, so none of the marked ones leaves any.
    assert not [text for text in texts(chart_calibration.coverage(EQUAL.calibration.coverage)) if "≥" in text]


@pytest.mark.parametrize("figure", FIGURES)
def test_stops_lie_in_the_figure_in_their_order(figure):
    svg = FIGURES[figure]()
    along, places, words = stops_of(svg)
    width, height = map(float, ET.fromstring(svg).get("viewBox").split()[2:])
    assert all(0 <= x <= width and -1 <= y <= height for stop in places for x, y in stop)
    assert all(len(each) > 1 and all(each) for each in words)
    assert len(words) <= 120
    if along != "xy":
        axis = "xy".index(along)
        firsts = [stop[0][axis] for stop in places]
        assert firsts == sorted(firsts)


def test_stops_stand_on_the_marks():
    svg = FIGURES["reliability"]()
    assert [place for (place,) in stops_of(svg)[1]] == [
        (float(use.get("x")), float(use.get("y"))) for use in ET.fromstring(svg).iter("use")
    ]


def test_a_long_training_has_values_of_some_epochs():
    heads = [words[0] for words in stops_of(FIGURES["many epochs"]())[2]]
    assert len(heads) == 100
    assert (heads[0], heads[-1]) == ("Epoch 1", "Epoch 5,000")


def test_stops_say_the_whole_name_and_nothing_else():
    svg = chart_gap.dumbbell([(name, 0.9, 0.8) for name in HOSTILE])
    assert [words[0] for words in stops_of(svg)[2]] == [visible(name) for name in HOSTILE]
    assert "<script" not in svg


def test_ids_of_two_figures_do_not_meet():
    first, second = (chart_calibration.confidence_histogram("all", "35", COUNTS, name) for name in ("a", "b"))
    ids = [{e.get("id") for e in ET.fromstring(svg).iter() if e.get("id")} for svg in (first, second)]
    assert not ids[0] & ids[1]
    for svg, own in zip((first, second), ids, strict=True):
        used = {e.get("href")[1:] for e in ET.fromstring(svg).iter() if e.get("href")}
        assert used <= own


def test_names_are_text_and_nothing_else():
    svg = chart_gap.dumbbell([(name, 0.9, 0.8) for name in HOSTILE])
    shown = texts(svg)
    for name in map(visible, HOSTILE):
        assert (name if len(name) <= 20 else name[:19] + "…") in shown
    assert "<script" not in svg


def test_names_in_a_legend_are_text_and_nothing_else():
    svg = roc(evaluate(sample(tuple(map(visible, HOSTILE)), 300)).labelled)
    for name in map(visible, HOSTILE):
        assert f"{name if len(name) <= 15 else name[:14] + '…'} 0.9" in texts(svg)
    assert "<script" not in svg


def test_dumbbell_describes_each_pair_and_writes_the_gap():
    svg = FIGURES["dumbbell"]()
    assert {"+20.0", "\u22121.0"} <= set(texts(svg))
    assert "Shirt 90.00% and 70.00%; Bag 95.00% and 96.00%." in svg


def test_dumbbell_has_no_tick_beyond_all_right():
    ticks = [t for t in texts(chart_gap.dumbbell([("a", 1.0, 0.98), ("b", 0.99, 0.97)])) if t.endswith("%")]
    assert ticks
    assert all(float(tick.rstrip("%")) <= 100 for tick in ticks)


def test_curve_of_some_broken_epochs_says_so():
    svg = chart_gap.learning_curve("loss", [float("nan"), 0.5], [float("nan")] * 2)
    assert "Train: 0.5000 at first, 0.5000 after 2 epochs. Test: no finite value." in svg


def decoded(png):
    with Image.open(io.BytesIO(png)) as image:
        assert image.format == "PNG"
        return np.asarray(image.convert("RGB")), image.info


def count_of(pixels, colour):
    return int((pixels == colour).all(axis=2).sum())


def test_grid_shows_grey_images_as_they_are():
    images = np.stack([np.full((8, 8, 1), value, np.uint8) for value in (0, 128, 77)])
    pixels, info = decoded(grid_png(images, ["zero", "$x_1$", "77"]))
    # The grid is 2 inches a cell at 100 dots an inch, so each image covers many thousand pixels.
    for value in (0, 128, 77):
        assert count_of(pixels, (value, value, value)) > 10_000
    assert "Software" not in info


def test_grid_shows_colours_and_wraps_after_the_last_column():
    images = np.zeros((7, 6, 6, 3), np.uint8)
    images[:, :, :, 0] = 200
    wide, _ = decoded(grid_png(images, list("abcdefg")))
    narrow, _ = decoded(grid_png(images, list("abcdefg"), columns=2))
    assert wide.shape == (420, 1000, 3)
    assert narrow.shape == (840, 400, 3)
    assert count_of(wide, (200, 0, 0)) > 7 * 10_000


def test_grid_writes_captions_literally():
    images = np.zeros((1, 4, 4, 1), np.uint8)
    first, again, formula, plain = (grid_png(images, [name], 1) for name in ("$x$", "$x$", "x", "$\\bad{"))
    assert first == again
    assert len({first, formula, plain}) == 3
    for name in (*HOSTILE, "漢字"):
        grid_png(images, [name], 1)


@pytest.mark.parametrize(
    "shape, captions",
    [((0, 4, 4, 1), []), ((2, 4, 4), ["a", "b"]), ((1, 4, 4, 2), ["a"]), ((2, 4, 4, 3), ["a"])],
)
def test_grid_refuses_what_is_no_set_of_images(shape, captions):
    with pytest.raises(ValueError):
        grid_png(np.zeros(shape, np.uint8), captions)
