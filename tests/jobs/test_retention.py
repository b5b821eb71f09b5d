"""Old runs are removed, and never those that are needed."""

import os
import shutil
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from run_cases import NAMES, STARTED, drawn, missed_gate, write_run

from batchclf.jobs.history import retention
from batchclf.jobs.history.retention import apply_retention, old_entries
from batchclf.jobs.history.runs import earlier_runs, job_history, record_run
from batchclf.storage.history.database import check
from batchclf.storage.run.directory import LOG_FILE
from batchclf.storage.run.resume import bury_killed

RUNS = 8


@pytest.fixture(scope="module")
def eight_runs(tmp_path_factory):
    """Eight runs of which the last three are not good, with two failed runs."""
    folder = tmp_path_factory.mktemp("r") / "reports" / "nightly"
    rows = drawn(NAMES, 20, seed=1, skill=0.8)
    for day in range(RUNS):
        started = STARTED + timedelta(days=day)
        bad = {"gates": [missed_gate()], "status": "gate failed"} if day >= 5 else {}
        write_run(folder / f"{started:%Y%m%dT%H%M%SZ}", rows, started=started.isoformat(), **bad)
    for day in (2, 7):
        log = folder / f"failed-2026030{day}T053000Z.log.jsonl"
        log.write_text(f'{{"time": "2026-03-0{day}T05:30:00+00:00", "level": "error", "message": "no disk"}}\n')
    return folder


@pytest.fixture
def job(eight_runs, tmp_path):
    folder = tmp_path / "reports" / "nightly"
    shutil.copytree(eight_runs, folder)
    return folder


def names(*numbers):
    return [f"2026030{number}T023000Z" for number in numbers]


def there(folder):
    return sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.is_symlink())


def keep(folder, runs=None, days=None, kept=()):
    said = []
    removed = apply_retention(folder, keep_runs=runs, keep_days=days, kept=kept, warn=said.append)
    return removed, said


LOG_2, LOG_7 = "failed-20260302T053000Z.log.jsonl", "failed-20260307T053000Z.log.jsonl"


def test_the_newest_runs_stay_and_the_last_good_one(job):
    before = earlier_runs(job, None)
    removed, said = keep(job, runs=2)
    assert (removed, said) == ([*names(1, 2, 3, 4, 6), LOG_2], [])
    assert there(job) == names(5, 7, 8)  # the fifth is the last good one
    assert (job / LOG_7).exists()
    # Their numbers stay.
    assert [run.accuracy for run in earlier_runs(job, None)] == [run.accuracy for run in before]
    assert keep(job, runs=2) == ([], [])


def test_without_a_bound_all_stay(job):
    assert keep(job) == ([], [])
    assert not (job.parent / "history.sqlite").exists()
    assert keep(job, runs=RUNS) == ([], [])
    assert keep(job, days=10**12) == ([], [])
    assert len(there(job)) == RUNS


def test_what_one_of_two_bounds_keeps_stays(job):
    now = STARTED + timedelta(days=9)
    bounds = {"kept": (), "now": now}
    assert old_entries(job, keep_runs=None, keep_days=5, **bounds) == [*names(1, 2, 3, 4), LOG_2]
    assert old_entries(job, keep_runs=6, keep_days=5, **bounds) == [*names(1, 2), LOG_2]
    assert old_entries(job, keep_runs=1, keep_days=5, **bounds) == [*names(1, 2, 3, 4), LOG_2]
    # All are long past it: the newest and the last good one stay all the same.
    late = {"kept": (), "now": now + timedelta(days=999)}
    assert old_entries(job, keep_runs=None, keep_days=1, **late) == [*names(1, 2, 3, 4, 6, 7), LOG_2, LOG_7]
    # The clock went back: nothing is old.
    assert old_entries(job, keep_runs=None, keep_days=1, kept=(), now=STARTED - timedelta(days=99)) == []


def test_baselines_stay_by_id_and_by_path(job, tmp_path):
    kept = [names(1)[0], str(job / names(2)[0]), str(job / names(3)[0] / "metrics.json"), "/nowhere", "", "x/y"]
    removed, _ = keep(job, runs=1, kept=kept)
    assert removed == [*names(4, 6, 7), LOG_2, LOG_7]
    assert there(job) == names(1, 2, 3, 5, 8)


def test_what_a_link_leads_to_stays(job, tmp_path):
    (job / "latest").symlink_to(names(1)[0])  # the clock went back
    (job / "the-best.html").symlink_to(f"{names(2)[0]}/report.html")
    (job / "absolute").symlink_to(job / names(3)[0])
    (job / "loop").symlink_to("loop")
    (job / "away").symlink_to(tmp_path)
    keep(job, runs=1)
    assert there(job) == names(1, 2, 3, 5, 8)
    assert (job / "loop").is_symlink()


def test_what_is_not_a_run_of_ours_stays(job, tmp_path):
    (job / "model").mkdir()
    (job / "20200101T000000Z").mkdir()  # no run.json
    (job / "20200102T000000Z").mkdir()
    (job / "20200102T000000Z" / "run.json").write_text("{")
    (job / "notes.txt").write_text("mine")
    (job / ".20260401T000000Z.7-ab.partial").mkdir()  # of a run under way
    shutil.copytree(job / names(1)[0], tmp_path / "elsewhere")
    (job / "20200103T000000Z").symlink_to(tmp_path / "elsewhere")
    unknown = job / "unknown"
    shutil.copytree(job / names(1)[0], unknown)
    text = (unknown / "run.json").read_text()
    (unknown / "run.json").write_text(text.replace(STARTED.isoformat(), "yesterday"))
    keep(job, runs=1)
    left = {"model", "20200101T000000Z", "20200102T000000Z", ".20260401T000000Z.7-ab.partial", "unknown"}
    assert set(there(job)) == {*names(5, 8), *left}
    assert (job / "notes.txt").exists()
    assert (tmp_path / "elsewhere" / "run.json").exists()


def test_nothing_is_removed_that_cannot_be_kept_in_the_history(job):
    (job.parent / "history.sqlite").write_text("not a database")
    removed, said = keep(job, runs=1)
    assert removed == []
    assert len(said) == 1
    assert said[0].startswith("no old run was removed, since they cannot be kept in the history: ")
    assert "is not a SQLite file" in said[0]
    assert len(there(job)) == RUNS
    assert (job.parent / "history.sqlite").read_text() == "not a database"


def test_one_that_cannot_be_removed_is_said_and_costs_nothing_else(job, monkeypatch):
    rename = Path.rename

    def refuse(path, subset):
        if path.name == names(2)[0]:
            raise PermissionError(13, "Permission denied")
        return rename(path, subset)

    monkeypatch.setattr(Path, "rename", refuse)
    removed, said = keep(job, runs=3)
    assert removed == [*names(1, 3, 4), LOG_2]
    assert said == [f"{job / names(2)[0]} could not be removed: Permission denied"]
    assert there(job) == names(2, 5, 6, 7, 8)


def test_one_that_is_removed_only_in_part_is_not_seen(job, monkeypatch):
    def refuse(path):
        (path / "metrics.json").unlink()
        raise OSError(16, "Device or resource busy")

    monkeypatch.setattr(retention.shutil, "rmtree", refuse)
    removed, said = keep(job, runs=7)
    assert removed == names(1)
    assert said == [f"{job / names(1)[0]} could not be removed: Device or resource busy"]
    assert [run.folder for run in job_history(job).runs if not run.pruned] == names(2, 3, 4, 5, 6, 7, 8)


KILLED = """
import os, shutil, signal, sys
from pathlib import Path
from batchclf.jobs.history import retention

def rmtree(path):
    (path / "run.json").unlink()
    os.kill(os.getpid(), signal.SIGKILL)

retention.shutil.rmtree = rmtree
retention.apply_retention(Path(sys.argv[1]), keep_runs=2, keep_days=None, kept=(), warn=print)
"""


def test_kill_9_leaves_no_run_in_part(job):
    done = subprocess.run([sys.executable, "-c", KILLED, str(job)], timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL
    (hidden,) = (path for path in job.iterdir() if path.name.startswith("."))
    assert hidden.suffix == ".pruned"
    assert there(job)[1:] == names(2, 3, 4, 5, 6, 7, 8)
    runs = job_history(job).runs
    assert [run.folder for run in runs if run.pruned] == names(1)
    check(job.parent / "history.sqlite", full=True)
    os.utime(hidden, (0, 0))
    assert keep(job, runs=2)[0] == [*names(2, 3, 4, 6), LOG_2]
    assert not hidden.exists()


def test_a_run_that_was_recorded_already_is_not_read_again(job):
    record_run(job.parent, job / names(8)[0])
    before = (job.parent / "history.sqlite").stat().st_mtime_ns
    keep(job, runs=2)
    assert (job.parent / "history.sqlite").stat().st_mtime_ns == before


@settings(max_examples=60, deadline=None)
@given(
    runs=st.none() | st.integers(1, RUNS + 1),
    days=st.none() | st.integers(1, RUNS + 3),
    kept=st.sets(st.sampled_from(names(*range(1, RUNS + 1)))),
    hours=st.integers(-24, 24 * (RUNS + 2)),
)
def test_which_runs_stay(eight_runs, runs, days, kept, hours):
    """Checked against the rule as docs/history.md, "Retention", has it, run by run."""
    now = STARTED + timedelta(hours=hours)
    old = old_entries(eight_runs, keep_runs=runs, keep_days=days, kept=kept, now=now)
    for number, name in enumerate(names(*range(1, RUNS + 1))):
        age = now - (STARTED + timedelta(days=number))
        stays = (
            (runs is None and days is None)
            or (runs is not None and RUNS - number <= runs)
            or (days is not None and age <= timedelta(days=days))
            or name in kept
            or number in (RUNS - 1, 4)  # the newest, the last good one
        )
        assert (name not in old) == stays, name
    assert old == sorted(old, key=lambda name: (name.startswith("failed-"), name))


def test_a_removal_that_was_killed_is_no_killed_run(job, monkeypatch):
    for run in there(job):
        (job / run / LOG_FILE).write_text('{"level": "info", "message": "scored"}\n')

    def killed(path):
        raise KeyboardInterrupt

    monkeypatch.setattr(retention.shutil, "rmtree", killed)
    with pytest.raises(KeyboardInterrupt):
        keep(job, runs=2)
    monkeypatch.undo()
    assert list(job.glob(".*.pruned"))
    assert bury_killed(job) == []
