"""`batchclf history` from the command line: what is printed, written and removed, and the exit codes."""

import json
import shutil
import sqlite3
from contextlib import closing

import msgspec
import pandas as pd
import pytest
from filelock import FileLock
from run_cases import NAMES, drawn, missed_gate, write_run, write_runs

from batchclf.core.metrics.catalog import RECORDED
from batchclf.jobs.history.export import COLUMNS
from batchclf.jobs.history.runs import record_failure


@pytest.fixture
def reports(tmp_path):
    """Two jobs and a run of `score`; of one job the second run is bad, and one failed."""
    folder = tmp_path / "reports"
    write_runs(folder / "nightly", 3)
    rows = drawn(NAMES, 40, seed=1, skill=0.6) + drawn(NAMES, 40, seed=2, skill=0.9, split="train")
    bad = {"gates": [missed_gate()], "status": "gate failed", "started": "2026-03-02T12:00:00+00:00"}
    write_run(folder / "nightly" / "20260302T120000Z", rows, run_date="2026-03-02", **bad)
    log = folder / "nightly" / "failed-20260302T180000Z.log.jsonl"
    log.write_text('{"time": "2026-03-02T18:00:00+00:00", "level": "error", "message": "no disk"}\n')
    write_runs(folder / "=other", 1)
    rows = drawn(NAMES, 20, seed=1, skill=0.5, split="")
    write_run(folder / "score" / "one", rows, kind="directory", source="/srv/photos", job=None, dataset=None)
    return folder


ALL = ["20260301T023000Z", "20260302T023000Z", "20260302T120000Z", "20260303T023000Z"]


def test_list_of_jobs_and_of_runs(cli, reports):
    code, out, err = cli("history", "list")
    assert (code, err) == (0, "")
    header, *lines = out.splitlines()
    assert header.split() == ["job", "runs", "removed", "failed", "newest", "state", "accuracy"]
    assert [line.split()[0] for line in lines] == ["=other", "nightly", "score"]
    assert lines[1].split()[1:4] == ["4", "0", "1"]
    assert "Tue 2026-03-03 02:30 UTC" in lines[1]
    code, out, err = cli("history", "list", "nightly")
    assert (code, err) == (0, "")
    shown = [line.split()[0] for line in out.splitlines()[1:]]
    assert shown == [ALL[3], "20260302T180000Z", ALL[2], ALL[1], ALL[0]]
    assert "Run failed" in out.splitlines()[2]
    assert "Gate failed" in out.splitlines()[3]
    assert not (reports / "history.sqlite").exists()  # looking makes nothing
    code, found, err = cli.json("history", "list", "nightly")
    assert [run["folder"] for run in found["runs"]] == ALL
    assert [run["state"] for run in found["runs"]] == ["none", "none", "failed", "none"]
    assert found["failed"][0]["message"] == "no disk"
    assert found["exit_code"] == code == 0
    (last,) = (job["newest"]["folder"] for job in cli.json("history", "list")[1]["jobs"] if job["job"] == "nightly")
    assert last == ALL[3]


def test_a_reports_folder_without_runs(cli, tmp_path):
    assert cli("history", "list") == (
        1,
        "",
        "batchclf: error: there is no reports folder reports\n  hint: give it with --reports\n",
    )
    (tmp_path / "empty").mkdir()
    assert cli("history", "list", "--reports", "empty") == (0, "there is no run in empty yet\n", "")


@pytest.mark.parametrize("action", [["list", "nigthly"], ["show", "nigthly"], ["export", "nigthly", "--out", "x"]])
def test_a_job_that_is_not_there(cli, reports, action):
    code, out, err = cli("history", *action)
    assert (code, out) == (1, "")
    assert "there is no run of a job nigthly in reports" in err
    assert "did you mean nightly?" in err


def test_show_with_and_without_the_folder(cli, reports):
    assert cli("history", "rebuild")[0] == 0
    code, before, _ = cli("history", "show", "nightly", "20260302T12")
    assert code == 0
    metrics = json.loads((reports / "nightly" / ALL[2] / "metrics.json").read_text())["splits"]["test"]
    assert f"{metrics['accuracy']['value']:.2%}" in before
    for text in (
        "Gate failed: 1 rule failed",
        missed_gate().sentence,
        "/srv/models/m (0123456789ab)",
        "Mon 2026-03-02 12:00",
    ):
        assert text in before
    values = cli.json("history", "show", "nightly", ALL[2])[1]
    shutil.rmtree(reports / "nightly" / ALL[2])
    after = cli("history", "show", "nightly", "20260302T12")[1]
    folder = f"reports/nightly/{ALL[2]}"
    assert after == before.replace(folder, "removed; only the history has it")
    again = cli.json("history", "show", "nightly", ALL[2])[1]
    assert (again["folder"], values["folder"]) == (None, folder)
    for key in ("subsets", "metrics", "classes", "digests", "command", "model"):
        assert again[key] == values[key], key
    assert {each["name"] for each in again["digests"]} >= {"run.json", "predictions.csv"}
    assert cli("history", "show", "nightly")[1].splitlines()[0].endswith(f"{ALL[3]} of nightly")
    code, out, _ = cli("history", "show", "nightly", "20260302T18")
    assert code == 0
    assert "no disk" in out


def test_many_classes_are_cut_for_people_and_whole_for_programs(cli, tmp_path):
    names = [f"c{number:02}" for number in range(30)]
    for run, seed in (("a", 1), ("b", 2)):
        write_run(tmp_path / "reports" / "nightly" / run, drawn(names, 300, seed=seed, skill=0.7), names=names)
    code, out, _ = cli("history", "show", "nightly", "a")
    assert code == 0
    assert "the lowest F1 of 30 classes; --json has all" in out
    assert len(cli.json("history", "show", "nightly", "a")[1]["classes"]) == 30
    assert "the largest changes of 30 classes; --json has all" in cli("history", "diff", "nightly", "a", "b")[1]


def test_diff(cli, reports):
    code, out, _ = cli("history", "diff", "nightly", ALL[0], "latest")
    assert code == 0
    folders = [reports / "nightly" / name for name in (ALL[0], ALL[3])]
    first, second = (json.loads((folder / "metrics.json").read_text())["splits"] for folder in folders)
    change = 100 * (second["test"]["accuracy"]["value"] - first["test"]["accuracy"]["value"])
    assert f"{abs(change):.1f} points" in out
    assert f"image by image: batchclf report reports/nightly/{ALL[0]} reports/nightly/{ALL[3]}" in out
    _, found, _ = cli.json("history", "diff", "nightly", ALL[0], ALL[3])
    differences = {(each["split"], each["name"]): each["difference"] for each in found["metrics"]}
    for split in ("test", "train"):
        for name in ("accuracy", "macro_f1", "log_loss"):
            expected = second[split][name]["value"] - first[split][name]["value"]
            assert differences[split, name] == pytest.approx(expected)
    tables = [pd.read_csv(folder / "per_class.csv").set_index(["split", "class"]) for folder in folders]
    for each in found["classes"]:
        at = (each["split"], each["class_name"])
        assert each["recall_difference"] == pytest.approx(tables[1].recall[at] - tables[0].recall[at])
    cli("history", "rebuild")
    shutil.rmtree(folders[0])
    gone = cli("history", "diff", "nightly", ALL[0], "latest")[1]
    assert "image by image only runs can be compared whose folders are there" in gone
    assert gone.splitlines()[12:-1] == out.splitlines()[12:-1]
    code, _, err = cli("history", "diff", "nightly", ALL[0], "20260302T18")
    assert code == 1
    assert "failed, so it has no numbers" in err


def test_export_for_spreadsheets_and_pandas(cli, reports):
    cli("history", "rebuild")
    metrics = json.loads((reports / "nightly" / ALL[2] / "metrics.json").read_text())
    shutil.rmtree(reports / "nightly" / ALL[2])
    assert cli("history", "export", "--out", "out/all.csv") == (0, "wrote 6 runs to out/all.csv\n", "")
    assert cli("history", "export", "--out", "all.parquet", "--format", "parquet")[0] == 0
    table = pd.read_csv("out/all.csv")
    assert list(table) == list(COLUMNS)
    assert list(table.job.unique()) == ["'=other", "nightly", "score"]
    assert len(table) == 2 * 5 + 1
    row = table[(table.run == ALL[2]) & (table.split == "test")].iloc[0]
    assert (row.removed, row.complete, row.labelled, row.gates_failed) == (True, True, 40, 1)
    for name in RECORDED:
        where = metrics["gap"] if "gap" in name else metrics["splits"]["test"]
        values = where[name] if isinstance(where[name], dict) else {"value": where[name]}
        assert row[name] == pytest.approx(values["value"], rel=1e-12)
        if "low" in values:
            assert row[f"{name}_low"] == pytest.approx(values["low"], rel=1e-12)
    assert row.accuracy_baseline == metrics["splits"]["test"]["accuracy"]["baseline"]
    parquet = pd.read_parquet("all.parquet")
    assert list(parquet) == list(COLUMNS)
    assert list(parquet.job) == ["=other"] * 2 + ["nightly"] * 8 + ["score"]
    for name, kind in COLUMNS.items():
        if kind is not str:
            assert list(parquet[name].fillna(-9)) == list(table[name].fillna(-9)), name
    code, found, _ = cli.json("history", "export", "nightly", "--out", "all.json", "--format", "json")
    assert (code, found["runs"]) == (0, 4)
    whole = json.loads((reports.parent / "all.json").read_text())
    assert [each["summary"]["folder"] for each in whole["runs"]] == ALL
    assert len(whole["runs"][2]["classes"]) == 6


def test_prune(cli, reports):
    code, out, _ = cli("history", "prune", "nightly", "--keep-runs", "1", "--dry-run")
    log = "failed-20260302T180000Z.log.jsonl"
    assert code == 0
    assert out.splitlines() == [f"would be removed: reports/nightly/{name}" for name in [*ALL[:3], log]]
    assert not (reports / "history.sqlite").exists()
    # An alarm looks at the last run, which is no baseline.
    record = json.loads((reports / "nightly" / ALL[3] / "run.json").read_text())
    alarm = {**msgspec.to_builtins(missed_gate()), "kind": "alarm", "against": ALL[0]}
    (reports / "nightly" / ALL[3] / "run.json").write_text(json.dumps({**record, "gates": [alarm]}))
    code, found, _ = cli.json("history", "prune", "nightly", "--keep-runs", "1", "--keep", ALL[1])
    assert (code, found["removed"]) == (0, [ALL[0], ALL[2], log])
    assert sorted(path.name for path in (reports / "nightly").iterdir() if path.is_dir()) == [ALL[1], ALL[3]]
    assert f"nightly/{ALL[0]}/" not in (reports / "index.html").read_text()
    code, out, _ = cli("history", "list", "nightly")
    assert out.count("files removed") == 2
    assert cli("history", "prune", "nightly", "--keep-days", "99999") == (0, "there is nothing to remove\n", "")
    code, _, err = cli("history", "prune", "nightly")
    assert code == 2
    assert "needs --keep-runs or --keep-days" in err
    code, _, err = cli("history", "prune", "nightly", "--keep-runs", "0")
    assert code == 2
    with FileLock(reports / "nightly" / ".lock"):
        code, _, err = cli("history", "prune", "nightly", "--keep-runs", "1")
    assert code == 75
    assert "another run of this job is under way" in err


def test_prune_never_takes_a_baseline(cli, reports):
    job = reports / "nightly"
    result = {**json.loads((job / ALL[2] / "run.json").read_text())["gates"][0], "against": "spring", "kind": "change"}
    record = json.loads((job / ALL[3] / "run.json").read_text())
    (job / ALL[3] / "run.json").write_text(json.dumps({**record, "gates": [result]}))
    code, _, err = cli("history", "prune", "nightly", "--keep-runs", "1")
    assert code == 2
    assert "compared with the baseline spring, which must stay" in err
    assert len(list(job.glob("2026*"))) == 4
    (reports.parent / "jobs").mkdir()
    (reports.parent / "jobs" / "nightly.toml").write_text(
        f'[data]\ndataset = "digits"\n[baselines]\nspring = "{ALL[0]}"\n[retention]\nkeep_runs = 1\n'
    )
    code, _, err = cli("history", "prune", "jobs/nightly.toml")
    assert (code, err) == (0, "")
    assert sorted(path.name for path in job.glob("2026*")) == [ALL[0], ALL[3]]


def test_prune_tells_what_it_could_not_remove(cli, reports):
    (reports / "history.sqlite").write_bytes(b"")
    code, out, err = cli("history", "prune", "nightly", "--keep-runs", "1")
    assert (code, out) == (1, "")
    assert "history.sqlite is empty" in err
    assert len(list((reports / "nightly").glob("2026*"))) == 4


def test_rebuild(cli, reports):
    code, out, err = cli("history", "rebuild")
    assert (code, err) == (0, "")
    assert out == (
        "recorded 6 runs in reports/history.sqlite\nthe file is whole: checked by SQLite's integrity_check\n"
    )
    with closing(sqlite3.connect("reports/history.sqlite")) as connection:
        assert connection.execute("SELECT count(*) FROM failures").fetchone() == (1,)
        assert connection.execute("SELECT count(*) FROM runs").fetchone() == (6,)
    code, found, _ = cli.json("history", "rebuild", f"reports/nightly/{ALL[0]}", f"reports/nightly/{ALL[1]}/")
    assert (code, found["runs"]) == (0, 2)
    code, _, err = cli("history", "rebuild", "reports/nightly")
    assert code == 1
    assert "is not a run directory" in err
    (reports / "nightly" / ALL[0] / "run.json").write_text("{")
    code, _, err = cli("history", "rebuild")
    assert code == 1
    assert f"1 could not be read: {ALL[0]}: " in err
    assert "all others were recorded" in err


@pytest.mark.parametrize(
    "action",
    [
        ["list"],
        ["list", "nightly"],
        ["show", "nightly"],
        ["diff", "nightly", ALL[0], ALL[1]],
        ["export", "--out", "x.csv"],
        ["prune", "nightly", "--keep-runs", "1"],
        ["rebuild"],
    ],
)
@pytest.mark.parametrize("newer", [True, False])
def test_a_file_in_which_something_is_wrong_is_never_touched(cli, reports, action, newer):
    path = reports / "history.sqlite"
    if newer:
        cli("history", "rebuild")
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA user_version = 99")
    else:
        path.write_text("this is not a database " * 100)
    before = path.read_bytes()
    code, out, err = cli("history", *action)
    assert (code, out) == (1, "")
    assert ("update batchclf" if newer else "history rebuild") in err
    assert path.read_bytes() == before
    assert len(list((reports / "nightly").glob("2026*"))) == 4


def test_a_new_file_after_the_damaged_one_was_moved_away(cli, reports):
    path = reports / "history.sqlite"
    path.write_text("damaged")
    hint = cli("history", "list")[2].splitlines()[1]
    assert "`mv reports/history.sqlite reports/history.sqlite.old`" in hint
    path.rename(path.with_suffix(".sqlite.old"))
    assert cli("history", "rebuild")[0] == 0
    assert cli("history", "list")[0] == 0


def test_quiet_says_nothing(cli, reports):
    for action in (["list"], ["rebuild"], ["show", "nightly"], ["prune", "nightly", "--keep-runs", "1"]):
        assert cli("history", *action, "--quiet") == (0, "", ""), action


def test_names_that_would_garble_a_terminal(cli, tmp_path):
    job = "night\x1b[31m\nly"
    write_runs(tmp_path / "reports" / job, 1)
    record_failure(tmp_path / "reports", job, tmp_path / "failed-x.log.jsonl", message="a\nb\x1b[0m")
    for action in (["list"], ["list", job], ["show", job], ["show", job, "x"]):
        code, out, _ = cli("history", *action)
        assert code == 0
        assert "\x1b" not in out
