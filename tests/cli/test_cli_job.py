"""`batchclf job check|new|install` on the command line."""

import json
import sys
import tomllib

import pytest
import yaml

from batchclf.core.renames import JOB_KEYS, RULE_METRICS

GOOD = "[data]\ndataset = 'digits'\n[publish]\nreports = 'reports'\n"


@pytest.fixture
def job(tmp_path):
    path = tmp_path / "nightly.toml"
    path.write_text(GOOD)
    return path


class TestCheck:
    def test_a_good_job(self, cli, job, tmp_path):
        code, out, err = cli("job", "check", job, "--date", "2026-11-25")
        assert (code, err) == (0, "")
        lines = out.splitlines()
        assert lines[0] == "ok       job file: the job nightly scores test, train; run date 2026-11-25"
        assert all(line.startswith("ok ") for line in lines[:-1])
        assert lines[-1] == "no errors, no warnings"
        assert cli("job", "check", job, "--quiet") == (0, "", "")
        assert [path.name for path in tmp_path.iterdir()] == ["nightly.toml"]

    def test_all_that_is_wrong(self, cli, job):
        job.write_text(GOOD + "[gate]\nmax_gap = 5\n[scoring]\nbatchsize = 3\n")
        code, out, err = cli("job", "check", job)
        assert (code, err) == (1, "")
        assert f"error    job file: {job}, line 6: gate.max_gap" in out
        assert f"error    job file: {job}, line 8: [scoring] has no key 'batchsize'" in out
        assert "hint: did you mean 'batch_size'?" in out
        assert out.endswith("2 errors, no warnings\n")
        code, out, err = cli("job", "check", job, "--quiet")
        assert (code, out) == (1, "")
        assert err.count("batchclf: error: ") == 2

    @pytest.mark.parametrize(("old", "new"), JOB_KEYS.items())
    def test_an_old_key_is_refused_with_its_new_name(self, cli, job, old, new):
        table, _, key = old.rpartition(".")
        header = f"[[{table}]]\nmetric = 'accuracy'\n" if table == "gate.rules" else f"[{table}]\n"
        job.write_text(f"{'' if table == 'data' else GOOD}{header}{key} = 1\n")
        line = len(job.read_text().splitlines())
        code, out, _ = cli("job", "check", job)
        found, hint = out.splitlines()[:2]
        assert code == 1
        assert found.startswith(f"error    job file: {job}, line {line}: [{table}")
        assert f"] has no key '{key}'; it takes: " in found
        assert hint.strip() == f"hint: it is called '{new}' now"
        code, out, err = cli("run", job)
        assert (code, out) == (1, "")
        assert err.startswith(f"batchclf: error: {job}, line {line}: [{table}")
        assert err.endswith(f"  hint: it is called '{new}' now\n")
        assert not job.with_name("reports").exists()

    @pytest.mark.parametrize(("old", "new"), RULE_METRICS.items())
    def test_an_old_metric_of_a_rule_is_refused_with_its_new_name(self, cli, job, old, new):
        job.write_text(f"{GOOD}[[gate.rules]]\nmetric = '{old}'\nagainst = 'last-good'\nmax = 0.1\n")
        said = f"{job}, line 6: gate rule 1: there is no metric '{old}'\n"
        code, out, _ = cli("job", "check", job)
        assert code == 1
        assert out.startswith(f"error    job file: {said}         hint: it is called '{new}' now. The metrics are: ")
        code, _, err = cli("run", job)
        assert code == 1
        assert err.startswith(f"batchclf: error: {said}  hint: it is called '{new}' now. The metrics are: ")

    def test_warnings_do_not_count(self, cli, job):
        job.write_text(GOOD + "[scoring.directories.new]\npath = 'in/{date}'\n")
        code, out, _ = cli("job", "check", job, "--date", "2026-11-25")
        assert (code, out.splitlines()[-1]) == (0, "no errors, 1 warning")
        code, out, err = cli("job", "check", job, "--quiet")
        assert (code, out) == (0, "")
        assert err.startswith(f"batchclf: warning: {job}, line 6: the folder of this run date is not there yet")

    def test_as_json(self, cli, job):
        job.write_text(GOOD + "[scoring.directories.new]\npath = 'in/{date}'\n")
        code, result, _ = cli.json("job", "check", job, "--date", "2026-11-25")
        assert (code, result["job"], result["run_date"]) == (0, "nightly", "2026-11-25")
        assert (result["errors"], result["warnings"], result["exit_code"]) == (0, 1, 0)
        (found,) = [each for each in result["checks"] if each["state"] == "warning"]
        assert (found["topic"], found["line"], found["key"]) == ("directory new", 6, "scoring.directories.new.path")
        code, result, _ = cli.json("job", "check", job.with_name("none.toml"))
        assert (code, result["job"], result["errors"]) == (1, None, 1)

    def test_a_date_that_is_none(self, cli, job):
        code, _, err = cli("job", "check", job, "--date", "yesterday")
        assert code == 2
        assert "yesterday" in err


class TestNew:
    def test_it_passes_the_check(self, cli, tmp_path):
        code, out, err = cli("job", "new", "jobs/nightly.toml", "--dataset", "digits", "--score", "in/{date:%Y-%m-%d}")
        assert (code, err) == (0, "")
        assert out == "wrote jobs/nightly.toml; next: batchclf job check jobs/nightly.toml\n"
        assert cli("job", "check", "jobs/nightly.toml")[0] == 0
        content = tomllib.loads((tmp_path / "jobs" / "nightly.toml").read_text())
        assert content["data"] == {"dataset": "digits"}
        assert content["scoring"]["directories"]["photos"] == {"path": "../in/{date:%Y-%m-%d}"}

    def test_nothing_is_overwritten(self, cli, job):
        code, _, err = cli("job", "new", job)
        assert code == 2
        assert "is there already" in err
        assert job.read_text() == GOOD

    def test_fashion_mnist_unless_asked(self, cli, tmp_path):
        assert cli.json("job", "new", "a.toml") == (0, {"file": "a.toml", "exit_code": 0}, cli_wrote("a.toml"))
        assert tomllib.loads((tmp_path / "a.toml").read_text())["data"] == {"dataset": "fashion-mnist"}

    @pytest.mark.parametrize(
        ("arguments", "told"),
        [
            (["a.tom"], "does not end in .toml"),
            (["a.toml", "--score", "x"], "needs a model"),
            (["a.toml", "--dataset", "digits", "--data", "x"], "not allowed with"),
            (["a.toml", "--data", ""], "not empty"),
            (["a.toml", "--data", "{day}"], "is no placeholder"),
            (["a.toml", "--data", "\udcff"], "not UTF-8"),
            (["cache.toml"], "cannot have the name 'cache'"),
        ],
    )
    def test_what_makes_no_job(self, cli, tmp_path, arguments, told):
        code, _, err = cli("job", "new", *arguments)
        assert code in (1, 2)
        assert told in err
        assert list(tmp_path.iterdir()) == []


def cli_wrote(name):
    return f"wrote {name}; next: batchclf job check {name}\n"


@pytest.fixture
def crontab(tmp_path, monkeypatch):
    """A stand-in for the program crontab, which keeps its table in a file; returns the file."""
    table = tmp_path / "bin" / "table"
    program = tmp_path / "bin" / "crontab"
    program.parent.mkdir()
    program.write_text(
        f"#!/bin/sh\ncase $1 in\n-l) [ -f '{table}' ] || {{ echo 'no crontab for me' >&2; exit 1; }}; cat '{table}';;\n"
        f"-) cat > '{table}.new'; if grep -q refuse '{table}.new'; then echo 'bad minute' >&2; exit 1; fi\n"
        f"   mv '{table}.new' '{table}';;\nesac\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("BATCHCLF_DATA_DIR", raising=False)
    return table


class TestCron:
    def test_it_is_installed_once_and_the_rest_stays(self, cli, job, crontab, tmp_path):
        crontab.write_bytes(b"# mine \xff\n0 1 * * * true\n")
        code, out, err = cli("job", "install", job, "--cron")
        assert (code, err) == (0, "")
        assert f"the crontab runs {job} at 03:30" in out
        entry = f"30 3 * * * nice -n 10 {sys.executable} -P -m batchclf run {job} --quiet --deadline 6h\n"
        assert crontab.read_bytes().startswith(b"# mine \xff\n0 1 * * * true\n# batchclf job install: ")
        assert entry.encode() in crontab.read_bytes()
        kept = tmp_path / "state" / "batchclf" / "crontab.old"
        assert kept.read_bytes() == b"# mine \xff\n0 1 * * * true\n"
        before = crontab.read_bytes()
        assert cli("job", "install", job, "--cron")[1] == "the crontab has this entry already\n"
        assert crontab.read_bytes() == before
        assert cli("job", "install", job, "--cron", "--at", "4:05")[0] == 0
        assert crontab.read_bytes() == before.replace(b"30 3 * * *", b"5 4 * * *")

    def test_the_first_entry_of_all(self, cli, job, crontab):
        assert cli("job", "install", job, "--cron", "--quiet") == (0, "", "")
        assert len(crontab.read_text().splitlines()) == 3

    def test_a_dry_run_only_prints(self, cli, job, crontab):
        code, out, _ = cli("job", "install", job, "--cron", "--dry-run")
        assert code == 0
        assert out.splitlines()[1].startswith("30 3 * * * nice")
        assert not crontab.exists()

    def test_a_crontab_that_is_refused(self, cli, job, crontab):
        path = job.rename(job.with_name("refuse.toml"))
        code, _, err = cli("job", "install", path, "--cron")
        assert code == 1
        assert "the crontab was refused: bad minute" in err
        assert not crontab.exists()

    def test_no_cron(self, cli, job, crontab, monkeypatch):
        monkeypatch.setenv("PATH", str(crontab.parent / "none"))
        code, _, err = cli("job", "install", job, "--cron")
        assert code == 1
        assert "apt-get install cron" in err

    def test_variables_that_the_job_needs(self, cli, job, crontab, monkeypatch, tmp_path):
        monkeypatch.setenv("BATCHCLF_DATA_DIR", "data")
        monkeypatch.setenv("HOOK", "https://host/x")
        job.write_text(GOOD + "[notify]\nwebhook = '${HOOK}'\njunit = '${JUNIT:-junit.xml}'\non_success = ['${NO}']\n")
        code, out, _ = cli("job", "install", job, "--cron", "--dry-run")
        assert code == 0
        assert f"set -a; . {tmp_path}/nightly.env; set +a; BATCHCLF_DATA_DIR={tmp_path}/data nice" in out
        assert "JUNIT" not in out
        assert "https://host" not in out
        assert "HOOK" in cli("job", "install", job, "--cron")[1]


class TestSystemd:
    def test_units_are_written(self, cli, job, tmp_path, monkeypatch):
        monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
        folder = tmp_path / "config" / "systemd" / "user"
        code, out, err = cli("job", "install", job, "--systemd", "--dry-run")
        assert (code, err) == (0, "")
        assert not folder.exists()
        assert "OnCalendar=*-*-* 03:30:00" in out
        code, result, err = cli.json("job", "install", job, "--systemd", "--at", "01:15")
        assert (code, result["installed"]) == (0, True)
        assert result["files"] == [str(folder / "batchclf-nightly.service"), str(folder / "batchclf-nightly.timer")]
        assert "systemctl --user enable --now batchclf-nightly.timer" in err
        assert "OnCalendar=*-*-* 01:15:00" in (folder / "batchclf-nightly.timer").read_text()
        assert cli("job", "install", job, "--systemd", "--at", "02:15")[0] == 0
        assert "OnCalendar=*-*-* 02:15:00" in (folder / "batchclf-nightly.timer").read_text()

    def test_units_of_others_are_left_alone(self, cli, job, tmp_path, monkeypatch):
        monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
        unit = tmp_path / "config" / "systemd" / "user" / "batchclf-nightly.timer"
        unit.parent.mkdir(parents=True)
        unit.write_text("[Unit]\n")
        code, _, err = cli("job", "install", job, "--systemd")
        assert code == 1
        assert "was not written by batchclf" in err
        assert [path.name for path in unit.parent.iterdir()] == [unit.name]


class TestGithub:
    @pytest.fixture
    def repository(self, job):
        (job.parent / ".git").mkdir()
        (job.parent / "requirements.txt").write_text("batchclf[train]\n")
        return job.parent

    def test_the_workflow_is_written_once(self, cli, job, repository):
        code, result, _ = cli.json("job", "install", job, "--github")
        file = repository / ".github" / "workflows" / "batchclf-nightly.yml"
        assert (code, result["files"]) == (0, [str(file)])
        steps = yaml.safe_load(file.read_text())["jobs"]["run"]["steps"]
        assert {"JOB": "nightly.toml"} in [step.get("env") for step in steps]
        assert "python -m pip install -r requirements.txt" in [step.get("run") for step in steps]
        assert cli("job", "install", job, "--github")[0] == 0
        code, _, err = cli("job", "install", job, "--github", "--at", "05:00")
        assert code == 1
        assert "is there already" in err

    def test_where_it_cannot_be(self, cli, job, repository):
        (repository / "requirements.txt").unlink()
        assert "says how to install batchclf" in cli("job", "install", job, "--github")[2]
        job.write_text(GOOD.replace("'reports'", "'../reports'"))
        assert "lies outside of the repository" in cli("job", "install", job, "--github")[2]
        (repository / ".git").rmdir()
        assert "lies in no Git repository" in cli("job", "install", job, "--github")[2]
        assert not (repository / ".github").exists()


def test_what_cannot_be_installed(cli, job, tmp_path):
    for time in ("24:00", "3", "03:60", "3:5", "٣:٣٠"):
        code, _, err = cli("job", "install", job, "--cron", "--at", time)
        assert (code, "no time of day" in err) == (2, True)
    assert cli("job", "install", job)[0] == 2
    assert cli("job", "install", job, "--cron", "--systemd")[0] == 2
    assert cli("job", "install", tmp_path / "none.toml", "--cron", "--dry-run")[0] == 1
    job.write_text(GOOD + "[notify]\nwebhook = '${NO_SUCH_VARIABLE}'\n")
    code, _, err = cli("job", "install", job, "--cron", "--dry-run")
    assert (code, "NO_SUCH_VARIABLE is not set" in err) == (1, True)


def test_a_name_that_no_unit_takes(cli, tmp_path):
    path = tmp_path / "grüße & co.toml"
    path.write_text(GOOD)
    code, result, _ = cli.json("job", "install", path, "--systemd", "--dry-run")
    assert code == 0
    assert [name.rpartition("/")[2] for name in result["files"]] == [
        "batchclf-gr--e---co.service",
        "batchclf-gr--e---co.timer",
    ]
    assert json.dumps(result)
