"""Images to pack, and runs of the command line on them within this process."""

import contextlib
import io
import json

import numpy as np
import pandas as pd
import pytest
from onnx_cases import import_rows
from PIL import Image

from batchclf.cli.main import main

PATHS = [
    *(f"{number % 10}/{number:02}.png" for number in range(40)),
    *("0/k.1.png", "0/k.2.png", "1/v1.2/img.3.png", "1/.keep/x.png", "2/same.jpg", "2/same.png", "3/UPPER.PNG"),
    *("4/ü é %41.png", f"5/{'long ' * 30}.png", '6/it\'s, "quoted".png', "7/new\nline.png"),
]


def image(seed, side=8):
    """Random pixels, other ones for each seed."""
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (side, side), np.uint8))


def write_images(root, paths=PATHS):
    for number, path in enumerate(paths):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        image(number).save(root / path)


def run(*arguments):
    """Run one command: its exit code, what `--json` gives, and the lines."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main([*map(str, arguments), "--json"])
    return code, json.loads(out.getvalue()), err.getvalue()


class World:
    """A folder with images, a model, and what was made of them so far."""

    def __init__(self, folder):
        self.folder, self.photos = folder, folder / "photos"
        self.model = import_rows(folder, 1, size=8)
        write_images(self.photos)
        (self.photos / "3" / "bad.png").write_bytes(b"no image")
        (self.photos / "gone.png").symlink_to("nowhere.png")
        (self.photos / "notes.txt").write_text("no image")
        (self.photos / "7" / "skip me.png").write_bytes(b"ignored")
        (self.photos / ".batchclfignore").write_text("skip me.png\n")
        self.labels = folder / "labels.csv"
        pd.DataFrame({"path": PATHS[:30], "label": [str(number % 10) for number in range(30)]}).to_csv(
            self.labels, index=False
        )
        self._runs = 0

    def pack(self, name, *options, source=None):
        out = self.folder / name
        code, result, err = run("pack", source or self.photos, out, *options)
        assert code == 0, err
        return out, result

    def score(self, place, *options, code=0):
        """Score a place: the run directory, the counts and the lines."""
        self._runs += 1
        out = self.folder / f"run {self._runs}"
        ended, result, err = run("score", place, "--model", self.model, "--out", out, *options)
        assert ended == code, err
        if "subsets" not in result:
            return None, result, err
        (counts,) = result["subsets"].values()
        assert counts["found"] == counts["scored"] + counts["skipped"] + counts["excluded"]
        return out, counts, err


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return World(tmp_path_factory.mktemp("shards"))


def rows(run_directory):
    return pd.read_csv(run_directory / "predictions.csv", dtype=str, keep_default_na=False)


def skipped(run_directory):
    table = pd.read_csv(run_directory / "skipped.csv", dtype=str, keep_default_na=False)
    return dict(zip(table["path"], table["reason"], strict=True))
