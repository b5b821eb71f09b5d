"""What batchclf says goes to the logger `batchclf`: whoever imports it routes or silences it, the console prints it."""

import json
import logging
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from batchclf.cli.main import main
from batchclf.log import LOGGER

SCORE = """
import logging, sys
from pathlib import Path
from batchclf.data.sources.folder import Folder
from batchclf.jobs.config.options import ScoringOptions
from batchclf.jobs.config.settings import DirectorySubset, score_settings
from batchclf.jobs.run.folder_run import score_directory_run
from batchclf.log import LogWatcher
from batchclf.models.bundle import load_bundle

{setup}
settings = score_settings(ScoringOptions(workers=1), Path("cache"))
subset = DirectorySubset(Folder(Path("photos")), "none")
score_directory_run(subset, load_bundle(Path(sys.argv[1])), settings, None, Path("run"), LogWatcher(), ["python"])
"""
LINE = "found 3 = scored 2 + skipped 1 + excluded 0"


@pytest.fixture
def photos(tmp_path):
    """Two images, and one that is broken."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(2):
        Image.fromarray(np.full((8, 8), 99 * number, np.uint8)).save(folder / f"{number}.png")
    (folder / "broken.png").write_bytes(b"no picture")
    return folder


def python(code, *arguments, cwd):
    """What a new process prints on standard output and standard error."""
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], cwd=cwd, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


def test_importing_it_prints_nothing_and_sets_nothing_up(tmp_path):
    code = """
import logging
import batchclf
import batchclf.jobs.run.job_run
import batchclf.cli.main
assert logging.getLogger().handlers == []
logger = logging.getLogger("batchclf")
assert logger.level == logging.NOTSET and logger.propagate
"""
    assert python(code, cwd=tmp_path) == ("", "")


def test_by_itself_it_prints_nothing(photos, digits_bundle, tmp_path):
    assert python(SCORE.format(setup=""), digits_bundle, cwd=tmp_path) == ("", "")
    assert (tmp_path / "run" / "run.json").is_file()


@pytest.mark.parametrize(
    ("level", "lines", "details"), [("INFO", True, False), ("DEBUG", True, True), ("WARNING", 0, 0)]
)
def test_whoever_imports_it_routes_it_by_level(photos, digits_bundle, tmp_path, level, lines, details):
    setup = f"logging.basicConfig(level=logging.{level}, format='%(name)s %(levelname)s %(message)s')"
    out, err = python(SCORE.format(setup=setup), digits_bundle, cwd=tmp_path)
    assert out == ""
    assert (LINE in err) == bool(lines)
    assert ("batchclf DEBUG" in err and "broken.png" in err) == bool(details)
    if lines:
        assert any(line.startswith("batchclf INFO scoring ") for line in err.splitlines())


def test_whoever_imports_it_silences_it_alone(photos, digits_bundle, tmp_path):
    setup = "logging.basicConfig(level=logging.DEBUG); logging.getLogger('batchclf').setLevel(logging.ERROR)"
    _, err = python(SCORE.format(setup=setup), digits_bundle, cwd=tmp_path)
    assert "INFO:batchclf:" not in err


def test_the_console_is_a_handler_for_the_time_of_a_command(
    photos, digits_bundle, tmp_path, monkeypatch, capfd, caplog
):
    monkeypatch.chdir(tmp_path)
    logger, root = LOGGER, logging.getLogger()
    above = list(root.handlers), root.level, logging.lastResort
    before = list(logger.handlers), logger.level, logger.propagate
    heard = []
    mine = logging.Handler()
    mine.emit = lambda record: heard.append((record.levelname, record.getMessage()))
    logger.addHandler(mine)
    try:
        assert main(["score", "photos", "--model", str(digits_bundle), "--out", "run", "--json"]) == 0
    finally:
        logger.removeHandler(mine)
    out, err = capfd.readouterr()
    assert json.loads(out)["exit_code"] == 0
    assert LINE in err
    assert any(level == "INFO" and LINE in line for level, line in heard)
    assert any(level == "DEBUG" and "broken.png" in line for level, line in heard)
    assert err.count("broken.png") == 1
    assert (list(logger.handlers), logger.level, logger.propagate) == before
    assert (list(root.handlers), root.level, logging.lastResort) == above
    assert not [record for record in caplog.records if record.name == "batchclf"]


def test_errors_and_warnings_are_records_with_their_hint(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    heard = []
    mine = logging.Handler()
    mine.emit = heard.append
    logging.getLogger("batchclf").addHandler(mine)
    try:
        assert main(["score", "nowhere", "--quiet"]) == 1
    finally:
        logging.getLogger("batchclf").removeHandler(mine)
    (record,) = heard
    assert record.levelno == logging.ERROR
    assert "nowhere" in record.getMessage()
    assert capfd.readouterr().err == f"batchclf: error: {record.getMessage()}\n  hint: {record.hint}\n"


CONSOLE = """
import logging, sys
from batchclf.cli.console import Console
library = logging.getLogger("library")
library.warning("before")
with Console(quiet=True) as console:
    library.warning("meanwhile")
    logging.warning("of the root logger, which sets up logging where nobody has")
    import absl.logging
    absl.logging.error("the same")
    console.warn("ours")
library.warning("after")
"""


def test_what_other_libraries_log_is_not_printed_while_a_command_runs(tmp_path):
    assert python(CONSOLE, cwd=tmp_path) == ("", "before\nbatchclf: warning: ours\nafter\n")


def test_a_program_around_a_command_hears_what_other_libraries_log(tmp_path):
    setup = CONSOLE.replace("library =", "logging.basicConfig(format='%(name)s %(message)s'); library =")
    out, err = python(setup, cwd=tmp_path)
    assert out == ""
    assert "library meanwhile\n" in err
    assert "\nours" not in err
