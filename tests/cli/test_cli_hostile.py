"""`batchclf score` where the system is against it: closed streams, too few descriptors, names that are no UTF-8."""

import json
import os
import resource
import signal
import subprocess
import sys
import time

import pandas as pd
import pytest
from PIL import Image

from batchclf.cli.interrupt import interruptible
from batchclf.scoring.processes import PROCESSES_FROM


@pytest.fixture
def photos(digits, tmp_path):
    """24 digits without labels."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for index, image in enumerate(digits.test.images[:24]):
        Image.fromarray(image[..., 0]).save(folder / f"{index:04}.png")
    return folder


@pytest.fixture
def many(photos):
    """So many files that processes decode them."""
    first = photos / "0000.png"
    for index in range(24, PROCESSES_FROM + 24):
        os.link(first, photos / f"{index:04}.png")
    return photos


def _score(digits_bundle, photos, *more, **how):
    command = [sys.executable, "-m", "batchclf", "score", photos, "--model", digits_bundle, "--out", "run", *more]
    how = {"capture_output": True, "stdin": subprocess.DEVNULL, **how}
    return subprocess.run(
        [os.fsencode(part) for part in command], cwd=photos.parent, text=True, check=False, timeout=120, **how
    )


def _close(*descriptors):
    def close():
        for descriptor in descriptors:
            os.close(descriptor)

    return close


@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1, 2)])
def test_closed_streams_do_not_stop_a_run(digits_bundle, many, closed):
    done = _score(digits_bundle, many, preexec_fn=_close(*closed))
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert len(pd.read_csv(many.parent / "run" / "predictions.csv")) == PROCESSES_FROM + 24
    assert len(pd.read_csv(many.parent / "run" / "skipped.csv")) == 0


@pytest.mark.parametrize("workers", [2, 32])
def test_too_few_descriptors_cost_processes_but_no_image(digits_bundle, many, workers):
    def limit():
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))

    done = _score(digits_bundle, many, "--workers", str(workers), preexec_fn=limit)
    assert done.returncode == 0, done.stderr
    assert ("decoding without processes" in done.stdout) is (workers == 32)
    assert len(pd.read_csv(many.parent / "run" / "predictions.csv")) == PROCESSES_FROM + 24


def test_a_folder_whose_name_is_not_utf_8_is_scored(digits_bundle, photos):
    folder = photos.rename(photos.parent / os.fsdecode(b"ph\xffotos"))
    (folder / os.fsdecode(b"\xfe.png")).write_text("no image")
    done = _score(digits_bundle, folder)
    assert done.returncode == 0, done.stderr
    record = json.loads((folder.parent / "run" / "run.json").read_bytes())
    assert record["subsets"][0]["source"].endswith("ph\\udcffotos")
    assert pd.read_csv(folder.parent / "run" / "skipped.csv").path.tolist() == ["\\udcfe.png"]


def test_a_run_needs_no_folder_for_temporary_files(digits_bundle, photos):
    program = (
        "import sys, tempfile\n"
        "real = tempfile.TemporaryFile\n"
        "def refuse(*arguments, dir=None, **more):\n"
        "    if dir is not None:\n"
        "        return real(*arguments, dir=dir, **more)\n"
        "    raise FileNotFoundError(2, 'No usable temporary directory found')\n"
        "tempfile.TemporaryFile = refuse\n"
        "from batchclf.cli.main import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    command = [sys.executable, "-c", program, "score", photos, "--model", digits_bundle, "--out", "run"]
    done = subprocess.run(
        [str(part) for part in command], cwd=photos.parent, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""


def test_runs_that_begin_in_the_same_second_get_names_of_their_own(digits_bundle, photos):
    command = [sys.executable, "-m", "batchclf", "score", photos, "--model", digits_bundle, "--json"]
    runs = [
        subprocess.Popen([str(part) for part in command], cwd=photos.parent, stdout=subprocess.PIPE) for _ in range(4)
    ]
    out = [run.communicate(timeout=120)[0] for run in runs]
    assert [run.returncode for run in runs] == [0] * 4
    assert len({json.loads(each)["run"] for each in out}) == 4
    folder = photos.parent / "reports" / "score"
    assert len([run for run in folder.iterdir() if (run / "report.html").exists() and not run.is_symlink()]) == 4
    assert not list(folder.glob(".*"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_in_the_midst_of_an_import_counts_once_that_is_over(number):
    """Raised there, it may be swallowed and leave the lock of all imports locked; then all threads hang."""
    importing = "import signal\nsignal.raise_signal(number)\nwent_on = True"
    values = {"number": number}
    with interruptible():
        exec(compile(importing, "<frozen importlib._bootstrap>", "exec"), values)
        assert values["went_on"]
        with pytest.raises(KeyboardInterrupt):
            time.sleep(10)
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_where_no_thread_can_be_had_the_error_says_what_to_do(digits_bundle, photos, cli, monkeypatch):
    def refuse(*arguments, **more):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("concurrent.futures.thread.ThreadPoolExecutor.submit", refuse)
    code, _, err = cli("score", photos, "--model", digits_bundle)
    assert code == 1
    assert "Traceback" not in err
    assert "fewer --workers" in err
