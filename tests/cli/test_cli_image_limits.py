"""`--image-timeout` and `--max-pixels`, no other program, no library's lines: from the command line, both ways."""

import csv
import os
import signal
import sqlite3
import struct
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from onnx_cases import import_rows
from PIL import Image

from batchclf.data.decoding import aside
from batchclf.scoring import processes as processes_module
from batchclf.scoring.engines import local as local_module
from batchclf.scoring.model_run import ModelRun

SLOW = """
import time
from batchclf.data.decoding import pillow
def slow(content, *arguments, real=pillow.decode):
    if content.endswith(b"slow"):
        time.sleep(60)
    return real(content, *arguments)
pillow.decode = slow
"""
"""Pillow as it would be on files that end so."""


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return import_rows(tmp_path_factory.mktemp("limits"), 1, size=8)


@pytest.fixture(params=["threads", "processes"])
def way(request, monkeypatch):
    if request.param == "processes":
        monkeypatch.setattr(processes_module, "PROCESSES_FROM", 1)
        monkeypatch.setattr(local_module, "PROCESSES_FROM", 1)
    return request.param


@pytest.fixture
def slow_pillow(way, monkeypatch):
    of = aside if way == "threads" else processes_module
    with monkeypatch.context() as patch:
        patch.setattr(of, "_MAIN", f"exec({SLOW!r}); {of._MAIN}")
        aside.close()
        yield patch
    aside.close()


@pytest.fixture
def photos(tmp_path):
    """Nine grey images, and one for Pillow that is slow at first."""
    folder = tmp_path / "photos"
    folder.mkdir()
    pixels = np.random.default_rng(1).integers(0, 256, (10, 8, 8), np.uint8)
    for number, image in enumerate(pixels):
        Image.fromarray(image).save(folder / f"{number}.png", "PPM" if number == 4 else "PNG")
    with (folder / "4.png").open("ab") as file:
        file.write(b"slow")
    return folder


def _rows(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _skipped(run):
    return {row["path"]: row["reason"] for row in _rows(run / "skipped.csv")}


def _children(of=None):
    """The ids of the processes that this one, or another, has started."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = stat.read_text().rsplit(")", 1)[1].split()[:2]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(parent) == (of or os.getpid()) and state != "Z":
            found.append(int(stat.parent.name))
    return found


def test_an_image_that_takes_too_long_is_skipped_and_next_time_scored(cli, bundle, photos, tmp_path, slow_pillow):
    before = _children()
    started = time.monotonic()
    command = ("score", photos, "--model", bundle, "--cache", "--image-timeout", "1.5", "--json")
    code, _, err = cli(*command, "--out", tmp_path / "first")
    assert code == 0, err
    assert time.monotonic() - started < 50
    assert "found 10 = scored 9 + skipped 1 + excluded 0" in err
    assert _skipped(tmp_path / "first") == {"4.png": "took longer than 1.5 s to read and decode (--image-timeout)"}
    assert [row["path"] for row in _rows(tmp_path / "first" / "predictions.csv")] == [
        f"{number}.png" for number in range(10) if number != 4
    ]
    assert _children() == before
    (cache,) = (tmp_path / "reports" / "cache").glob("*.sqlite")
    with sqlite3.connect(cache) as connection:
        assert connection.execute("SELECT count(*) FROM scores").fetchone() == (9,)
    connection.close()

    slow_pillow.undo()
    code, _, err = cli(*command, "--out", tmp_path / "second")
    assert code == 0, err
    assert "found 10 = scored 10 + skipped 0 + excluded 0; 9 scores come from the cache" in err
    assert _children() == before


def test_a_resumed_run_tries_a_slow_image_again(cli, bundle, photos, tmp_path, slow_pillow, monkeypatch):
    # Blocks of so few images come with large inputs only.
    monkeypatch.setattr("batchclf.jobs.score.score_subsets.files_per_block", lambda *arguments: 2)
    command = ("score", photos, "--model", bundle, "--out", tmp_path / "run", "--image-timeout", "1.5")
    real, calls = ModelRun.probabilities, []

    def interrupted(self, images):
        calls.append(len(images))
        if len(calls) == 4:
            raise KeyboardInterrupt
        return real(self, images)

    with monkeypatch.context() as patch:
        patch.setattr(ModelRun, "probabilities", interrupted)
        code, _, err = cli(*command)
        assert code == 130, err
    assert calls == [2, 2, 1, 2]
    slow_pillow.undo()
    aside.close()
    # More time, which is what one would give it, does not begin anew what was scored.
    code, out, err = cli(*command[:-1], "100", "--resume")
    assert (code, err) == (0, "")
    assert "an image took too long, or" in out
    assert "scoring again from file 5 on" in out
    assert "found 10 = scored 10 + skipped 0 + excluded 0" in out
    assert _skipped(tmp_path / "run") == {}
    assert cli(*command[:4], "--out", tmp_path / "fresh")[0] == 0
    for name in ("predictions.csv", "images.csv", "metrics.json"):
        assert (tmp_path / "run" / name).read_bytes() == (tmp_path / "fresh" / name).read_bytes()


INTERRUPTED = f"""
import sys
from batchclf.cli.main import entry
from batchclf.data.decoding import aside
aside._MAIN = {f"exec({SLOW!r}); {aside._MAIN}"!r}
entry()
"""


def test_an_interrupted_run_does_not_wait_for_a_slow_image(bundle, photos, tmp_path):
    command = [sys.executable, "-c", INTERRUPTED, "score", photos, "--model", bundle, "--out", "run"]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as run:
        pids = _wait_for(lambda: _children(run.pid))
        time.sleep(3)
        started = time.monotonic()
        run.send_signal(signal.SIGINT)
        _, err = run.communicate(timeout=50)
    assert time.monotonic() - started < 40
    assert run.returncode == 130
    assert "interrupted; nothing was published" in err
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)


def _wait_for(look):
    for _ in range(600):
        if found := look():
            return found
        time.sleep(0.05)
    raise AssertionError("it did not come so far")


def test_a_resumed_run_with_another_limit_of_pixels_begins_anew(cli, bundle, photos, tmp_path, monkeypatch):
    monkeypatch.setattr("batchclf.jobs.score.score_subsets.files_per_block", lambda *arguments: 2)
    Image.new("L", (20, 20)).save(photos / "0.png")
    command = ("score", photos, "--model", bundle, "--out", tmp_path / "run")
    real, calls = ModelRun.probabilities, []

    def interrupted(self, images):
        calls.append(len(images))
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(self, images)

    with monkeypatch.context() as patch:
        patch.setattr(ModelRun, "probabilities", interrupted)
        assert cli(*command, "--max-pixels", "399")[0] == 130
    code, out, err = cli(*command, "--resume")
    assert (code, err) == (0, "")
    assert "beginning anew: " in out
    assert "another limit of pixels" in out
    assert _skipped(tmp_path / "run") == {}


def test_an_image_of_too_many_pixels_is_skipped_even_if_its_scores_are_in_the_cache(cli, bundle, photos, tmp_path, way):
    Image.new("L", (20, 20)).save(photos / "6.png")
    command = ("score", photos, "--model", bundle, "--cache")
    code, out, _ = cli(*command, "--out", tmp_path / "all", "--max-pixels", "400")
    assert code == 0
    assert _skipped(tmp_path / "all") == {}
    for name in ("skipping", "again"):
        code, out, _ = cli(*command, "--out", tmp_path / name, "--max-pixels", "399")
        assert code == 0
        ((path, reason),) = _skipped(tmp_path / name).items()
        assert path == "6.png"
        assert reason.startswith("too large: 400 pixels")
    assert "9 scores come from the cache" in out


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--image-timeout", "0"),
        ("--image-timeout", "-1"),
        ("--image-timeout", "inf"),
        ("--image-timeout", "nan"),
        ("--image-timeout", "86401"),
        ("--image-timeout", "soon"),
        ("--max-pixels", "0"),
        ("--max-pixels", "1e6"),
    ],
)
def test_other_values_are_refused(cli, option, value):
    code, _, err = cli("score", "photos", option, value)
    assert code == 2
    assert f"{option}: '{value}' is not a" in err


POSTSCRIPT = b"""%!PS-Adobe-3.0 EPSF-3.0
%%BoundingBox: 0 0 8 8
%%EndComments
newpath 1 1 moveto 7 7 lineto stroke
showpage
%%EOF
"""


def test_no_other_program_is_started(cli, bundle, photos, tmp_path, way, monkeypatch):
    programs, marker = tmp_path / "programs", tmp_path / "started"
    programs.mkdir()
    for name in ("gs", "gswin32c", "gswin64c", "xv", "display"):
        (programs / name).write_text(f"#!/bin/sh\necho $0 >>'{marker}'\necho 10.0\n")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    for suffix in ("png", "jpg", "tif", "gif"):
        (photos / f"drawing.{suffix}").write_bytes(POSTSCRIPT)
    # As DOS has it: the same behind a header that says where it lies.
    (photos / "dos.png").write_bytes(
        struct.pack("<IIIIIIIH", 0xC6D3D0C5, 30, len(POSTSCRIPT), *[0] * 4, 65535) + POSTSCRIPT
    )
    code, out, err = cli("score", photos, "--model", bundle, "--out", tmp_path / "run")
    assert (code, err) == (0, "")
    assert "found 15 = scored 10 + skipped 5 + excluded 0" in out
    reasons = _skipped(tmp_path / "run")
    assert set(reasons) == {"drawing.png", "drawing.jpg", "drawing.tif", "drawing.gif", "dos.png"}
    assert set(reasons.values()) == {"not an image: the content is of no known image format"}
    assert not marker.exists()


def many_samples():
    """A TIFF of 300 samples a pixel, about which Pillow writes a line of its log."""
    fields = {256: 8, 257: 8, 258: 8, 259: 1, 262: 1, 273: 200, 277: 300, 278: 8, 279: 64}
    table = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in fields.items())
    return (b"II*\0" + struct.pack("<IH", 8, len(fields)) + table + bytes(4)).ljust(200, b"\0") + bytes(64)


def test_pillow_does_log_a_line_about_such_a_file(tmp_path, process):
    (tmp_path / "many.tif").write_bytes(many_samples())
    program = "import PIL.Image, contextlib\nwith contextlib.suppress(OSError): PIL.Image.open('many.tif')"
    assert "samples per pixel" in process("-c", program, cwd=tmp_path).stderr


@pytest.mark.parametrize("files", [10, processes_module.PROCESSES_FROM])
def test_no_library_logs_to_standard_error(bundle, photos, tmp_path, process, files):
    (photos / "many.tif").write_bytes(many_samples())
    for number in range(10, files):
        (photos / f"{number}.png").hardlink_to(photos / "1.png")
    done = process("-m", "batchclf", "score", photos, "--model", bundle, "--out", "run", "--quiet", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert set(_skipped(tmp_path / "run")) == {"many.tif"}


@pytest.mark.slow
def test_no_library_logs_to_standard_error_of_a_process_that_trains_and_scores(photos, tmp_path, process):
    if find_spec("tensorflow") is None:
        pytest.skip("TensorFlow is not installed")
    for number, path in enumerate(sorted(photos.iterdir())):
        folder = tmp_path / "classes" / "ab"[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / path.name).hardlink_to(path)
    for folder in (photos, tmp_path / "classes" / "a"):
        (folder / "many.tif").write_bytes(many_samples())
    (tmp_path / "job.toml").write_text(
        "[data]\ndirectory = 'classes'\n[model]\nepochs = 1\n[scoring.directories.new]\npath = 'photos'\n"
    )
    done = process("-m", "batchclf", "run", "job.toml", "--quiet", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
