"""Reports on file systems without symbolic links or locks: a real one, and a library that plays the refusals."""

import errno
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import datetime
from pathlib import Path

import pytest
from PIL import Image
from preloaded import compile_shim

import batchclf

GIBIBYTES = 3
"""Of a sparse file: `job check` warns of less than 2 GB."""


@pytest.fixture(scope="module")
def shim(tmp_path_factory):
    """The library that refuses, for LD_PRELOAD."""
    return compile_shim(Path(__file__).with_name("refusing_file_system.c"), tmp_path_factory.mktemp("shim"))


@pytest.fixture
def mounted(tmp_path):
    """A real file system without symbolic links: the kernel's FAT or, through FUSE, exFAT."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0 or shutil.which("losetup") is None:
        pytest.skip("only root may mount")
    image, folder = tmp_path / "disk.img", tmp_path / "disk"
    folder.mkdir()
    with image.open("wb") as handle:
        handle.truncate(GIBIBYTES << 30)
    device = subprocess.run(["losetup", "-f", "--show", image], capture_output=True, text=True, check=False)
    if device.returncode:
        pytest.skip(f"there is no loop device: {device.stderr}")
    loop = device.stdout.strip()
    try:
        for make, mount in (
            (["mkfs.vfat", loop], ["mount", "-t", "vfat", loop, folder]),
            (["mkfs.exfat", loop], ["mount.exfat-fuse", loop, folder]),
        ):
            if shutil.which(make[0]) and shutil.which(mount[0]):
                made = subprocess.run(make, capture_output=True, check=False).returncode == 0
                if made and subprocess.run(mount, capture_output=True, check=False).returncode == 0:
                    break
        else:
            pytest.skip("neither FAT nor exFAT can be mounted")
        try:
            yield folder
        finally:
            subprocess.run(["umount", folder], check=True)
    finally:
        subprocess.run(["losetup", "-d", loop], check=True)


class Place:
    """A folder with a job, a data directory and the environment in which its file system refuses."""

    def __init__(self, folder, bundle, digits, refusals, shim):
        self.folder, self.environment = folder, dict(os.environ)
        if refusals:
            self.environment |= {"LD_PRELOAD": str(shim), "REFUSING": str(folder / "reports")}
            self.environment |= {name: str(number) for name, number in refusals.items()}
        photos = folder / "photos"
        for index in range(20):
            name = digits.class_names[int(digits.test.labels[index])]
            (photos / name).mkdir(parents=True, exist_ok=True)
            Image.fromarray(digits.test.images[index, :, :, 0]).save(photos / name / f"{index:02}.png")
        self.bundle = bundle
        self.reports = folder / "reports"
        self.job = folder / "nightly.toml"
        self.job.write_text(
            f"[model]\nbundle = '{bundle}'\n[scoring.directories.incoming]\npath = 'photos'\nlabels = 'folders'\n"
            "[publish]\nreports = 'reports'\n[notify]\nprometheus = 'nightly.prom'\n"
            "[baselines]\nfirst = 'reports/nightly/last-good'\n"
            "[[gate.rules]]\nmetric = 'accuracy'\nsubset = 'incoming'\nmin = 0.1\n"
        )

    def batchclf(self, *arguments, code=0):
        done = subprocess.run(
            [sys.executable, "-m", "batchclf", *map(str, arguments)],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done


@pytest.fixture
def place_with(tmp_path, digits_bundle, digits, shim):
    return lambda **refusals: Place(tmp_path, digits_bundle, digits, refusals, shim)


def runs(place):
    return sorted(path for path in (place.reports / "nightly").glob("2*") if (path / "run.json").is_file())


def without_links(place):
    """Two nights, and all that reads `latest` and `last-good`."""
    for _ in range(2):
        done = place.batchclf("run", place.job, "--quiet")
        assert (done.stdout, done.stderr) == ("", "")
    older, newest = runs(place)
    for name in ("latest", "last-good"):
        file = newest.parent / name
        assert not file.is_symlink()
        assert file.read_bytes() == os.fsencode(f"{newest.name}\n")
    with closing(sqlite3.connect(place.reports / "history.sqlite")) as history:
        assert history.execute("SELECT count(*) FROM runs").fetchone() == (2,)
    latest = newest.parent / "latest"
    assert str(newest) in place.batchclf("report", latest, "--format", "md").stdout
    place.batchclf("report", older, latest, "--out", place.folder / "two.html")
    rows = place.batchclf("query", latest, "SELECT count(*) AS n FROM predictions", "--format", "jsonl", "--quiet")
    assert json.loads(rows.stdout) == {"n": 20}
    place.batchclf("evaluate", latest / "predictions.csv", "--quiet")
    assert len(batchclf.read_predictions(latest)) == 20
    # The link says which run is meant, not their order.
    latest.write_text(f"{older.name}\n")
    assert older.name in place.batchclf("history", "show", "nightly", "latest", "--reports", place.reports).stdout
    place.batchclf("history", "rebuild", latest, "--reports", place.reports)
    found = place.batchclf("job", "check", place.job)
    assert "without symbolic links" in found.stdout + found.stderr
    assert sorted(path.name for path in place.reports.iterdir() if path.name.startswith(".")) == []
    # After a bad night the time of the last success comes from the run that last-good names.
    (place.folder / "nightly.prom").unlink()
    place.job.write_text(place.job.read_text().replace("'accuracy'", "'images'").replace("0.1", "1000"))
    place.batchclf("run", place.job, "--quiet", code=3)
    record = json.loads((newest / "run.json").read_text())
    ended = datetime.fromisoformat(record["started"]).timestamp() + record["seconds"]
    (success,) = [
        float(line.split()[-1])
        for line in (place.folder / "nightly.prom").read_text().splitlines()
        if line.startswith("batchclf_last_success_timestamp_seconds{")
    ]
    assert success == pytest.approx(ended, abs=0.01)
    assert (newest.parent / "last-good").read_text() == f"{newest.name}\n"
    place.batchclf("score", place.folder / "photos", "--model", place.bundle, "--reports", place.reports, "--quiet")
    assert (place.reports / "score" / "latest").is_file()


@pytest.mark.slow
def test_reports_without_symbolic_links(place_with):
    without_links(place_with(REFUSE_LINKS=errno.EOPNOTSUPP))


@pytest.mark.slow
def test_reports_on_a_real_file_system_without_symbolic_links(mounted, digits_bundle, digits):
    without_links(Place(mounted, digits_bundle, digits, {}, None))


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
def test_reports_without_flock(place_with, number):
    """ENOSYS would make filelock go on with a file that outlives a kill."""
    place = place_with(REFUSE_FLOCK=number)
    lock = place.reports / "nightly" / ".lock"
    done = place.batchclf("run", place.job, "--quiet", code=1)
    reason = os.strerror(number)
    assert f"the lock {lock} cannot be taken: the file system has no locks ({reason})" in done.stderr
    assert "publish.reports" in done.stderr
    assert "Warning" not in done.stderr
    assert runs(place) == []
    found = place.batchclf("job", "check", place.job, code=1)
    assert f"the file system has no locks ({reason})" in found.stdout + found.stderr
    done = place.batchclf(
        "score", place.folder / "photos", "--model", place.bundle, "--out", place.reports / "apart", code=1
    )
    assert f"cannot be taken: the file system has no locks ({reason})" in done.stderr
    assert [path.name for path in place.reports.iterdir() if "apart" in path.name] == []


@pytest.mark.parametrize("number", [pytest.param(errno.ENOLCK, marks=pytest.mark.slow), errno.EOPNOTSUPP])
def test_a_history_without_locks(place_with, number):
    """SQLite takes ENOLCK for another process at work and waits for half a minute, then says that it was one."""
    place = place_with(REFUSE_FCNTL=number)
    job = place.job.read_text().replace("[notify]", "[scoring]\ncache = true\n[notify]")
    place.job.write_text(job.replace("first = 'reports/nightly/last-good'\n", ""))
    reason = f"the file system has no locks ({os.strerror(number)})"
    done = place.batchclf("run", place.job, "--quiet", code=1)
    assert f"{place.reports / 'history.sqlite'} cannot be used: {reason}" in done.stderr
    assert "another process has been" not in done.stderr
    (run,) = runs(place)
    assert (run / "report.html").stat().st_size > 10_000
    log = (run / "log.jsonl").read_text()
    assert "going on without the cache" in log
    assert reason in log
    found = place.batchclf("job", "check", place.job, code=1)
    assert reason in found.stdout + found.stderr
    del place.environment["REFUSE_FCNTL"]
    place.batchclf("run", place.job, "--quiet")
    place.environment["REFUSE_FCNTL"] = str(number)
    done = place.batchclf("history", "export", "--out", place.folder / "all.json", "--reports", place.reports, code=1)
    assert reason in done.stderr
