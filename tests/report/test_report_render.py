"""The page: well formed, escaped, complete, self-contained, small, and legible in both colour schemes."""

import base64
import hashlib
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from report_cases import (
    FASHION,
    HOSTILE,
    both_splits,
    directory_subset,
    evaluate,
    of_probabilities,
    page_of,
    pictures_of,
    record,
    sample,
    split_subset,
    view_of,
)
from sklearn import metrics

from batchclf.core.metrics.gap import overfitting_gap
from batchclf.core.records.run import GateResult
from batchclf.core.text import class_name, visible
from batchclf.core.types import ImageRef, SkippedImage
from batchclf.errors import BatchclfError
from batchclf.report.html import render as rendering
from batchclf.report.html import templates


def names(size):
    return tuple(f"class {i}" for i in range(size))


def small(labels, predictions, size):
    probabilities = np.full((len(labels), size), 0.1 / size)
    probabilities[np.arange(len(labels)), predictions] += 0.9
    return evaluate(of_probabilities(names(size), probabilities, np.array(labels)))


def hostile_page():
    of, of_train = sample(HOSTILE, 120, "test", skill=0.3), sample(HOSTILE, 120, "train", seed=3)
    test, train = evaluate(of), evaluate(of_train, "train")
    inbox = evaluate(sample(HOSTILE, 30, "", labelled=0.0), "")
    run = record(
        HOSTILE,
        job=HOSTILE[0],
        command=["batchclf", *HOSTILE],
        gates=[GateResult(HOSTILE[1], 0.5, 0.6, False, HOSTILE[0])],
        subsets=[split_subset("test", 120), directory_subset(30, source="/" + "/".join(HOSTILE))],
        versions={HOSTILE[0]: HOSTILE[1]},
    )
    skipped = [SkippedImage(ImageRef(name, name), name) for name in HOSTILE]
    gap = overfitting_gap(train.labelled, test.labelled)
    return page_of(run, [test, train, inbox], gap, skipped=skipped)


PAGES = {
    "ten": lambda: page_of(record(), *both_splits()[1:]),
    "two": lambda: page_of(record(names(2)), [evaluate(sample(names(2), 50))]),
    "hundred": lambda: page_of(record(names(100)), *both_splits(names(100), 2000)[1:]),
    "unlabelled": lambda: page_of(
        record(subsets=[directory_subset(40)], dataset=None),
        [evaluate(sample(FASHION, 40, "", labelled=0.0), "")],
    ),
    "partially labelled": lambda: page_of(record(), [evaluate(sample(FASHION, 90, labelled=0.4))]),
    "all right": lambda: page_of(record(names(3)), [small([0, 1, 2], [0, 1, 2], 3)]),
    "all wrong": lambda: page_of(record(names(3)), [small([0, 1, 2], [1, 2, 0], 3)]),
    "one image": lambda: page_of(record(names(2)), [small([1], [1], 2)]),
    "no history": lambda: page_of(record(history={}), [evaluate(sample(FASHION, 20))]),
    "hostile": hostile_page,
}


@pytest.fixture(scope="module", params=PAGES)
def page(request):
    return PAGES[request.param]()


def test_page_is_well_formed_and_names_everything_once(page):
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    for href in page.values("href"):
        assert not href.startswith("#") or href[1:] in ids
    for label in page.values("aria-labelledby"):
        assert set(label.split()) <= set(ids)
    assert len(page.having("h1")) == 1
    assert all(section.get("aria-labelledby") for section in page.having("section"))
    assert all(header.get("scope") in ("row", "col") for header in page.having("th"))


def sha256(text):
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def test_page_fetches_nothing_and_runs_only_its_script(page):
    assert not {"iframe", "object", "embed", "form", "base"} & {tag for tag, _ in page.tags}
    assert not page.values("style")
    scripts = page.having("script")
    assert scripts in ([{}], [*({"type": "application/json", "id": f"{name}-data"} for name in ("cell", "page")), {}])
    assert len(page.having("style")) == 1
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)
    assert "http:" not in page.html
    assert "https:" not in page.html
    assert not re.search(r"@import|url\((?!#)", page.html)
    for source in page.values("src"):
        assert source.startswith("data:image/png;base64,")
    for href in page.values("href"):
        if href.startswith("data:image/png;base64,"):
            continue
        assert href.startswith("#") or href == "data:," or re.fullmatch(r"[a-z_]+\.(csv|json)", href)
    policy = page.having("meta")[1]
    assert policy["http-equiv"] == "Content-Security-Policy"
    style, script = re.search(r"<style>(.*?)</style>.*<script>(.*?)</script>", page.html, re.DOTALL).groups()
    assert policy["content"] == (
        f"default-src 'none'; style-src {sha256(style)}; script-src {sha256(script)}; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def test_page_can_be_written(page):
    page.html.encode("utf-8")
    assert page.html.startswith("<!doctype html>")
    assert len(page.html) < 1_500_000


def test_sections_stand_in_the_order_of_reading():
    page = PAGES["ten"]()
    order = ["numbers", "gap", "confusion", "classes", "calibration", "ranking", "errors", "data", "skipped", "facts"]
    assert list(page.sections) == order
    assert page.html.index("<h1>") < page.html.index('id="numbers"')
    links = [link["href"][1:] for link in page.having("a")]
    assert links[: 2 + len(order[1:])] == ["main", "top", *order[1:]]


def test_numbers_on_the_page_are_those_of_scikit_learn():
    samples, evaluations, gap = both_splits()
    of = samples["test"]
    page = page_of(record(), evaluations, gap)
    assert page.measure("Test accuracy") == f"{metrics.accuracy_score(of.labels, of.predictions):.2%}"
    expected = metrics.confusion_matrix(of.labels, of.predictions)
    shares = metrics.confusion_matrix(of.labels, of.predictions, normalize="true")
    columns = metrics.confusion_matrix(of.labels, of.predictions, normalize="pred")
    header, *rows, totals = page.tables["matrix"]
    assert header == ["Predicted → True ↓", *FASHION, "Images"]
    for i, row in enumerate(rows):
        numbers = zip(expected[i], shares[i], columns[i], strict=True)
        cells = [f"{n} {of_true:.2%} {of_predicted:.2%}" if n else "" for n, of_true, of_predicted in numbers]
        assert row == [FASHION[i], *cells, str(expected[i].sum())]
    assert totals == ["Predicted", *(str(n) for n in expected.sum(axis=0)), "600"]
    recall = metrics.recall_score(of.labels, of.predictions, average=None)
    f1 = metrics.f1_score(of.labels, of.predictions, average=None)
    for row in page.tables["per-class"][1:]:
        i = FASHION.index(row[0])
        assert row[2].startswith(f"{recall[i]:.2%} ")
        assert row[5].startswith(f"{f1[i]:.4f} ")
    assert gap.sentence in page.sections["gap"]


def test_matrix_cells_are_coloured_by_share_and_side_of_the_diagonal():
    page = page_of(record(names(2)), [small([0] * 20 + [1] * 4, [0] * 19 + [1] + [1, 1, 1, 0], 2)])
    heats = [attributes.get("class") for tag, attributes in page.tags if tag == "td"]
    matrix = [heat for heat in heats if heat and re.match(r"[rw]\d", heat)]
    assert matrix == ["r8 q8", "w3 k5", "w5 k3", "r7 q7"]  # by row 95%, 5%, 25%, 75%; by column 95%, 25%, 5%, 75%


def test_hostile_names_are_text_in_bdi():
    page = PAGES["hostile"]()
    inside = set(re.findall(r"<bdi>([^<]*)</bdi>", page.html))
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in inside
    assert r"\u202egnp.exe" in inside
    assert not any(c in page.html for c in "\u202a\u202b\u202d\u202e\u2066\u2067\u2068")
    for name in HOSTILE:
        assert " ".join(visible(name).split()) in page.text
    assert page.tables["matrix"][0][1:-1] == [" ".join(class_name(name).split()) for name in HOSTILE]
    assert [row[0] for row in page.tables["skips"][1:]] == [" ".join(visible(name).split()) for name in HOSTILE]


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.text(st.characters(exclude_categories=()), min_size=1), min_size=2, max_size=4, unique=True))
def test_any_class_names_make_a_well_formed_page(drawn):
    page = page_of(record(tuple(drawn)), *both_splits(tuple(drawn), 30)[1:])
    page.html.encode("utf-8")
    assert len(page.having("script")) == 3
    assert page.tables["matrix"][0][1:-1] == [" ".join(class_name(name).split()) for name in drawn]


def test_pictures_are_shown_pixelated_and_absent_ones_as_a_box():
    evaluation = evaluate(sample(FASHION, 60, skill=0.1))
    pictures = pictures_of(evaluation)
    removed = evaluation.labelled.worst_errors[0]
    del pictures[("test", removed.path)]
    page = page_of(record(), [evaluation], pictures=pictures)
    images = [image for image in page.having("svg") if image.get("class", "").startswith("picture")]
    assert {image["aria-label"] for image in images} == {path for _, path in pictures}
    assert {image["class"] for image in images} == {"picture pixels"}
    assert {image["role"] for image in images} == {"img"}
    boxes = [a for _, a in page.tags if "absent" in a.get("class", "")]
    assert f"no picture of {removed.path}" in {box["aria-label"] for box in boxes}


def test_gallery_shows_label_prediction_confidence_and_path():
    evaluation = evaluate(sample(FASHION, 60, skill=0.1))
    text = page_of(record(), [evaluation]).sections["errors"]
    for error in evaluation.labelled.worst_errors:
        shown = f"true {error.label} predicted {error.prediction} confidence {error.confidence:.2%}"
        assert f"{shown} {error.path}" in text


def test_unlabelled_page_says_what_needs_labels_and_shows_no_empty_section():
    page = PAGES["unlabelled"]()
    assert list(page.sections) == ["numbers", "data", "unlabelled", "gap", "skipped", "facts"]
    for word in ("Accuracy", "confusion matrix", "gap", "need labels"):
        assert word in page.sections["unlabelled"]
    assert "matrix" not in page.tables


def test_page_without_history_or_second_split_says_why():
    page = PAGES["no history"]()
    assert "only the test split was scored" in page.sections["gap"]
    assert "no learning curves" in page.sections["gap"]
    assert not re.search(r'id="curve-', page.html)


def test_all_right_says_so_instead_of_showing_nothing():
    page = PAGES["all right"]()
    assert "Every labelled image is right." in page.sections["errors"]


def test_skipped_files_end_with_the_number_left_out():
    skipped = [SkippedImage(ImageRef(f"{i}.png", None), "cut off") for i in range(73)]
    page = page_of(record(), [evaluate(sample(FASHION, 10))], skipped=skipped)
    assert len(page.tables["skips"]) == 51
    assert page.sections["skipped"].endswith("and 23 more in skipped.csv")


def test_unsound_accounting_is_alarming():
    run = record(subsets=[split_subset("test", 10, found=12)])
    page = page_of(run, [evaluate(sample(FASHION, 10))])
    assert page.tables["subsets"][1][0] == "test split does not add up"


def test_same_view_gives_the_same_page():
    view = view_of(record(), *both_splits()[1:])
    assert rendering.render(view) == rendering.render(view)


def test_missing_templates_are_an_error_for_people(tmp_path, monkeypatch):
    view = view_of(record(), [evaluate(sample(FASHION, 10))])
    monkeypatch.setitem(sys.modules, "batchclf.templates", None)
    monkeypatch.setattr(templates, "__file__", str(tmp_path / "batchclf" / "report" / "html" / "templates.py"))
    templates._built_in_environment.cache_clear()
    try:
        with pytest.raises(BatchclfError, match="templates are not in") as caught:
            rendering.render(view)
    finally:
        templates._built_in_environment.cache_clear()
    assert "install batchclf again" in caught.value.hint


def css_variables():
    """The colours of the light and of the dark scheme."""
    folder = Path(__file__).parents[2] / "templates"
    css = "".join((folder / name).read_text("utf-8") for name in ("report.css", "heat.css"))
    dark = "".join(re.findall(r"@media screen and \(prefers-color-scheme: dark\) \{(.*?)\n\}", css, re.DOTALL))
    light = css.replace(dark, "")
    return {
        "light": dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", light)),
        "dark": dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", dark)),
    }


def contrast(first, second):
    """The contrast ratio of WCAG 2.2 (1.4.3), from the relative luminances of two colours."""

    def luminance(colour):
        channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(first), luminance(second)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_have_enough_contrast(scheme):
    colours = css_variables()[scheme]
    pairs = [(text, on) for text in ("ink", "muted", "link") for on in ("bg", "surface", "stripe")]
    pairs += [(f"{kind}{level}t", f"{kind}{level}") for kind in "rw" for level in range(1, 9)]
    for state in ("passed", "failed", "partial", "none"):
        pairs += [(text, f"{state}-bg") for text in (state, "ink", "passed", "failed")]
    for text, background in pairs:
        assert contrast(colours[text], colours[background]) >= 4.5, (text, background)
    for series in ("series-a", "series-b"):  # WCAG 1.4.11: graphics need 3
        assert contrast(colours[series], colours["surface"]) >= 3
