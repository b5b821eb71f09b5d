"""The pages that are worked through from beginning to end: their commands are run, and print what the pages show."""

import pytest
from doc_pages import read
from page_runs import Ran, not_printed, run_page

from batchclf.data.catalog import load_dataset
from batchclf.data.providers import DATA_DIR_VARIABLE, OFFLINE_VARIABLE
from batchclf.errors import DataError

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
        if each.command.startswith("batchclf history prune"):
            continue  # here all runs are of one second, so none is older than another
        assert not_printed(each, {r"\d+\.\d+ GB are free": "SPACE", r"\S+/python": "PYTHON"}, NIGHTLY) == [], (
            each.command,
            each.printed,
        )


def test_the_tutorial_on_the_digits(tmp_path, monkeypatch):
    """The shape of what the tutorial shows, with short trainings; a slow test has its numbers."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "jobs").mkdir()
    gate = '[gate]\nmin_test_accuracy = 0.1\nmax_gap = 0.9\n[[gate.rules]]\nmetric = "accuracy"\n'
    rule = 'subset = "test"\nagainst = "last-good"\nmax_drop = 0.01\n'
    (tmp_path / "jobs" / "digits.toml").write_text(f'[data]\ndataset = "digits"\n{gate}{rule}', encoding="utf-8")
    of_digits = {
        "fashion-mnist": "digits",
        "--validation-split 0.1": "--validation-split 0.1 --epochs 2",
        "photos/Shirt/00007": "photos/8/0040",
        "photos/Trouser/00002": "photos/1/0047",
        "photos/Ankle boot/00000": "photos/0/0036",
        "--cron": "--cron --dry-run --quiet",
    }
    ran = run_page(read("docs/tutorial.md"), tmp_path, of_digits)
    assert {each.command.split()[1] for each in ran if each.command.startswith("batchclf")} == {
        *("data", "run", "train", "score", "job"),
    }
    also = {
        "fashion-mnist|digits": "NAME",
        r"^class .*": "class",
        r"^(The model is right on).*": r"\1",
        r"predicted: .*": "predicted",
        r"^(\w+\.png),.*": r"\1",
        r"^.*'[a-z ]+' has the best.*": "best",
    }
    for each in ran:
        assert not_printed(each, also) == [], (each.command, each.printed)


@pytest.mark.slow
def test_the_tutorial_with_its_numbers(tmp_path, monkeypatch):
    """Every command of the tutorial, on Fashion MNIST itself."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "jobs").mkdir()
    (tmp_path / "jobs" / "fashion-mnist.toml").write_text(read("jobs/fashion-mnist.toml"), encoding="utf-8")
    monkeypatch.setenv(OFFLINE_VARIABLE, "1")
    try:
        load_dataset("fashion-mnist", data_dir=None, say=lambda line: None)
    except DataError as error:
        pytest.skip(f"Fashion MNIST is not on this machine: {error.message.splitlines()[0]}")
    # Which variant is best, and by how much, is within chance.
    also = {r"^.*'[a-z ]+' has the best.*": "best", r"This is \w+ overfitting\. It has .*": "overfitting"}
    for each in run_page(read("docs/tutorial.md"), tmp_path, {"--cron": "--cron --dry-run --quiet"}):
        assert not_printed(each, also, NIGHTLY) == [], (each.command, each.printed)
