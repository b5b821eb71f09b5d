"""The pages that are worked through from beginning to end: their commands are run, and print what the pages show."""

import pytest
from doc_pages import read
from page_runs import Ran, not_printed, run_page

from batchclf.data.providers import DATA_DIR_VARIABLE, OFFLINE_VARIABLE

NIGHTLY = {"%": 3.0, ".": 0.1}
"""Another processor trains another model: percentages within 3 points, other fractions within 0.1, counts exactly."""


def test_the_comparison_finds_what_differs():
    shown = ["a 1.5 in x/y", "…", "b 88.6%", "c 10"]
    printed = ["a 1.55 in z/y", "more", "b 88.1%", "c 10"]
    assert not_printed(Ran("", shown, printed), within=NIGHTLY) == []
    for place, other in enumerate(["a 1.7 in x/y", None, "b 80.0%", "c 11"]):
        if other:
            changed = [*printed[:place], other, *printed[place + 1 :]]
            assert not_printed(Ran("", shown, changed), within=NIGHTLY), other
    assert not_printed(Ran("", shown, ["new", *printed]), within=NIGHTLY)
    assert not_printed(Ran("", shown, [*printed, "new"]), within=NIGHTLY)
    assert not_printed(Ran("", shown, ["a word 1.6 in z/y", *printed[1:]]), within=NIGHTLY)


def test_the_page_on_a_nightly_job(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in (DATA_DIR_VARIABLE, OFFLINE_VARIABLE):  # a crontab's line would have them
        monkeypatch.delenv(name, raising=False)
    ran = run_page(read("docs/nightly.md"), tmp_path, {})
    assert len(ran) > 20
    for each in ran:
        assert not_printed(each, {r"\d+\.\d+ GB are free": "SPACE", r"\S+/python": "PYTHON"}, NIGHTLY) == [], (
            each.command,
            each.printed,
        )
