"""The decisions and ARCHITECTURE: their form, their index, and what they and comments of the source refer to."""

import re
from datetime import date

import pytest
from doc_pages import ROOT, anchors, headings, prose, read, tables

FOLDER = ROOT / "docs" / "decisions"
DECISIONS = sorted(path.name for path in FOLDER.glob("*.md") if path.name != "README.md")
NUMBERS = [name[:3] for name in DECISIONS]
HEADINGS = ["Decision", "Measured", "Not chosen"]
STATUS = re.compile(r"accepted|replaced by (\d{3})")


def head(name):
    """Number, title, date and status of a decision, from its first lines."""
    found = re.match(r"# (\d{3})\. (\S.*)\n\nDate: (\S+)\nStatus: (.+)\n\n", read(f"docs/decisions/{name}"))
    assert found, f"{name} does not begin with a title, a date and a status"
    return found.groups()


def test_architecture_stays_short():
    assert len((ROOT / "ARCHITECTURE.md").read_bytes()) <= 10_000


def test_every_path_that_architecture_names_is_there():
    text = prose(read("ARCHITECTURE.md"))
    files = re.findall(r"\bbatchclf/[\w/]+\.py\b", text)
    folders = re.findall(r"`([\w/.]+/)`", text)
    assert len(files) > 10
    assert len(folders) > 30
    missing = [name for name in files if not (ROOT / name).is_file()]
    missing += [name for name in folders if not (ROOT / "batchclf" / name).is_dir() and not (ROOT / name).is_dir()]
    assert missing == []


def test_architecture_names_every_room():
    package = ROOT / "batchclf"
    rooms = {f"{path.parent.relative_to(package).as_posix()}/" for path in package.rglob("__init__.py")} - {"./"}
    assert rooms - set(re.findall(r"^ *- `([\w/]+/)`: \S", read("ARCHITECTURE.md"), re.MULTILINE)) == set()


def test_decisions_are_numbered_without_gaps():
    assert [f"{number:03}" for number in range(1, len(DECISIONS) + 1)] == NUMBERS


@pytest.mark.parametrize("name", DECISIONS)
def test_a_decision_has_its_form(name):
    number, _, day, status = head(name)
    assert re.fullmatch(rf"{number}-[a-z0-9]+(-[a-z0-9]+)*\.md", name)
    date.fromisoformat(day)
    replaced = STATUS.fullmatch(status)
    assert replaced, status
    assert replaced[1] is None or (replaced[1] in NUMBERS and replaced[1] > number)
    text = read(f"docs/decisions/{name}")
    first, *others = headings(text)
    assert first[:2] == (1, f"{number}. {head(name)[1]}")
    assert [other[:2] for other in others] == [(2, title) for title in HEADINGS]
    ends = [begin for _, _, begin, _ in others[1:]] + [len(text)]
    for (_, title, _, begin), end in zip(others, ends, strict=True):
        assert text[begin:end].strip(), f"nothing is below '{title}'"


def test_dates_of_decisions_do_not_go_back():
    dates = [head(name)[2] for name in DECISIONS]
    assert dates == sorted(dates)


def test_the_index_lists_every_decision():
    rows = []
    for name in DECISIONS:
        number, title, _, status = head(name)
        rows.append([f"[{number}]({name})", title, status])
    listed = tables(read("docs/decisions/README.md"))
    assert [row[:3] for row in listed] == rows
    for *_, rooms in listed:
        assert rooms
        for room in re.findall(r"[a-z_]+/[a-z_]+", rooms):
            assert (ROOT / "batchclf" / room).is_dir(), room


def test_links_between_decisions_lead_somewhere():
    for name in DECISIONS:
        for subset in re.findall(r"\]\(([^)\s]+)\)", prose(read(f"docs/decisions/{name}"))):
            path, _, anchor = subset.partition("#")
            assert (FOLDER / path).is_file(), f"{name}: {subset}"
            assert not anchor or anchor in anchors((FOLDER / path).read_text(encoding="utf-8")), f"{name}: {subset}"


def test_decisions_that_comments_name_are_there():
    wrong = []
    for path in sorted((ROOT / "batchclf").rglob("*.py")):
        named = re.findall(r"\bdecisions? (\d+)", path.read_text(encoding="utf-8"))
        wrong += [f"{path.relative_to(ROOT)}: {number}" for number in named if number not in NUMBERS]
    assert wrong == []
