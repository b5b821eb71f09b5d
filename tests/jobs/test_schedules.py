"""What has a job run every night: crontab entries, systemd's units, workflows. Any path comes through whole."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from run_cases import NAMES, drawn, write_run

from batchclf.errors import BatchclfError
from batchclf.jobs.config.load import load_job
from batchclf.jobs.setup.install import with_entry
from batchclf.jobs.setup.schedules import (
    Entry,
    begin_mark,
    crontab_entry,
    crontab_escaped,
    exec_line,
    service_unit,
    timer_unit,
    workflow,
)

BASE = Path("/srv/batchclf")
HOSTILE = "a b%c$d'e\"f\\g\\%h;&(i)*?[j]#k~é{date}"


def entry(**changes):
    given = {"name": "nightly", "job": BASE / "jobs" / "nightly.toml", "python": BASE / ".venv" / "bin" / "python"}
    return Entry(**{**given, "hour": 3, "minute": 5, **changes})


def as_cron_does(command):
    r"""What Debian's cron hands to the shell, by crontab(5): a bare % ends the command, \% is a %."""
    given, escaped = "", False
    for character in command:
        if escaped:
            given = given[:-1] + "%" if character == "%" else given + character
            escaped = False
        elif character == "%":
            break
        else:
            given += character
            escaped = character == "\\"
    return given


def words(command):
    """The words that a shell makes of a command."""
    done = subprocess.run(["sh", "-c", f"printf '%s\\0' {command}"], capture_output=True, check=True)
    return done.stdout.decode().split("\0")[:-1]


@settings(max_examples=40, deadline=None)
@given(st.text("ab %\\'\"$`;#&é", min_size=1, max_size=8))
def test_any_path_comes_through_a_crontab(name):
    job = Path("/") / name
    (line,) = [line for line in crontab_entry(entry(job=job)).splitlines() if not line.startswith("#")]
    time, command = line[: len("5 3 * * * ")], line[len("5 3 * * * ") :]
    assert time == "5 3 * * * "
    assert words(as_cron_does(command)) == ["nice", "-n", "10", *entry(job=job).arguments]


def test_the_text_after_a_percent_is_kept():
    assert crontab_escaped("date +%F") == r"date +\%F"
    assert as_cron_does("date +%F") == "date +"


def test_what_a_scheduled_run_has_not_is_in_the_entry():
    text = crontab_entry(entry(environment={"BATCHCLF_DATA_DIR": "/srv/my data"}, variables=["TOKEN"]))
    assert "set -a; . /srv/batchclf/jobs/nightly.env; set +a; BATCHCLF_DATA_DIR='/srv/my data' nice -n 10 " in text
    text = service_unit(entry(environment={"BATCHCLF_DATA_DIR": "/srv/my data"}, variables=["TOKEN"]))
    assert '\nEnvironment="BATCHCLF_DATA_DIR=/srv/my data"\n' in text
    assert "\nEnvironmentFile=/srv/batchclf/jobs/nightly.env\n" in text


def test_the_deadline_is_the_jobs_or_six_hours():
    assert entry().arguments[-2:] == ["--deadline", "6h"]
    assert "\nTimeoutStartSec=23400\n" in service_unit(entry())
    assert "--deadline" not in entry(deadline=3600.0).arguments
    assert "\nTimeoutStartSec=5400\n" in service_unit(entry(deadline=3600.0))


def test_what_no_entry_can_hold_is_refused():
    for path in ("/a\nb", "/a\tb", "/a\udcffb"):
        with pytest.raises(BatchclfError, match="no entry can hold"):
            crontab_entry(entry(job=Path(path)))
    with pytest.raises(BatchclfError, match="too long for a crontab"):
        crontab_entry(entry(job=Path("/" + "a" * 1000)))
    with pytest.raises(BatchclfError, match="quotes or backslashes"):
        service_unit(entry(python=Path('/a"b')))


class TestCrontab:
    """An entry replaces that of the same job, and nothing else is touched."""

    OTHERS = "# mine\nMAILTO=me@example.org\n0 1 * * * true \\% %\n"

    @pytest.mark.parametrize("before", ["", OTHERS, OTHERS.rstrip("\n"), "\n\n"])
    def test_added_and_replaced(self, before):
        first = crontab_entry(entry())
        once = with_entry(before, first, entry().job)
        assert once.endswith(first)
        assert once.startswith(before)
        assert with_entry(once, first, entry().job) == once
        later = crontab_entry(entry(hour=5))
        twice = with_entry(once + "# last\n", later, entry().job)
        assert twice == once.replace(first, later) + "# last\n"
        other = entry(job=BASE / "jobs" / "other.toml")
        assert with_entry(once, crontab_entry(other), other.job) == once + crontab_entry(other)

    def test_an_entry_without_its_end_is_left_alone(self):
        with pytest.raises(BatchclfError, match="the one that ends the entry") as caught:
            with_entry(f"{begin_mark(entry().job)}\n1 1 * * * x\n", crontab_entry(entry()), entry().job)
        assert "by hand" in caught.value.hint


class TestSystemd:
    """systemd itself is asked."""

    @pytest.fixture
    def verify(self, tmp_path):
        if shutil.which("systemd-analyze") is None:
            pytest.skip("systemd-analyze is not installed")

        def run(of):
            units = {f"batchclf-{of.name}.service": service_unit(of), f"batchclf-{of.name}.timer": timer_unit(of)}
            for name, text in units.items():
                (tmp_path / name).write_text(text)
            command = ["systemd-analyze", "verify", *(tmp_path / name for name in units)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if "initialize manager" in done.stderr:
                pytest.skip(f"systemd-analyze does not work here: {done.stderr.strip()}")
            return done.stderr

        return run

    @pytest.mark.parametrize("commands", [False, True])
    def test_units_are_understood(self, verify, tmp_path, commands):
        python = tmp_path / "p q%h$HOME;~é{}" / "python"
        of = entry(
            python=python,
            job=tmp_path / HOSTILE,
            environment={"BATCHCLF_DATA_DIR": f"/{HOSTILE}"},
            variables=["TOKEN"],
            commands=commands,
        )
        assert f"{python} is not executable" in verify(of)
        python.parent.mkdir()
        python.write_text("#!/bin/sh\n")
        python.chmod(0o755)
        assert verify(of) == ""

    @pytest.mark.parametrize(("hour", "minute"), [(0, 0), (3, 30), (23, 58), (23, 59)])
    def test_a_run_never_begins_on_the_next_day(self, verify, tmp_path, hour, minute):
        of = entry(hour=hour, minute=minute, python=Path("/bin/true"))
        assert verify(of) == ""
        text = timer_unit(of)
        assert f"OnCalendar=*-*-* {hour:02}:{minute:02}:00" in text
        delay = {(23, 58): "RandomizedDelaySec=1min", (23, 59): None}.get((hour, minute), "RandomizedDelaySec=5min")
        assert (delay in text) if delay else ("RandomizedDelaySec" not in text)

    def test_words_are_quoted_where_they_need_it(self):
        assert exec_line(["/bin/a", "b c", "d%e"]) == '/bin/a "b c" "d%%e"'
        assert exec_line(["/bin/a", "$b"]) == ':/bin/a "$b"'
        assert exec_line(["/bin/a", 'b"c\\d']) == '/bin/a "b\\"c\\\\d"'

    def test_commands_that_send_mail_may_gain_privileges(self):
        assert "NoNewPrivileges=yes" in service_unit(entry())
        assert "NoNewPrivileges=yes" not in service_unit(entry(commands=True))


class TestWorkflow:
    @pytest.mark.parametrize("deadline", [None, 3600.0, 86400.0])
    def test_it_is_yaml_that_says_what_is_meant(self, deadline):
        text = workflow(
            entry(deadline=deadline, variables=["TOKEN"]),
            job="jobs/a b: 'c' \"d\" #.toml",
            reports="reports",
            install="python -m pip install -c constraints.txt '.[train]'",
            python_version="3.11",
        )
        read = yaml.safe_load(text)
        assert read[True] == {
            "schedule": [{"cron": "5 3 * * *"}],
            "workflow_dispatch": None,
        }  # YAML 1.1's `on`
        (job,) = read["jobs"].values()
        assert job["timeout-minutes"] == {None: 330, 3600.0: 90, 86400.0: 330}[deadline]
        steps = {step.get("name", step.get("uses")): step for step in job["steps"]}
        run = steps["Run the job"]
        assert run["env"] == {"JOB": "jobs/a b: 'c' \"d\" #.toml", "TOKEN": "${{ secrets.TOKEN }}"}
        options = (" --deadline 5h" if deadline != 3600.0 else "") + ' --json > "$RUNNER_TEMP/run.json"'
        assert run["run"] == f'python -m batchclf run "$JOB"{options}'
        assert steps["Install batchclf"]["run"].endswith("'.[train]'")
        assert steps["actions/setup-python@v5"]["with"] == {"python-version": "3.11"}
        kept = [step for step in job["steps"] if step.get("if") == "always()"]
        assert len(kept) == 3

    def test_no_path_becomes_an_expression(self):
        with pytest.raises(BatchclfError, match="cannot name the path"):
            workflow(entry(), job="${{ secrets.X }}.toml", reports="r", install="x", python_version="3.11")


def test_the_examples_are_what_is_printed(repo_root):
    """jobs/README.md says of a checkout in /srv/batchclf."""
    jobs = repo_root / "jobs"
    of = entry(
        name="fashion-mnist",
        job=BASE / "jobs" / "fashion-mnist.toml",
        hour=3,
        minute=30,
        deadline=load_job(jobs / "fashion-mnist.toml").deadline,
    )
    assert (jobs / "crontab.example").read_text() == crontab_entry(of)
    assert (jobs / "batchclf-fashion-mnist.service").read_text() == service_unit(of)
    assert (jobs / "batchclf-fashion-mnist.timer").read_text() == timer_unit(of)
    assert (jobs / "github-actions.yml").read_text() == workflow(
        of,
        job="jobs/fashion-mnist.toml",
        reports="reports",
        install="python -m pip install -c constraints.txt '.[train]'",
        python_version="3.11",
    )
    listed = [
        line.split("](")[1].split(")")[0] for line in (jobs / "README.md").read_text().splitlines() if "| [" in line
    ]
    assert sorted([*listed, "README.md"]) == sorted(path.name for path in jobs.iterdir())


def test_the_step_of_the_workflow_appends_the_summary_of_this_run(tmp_path, repo_root):
    """The step is run as GitHub does, by bash -e, after a run that was published and after one that was not."""
    steps = yaml.safe_load((repo_root / "jobs" / "github-actions.yml").read_text())["jobs"]["run"]["steps"]
    (script,) = [step["run"] for step in steps if step.get("name") == "Show the result on the page of this run"]
    write_run(tmp_path / "run", drawn(NAMES, 60, seed=1, skill=0.8))
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    # Not a link: the environment of a Python is found by the path that it is started with
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    summary, result = tmp_path / "summary.md", tmp_path / "run.json"
    places = {"GITHUB_STEP_SUMMARY": str(summary), "RUNNER_TEMP": str(tmp_path)}
    environment = os.environ | places | {"PATH": f"{python.parent}:{os.environ['PATH']}", "PYTHONPATH": str(repo_root)}
    for content, words in (
        (json.dumps({"run": str(tmp_path / "run")}), "All metrics of test split"),
        ('{"run": null, "error": "x"}', "Nothing was published"),
        ("", "Nothing was published"),
    ):
        result.write_text(content)
        summary.write_text("what another step wrote\n")
        done = subprocess.run(
            ["bash", "-e", "-c", script], env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert summary.read_text().startswith("what another step wrote\n")
        assert words in summary.read_text()
