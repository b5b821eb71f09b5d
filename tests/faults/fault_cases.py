"""Commands with a fault at one of the calls that change files, and what has to hold afterwards."""

import json
import os
import sqlite3
import subprocess
import sys
import time
from dataclasses import dataclass
from errno import EIO, ENOSPC
from pathlib import Path

import numpy as np
from PIL import Image

from batchclf.storage.run.written import check_written

ERRORS = {"kill": 0, "EIO": EIO, "ENOSPC": ENOSPC}
RECIPE = """\
import keras
import tensorflow as tf

@tf.function
def scale(most):
    return 1 / most if most > 1 else most

def tiny(input_shape, classes):
    layers = keras.layers
    scaled = layers.Rescaling(float(scale(tf.constant(255.0))))
    return keras.Sequential(
        [keras.Input(input_shape, dtype="uint8"), scaled, layers.Flatten(), layers.Dense(classes)]
    )
"""
"""A recipe of which TensorFlow writes code into TMPDIR."""

JOB = """\
name = "night"
[model]
bundle = "rows"
[scoring.directories]
photos = { path = "photos" }
[publish]
reports = "reports"
[report]
format = ["html", "json"]
[notify]
on_success = ["./said.sh"]
on_failure = ["./said.sh"]
"""


@dataclass(frozen=True)
class Case:
    """A command; `files` are those of its output that are the same after each good run, to the byte.

    `faults` are those of each kind in the long sweep: one at every call if there are so many or fewer; `few` in the
    short one. `taken` is how the command refuses to write what an earlier one has finished, or an export has begun.
    """

    command: tuple[str, ...]
    faults: int
    files: tuple[str, ...] = ()
    few: int = 2
    taken: str | None = None


NIGHT = "reports/night/latest"
ROWS = "SELECT path, prediction FROM predictions ORDER BY path"
CLASSES = ",".join(map(str, range(10)))
TRAINING = ("--data", "pictures", "--recipe", "tiny:tiny", "--epochs", "1", "--checkpoint-every", "0")
CASES = {
    "run": Case(("run", "night.toml"), 60),
    "score": Case(
        ("score", "photos", "--model", "rows", "--out", "out", "--resume"), 40, ("out/predictions.csv",), taken="out"
    ),
    "score --split": Case(
        ("score", "--split", "test", "--dataset", "digits", "--model", "rows"),
        10,
        ("reports/score/latest/predictions.csv",),
        few=1,
    ),
    "train": Case(("train", *TRAINING, "--out", "models/new"), 8, ("models/new/model.onnx",), few=1),
    "report": Case(("report", NIGHT, "--format", "html,json", "--out", "again"), 30),
    "report A B": Case(("report", "reports/night/last-good", NIGHT, "--out", "both.html"), 20),
    "prune": Case(("history", "prune", "night", "--keep-runs", "1"), 40),
    "rebuild": Case(("history", "rebuild"), 30),
    "history export": Case(("history", "export", "night", "--out", "runs.csv"), 15, ("runs.csv",)),
    "evaluate": Case(
        ("evaluate", f"{NIGHT}/predictions.csv", "--out", "judged"), 25, ("judged/metrics.json", "judged/confusion.csv")
    ),
    "query": Case(("query", NIGHT, ROWS, "--out", "rows.csv"), 15, ("rows.csv",)),
    "model import": Case(
        ("model", "import", "rows.onnx", "--classes", CLASSES, "--scale", "0..1", "--out", "rows"),
        20,
        ("rows/model.onnx",),
    ),
    "model export": Case(("model", "export", "rows", "--onnx", "whole.onnx"), 15, ("whole.onnx",), few=1),
    "data export": Case(("data", "export", "digits", "pngs"), 8, ("pngs/classes.json",), few=1, taken="pngs"),
    "pack": Case(("pack", "photos", "shards"), 8, ("shards/shard-000000.tar",), few=1, taken="shards"),
    "job new": Case(("job", "new", "fresh.toml", "--dataset", "digits"), 14, ("fresh.toml",), taken="fresh.toml"),
}


@dataclass(frozen=True)
class Done:
    """A command that has ended: its code, what it said, and the calls that it made, `write /reports/…`."""

    code: int
    said: str
    calls: list[str]


@dataclass(frozen=True)
class Injector:
    """Runs commands in a folder; `library` is the shim."""

    library: Path

    def run(self, folder: Path, *arguments: str, at: int = 0, kind: str = "EIO") -> Done:
        """Run a command whose `at`-th changing call below the folder fails; 0 is none."""
        aside = folder.with_name(f"{folder.name}.aside")
        aside.mkdir(exist_ok=True)
        counter, log = aside / "counter", aside / "log"
        counter.write_bytes(bytes(8))
        log.unlink(missing_ok=True)
        environment = {
            **os.environ,
            "LD_PRELOAD": str(self.library),
            "FAULT_ROOT": str(folder),
            "FAULT_COUNTER": str(counter),
            "FAULT_LOG": str(log),
            "FAULT_AT": str(at),
            "FAULT_ERROR": str(ERRORS[kind]),
            "SAID": str(aside / "said"),
            "TMPDIR": str(folder / "tmp"),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        process = subprocess.Popen(
            [sys.executable, "-m", "batchclf", *arguments],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,  # a kill takes the whole process group
        )
        said, _ = process.communicate(timeout=300)
        calls = [line.split(" ", 1)[1] for line in log.read_text().splitlines()] if log.exists() else []
        return Done(process.returncode, said, calls)


def make_home(folder: Path, import_rows) -> None:
    """A folder with a bundle, photos of which one is broken, and a job that has run once."""
    folder.mkdir()
    import_rows(folder, 1, size=8)
    (folder / "tmp").mkdir()
    (folder / "tiny.py").write_text(RECIPE)
    (folder / "photos").mkdir()
    pixels = np.random.default_rng(1).integers(0, 256, (12, 8, 8), np.uint8)
    for number, image in enumerate(pixels):
        Image.fromarray(image).save(folder / "photos" / f"{number:02}.png")
        of_class = folder / "pictures" / str(number % 2)
        of_class.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(of_class / f"{number:02}.png")
    (folder / "photos" / "99.png").write_bytes(b"no image")
    (folder / "night.toml").write_text(JOB)
    said = folder / "said.sh"
    said.write_text('#!/bin/sh\nunset LD_PRELOAD\n{ cat; echo; } >> "$SAID"\n')
    said.chmod(0o755)


def whole_runs(reports: Path) -> list[Path]:
    """The published runs of the job, oldest first; each must be whole."""
    runs = sorted(each for each in (reports / "night").glob("[0-9]*") if each.is_dir())
    for run in runs:
        record = json.loads((run / "run.json").read_text())
        names = ["report.html", "report.json", "metrics.json", "README.md", *record["files"]]
        missing = [name for name in names if not (run / name).is_file()]
        assert missing == [], f"{run.name} lacks {missing}"
        check_written(run, list(record["files"]), warn=_fail)
        json.loads((run / "report.json").read_text())
        assert (run / "report.html").read_text().rstrip().endswith("</html>")
    return runs


def check_history(reports: Path) -> None:
    """The history's file must be a whole database."""
    history = reports / "history.sqlite"
    if history.exists():
        connection = sqlite3.connect(history)
        try:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        finally:
            connection.close()


def said_codes(folder: Path) -> list[int]:
    """The exit codes that notifications have named since the last call."""
    file = folder.with_name(f"{folder.name}.aside") / "said"
    lines = file.read_text().splitlines() if file.exists() else []
    file.unlink(missing_ok=True)
    return [json.loads(line)["exit_code"] for line in lines if line]


def leftovers(folder: Path) -> list[str]:
    """Temporary files, and hidden and half-written things below a folder.

    But not what Python has written to try the folder for temporary files, 4 bytes that it removes at once.
    """
    half_written = (".partial", ".pruned", ".checkpoint")
    temporary = [
        path for path in (folder / "tmp").iterdir() if path.is_dir() or path.read_bytes() not in (b"", b"blat")
    ]
    hidden = [path for path in folder.rglob(".*") if path.name.endswith(half_written)]
    return sorted(str(path.relative_to(folder)) for path in {*temporary, *hidden})


def make_older(folder: Path) -> None:
    """Make everything two hours old, so that leftovers are taken for such."""
    then = time.time() - 7200
    for path in folder.rglob("*"):
        os.utime(path, (then, then), follow_symlinks=False)


def _fail(line: str) -> None:
    raise AssertionError(line)
