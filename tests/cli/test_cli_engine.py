"""How to score: formats, the account of time, and what many workers must not change."""

import json
import re
import subprocess
import sys
from importlib.util import find_spec
from typing import get_args

import numpy as np
import pandas as pd
import pytest
from onnx_cases import import_rows
from PIL import Image

from batchclf.core.choices import Format
from batchclf.models.runtime.openvino import CPUINFO, has_bf16
from batchclf.scoring.processes import PROCESSES_FROM
from batchclf.storage.run.directory import read_record


@pytest.fixture(scope="module")
def photos(digits, tmp_path_factory):
    folder = tmp_path_factory.mktemp("engine") / "photos"
    folder.mkdir()
    for number in range(120):
        Image.fromarray(digits.test.images[number][..., 0]).save(folder / f"{number:03}.png")
    (folder / "broken.png").write_text("text")
    return folder


@pytest.mark.parametrize(
    ("formats", "files"),
    [
        ("csv", {"predictions.csv"}),
        ("jsonl", {"predictions.csv", "predictions.jsonl"}),
        ("parquet,csv", {"predictions.csv", "predictions.parquet"}),
        ("csv, jsonl, parquet", {"predictions.csv", "predictions.jsonl", "predictions.parquet"}),
    ],
)
def test_the_formats_asked_for_are_written(cli, photos, digits_bundle, tmp_path, formats, files):
    code, _, err = cli("score", photos, "--model", digits_bundle, "--out", "run", "--format", formats)
    assert (code, err) == (0, "")
    assert {path.name for path in (tmp_path / "run").glob("predictions.*")} == {*files, "predictions.schema.json"}
    assert sorted(path.name for path in (tmp_path / "run").iterdir() if path.name.startswith(".")) == []
    page = (tmp_path / "run" / "report.html").read_text()
    assert set(re.findall(r'href="(predictions\.\w+)"', page)) == files
    rows = pd.read_csv(tmp_path / "run" / "predictions.csv", dtype={"prediction": str})
    if "predictions.parquet" in files:
        exact = pd.read_parquet(tmp_path / "run" / "predictions.parquet")
        np.testing.assert_allclose(exact["confidence"], rows["confidence"], rtol=1e-6)
        assert list(exact["prediction"]) == list(rows["prediction"])
    if "predictions.jsonl" in files:
        lines = (tmp_path / "run" / "predictions.jsonl").read_text().splitlines()
        assert [json.loads(line)["path"] for line in lines] == list(rows["path"])


def test_an_unknown_format_is_told_with_the_known_ones(cli, photos):
    code, _, err = cli("score", photos, "--format", "csv,xlsx")
    assert code == 2
    assert f"'xlsx' is not one of: {', '.join(get_args(Format))}" in err


def test_the_time_is_explained_and_kept(cli, photos, digits_bundle, tmp_path):
    code, out, _ = cli("score", photos, "--model", digits_bundle, "--out", "run", "--explain-time")
    assert code == 0
    table = out[out.index("where the time went") :]
    steps = [line.split()[0] for line in table.splitlines()[1:]]
    of_score = ["score", "list", "read", "decode", "model", "write"]
    assert steps == [*of_score, "evaluate", "images", "compare", "report", "other", "whole"]
    assert "walking through 121 files" in table
    record = read_record(tmp_path / "run")
    assert set(record.subsets[0].timings) == {"list", "read", "decode", "model", "write"}
    assert all(seconds >= 0 for seconds in record.subsets[0].timings.values())
    assert record.subsets[0].timings["decode"] > 0
    assert sum(record.timings.values()) <= record.seconds + record.timings["report"] + 0.01
    assert "where the time went" not in cli("score", photos, "--model", digits_bundle, "--out", "other")[1]


def test_a_long_run_with_processes_gives_the_same_rows(cli, photos, digits_bundle, tmp_path):
    """More files than it takes to start processes: hard links of the same images."""
    many = tmp_path / "many"
    many.mkdir()
    for copy in range(-(-PROCESSES_FROM // 121)):
        for path in photos.iterdir():
            (many / f"{copy:03} {path.name}").hardlink_to(path)
    assert cli("score", photos, "--model", digits_bundle, "--out", "few")[0] == 0
    code, _, err = cli("score", many, "--model", digits_bundle, "--out", "run", "--workers", "3")
    assert (code, err) == (0, "")
    few, rows = (pd.read_csv(tmp_path / run / "predictions.csv") for run in ("few", "run"))
    assert len(rows) == 34 * 120
    assert list(rows["path"]) == sorted(rows["path"])
    rows["path"] = rows["path"].str[4:]
    assert rows.drop_duplicates().sort_values("path").reset_index(drop=True).equals(few)
    assert len(pd.read_csv(tmp_path / "run" / "skipped.csv")) == 34


def test_resume_does_not_go_with_a_split(cli, digits_bundle):
    code, _, err = cli("score", "--split", "test", "--dataset", "digits", "--model", digits_bundle, "--resume")
    assert code == 2
    assert "--resume" in err


@pytest.fixture(scope="module")
def spreading(tmp_path_factory):
    """A model for 8x8 images that spreads each over 1 MiB before it predicts."""
    return import_rows(tmp_path_factory.mktemp("spreading"), 0, size=8, spread=64)


LIMITED = """
import resource, sys
import numpy, cv2, onnxruntime, sklearn.metrics
import batchclf.report.html.render  # which a thread would load just when the memory is short
from pathlib import Path
from batchclf.cli.main import main
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 2**30, used + 2**30))
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the limit of a process' memory is Linux'")
def test_out_of_memory_lowers_the_batch_size_and_goes_on(cli, digits, spreading, tmp_path):
    photos = tmp_path / "photos"
    photos.mkdir()
    for number in range(1000):
        Image.fromarray(digits.train.images[number][..., 0]).save(photos / f"{number:04}.png")
    command = ["score", str(photos), "--model", str(spreading), "--batch-size", "1000", "--workers", "2"]
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, *command, "--out", "limited"],
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(r"out of memory with 1,000 images a batch; going on with 500", done.stdout)
    assert "found 1,000 = scored 1,000" in done.stdout
    assert cli(*command, "--out", "free")[0] == 0
    limited, free = ((tmp_path / run / "predictions.csv").read_bytes() for run in ("limited", "free"))
    assert limited == free


@pytest.mark.skipif(
    find_spec("openvino") is None or not has_bf16(CPUINFO.read_text()), reason="no OpenVINO, or no bfloat16 here"
)
def test_less_precision_says_how_many_classes_changed(cli, photos, digits_bundle, tmp_path):
    command = ("score", "--split", "test", "--dataset", "digits", "--model", digits_bundle)
    code, out, err = cli(*command, "--precision", "bf16", "--out", "bf16", "--probabilities")
    assert (code, err) == (0, "")
    assert cli(*command, "--out", "f32", "--probabilities")[0] == 0
    less, full = (pd.read_csv(tmp_path / run / "predictions.csv") for run in ("bf16", "f32"))
    changed = int((less["prediction"] != full["prediction"]).sum())
    probabilities = [name for name in full if name.startswith("prob:")]
    largest = (less[probabilities] - full[probabilities]).abs().to_numpy().max()
    record = read_record(tmp_path / "bf16")
    assert record.precision == "bf16"
    check = record.subsets[0].precision
    assert (check.images, check.changed) == (355, changed)
    assert check.largest == pytest.approx(largest, abs=1e-6)
    assert f"precision: on 355 images compared, probabilities differ from float32's by up to {check.largest:.1e}" in out
    # A cache of full precision is not used for less, and the other way round.
    assert cli("score", photos, "--model", digits_bundle, "--cache", "--out", "one")[0] == 0
    assert cli("score", photos, "--model", digits_bundle, "--cache", "--precision", "bf16", "--out", "two")[0] == 0
    assert read_record(tmp_path / "two").subsets[0].cached == 0
    assert cli("score", photos, "--precision", "bf16", "--runtime", "tensorflow", "--model", digits_bundle)[0] == 2
