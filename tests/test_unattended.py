"""A run as a scheduler runs it: no environment, no home, no terminal, any time zone, a clock that changes."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime

import pytest

from batchclf.storage.run.directory import read_record

RUN_ID = re.compile(r"[0-9]{8}T[0-9]{6}Z(-[0-9]{2})?")
SECONDS = 120


@pytest.fixture(scope="module")
def model(digits_bundle, tmp_path_factory):
    """A model that belongs to the test's user alone, as umask 077 leaves it."""
    folder = tmp_path_factory.mktemp("model") / "model"
    shutil.copytree(digits_bundle, folder)
    return folder


@pytest.fixture
def job(model, tmp_path):
    """A job file on the digits in a folder that is no ASCII; the run takes a second, since the model is there."""
    folder = tmp_path / "nächtliche Läufe 100%"
    folder.mkdir()
    path = folder / "ziffern.toml"
    path.write_text(
        f"[data]\ndataset = 'digits'\n[model]\nbundle = '{model}'\n[gate]\nmin_test_accuracy = 0.5\n"
        "[scoring]\nsplits = ['test']\n[publish]\nreports = 'berichte'\n",
        encoding="utf-8",
    )
    return path


def bare(job, *arguments, environment=None, umask=0o022, before=(), streams=""):
    """Run a job with nothing in the environment, from `/`, without a terminal, standard input closed."""
    python = [*before, sys.executable, "-P", "-m", "batchclf", "run", str(job), *arguments]
    return subprocess.run(
        ["/bin/sh", "-c", f'exec "$@" <&- {streams}', "sh", *python],
        cwd="/",
        env=environment or {},
        capture_output=True,
        text=True,
        start_new_session=True,
        umask=umask,
        timeout=SECONDS,
        check=False,
    )


def runs(job):
    """The published runs, oldest first."""
    return sorted(path for path in (job.parent / "berichte" / job.stem).iterdir() if RUN_ID.fullmatch(path.name))


def run_dates(job):
    return [read_record(run).run_date for run in runs(job)]


def silent(done):
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def modes(folder):
    """The permissions of all that lies in a folder, links left out."""
    return {path.stat().st_mode & 0o777 for path in folder.rglob("*") if not path.is_symlink()}


@pytest.mark.parametrize(
    ("environment", "umask"),
    [
        ({}, 0o077),
        ({"LANG": "C", "LC_ALL": "POSIX", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0", "HOME": "/nowhere"}, 0o022),
        ({"LC_ALL": "de_XX.unknown", "TERM": "dumb", "PYTHONIOENCODING": "ascii"}, 0o027),
    ],
)
def test_a_bare_environment(job, environment, umask):
    """A good run prints nothing, and its files have the permissions that the umask leaves."""
    silent(bare(job, "--quiet", environment=environment, umask=umask))
    (run,) = runs(job)
    assert (run.parent / "latest").resolve() == run
    assert (run / "report.html").stat().st_size > 10_000
    assert modes(run) <= {0o666 & ~umask, 0o777 & ~umask}
    assert not list(run.parent.glob(".*.partial"))


def test_closed_output(job):
    """Whoever closes even standard output and error gets a run all the same."""
    silent(bare(job, streams=">&- 2>&-"))
    assert len(runs(job)) == 1


def test_trouble_is_told_in_a_bare_environment(job):
    job.write_text(job.read_text(encoding="utf-8").replace("0.5", "1.0"), encoding="utf-8")
    done = bare(job, "--quiet", environment={"LC_ALL": "POSIX", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"})
    assert (done.returncode, done.stdout) == (3, "")
    assert "is below the minimum of 100%" in done.stderr
    assert len(runs(job)) == 1
    done = bare(job.with_name("fehlt.toml"), "--quiet")
    assert (done.returncode, done.stdout) == (1, "")
    assert "cannot be read" in done.stderr


def local_date(zone):
    return subprocess.run(["date", "+%F"], env={"TZ": zone}, capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "America/Adak", "UTC", "Nowhere/At_All", "", "XYZ-14:30"])
def test_the_run_date_is_the_local_date(job, zone):
    before = local_date(zone)
    done = bare(job, "--dry-run", "--json", environment={"TZ": zone})
    assert (done.returncode, done.stderr.count("Traceback")) == (0, 0)
    assert json.loads(done.stdout)["job"].rpartition(" ")[2] in (before, local_date(zone))


def test_run_ids_sort_whatever_the_time_zone(job):
    first = None
    for zone in ("Pacific/Kiritimati", "America/Adak"):
        silent(bare(job, "--quiet", environment={"TZ": zone}))
        first = first or runs(job)[0]
    assert runs(job)[0] == first
    assert len(runs(job)) == 2
    # 24 hours lie between the two zones, so the second run date is a day earlier.
    assert run_dates(job)[0] > run_dates(job)[1]


@pytest.fixture
def at():
    """The beginning of a command that runs at another time: the clock goes on from there."""
    if shutil.which("faketime") is None:
        pytest.skip("faketime is not installed")
    return lambda moment: ["faketime", "--exclude-monotonic", "-f", f"@{moment}"]


def fake(zone):
    """What faketime itself needs: the path, and the zone in which a moment is meant."""
    return {"PATH": "/usr/bin:/bin", "TZ": zone}


def test_a_run_over_midnight_belongs_to_the_day_on_which_it_began(job, at, tmp_path):
    """The run is halted while it goes on, the clock put past midnight, and the run let go on."""
    at("now")
    incoming = job.parent / "neu" / "2026-11-25"
    incoming.mkdir(parents=True)
    job.write_text(
        job.read_text(encoding="utf-8") + "[scoring.directories.neu]\npath = 'neu/{date:%Y-%m-%d}'\n"
        "[gate.alarms]\noff = ['no-images']\n",
        encoding="utf-8",
    )
    moment = tmp_path / "moment"

    def set_clock(text):
        ahead = datetime.fromisoformat(text).replace(tzinfo=UTC) - datetime.now(UTC)
        moment.with_suffix(".new").write_text(f"{ahead.total_seconds():+.0f}")
        moment.with_suffix(".new").replace(moment)

    set_clock("2026-11-25 23:00:30")  # the half minute is for rounding
    environment = {
        "TZ": "UTC",
        "LD_PRELOAD": "/usr/$LIB/faketime/libfaketime.so.1",
        "FAKETIME_TIMESTAMP_FILE": str(moment),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    command = [sys.executable, "-P", "-m", "batchclf", "run", str(job), "--quiet"]
    process = subprocess.Popen(command, env=environment, cwd="/", stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    while process.poll() is None and not list(job.parent.glob("berichte/ziffern/.2*.partial")):
        time.sleep(0.002)
    process.send_signal(signal.SIGSTOP)
    set_clock("2026-11-26 00:10:00")
    process.send_signal(signal.SIGCONT)
    assert process.communicate(timeout=SECONDS) == (b"", None)
    assert process.returncode == 0
    (run,) = runs(job)
    record = read_record(run)
    assert (record.run_date, record.run_id[:11]) == ("2026-11-25", "20261125T23")
    times = [json.loads(line)["time"] for line in (run / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    assert times[-1].startswith("2026-11-26T00:1")
    assert times == sorted(times)
    assert str(incoming) in (run / "run.json").read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("zone", "moments"),
    [
        # The hour from 2 to 3 comes twice.
        ("Europe/Berlin", ["2026-10-25 00:30:00", "2026-10-25 04:30:00"]),
        # It does not come at all.
        ("Europe/Berlin", ["2026-03-29 01:59:59", "2026-03-29 03:30:00"]),
    ],
)
def test_a_run_date_on_which_the_clocks_change(job, at, zone, moments):
    for moment in moments:
        silent(bare(job, "--quiet", environment=fake(zone), before=at(moment)))
    day = moments[0][:10]
    assert run_dates(job) == [day, day]
    ids = [run.name for run in runs(job)]
    assert ids == sorted(set(ids))
    assert [read_record(run).run_id for run in runs(job)] == ids
    assert (runs(job)[-1].parent / "latest").resolve() == runs(job)[-1]


@pytest.mark.slow
def test_a_clock_that_was_set_back_overwrites_nothing(job, at):
    for _ in range(2):
        silent(bare(job, "--quiet", environment=fake("UTC"), before=at("2026-11-25 03:00:00")))
    silent(bare(job, "--quiet", environment=fake("UTC"), before=at("2026-11-25 02:00:00")))
    assert len(runs(job)) == 3
    assert run_dates(job) == ["2026-11-25"] * 3


@pytest.fixture
def cron(tmp_path):
    """Debian's cron with a table of this test's own, by a clock that is three seconds before half past three, in UTC.

    Cron knows one folder for tables, so this runs only as root and where root has none and no cron is there.
    """
    for program in ("cron", "crontab", "faketime"):
        if shutil.which(program, path="/usr/sbin:/usr/bin:/bin") is None:
            pytest.skip(f"{program} is not installed")
    if os.geteuid() != 0:
        pytest.skip("only root can start cron")
    if subprocess.run(["crontab", "-l"], capture_output=True, check=False).returncode == 0:
        pytest.skip("there is a crontab already, which is left alone")
    started = []

    def start(table, clock="2026-11-25 03:29:57", zone="UTC"):
        subprocess.run(["crontab", "-"], input=table, text=True, check=True)
        command = ["faketime", "-f", f"@{clock}", "cron", "-f"]
        output = (tmp_path / "cron.log").open("wb")
        environment = {"PATH": "/usr/sbin:/usr/bin:/bin", "TZ": zone}
        process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,  # faketime does not hand signals on
        )
        started.append((process, output))
        time.sleep(0.3)
        if process.poll() is not None:
            pytest.skip(f"cron does not start: {(tmp_path / 'cron.log').read_text().strip()}")

    try:
        yield start
    finally:
        subprocess.run(["crontab", "-r"], capture_output=True, check=False)
        for process, output in started:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            process.wait(10)
            output.close()


@pytest.mark.slow
def test_a_real_crontab_entry(job, cron, tmp_path):
    """The entry as `job install` prints it; behind it the shell keeps what cron would mail."""
    done = subprocess.run(
        [sys.executable, "-m", "batchclf", "job", "install", job, "--cron", "--dry-run"],
        capture_output=True,
        text=True,
        check=True,
    )
    begin, line, end = done.stdout.splitlines()
    mail, code = tmp_path / "mail", tmp_path / "code"
    cron(f"{begin}\n{line} >{mail} 2>&1; echo $? >{code}.new; mv {code}.new {code}\n{end}\n")
    # The run takes a second or two; a busy machine gets a minute.
    for _ in range(600):
        if code.exists():
            break
        time.sleep(0.1)
    assert code.exists(), (tmp_path / "cron.log").read_text()
    assert (code.read_text(), mail.read_text()) == ("0\n", "")
    (run,) = runs(job)
    assert (run / "report.html").is_file()
    assert read_record(run).command[1:3] == ["run", str(job)]


def lines_of(path, enough):
    """What jobs have written until `enough` says so of it, or a minute has passed."""
    for _ in range(600):
        lines = path.read_text().splitlines() if path.exists() else []
        if enough(lines):
            break
        time.sleep(0.1)
    return lines


@pytest.mark.slow
def test_cron_makes_up_for_a_time_that_the_clock_jumps_over(cron, tmp_path):
    ran = tmp_path / "ran"
    # Two minutes after the jump all is over.
    table = f"30 2 * * * echo nightly >>{ran}\n2 3 * * * echo later >>{ran}\n"
    cron(table, clock="2027-03-28 01:58:30 x20", zone="Europe/Berlin")
    assert lines_of(ran, lambda lines: "later" in lines) == ["nightly", "later"]


@pytest.mark.slow
def test_cron_does_not_repeat_a_time_that_comes_twice(cron, tmp_path):
    ran = tmp_path / "ran"
    table = f"30 2 * * * echo nightly >>{ran}\n40 * * * * echo hourly >>{ran}\n0 3 * * * echo later >>{ran}\n"
    cron(table, clock="2026-10-25 01:50:00 x300", zone="Europe/Berlin")
    lines = lines_of(ran, lambda lines: "later" in lines)
    assert [line for line in lines if line != "hourly"] == ["nightly", "later"]
    assert lines.count("hourly") == 2  # the hour did come twice
