"""`batchclf job install` says on which days the clock skips the job's time or has it twice; systemd is the judge."""

import os
import re
import shutil
import subprocess
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

DAYS = 731
MACHINE = os.path.realpath("/etc/localtime").partition("zoneinfo/")[2] or "/etc/localtime"


@pytest.fixture
def job(tmp_path):
    path = tmp_path / "nightly.toml"
    path.write_text("[data]\ndataset = 'digits'\n[publish]\nreports = 'reports'\n")
    return path


@pytest.fixture
def install(cli, job, monkeypatch):
    """Print what `job install` would do in a zone: the exit code, the lines, what is on standard error."""

    def run(by, at, zone, *more):
        monkeypatch.setenv("TZ", zone)
        return cli("job", "install", job, f"--{by}", "--at", at, "--dry-run", *more)

    return run


@pytest.fixture
def changes(cli, job, monkeypatch):
    """The days of one zone, from `--json`: those that are skipped, those that have the time twice."""

    def run(by, at, zone):
        monkeypatch.setenv("TZ", zone)
        code, found, _ = cli.json("job", "install", job, f"--{by}", "--at", at, "--dry-run")
        assert code == 0
        (of_zone,) = [each for each in found["clock_changes"] if each["zone"] == zone]
        return of_zone["skipped"], of_zone["twice"]

    return run


def by_systemd(at, zone):
    """The days on which a timer elapses, by systemd-analyze, from today on."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    base = datetime.now(ZoneInfo(zone)).date()
    command = ["systemd-analyze", "calendar", f"--base-time={base} 00:00:00", f"--iterations={DAYS}", f"*-*-* {at}:00"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "TZ": zone})
    found = re.findall(r"\(in UTC\): \w+ (\S+ \S+) UTC", done.stdout)
    if done.returncode != 0 or not found:
        pytest.skip(f"systemd-analyze does not work here: {done.stderr.strip()}")
    elapsed = [datetime.fromisoformat(text).replace(tzinfo=UTC).astimezone(ZoneInfo(zone)) for text in found]
    return base, [each.date() for each in elapsed]


CASES = [
    ("Europe/Berlin", "02:00"),
    ("Europe/Berlin", "02:30"),
    ("Europe/Berlin", "03:00"),
    ("America/New_York", "01:30"),
    ("America/Santiago", "00:10"),
    ("Australia/Lord_Howe", "02:15"),
    ("Asia/Kolkata", "02:30"),
]


@pytest.mark.parametrize(("zone", "at"), CASES)
def test_systemd_leaves_out_the_days_that_are_named_and_no_others(changes, zone, at):
    base, elapsed = by_systemd(at, zone)
    every = [base + timedelta(days=number) for number in range(DAYS)]
    skipped, twice = changes("systemd", at, zone)
    missing = [day.isoformat() for day in every if day not in elapsed and day < elapsed[-1]]
    assert skipped == missing
    # On a day that has the time twice the timer elapses once.
    assert len(set(elapsed)) == len(elapsed)
    assert {date.fromisoformat(day) for day in twice} <= set(elapsed)


def test_a_night_that_does_not_happen_is_a_warning_for_systemd(install, changes):
    skipped, twice = changes("systemd", "02:30", "Europe/Berlin")
    assert len(skipped) == len(twice) == 2
    code, out, err = install("systemd", "02:30", "Europe/Berlin")
    assert code == 0
    assert err == (
        f"batchclf: warning: the clock of Europe/Berlin jumps over 02:30 on {', '.join(skipped)}: "
        "systemd does not run the job on such a day; choose another time with --at\n"
    )
    assert f"# 02:30 comes twice in Europe/Berlin on {', '.join(twice)}: systemd runs the job once, the first" in out
    assert ("TZ=Europe/Berlin is this shell's" in out) == (MACHINE != "Europe/Berlin")
    assert install("systemd", "02:30", "Europe/Berlin", "--quiet")[1:] == ("", err)


def test_cron_makes_up_for_it(install, changes):
    """tests/test_unattended.py has what Debian's cron does."""
    skipped, twice = changes("cron", "02:30", "Europe/Berlin")
    assert (skipped, twice) == changes("systemd", "02:30", "Europe/Berlin")
    code, out, err = install("cron", "02:30", "Europe/Berlin")
    assert (code, err) == (0, "")
    assert f"# the clock of Europe/Berlin jumps over 02:30 on {', '.join(skipped)}: Debian's cron runs the job " in out
    assert f"# 02:30 comes twice in Europe/Berlin on {', '.join(twice)}: Debian's cron runs the job once" in out


@pytest.mark.parametrize(("by", "at", "zone"), [("systemd", "03:30", "Europe/Berlin"), ("cron", "02:30", "Asia/Tokyo")])
def test_nothing_is_said_of_a_time_that_always_occurs(install, by, at, zone):
    """The machine's own zone is looked at, too; a machine in which the time is skipped says so."""
    code, out, err = install(by, at, zone)
    assert (code, err) == (0, "")
    assert zone not in out


def test_without_tz_it_is_the_clock_of_the_machine(cli, job, monkeypatch):
    monkeypatch.delenv("TZ", raising=False)
    _, found, _ = cli.json("job", "install", job, "--systemd", "--dry-run")
    assert [each["zone"] for each in found["clock_changes"]] == [MACHINE]


def test_github_goes_by_utc(install, job):
    (job.parent / ".git").mkdir()
    (job.parent / "requirements.txt").write_text("batchclf\n")
    code, out, err = install("github", "02:30", "Europe/Berlin")
    assert (code, err) == (0, "")
    assert out.endswith("# 02:30 is in UTC, whose clock is never changed: it occurs once on every day\n")


@pytest.mark.parametrize("zone", ["CET-1CEST,M3.5.0,M10.5.0/3", "Mars/Olympus", "../etc/passwd", "/usr/share"])
def test_a_zone_that_cannot_be_looked_up_is_not_passed_over(install, zone):
    code, _, err = install("systemd", "02:30", zone)
    assert code == 0
    assert f"TZ={zone} is no zone of the tz database: on which days its clock is changed is not known" in err
