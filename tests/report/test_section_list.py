"""The list of sections: one more of them is in page, contents, figures, JSON, schema and Markdown."""

import json
import shutil
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
from report_cases import FASHION, GENERATED, both_splits, evaluate, read, record, sample

from batchclf.core.records.findings import Findings
from batchclf.core.types import ImageRef, SkippedImage
from batchclf.report import charts, sections
from batchclf.report.formats.json_report import document_schema, encoded, report_document
from batchclf.report.formats.markdown import report_markdown
from batchclf.report.html.render import list_blocks, render
from batchclf.report.html.templates import _built_in_environment
from batchclf.report.sections.section_list import SECTIONS, Section, load
from batchclf.report.sections.whole_report import build_view

jsonschema = pytest.importorskip("jsonschema")

SECTION = """
from dataclasses import dataclass

@dataclass(frozen=True)
class Weather:
    words: str
    images: int

def weather(findings):
    return Weather(f"It rained on {findings.main.total} images.", findings.main.total)

def weather_json(findings) -> Weather:
    return weather(findings)

def weather_lines(findings, skipped):
    return [f"- Weather: {weather(findings).words} {len(list(skipped))} were washed away."]
"""
CHART = """
from batchclf.report.charts.canvas import INK, WIDTH, Chart, Plane, markup

def figures(view):
    chart = Chart("rain", 120)
    Plane(chart, (50, 10, WIDTH - 10, 90), (0, 1), (0, view.images)).line([0, 1], [0, view.images], INK)
    return {"rain": markup(chart.svg("Rain", "More and more."))}
"""
TEMPLATE = """\
{# The weather of the day. #}
{% from "macros.html" import figure %}
<section id="weather" aria-labelledby="weather-title">
<h2 id="weather-title">Weather</h2>
{# Rain in words. #}
{% block weather_words %}
<p>{{ view.weather.words }}</p>
{% endblock weather_words %}
{{ figure(figures.rain, "Rain by hour") }}
</section>
"""
WEATHER = Section(
    "weather",
    "Weather",
    view="sections.weather:weather",
    figures="charts.weather:figures",
    json={"weather": "sections.weather:weather_json"},
    markdown="sections.weather:weather_lines findings skipped",
)
SKIPPED = [SkippedImage(ImageRef("a.png", None), "cut off")]


@pytest.fixture
def findings():
    _, evaluations, gap = both_splits(n=200)
    return Findings(record(), tuple(evaluations), gap)


@pytest.fixture
def with_weather(tmp_path, monkeypatch):
    """A file of sections/, one of charts/, a template, an entry of the list before the last."""
    for room, text in ((sections, SECTION), (charts, CHART)):
        folder = tmp_path / room.__name__.rpartition(".")[2]
        folder.mkdir()
        (folder / "weather.py").write_text(text)
        monkeypatch.setattr(room, "__path__", [*room.__path__, str(folder)])
    shutil.copytree(Path(__file__).parents[2] / "templates", tmp_path / "templates")
    (tmp_path / "templates" / "weather.html").write_text(TEMPLATE)
    # In place of the package's own, wherever an installation keeps that.
    place = tmp_path / "templates" / "__init__.py"
    spec = spec_from_file_location("batchclf.templates", place, submodule_search_locations=[str(place.parent)])
    monkeypatch.setitem(sys.modules, "batchclf.templates", module_from_spec(spec))
    SECTIONS.insert(-1, WEATHER)
    _built_in_environment.cache_clear()
    yield
    SECTIONS.remove(WEATHER)
    _built_in_environment.cache_clear()
    for name in ("batchclf.report.sections.weather", "batchclf.report.charts.weather"):
        sys.modules.pop(name, None)


def page(findings, templates=None):
    view = build_view(findings, pictures={}, skipped=SKIPPED, generated=GENERATED)
    return read(render(view, templates))


@pytest.mark.usefixtures("with_weather")
def test_a_section_more_is_on_the_page_in_its_place(findings):
    shown = page(findings)
    assert "It rained on 200 images." in shown.sections["weather"]
    assert list(shown.sections)[-2:] == ["weather", "facts"]
    assert '<li><a href="#weather">Weather</a></li>\n<li><a href="#facts">' in shown.html
    assert "More and more." in shown.html


@pytest.mark.usefixtures("with_weather")
def test_a_section_more_is_in_the_other_forms_of_the_report(findings):
    document = json.loads(encoded(report_document(findings, skipped=SKIPPED, generated=GENERATED)))
    assert document["weather"] == {"words": "It rained on 200 images.", "images": 200}
    schema = document_schema()
    jsonschema.Draft202012Validator(schema).validate(document)
    assert "weather" in schema["$defs"]["ReportDocument"]["required"]
    text = report_markdown(findings, skipped=SKIPPED, generated=GENERATED, folder="runs/1")
    items = [line for line in text.splitlines() if line.startswith("- ")]
    assert items[-2:] == [
        "- Weather: It rained on 200 images. 1 were washed away.",
        "- Skipped: 1 image: `cut off` 1×",
    ]


@pytest.mark.usefixtures("with_weather")
def test_a_section_more_has_blocks_that_users_replace(findings, tmp_path):
    listed = {(block.template, block.name): block.about for block in list_blocks()}
    assert listed["report.html", "weather"] == "The weather of the day. See weather.html."
    assert listed["weather.html", "weather_words"] == "Rain in words."
    own = tmp_path / "own"
    own.mkdir()
    (own / "report.html").write_text(
        '{% extends "batchclf/report.html" %}{% block weather %}<p>Sun on {{ view.weather.images }}.</p>{% endblock %}'
    )
    shown = page(findings, own)
    assert "<p>Sun on 200.</p>" in shown.html
    assert "It rained" not in shown.text


def test_the_list_is_as_before_without_it(findings):
    assert "weather" not in page(findings).sections


def test_every_function_that_the_list_names_is_there():
    for section in SECTIONS:
        named = [section.view, section.figures, section.markdown, *section.json.values()]
        for how in filter(lambda each: ":" in each, named):
            assert callable(load(how.split()[0])), section.name


def test_the_order_of_the_sections_is_that_of_the_page(findings):
    unlabelled = evaluate(sample(FASHION, 40, "inbox", labelled=0.0), "inbox")
    shown = page(Findings(findings.record, (*findings.evaluations, unlabelled), findings.gap))
    names = [section.name for section in SECTIONS]
    assert [name for name in shown.sections if name in names] == [name for name in names if name in shown.sections]
    assert len(shown.sections) > 9


def test_what_is_no_section_is_no_attribute_of_the_page(findings):
    view = build_view(findings, pictures={}, skipped=(), generated=GENERATED)
    with pytest.raises(AttributeError, match="has no section 'nothing'"):
        _ = view.nothing
