"""docs/migration.md against the program of today, and every other page without a name or a term of 0.1."""

import importlib.util
import re

import pytest
from doc_pages import PAGES, ROOT, own_text, read, section, tables

from batchclf.core.renames import JOB_KEYS, OPTIONS, RULE_METRICS, TRAINING
from batchclf.report.html.render import list_blocks

MIGRATION = read("docs/migration.md")
OLD_WORDS = (
    *("dummy", "tonight", "look-alikes?", "near cop(?:y|ies)", "suspicions?", "held against", "learnt from"),
    "(?<!every )nights?",
    *("lost_share", "test_share", "early_stopping", "average_mirrored", "main_target", "BATCHCLF_NIGHT"),
    r"\w+_by_night",
)
"""Terms of 0.1 as regular expressions of whole words; decisions and benchmarks may have them as common words."""


def named(code):
    """A name in code, as a column, a key or an argument."""
    return f"`(?:[a-z_.]+[.])?{code}(?:`|[ =])"


def test_the_page_on_moving_names_every_name_that_has_changed():
    rows = {
        title: {(row[0].strip("`"), row[1].strip("`")) for row in tables(section(MIGRATION, title))}
        for title in ("Job files", "Options of train", "Custom recipes")
    }
    keys = {(old, f"{old.rpartition('.')[0]}.{new}") for old, new in JOB_KEYS.items()}
    assert rows["Job files"] == keys | set(RULE_METRICS.items())
    assert rows["Options of train"] == set(OPTIONS.items())
    assert rows["Custom recipes"] == set(TRAINING.items())


def test_the_page_on_moving_names_what_is_there_now(tmp_path):
    from batchclf.storage.history.database import reading, writing

    for old, new in tables(section(MIGRATION, "Python modules")):
        assert importlib.util.find_spec(new.strip("`")), new
        folder, _, name = old.strip("`").rpartition(".")
        assert not (ROOT / folder.replace(".", "/") / f"{name}.py").exists(), old
    with writing(tmp_path / "history.sqlite"):
        pass
    with reading(tmp_path / "history.sqlite") as history:
        of_schema = {name for (name,) in history.execute("SELECT name FROM sqlite_master")}
    named_here = {
        new.strip("`") for what, _, new in tables(section(MIGRATION, "history.sqlite")) if "column" not in what
    }
    assert len(named_here) == 8
    assert named_here <= of_schema


def test_the_templates_that_the_page_on_moving_names_are_there():
    rows = [[cell.strip() for cell in row] for row in tables(section(MIGRATION, "Templates"))]
    files = [new.strip("`") for what, _, new in rows if what == "file"]
    assert files == ["subsets.html"]
    assert (ROOT / "templates" / files[0]).exists()
    blocks_of = {found[1]: new for what, _, new in rows if (found := re.fullmatch(r"blocks? of `(.*)`", what))}
    assert len(blocks_of) == 6
    blocks = {(block.template, block.name) for block in list_blocks()}
    for name, new in blocks_of.items():
        assert {(name, block) for block in re.findall(r"`(\w+)`", new)} <= blocks
    for what, _, new in rows:
        if what.startswith("macro"):
            assert f"macro {new.strip('`')}(" in (ROOT / "templates" / "macros.html").read_text(encoding="utf-8")


def test_formats_have_the_numbers_of_the_program():
    from batchclf.core.records.run import RUN_FORMAT
    from batchclf.jobs.history.export import EXPORT_FORMAT
    from batchclf.jobs.notify.summary import SUMMARY_FORMAT
    from batchclf.models.bundle import BUNDLE_FORMAT
    from batchclf.report.formats.json_report import DOCUMENT_FORMAT
    from batchclf.storage.history.schema import NEWEST

    moved = {row[0]: row[2] for row in tables(section(MIGRATION, "Formats"))}
    assert moved == {
        "`run.json`": str(RUN_FORMAT),
        "`model.json`": str(BUNDLE_FORMAT),
        "`history.sqlite`": str(NEWEST),
        "`flips.csv`": "2",
        "`report.json`, `comparison.json`": str(DOCUMENT_FORMAT),
        "the summary": str(SUMMARY_FORMAT),
        "`history export --format json`": str(EXPORT_FORMAT),
    }
    numbers = {row[0]: row[1] for row in tables(own_text(section(read("docs/formats.md"), "File formats")))}
    assert numbers["[model bundle](#model-bundle)"] == str(BUNDLE_FORMAT)
    assert numbers["[run directory](#run-directory), `run.json`"] == str(RUN_FORMAT)
    assert numbers["[`history.sqlite`](#historysqlite)"] == f"`user_version` {NEWEST}"
    assert f"`report.json` (format {DOCUMENT_FORMAT})" in read("docs/formats.md")
    assert f"| `format` | `{SUMMARY_FORMAT}` |" in read("docs/notify.md")


@pytest.mark.parametrize("document", [*PAGES, "README.md", "CONTRIBUTING.md", "ARCHITECTURE.md", "jobs/README.md"])
def test_no_page_has_a_name_or_a_term_of_0_1(document):
    if document == "docs/migration.md":
        return
    old = [rf"(?<![\w-])(?:{'|'.join(OLD_WORDS)})(?![\w-])"]
    old += [rf"(?<![\w-]){option}(?![\w-])" for option in OPTIONS]
    old += [re.escape(f"`{key}`") for key in JOB_KEYS]
    old += [named(name) for name in ("night", "nights", "target", "targets", "lost", "gained", "members", "validation")]
    found = {match[0] for pattern in old for match in re.finditer(pattern, read(document), re.IGNORECASE)}
    assert not found
