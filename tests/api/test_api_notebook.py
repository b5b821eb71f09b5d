"""What a notebook shows of an evaluation: escaped, offline, small, and to be read on light and on dark."""

import re
from html.parser import HTMLParser

import numpy as np
import pytest

import batchclf


def drawn(names, *, n=2_000, seed=0):
    random = np.random.default_rng(seed)
    labels = random.integers(0, len(names), n)
    given = np.where(random.random(n) < 0.7, labels, random.integers(0, len(names), n))
    return batchclf.evaluate(labels, given, classes=names)


class Tags(HTMLParser):
    """The tags with their attributes, what is open at the end, and the text."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.open, self.text = [], [], ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += f" {data}"


HOSTILE = ("<script>alert(1)</script>", 'a"b', "cat\u202egod", "x" * 300)


def test_it_shows_verdict_numbers_and_matrix_and_fetches_nothing():
    evaluation = drawn(("cat", "dog", "eel"))
    page = Tags(evaluation._repr_html_())
    assert page.open == []
    assert f"{evaluation.accuracy:.2%}" in page.text
    for word in ("95% interval", "Macro F1", "baseline", *evaluation.class_names):
        assert word in page.text
    for row in evaluation.confusion.to_numpy().tolist():
        for number in row:
            assert re.search(rf"\b{number}\b", page.text)
    assert {tag for tag, _ in page.tags} <= {
        *("div", "p", "b", "bdi", "table", "thead", "tbody", "tfoot", "tr", "th", "td"),
    }
    attributes = {name for _, attrs in page.tags for name in attrs}
    assert attributes <= {"style", "title", "scope", "role", "aria-label", "tabindex"}
    assert not any("url(" in attrs.get("style", "") for _, attrs in page.tags)


def test_names_are_only_text():
    page = Tags(drawn(HOSTILE)._repr_html_())
    assert not any(tag == "script" for tag, _ in page.tags)
    assert "<script>alert(1)</script>" in page.text
    assert "\u202e" not in page.text
    assert "x" * 300 not in page.text


@pytest.mark.parametrize("classes", [1, 2, 12, 13, 40, 41, 1_000])
def test_its_size_is_bounded_whatever_the_number_of_classes(classes):
    text = drawn([f"a class with a name of some length, number {number}" for number in range(classes)])._repr_html_()
    assert len(text.encode()) < 400_000
    shown = min(classes, 40) if classes <= 40 else 30
    assert text.count('<th scope="row"') >= shown
    assert ("most confused of" in text) == (classes > 40)


def luminance(color):
    """Relative luminance, WCAG 2.2."""
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in color]
    return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))


def contrast(one, other):
    bright, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


@pytest.mark.parametrize(
    ("page", "ink"),
    [
        ((1, 1, 1), (0, 0, 0)),
        ((1, 1, 1), (0.2, 0.2, 0.2)),
        ((0.07, 0.07, 0.07), (0.85, 0.85, 0.85)),
        ((0, 0, 0), (1, 1, 1)),
    ],
)
@pytest.mark.filterwarnings("ignore:the class names do not seem")
def test_the_numbers_can_be_read_on_light_and_on_dark_notebooks(page, ink):
    shares = np.array([0.005, 0.02, 0.07, 0.2, 0.4, 0.6, 0.8, 0.95, 0.98, 0.995])
    counts = np.zeros((20, 20), int)
    for row, share in enumerate(np.repeat(shares, 2)):
        counts[row, row], counts[row, (row + 1) % 20] = round(1_000 * share), round(1_000 * (1 - share))
    labels, given = (np.repeat(each, counts.ravel()) for each in np.indices(counts.shape).reshape(2, -1))
    text = batchclf.evaluate(labels, given)._repr_html_()
    colors = {tuple(map(float, found)) for found in re.findall(r"rgba\((\d+),(\d+),(\d+),([\d.]+)\)", text)}
    assert len(colors) == 16
    for *rgb, alpha in colors:
        under = [alpha * value / 255 + (1 - alpha) * behind for value, behind in zip(rgb, page, strict=True)]
        assert contrast(under, ink) >= 4.5, (rgb, alpha)
