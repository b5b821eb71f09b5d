"""Runs that only history.sqlite knows: recorded, removed, and still there for reports, the index and people."""

import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from run_cases import NAMES, STARTED, drawn, missed_gate, write_run, write_runs

from batchclf.core.records.history_diff import run_difference
from batchclf.errors import HistoryError, RunError
from batchclf.jobs.history.lookup import details_of, find_finished, find_job, find_run
from batchclf.jobs.history.rebuild import rebuild_history
from batchclf.jobs.history.runs import (
    all_histories,
    earlier_runs,
    job_history,
    record_failure,
    record_missing,
    record_run,
)
from batchclf.jobs.report.index import write_index
from batchclf.storage.history.database import check, reading
from batchclf.storage.history.rows import known_entries
from batchclf.storage.run.details import read_details


@pytest.fixture
def job(tmp_path):
    """A job with five runs that are recorded: its folder, and the names of the runs."""
    folder = tmp_path / "reports" / "nightly"
    ids = write_runs(folder, 5, gates=[missed_gate()], status="gate failed")
    record_run(folder.parent, folder / ids[-1])
    return folder, ids


def recorded(folder):
    with reading(folder.parent / "history.sqlite") as connection:
        return known_entries(connection, folder.name)


def bare(runs):
    return [replace(run, files=()) for run in runs]


def test_runs_whose_folder_is_gone_are_told_as_before(job):
    folder, ids = job
    before = job_history(folder).runs
    assert not any(run.pruned for run in before)
    for name in ids[:3]:
        shutil.rmtree(folder / name)
    after = job_history(folder).runs
    assert bare(after) == bare(before)
    assert [run.pruned for run in after] == [True] * 3 + [False] * 2
    assert [run.folder for run in earlier_runs(folder, ids[3])] == ids[:3]
    # CurrentRun's, which is not published yet.
    assert [run.folder for run in earlier_runs(folder, "20270101T023000Z")] == ids


def test_a_job_whose_folder_is_gone_altogether(job):
    folder, ids = job
    shutil.rmtree(folder)
    (found,) = all_histories(folder.parent)
    assert (found.name, [run.folder for run in found.runs]) == ("nightly", ids)


def test_what_was_published_and_not_recorded_is_added_by_the_next_run(tmp_path):
    folder = tmp_path / "reports" / "nightly"
    ids = write_runs(folder, 4)
    (folder / ids[1] / "run.json").write_text("{")  # damaged: nobody can record it
    log = folder / "failed-20260302T053000Z.log.jsonl"
    log.write_text('{"time": "2026-03-02T05:30:00+00:00", "level": "error", "message": "no disk"}\n')
    record_run(folder.parent, folder / ids[3])
    assert recorded(folder) == {ids[0], ids[2], ids[3], log.name}
    log.unlink()
    (failed,) = job_history(folder).failed
    assert (failed.run_id, failed.log, failed.message) == ("20260302T053000Z", "", "no disk")
    # One that was copied in since.
    shutil.copytree(folder / ids[0], folder / "20260201T000000Z")
    record_missing(folder)
    assert recorded(folder) == {"20260201T000000Z", ids[0], ids[2], ids[3], log.name}


def test_a_run_directory_tells_its_run_even_where_the_history_says_something_else(job):
    folder, ids = job
    record = json.loads((folder / ids[0] / "run.json").read_text())
    (folder / ids[0] / "run.json").write_text(json.dumps({**record, "seconds": 99.0}))
    assert job_history(folder).runs[0].seconds == 99.0
    (folder / ids[1] / "run.json").write_text("{")
    found = job_history(folder)
    assert [run.folder for run in found.runs] == [ids[0], *ids[2:]]
    assert [each.folder for each in found.unread] == [ids[1]]


@pytest.mark.parametrize("damage", [lambda content: b"", lambda content: content[:4096] + b"\xff" * 20_000])
def test_a_damaged_history_costs_only_the_runs_that_are_gone(job, damage):
    folder, ids = job
    shutil.rmtree(folder / ids[0])
    path = folder.parent / "history.sqlite"
    content = damage(path.read_bytes())
    path.write_bytes(content)
    assert [run.folder for run in earlier_runs(folder, None)] == ids[1:]
    with pytest.raises(HistoryError, match=r"is damaged|is empty"):
        record_run(folder.parent, folder / ids[4])
    assert path.read_bytes() == content


def test_failures_are_kept_with_what_only_the_process_knew(job):
    folder, _ = job
    log = folder / "failed-20260309T023000Z.log.jsonl"
    log.write_text('{"time": "2026-03-09T02:30:00+00:00", "level": "error", "message": "DataError: it was empty"}\n')
    told = {"exit_code": 5, "run_date": "2026-03-08", "message": "it was empty"}
    record_failure(folder.parent, "nightly", log, **told)
    record_missing(folder)
    (there,) = job_history(folder).failed
    assert (there.log, there.exit_code, there.run_date) == (log.name, 5, "2026-03-08")
    assert there.message == "it was empty"
    log.unlink()
    (gone,) = job_history(folder).failed
    assert gone == replace(there, log="")


def test_a_run_directory_that_cannot_be_read_is_told(job, monkeypatch):
    folder, ids = job

    def refuse(folder):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("batchclf.storage.run.details.digest_files", refuse)
    with pytest.raises(RunError, match=f"{ids[0]} could not be put into the history: Input/output error") as told:
        record_run(folder.parent, folder / ids[0])
    assert f"batchclf history rebuild {folder / ids[0]}" in told.value.hint
    with pytest.raises(RunError, match=r"cannot be read"):
        record_run(folder.parent, folder / "nowhere")


def test_a_failure_without_a_log_is_kept_too(tmp_path):
    reports = tmp_path / "reports"
    record_failure(reports, "nightly", reports / "nightly" / "failed-20260309T023000Z-02.log.jsonl", message="no disk")
    (failed,) = job_history(reports / "nightly").failed
    assert (failed.run_id, failed.started, failed.log) == ("20260309T023000Z-02", "2026-03-09T02:30:00+00:00", "")


def test_a_clock_that_went_back(job):
    """A run that seems to be older than the others is recorded like any other, and does not hide them."""
    folder, ids = job
    early = "20200101T023000Z"
    rows = drawn(NAMES, 60, seed=9, skill=0.8)
    write_run(folder / early, rows, started="2020-01-01T02:30:00+00:00")
    record_run(folder.parent, folder / early)
    assert [run.folder for run in earlier_runs(folder, None)] == [early, *ids]
    (folder / "latest").symlink_to(early)
    history = find_job(folder.parent, "nightly")
    assert find_run(folder.parent, history, "latest").folder == early
    # Tomorrow's run, with the clock still wrong, is compared with what came before it by that clock.
    assert [run.folder for run in earlier_runs(folder, "20200102T023000Z")] == [early]


def test_names_that_are_no_utf_8(tmp_path):
    folder = tmp_path / "reports" / "n\udce4chtlich"
    try:
        folder.mkdir(parents=True)
    except OSError:
        pytest.skip("the file system takes only UTF-8")
    (name,) = write_runs(folder, 1)
    record_run(folder.parent, folder / name)
    assert len(all_histories(folder.parent)) == 1
    shutil.rmtree(folder / name)
    assert len(earlier_runs(folder, None)) == 1
    assert "files removed" in write_index(folder.parent).read_text()


def test_the_index_lists_removed_runs_without_links(job):
    folder, ids = job
    (folder / "failed-20260302T053000Z.log.jsonl").write_text("")
    record_missing(folder)
    (folder / "failed-20260302T053000Z.log.jsonl").unlink()
    shutil.rmtree(folder / ids[0])
    page = write_index(folder.parent).read_text()
    assert f"nightly/{ids[1]}/report.html" in page
    assert f"nightly/{ids[0]}/" not in page
    assert ids[0] in page
    assert "failed-20260302T053000Z" not in page
    assert page.count("Run failed") == 1


def test_runs_are_found_by_what_people_type(job):
    folder, ids = job
    reports, history = folder.parent, find_job(folder.parent, "nightly")
    (folder / "failed-20260409T023000Z.log.jsonl").write_text("")
    history = find_job(reports, "nightly")
    assert find_run(reports, history, ids[2]).folder == ids[2]
    assert find_run(reports, history, "20260303").folder == ids[2]
    assert find_run(reports, history, "latest").folder == ids[-1]
    assert find_run(reports, history, "202604").run_id == "20260409T023000Z"
    for text, message in (
        ("2026030", "5 runs of nightly begin with 2026030: 20260301T023000Z, "),
        ("2027", "nightly has no run 2027"),
        ("", "nightly has no run"),
        ("last-good", "nightly has no good run"),
    ):
        with pytest.raises(RunError, match=message):
            find_run(reports, history, text)
    with pytest.raises(RunError, match="failed, so it has no numbers"):
        find_finished(reports, history, "202604")
    with pytest.raises(RunError, match="there is no run of a job nigtly") as told:
        find_job(reports, "nigtly")
    assert told.value.hint == "did you mean nightly?"
    with pytest.raises(RunError):
        find_job(reports, "../reports/nightly")


def test_a_difference_is_the_same_with_and_without_the_folders(job):
    folder, ids = job
    reports = folder.parent
    first, second = job_history(folder).runs[1:3]
    whole = run_difference(*(details_of(reports, "nightly", run) for run in (first, second)))
    metrics = [json.loads((folder / name / "metrics.json").read_text())["splits"] for name in ids[1:3]]
    accuracy = next(pair for pair in whole.metrics if (pair.split, pair.name) == ("train", "accuracy"))
    expected = [each["train"]["accuracy"]["value"] for each in metrics]
    assert accuracy.difference == pytest.approx(expected[1] - expected[0])
    assert [pair.size for pair in whole.classes] == sorted((pair.size for pair in whole.classes), reverse=True)
    assert {(pair.split, pair.class_name) for pair in whole.classes} == {(s, n) for s in metrics[0] for n in NAMES}
    assert whole.gates[0].difference == 0
    for name in ids[1:3]:
        shutil.rmtree(folder / name)
    again = job_history(folder).runs[1:3]
    gone = run_difference(*(details_of(reports, "nightly", run) for run in again))
    assert (gone.metrics, gone.classes, gone.gates) == (whole.metrics, whole.classes, whole.gates)


def test_a_rule_that_only_one_run_had_and_rules_of_one_name(job):
    folder, ids = job
    details = read_details(folder / ids[0])
    gates = (missed_gate(), replace(missed_gate(), value=0.5), replace(missed_gate(), name="max_gap"))
    other = replace(details, summary=replace(details.summary, gates=gates))
    pairs = run_difference(details, other).gates
    assert [(pair.either.name, pair.first is None) for pair in pairs] == [
        ("min_test_accuracy", False),
        ("min_test_accuracy", True),
        ("max_gap", True),
    ]
    assert [pair.difference for pair in pairs] == [0, None, None]


def test_rebuild_makes_what_recording_made(tmp_path):
    reports = tmp_path / "reports"
    ids = write_runs(reports / "nightly", 3, gates=[missed_gate()])
    for name in ids:
        record_run(reports, reports / "nightly" / name)
    rows = drawn(NAMES, 20, seed=1, skill=0.5, split="")
    write_run(reports / "score" / "one", rows, kind="directory", source="/srv/photos", job=None, dataset=None)
    record_run(reports, reports / "score" / "one")
    before = all_histories(reports)
    path = reports / "history.sqlite"
    old = path.rename(tmp_path / "old.sqlite")
    done = rebuild_history(reports)
    assert (done.runs, done.unread) == (4, ())
    assert _rows(path) == _rows(old)
    for name in ids:
        shutil.rmtree(reports / "nightly" / name)
    assert [bare(job.runs) for job in all_histories(reports)] == [bare(job.runs) for job in before]
    # A second time, with those gone: what is in the file stays.
    rebuild_history(reports)
    assert _rows(path) == _rows(old)
    check(path, full=True)


def test_rebuild_takes_a_run_directory_from_elsewhere(tmp_path):
    reports = tmp_path / "reports"
    (name,) = write_runs(tmp_path / "archive", 1)
    assert rebuild_history(reports, [tmp_path / "archive" / name]).runs == 1
    assert [run.folder for run in job_history(reports / "nightly").runs] == [name]
    with pytest.raises(RunError):
        rebuild_history(reports, [tmp_path / "archive"])


def _rows(path):
    """The tables without the numbers of the runs, which depend on their order."""
    found = {}
    with reading(path) as connection:
        for table in ("subsets", "metrics", "class_metrics", "gates", "digests"):
            sql = f"SELECT runs.job, runs.folder, child.* FROM {table} AS child JOIN runs ON runs.id = child.run"
            found[table] = sorted(repr(row[:2] + row[3:]) for row in connection.execute(sql))
        found["runs"] = sorted(repr(row[1:]) for row in connection.execute("SELECT * FROM runs"))
    return found


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(gone=st.sets(st.integers(0, 4)), before=st.integers(-1, 6))
def test_whichever_folders_are_gone_the_runs_are_the_same(job, tmp_path_factory, gone, before):
    folder, ids = job
    reports = tmp_path_factory.mktemp("reports")
    shutil.copytree(folder.parent, reports, dirs_exist_ok=True)
    for number in gone:
        shutil.rmtree(reports / "nightly" / ids[number])
    name = f"{STARTED + timedelta(days=before):%Y%m%dT%H%M%SZ}"
    expected = [run for run in job_history(folder).runs if run.folder < name]
    assert bare(earlier_runs(reports / "nightly", name)) == bare(expected)
    shutil.rmtree(reports)


def test_times_are_compared_as_times(tmp_path):
    folder = tmp_path / "reports" / "nightly"
    rows = drawn(NAMES, 10, seed=1, skill=0.5)
    east = datetime(2026, 3, 1, 1, 0, tzinfo=UTC).isoformat()
    write_run(folder / "b", rows, started="2026-03-01T03:30:00+05:00")  # 22:30 of the day before
    write_run(folder / "a", rows, started=east)
    record_run(folder.parent, folder / "a")
    shutil.rmtree(folder / "b")
    assert [run.folder for run in job_history(folder).runs] == ["b", "a"]
