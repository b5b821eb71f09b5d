"""The documents among each other: links and anchors lead somewhere, and nobody has to read 1,000 lines to find one."""

import re
from pathlib import PurePosixPath

import pytest
from doc_pages import DOCUMENTS, PAGES, ROOT, anchors, headings, prose, read


def links(text):
    return re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`\n]+`", "code", prose(text)))


def test_anchors_are_made_as_on_github():
    text = "# A `b.c` (format 1)\n\n```sh\n# no heading\n```\n\n## To & fro\n\n## [Link](x.md), here\n\n## To & fro\n"
    assert anchors(text) == ["a-bc-format-1", "to--fro", "link-here", "to--fro-1"]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_and_anchors_lead_somewhere(document):
    for subset in links(read(document)):
        if re.match(r"[a-z]+:", subset):
            continue
        path, _, anchor = subset.partition("#")
        found = (ROOT / document).parent / path if path else ROOT / document
        assert found.exists(), subset
        assert found.resolve().is_relative_to(ROOT), subset
        if anchor:
            assert anchor in anchors(found.read_text(encoding="utf-8")), subset


@pytest.mark.parametrize("document", DOCUMENTS)
def test_files_that_are_named_are_there(document):
    for name in re.findall(r"`((?:[\w.]+/)+[\w-]+\.(?:py|html|css|toml|cfg|md))`", prose(read(document))):
        if not name.startswith("reports/") and not PurePosixPath(name).stem.isupper():
            assert (ROOT / name).exists() or (ROOT / "batchclf" / name).exists(), name


@pytest.mark.parametrize("document", [*PAGES, "README.md"])
def test_contents_of_a_page_are_its_headings(document):
    """A page that begins with `On this page:` lists every heading of the second level."""
    text = read(document)
    if listed := re.search(r"^On this page:(.*?)\n\n", text, re.MULTILINE | re.DOTALL):
        second = anchors("".join(f"## {name}\n" for level, name, _, _ in headings(text) if level == 2))
        assert [name for name in re.findall(r"\]\(#([^)]+)\)", listed[1]) if name in second] == second


def test_readme_is_short_and_leads_to_every_page():
    lines = read("README.md").splitlines()
    assert len(lines) < 400
    pages = [path for path in PAGES if PurePosixPath(path).name != "README.md"]
    assert pages
    for index, start in (("README.md", "docs/"), ("docs/README.md", "")):
        named = {subset.partition("#")[0] for subset in links(read(index))}
        assert {start + PurePosixPath(page).name for page in pages} <= named, index


@pytest.mark.parametrize("document", DOCUMENTS)
def test_pages_named_by_the_program_and_the_documents_have_their_headings(document):
    """`docs/PAGE.md, "Heading"`, as docstrings and hints name a section."""
    _check_named_sections(read(document))


def test_sections_that_the_source_names_are_there():
    sources = sorted((ROOT / "batchclf").rglob("*.py")) + sorted((ROOT / "tests").rglob("*.py"))
    named = [_check_named_sections(path.read_text(encoding="utf-8")) for path in sources]
    assert sum(named) >= 3


def _check_named_sections(text):
    """Check each `docs/PAGE.md`, with the section's title where one follows; returns how many there were."""
    found = re.findall(r"\b(docs/(?:README|[a-z-]+)\.md)\b(?:`?, \"([^\"]+)\")?", text)
    for page, title in found:
        assert page in PAGES, page
        assert not title or title in [name for _, name, _, _ in headings(read(page))], title
    return len(found)
