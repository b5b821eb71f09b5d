"""Pictures: their formats and sizes, each in the page once, and the page within its budget whatever they weigh."""

import base64
import io
import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from report_cases import FASHION, HOSTILE, evaluate, image_bytes, page_of, png, record, sample, view_of

from batchclf.core.metrics.gap import overfitting_gap
from batchclf.core.records.findings import Findings, LabelIssues
from batchclf.core.types import Prediction
from batchclf.report.html.render import render
from batchclf.report.html.size_budget import LARGEST, SMALLEST, fitting, page_budget, wanted
from batchclf.report.parts.pictures import Picture, album, heat_map, pictures_in


def picture(number, size):
    return Picture(f"p{number}", "png", bytes(size), 8, 8, True)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_pictures_of_every_format_tell_their_size(kind):
    shown = album({("test", "a"): image_bytes(20, 28, kind), ("test", "b"): image_bytes(90, 100, kind)})
    first, second = shown["test", "a"], shown["test", "b"]
    assert (first.kind, first.width, first.height, first.small) == (kind.lower(), 28, 20, True)
    assert (second.width, second.height, second.small) == (100, 90, False)
    assert first.source.startswith(f"data:image/{kind.lower()};base64,")
    assert first.id != second.id


@pytest.mark.parametrize("content", [b"", b"GIF89a", image_bytes(8, 8, "GIF"), b"\x89PNG\r\n\x1a\n"])
def test_other_formats_are_refused(content):
    with pytest.raises(ValueError, match="PNG, JPEG or WebP"):
        album({("test", "a"): content})


def test_pictures_of_a_view_are_found_once_in_order():
    a, b, c = (picture(n, 5) for n in range(3))
    holder = record().model
    assert pictures_in((b, (a, "text", None)), (a, c), holder) == (b, a, c)


@given(st.lists(st.integers(0, 500), max_size=30), st.integers(0, 5000))
def test_the_first_pictures_that_fit_are_chosen(sizes, room):
    pictures = [picture(n, size) for n, size in enumerate(sizes)]
    chosen = fitting(pictures, room)
    assert list(chosen) == pictures[: len(chosen)]
    assert sum(each.size for each in chosen) <= room
    if len(chosen) < len(pictures):
        assert sum(each.size for each in pictures[: len(chosen) + 1]) > room


@pytest.mark.parametrize(
    "classes, budget",
    [(1, SMALLEST), (10, SMALLEST), (100, (SMALLEST + LARGEST) // 2), (1000, LARGEST), (5000, LARGEST)],
)
def test_the_budget_grows_with_the_digits_of_the_number_of_classes(classes, budget):
    assert page_budget(classes) == budget


def test_worst_errors_are_wanted_first_and_least_confident_last():
    evaluation = evaluate(sample(FASHION, 300, skill=0.4))
    issue = Prediction("test/issue", "test", "Coat", "Shirt", 0.9, 0.8)
    cell = Prediction("test/cell", "test", "Coat", "Shirt", 0.9, 0.8)
    coat, shirt = FASHION.index("Coat"), FASHION.index("Shirt")
    labelled = replace(evaluation.labelled, examples={(coat, shirt): (cell,)})
    label_issues = LabelIssues(1, (issue, labelled.worst_errors[0]), "", "")
    findings = Findings(record(), (replace(evaluation, labelled=labelled),), label_issues=label_issues)
    paths = [row.path for row in wanted(findings)]
    errors, least = ([row.path for row in rows] for rows in (labelled.worst_errors, evaluation.least_confident))
    assert len(paths) == len(set(paths))
    assert paths[: len(errors) + 2] == [*errors, "test/issue", "test/cell"]
    assert set(paths) == {*errors, *least, "test/issue", "test/cell"}


def test_without_labels_the_least_confident_are_wanted():
    evaluation = evaluate(sample(FASHION, 60, "", labelled=0.0), "")
    assert wanted(Findings(record(), (evaluation,))) == evaluation.least_confident


def test_each_picture_stands_in_the_page_once():
    evaluation = evaluate(sample(FASHION, 60, skill=0.1))
    error = evaluation.labelled.worst_errors[0]
    cell = (FASHION.index(error.label), FASHION.index(error.prediction))
    evaluation = replace(evaluation, labelled=replace(evaluation.labelled, examples={cell: (error,)}))
    page = page_of(record(), [evaluation], pictures={("test", error.path): png()})
    assert page.html.count("data:image/png;base64,") == 1
    (drawn,) = page.having("image")
    assert drawn["width"] == drawn["height"] == "28"
    assert f'"{drawn["id"]}"' in re.search(r'id="cell-data">(.*?)</script>', page.html)[1]
    assert {"href": f"#{drawn['id']}"} in page.having("use")


@pytest.mark.parametrize("size", [10, 100, pytest.param(1000, marks=pytest.mark.slow)])
def test_heavy_pictures_and_hostile_names_stay_within_the_budget(size):
    names = tuple(f"{HOSTILE[i % len(HOSTILE)]}{'&<>' * 60}{i}" for i in range(size))
    of = sample(names, 3 * size, seed=size, skill=0.2)
    paths = tuple("\u202e&" * 60 + path for path in of.rows.paths)
    evaluation = evaluate(replace(of, rows=replace(of.rows, paths=paths)))
    labelled = evaluation.labelled
    examples = {}
    for row in range(len(paths)):
        key = int(of.rows.labels[row]), int(of.rows.predictions[row])
        examples.setdefault(key, []).append(of.rows.row(row))
    evaluation = replace(evaluation, labelled=replace(labelled, examples={k: tuple(v) for k, v in examples.items()}))
    train = evaluate(sample(names, 3 * size, "train", seed=1), "train")
    gap = overfitting_gap(train.labelled, evaluation.labelled)
    findings = Findings(record(names, job="&" * 300), (evaluation, train), gap)
    noise = np.random.default_rng(0)
    heavy = image_bytes(96, 96, "PNG", noise.integers(0, 256, (96, 96, 3), dtype=np.uint8))
    pictures = {(row.split, row.path): heavy for row in wanted(findings)}
    view = view_of(findings.record, findings.evaluations, gap, pictures=pictures)
    html = render(view)
    budget = page_budget(size)
    assert budget - 100_000 < len(html.encode()) <= budget
    foot = re.search(r"([\d.]+) MB of at most ([\d.]+) MB; ([\d,]+) of ([\d,]+) pictures did not fit", html)
    assert float(foot[1]) == pytest.approx(len(html.encode()) / 1e6, abs=0.006)
    assert float(foot[2]) == pytest.approx(budget / 1e6, abs=0.006)
    embedded = html.count("data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAGAAAABg")
    assert embedded == len(view.pictures) - int(foot[3].replace(",", ""))
    assert html.count(">no picture</text>") == int(foot[3].replace(",", ""))
    for shown in view.pictures:  # none that the page refers to is missing
        assert html.count(f'id="{shown.id}"') == 1


def test_light_pages_say_how_light_they_are():
    page = page_of(record(), [evaluate(sample(FASHION, 30))])
    assert f"{len(page.html.encode()) / 1e3:.0f} kB of at most 1.50 MB." in page.text


def test_heat_map_is_blue_on_the_diagonal_orange_elsewhere_and_clear_where_nothing_is():
    levels = np.array([[8, 0], [3, 1]], np.uint8)
    image = Image.open(io.BytesIO(base64.b64decode(heat_map(levels).partition(",")[2]))).convert("RGBA")
    (a, b), (c, d) = ([image.getpixel((x, y)) for x in range(2)] for y in range(2))
    assert a == (0, 114, 178, 255)
    assert b[3] == 0
    assert c[:3] == (213, 94, 0)
    assert d[:3] == (0, 114, 178)
    assert d[3] < c[3] < a[3]
