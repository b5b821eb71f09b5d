"""`batchclf history check`: whether the last good run of a job is recent, for whoever watches from outside."""

import shutil
from datetime import UTC, datetime, timedelta

import pytest
from run_cases import NAMES, drawn, missed_gate, write_run

from batchclf.jobs.history.runs import record_failure

NOW = datetime.now(UTC)


def run_at(ago, seconds=0.0, **changes):
    """Write a run that began so many hours ago into the job's folder; gives its name."""
    started = NOW - timedelta(hours=ago)
    name = f"{started:%Y%m%dT%H%M%SZ}"
    changes = {"started": started.isoformat(), "seconds": seconds, **changes}

    def write(job):
        write_run(job / name, drawn(NAMES, 30, seed=1, skill=0.8), **changes)
        return name

    return write


@pytest.fixture
def job(tmp_path):
    return tmp_path / "reports" / "nightly"


GATE = {"gates": [missed_gate()], "status": "gate failed"}


def test_nothing_is_printed_if_the_last_good_run_is_recent(cli, job):
    name = run_at(25.5)(job)
    assert cli("history", "check", "nightly", "--max-age", "26h") == (0, "", "")
    assert cli("history", "check", "nightly") == (0, "", "")  # 26 hours
    code, out, err = cli("history", "check", "nightly", "--verbose")
    assert (code, err) == (0, "")
    assert out.startswith(f"the last good run of nightly, {name}, ended 1 day 1 h ago, ")
    assert out.endswith("; no run has begun since\n")


@pytest.mark.parametrize(("max_age", "code"), [("25h", 3), ("1d1h", 3), ("26h", 0), ("1d2h", 0), ("2d", 0), ("90m", 3)])
def test_ages_are_lengths_of_time_as_elsewhere(cli, job, max_age, code):
    run_at(25.5)(job)
    assert cli("history", "check", "nightly", "--max-age", max_age)[0] == code


@pytest.mark.parametrize("max_age", ["26", "0h", "-1h", "a day", "26 hours", ""])
def test_what_is_no_length_of_time(cli, job, max_age):
    run_at(1)(job)
    code, _, err = cli("history", "check", "nightly", f"--max-age={max_age}")
    assert code == 2
    assert f"'{max_age}' is not a length of time" in err


def test_an_old_run_is_an_error_that_quiet_does_not_hide(cli, job):
    name = run_at(30)(job)
    for more in ((), ("--quiet",)):
        code, out, err = cli("history", "check", "nightly", "--max-age", "26h", *more)
        assert (code, out) == (3, "")
        assert err.startswith(f"batchclf: error: the last good run of nightly, {name}, ended 1 day 6 h ago, ")
        assert "; no run has begun since\n  hint: at most 26h ago is allowed; see: batchclf history list nightly" in err


def test_the_age_is_that_of_the_end(cli, job):
    run_at(30, seconds=5 * 3600)(job)
    assert cli("history", "check", "nightly", "--max-age", "26h")[0] == 0
    assert cli("history", "check", "nightly", "--max-age", "24h")[0] == 3


def test_what_came_after_it(cli, job):
    good = run_at(50)(job)
    gate = run_at(40, **GATE)(job)
    partial = run_at(30, status="partial")(job)
    failed = f"{NOW - timedelta(hours=20):%Y%m%dT%H%M%SZ}"
    started = (NOW - timedelta(hours=20)).isoformat()
    log = job / f"failed-{failed}.log.jsonl"
    log.write_text(f'{{"time": "{started}", "level": "error", "message": "no disk"}}\n')
    broken = run_at(10)(job)
    (job / broken / "run.json").write_text("{")
    code, found, err = cli.json("history", "check", "nightly")
    assert code == found["exit_code"] == 3
    assert found["last_good"]["folder"] == good
    assert found["fresh"] is False
    assert 50 * 3600 <= found["age_seconds"] < 51 * 3600
    assert found["max_age_seconds"] == 26 * 3600
    assert [each["run"] for each in found["later"]] == [gate, partial, failed, broken]
    assert [each["status"] for each in found["later"]] == ["gate failed", "partial", "error", None]
    assert [each["message"] for each in found["later"]][:3] == [missed_gate().sentence, "", "no disk"]
    # The newest first, and not more than three.
    assert f"; since then {broken}: cannot be read: " in err
    assert f"; {failed}: error: no disk; {partial}: partial; and 1 more\n" in err
    # A good run makes up for all of it.
    run_at(1)(job)
    assert cli.json("history", "check", "nightly")[1]["later"] == []


def test_a_bad_run_after_a_recent_good_one_is_no_reason(cli, job):
    run_at(20)(job)
    gate = run_at(2, **GATE)(job)
    code, found, err = cli.json("history", "check", "nightly")
    assert (code, err) == (0, "")
    assert [each["run"] for each in found["later"]] == [gate]


def test_a_job_without_a_good_run(cli, job):
    gate = run_at(2, **GATE)(job)
    code, out, err = cli("history", "check", "nightly")
    assert (code, out) == (3, "")
    assert f"nightly has no good run; others were {gate}: gate failed: {missed_gate().sentence}" in err


def test_a_job_without_any_run(cli, job):
    run_at(2)(job)
    code, found, err = cli.json("history", "check", "nightlyy")
    assert (code, found["fresh"], found["last_good"]) == (3, False, None)
    assert "there is no run of a job nightlyy in reports" in err
    assert "did you mean nightly?" in err


def test_runs_that_only_the_history_knows_count(cli, job):
    name = run_at(20)(job)
    assert cli("history", "rebuild")[0] == 0
    failed = f"{NOW - timedelta(hours=3):%Y%m%dT%H%M%SZ}"
    record_failure(job.parent, "nightly", job / f"failed-{failed}.log.jsonl", exit_code=130, message="interrupted")
    shutil.rmtree(job / name)
    code, found, _ = cli.json("history", "check", "nightly")
    assert (code, found["last_good"]["folder"], found["last_good"]["removed"]) == (0, name, True)
    assert [(each["run"], each["status"]) for each in found["later"]] == [(failed, "interrupted")]


def test_a_good_run_of_the_future_hides_nothing(cli, job):
    """A clock that was wrong for a night must not keep the check quiet for years."""
    name = run_at(-48)(job)
    code, _, err = cli("history", "check", "nightly")
    assert code == 3
    assert f"the last good run of nightly, {name}, ended in the future, " in err
    assert "hint: see this machine's clock; see: batchclf history list nightly" in err


def test_what_cannot_be_looked_at_is_another_error(cli, job):
    assert cli("history", "check", "nightly")[0] == 1
    run_at(1)(job)
    (job.parent / "history.sqlite").write_bytes(b"no database")
    code, _, err = cli("history", "check", "nightly")
    assert (code, "is not a SQLite file" in err) == (1, True)
