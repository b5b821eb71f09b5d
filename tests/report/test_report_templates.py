"""A user's folder of templates, and the list of blocks that it can replace."""

import re
from pathlib import Path

import pytest
from report_cases import FASHION, both_splits, evaluate, read, record, sample, view_of

from batchclf.errors import BatchclfError
from batchclf.report.html.render import list_blocks, render
from batchclf.report.html.templates import _built_in_environment
from batchclf.report.sections.section_list import SECTIONS

BUILT_IN = Path(__file__).parents[2] / "templates"


@pytest.fixture(scope="module")
def view():
    _, evaluations, gap = both_splits(n=200)
    return view_of(record(), evaluations, gap)


@pytest.fixture
def folder(tmp_path):
    def write(**templates):
        for name, text in templates.items():
            (tmp_path / f"{name}.html").write_text(text, "utf-8")
        return tmp_path

    return write


def test_every_block_is_listed_once_with_what_it_is():
    blocks = list_blocks()
    listed = {(block.template, block.name) for block in blocks}
    assert len(listed) == len(blocks)
    assert all(block.about for block in blocks)
    there = {
        (file.name, name)
        for file in BUILT_IN.glob("*.html")
        for name in re.findall(r"\{%-? block (\w+)", file.read_text("utf-8"))
    }
    there |= {("report.html", section.block) for section in SECTIONS}
    # What a page fills in of its frame is listed with the frame.
    framed = {name for template, name in there if template == "page.html"}
    assert {(t, n) for t, n in there if t == "page.html" or n not in framed} == listed


def test_templates_use_no_style_attributes_and_explain_themselves():
    for file in BUILT_IN.glob("*.html"):
        text = file.read_text("utf-8")
        # A notebook takes a style sheet away, and has no policy of ours (decision 178)
        assert file.name == "notebook.html" or not re.search(r"<[^>#]* style=", text), file
        assert text.startswith("{#"), file


def test_a_block_of_the_report_can_be_replaced(view, folder):
    own = folder(
        report='{% extends "batchclf/report.html" %}'
        "{% block numbers %}<p>{{ view.subject }} is ours</p>{% endblock %}"
        "{% block footer %}{{ super() }}<p>Ask the data team.</p>{% endblock %}"
    )
    page = read(render(view, own))
    assert "nightly · fashion-mnist is ours" in page.text
    assert page.text.endswith("Ask the data team.")
    assert "Written by batchclf" in page.text
    assert "numbers" not in page.sections
    assert "confusion" in page.sections


def test_a_block_of_a_section_can_be_replaced(view, folder):
    own = folder(
        verdict='{% extends "batchclf/verdict.html" %}'
        "{% block verdict_headline %}<h1>{{ verdict.headline | upper }}</h1>{% endblock %}"
    )
    page = read(render(view, own))
    assert re.search(r"<h1>([^<]*)</h1>", page.html)[1] == view.verdict.headline.upper()
    assert view.verdict.when in page.text


@pytest.mark.parametrize("template", sorted({block.template for block in list_blocks()}))
def test_every_section_can_be_extended(template, view, tmp_path):
    (tmp_path / template).write_text(f'{{% extends "batchclf/{template}" %}}', "utf-8")
    assert render(view, tmp_path) == render(view)


def test_styles_and_macros_can_be_replaced(view, folder):
    own = folder(
        report='{% extends "batchclf/report.html" %}'
        "{% block style %}{{ super() }} h1 { color: rebeccapurple; }{% endblock %}",
        skipped="<section id='skipped' aria-labelledby='facts-title'>{% include 'own.html' %}</section>",
        own="Our own words, {{ view.run_id }}.",
    )
    page = read(render(view, own))
    assert "h1 { color: rebeccapurple; }" in page.html
    assert "--series-a" in page.html
    assert page.sections["skipped"] == f"Our own words, {view.run_id}."


def test_the_css_file_can_be_replaced_alone(view, tmp_path):
    (tmp_path / "report.css").write_text("body { color: black; }", "utf-8")
    html = render(view, tmp_path)
    assert "body { color: black; }" in html
    assert ".r1 {" in html


def test_what_is_replaced_is_escaped_too(folder):
    evaluation = evaluate(sample(("<b>a</b>", "c"), 20))
    own = folder(classes="{% for row in view.classes.rows %}{{ row.name }}{% endfor %}")
    html = render(view_of(record(("<b>a</b>", "c")), [evaluation]), own)
    assert "&lt;b&gt;a&lt;/b&gt;" in html
    assert "<b>a</b>" not in html


@pytest.mark.parametrize(
    "template, line, words",
    [
        ("<p>\n{% if %}", 2, "Expected an expression"),
        ("\n\n{{ view.nothing }}", 3, "has no attribute 'nothing'"),
        ("{{ nothing }}", 1, "'nothing' is undefined"),
        ("<p>\n{{ 1 / 0 }}", 2, "division by zero"),
        ("{{ view | wrong }}", 1, "No filter named 'wrong'"),
        ("\n{% include 'absent.html' %}", 2, "absent.html"),
        ("{% include 'numbers.html' %}", 1, "recursion"),
    ],
)
def test_mistakes_name_file_and_line(template, line, words, view, folder):
    own = folder(numbers=template)
    with pytest.raises(BatchclfError, match=re.escape(words)) as caught:
        render(view, own)
    assert caught.value.message.startswith(f"{own / 'numbers.html'}, line {line}: ")
    assert "--list-blocks" in caught.value.hint


def test_a_folder_that_cannot_be_used_is_refused(view, tmp_path):
    with pytest.raises(BatchclfError, match="not there or not a folder"):
        render(view, tmp_path / "absent")
    with pytest.raises(BatchclfError, match=r"no file in .* has the name") as caught:
        render(view, tmp_path)
    assert "report.html" in caught.value.hint
    (tmp_path / "numbers.html").write_bytes(b"\xff\xfe")
    with pytest.raises(BatchclfError, match="not UTF-8"):
        render(view, tmp_path)


def test_changes_of_the_folder_are_seen_at_once(folder):
    view = view_of(record(), [evaluate(sample(FASHION, 10))])
    assert "first" in render(view, folder(numbers="first"))
    assert "second" in render(view, folder(numbers="second"))


@pytest.mark.parametrize("damage", [None, b"", b"j2 but not whole"])
def test_compiled_templates_are_kept_and_never_in_the_way(damage, view, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    pages = []
    for _ in range(2):
        _built_in_environment.cache_clear()
        pages.append(render(view))
        for file in (tmp_path / "batchclf" / "templates").iterdir():
            content = file.read_bytes()
            file.write_bytes(content if damage is None else damage and content[: len(content) // 2])
    assert pages[0] == pages[1]
    assert list((tmp_path / "batchclf" / "templates").iterdir())
    _built_in_environment.cache_clear()


def test_a_cache_folder_that_cannot_be_made_costs_nothing(view, tmp_path, monkeypatch):
    (tmp_path / "batchclf").write_text("a file is in the way")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    _built_in_environment.cache_clear()
    assert "<h1" in render(view)
    _built_in_environment.cache_clear()
