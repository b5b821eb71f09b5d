"""history.sqlite of an older version: brought to the newest schema, with a copy of the old file kept."""

import sqlite3
from contextlib import closing

import pytest
from history_cases import VERSION_1, VERSION_2, dump, failed_run, query, record

from batchclf.errors import HistoryError
from batchclf.storage.history import database as history
from batchclf.storage.history.database import check, reading, writing
from batchclf.storage.history.rows import get_failures, get_summaries
from batchclf.storage.history.schema import APPLICATION_ID, NEWEST


@pytest.fixture
def path(tmp_path):
    return tmp_path / "reports" / "history.sqlite"


@pytest.fixture
def run(tmp_path):
    return failed_run(tmp_path)


def _older(path, version):
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript({1: VERSION_1, 2: VERSION_2}[version])
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {version}")
        connection.execute("PRAGMA journal_mode = WAL").fetchone()
        connection.commit()


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("to_write", [True, False])
def test_an_older_file_is_brought_to_the_newest(path, version, to_write):
    _older(path, version)
    with (writing if to_write else reading)(path) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (NEWEST,)
        assert connection.execute("SELECT run_date, accuracy, low FROM accuracy_by_run_date").fetchall() == [
            ("2026-01-02", 0.5, 0.25)
        ]
        (summary,) = get_summaries(connection, "nightly")
        assert (summary.run_id, summary.accuracy.n, summary.gates[0].sentence) == ("20260102T030405Z", 8, "it's low")
        (failure,) = get_failures(connection, "nightly")
        assert failure.exit_code == 1
    check(path, full=True)
    copy = path.with_name(f"history.v{version}.sqlite")
    assert query(copy, "PRAGMA user_version") == [(version,)]
    assert query(copy, "SELECT night FROM runs") == [("2026-01-02",)]
    assert query(copy, "SELECT count(*) FROM targets") == [(1,)]
    # What is new and what was migrated have the same schema.
    with writing(path.with_name("new.sqlite")):
        pass
    schema = "SELECT type, name, sql FROM sqlite_master ORDER BY name"
    assert query(path, schema) == query(path.with_name("new.sqlite"), schema)


def test_the_names_of_version_2_are_renewed_and_its_rows_stay(path):
    _older(path, 2)
    with reading(path) as connection:
        names = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')")}
        (summary,) = get_summaries(connection, "nightly")
        (failure,) = get_failures(connection, "nightly")
    assert {"subsets", "run_dates", "accuracy_by_run_date", "gates_by_run_date", "bad_runs"} <= names
    assert not [name for name in names if "night" in name or "target" in name]
    assert (summary.run_date, failure.run_date) == ("2026-01-02", "2026-01-03")
    assert [(gate.name, gate.subset, gate.against) for gate in summary.gates] == [
        ("min", "test", ""),
        ("negative_flip_rate[test] against last-good", "test", "r"),
        ("negative_flip_rate", "", ""),
        ("lost_shares[test]", "test", ""),
    ]
    assert query(path, "SELECT split, source, scored FROM subsets") == [("test", "digits", 8)]
    assert query(path, "SELECT run_date, name, subset FROM gates_by_run_date WHERE kind = 'change'") == [
        ("2026-01-02", "negative_flip_rate[test] against last-good", "test")
    ]
    assert query(path, "SELECT run_date, what FROM bad_runs ORDER BY run_date") == [
        ("2026-01-02", "gate failed"),
        ("2026-01-03", "failed"),
    ]
    assert query(path.with_name("history.v2.sqlite"), "SELECT name FROM gates WHERE position = 2") == [("lost_share",)]


def test_a_copy_of_the_older_file_that_is_there_already_is_kept(path):
    _older(path, 2)
    copy = path.with_name("history.v2.sqlite")
    copy.write_bytes(b"mine")
    with writing(path):
        pass
    assert copy.read_bytes() == b"mine"
    assert query(path, "PRAGMA user_version") == [(NEWEST,)]


def test_a_step_that_fails_leaves_the_version_before(path, run, monkeypatch):
    record(path, run)
    before = dump(path)
    bad = "CREATE TABLE one (x);\nCREATE TABLE one (x);\n"
    monkeypatch.setattr(history, "MIGRATIONS", (*history.MIGRATIONS, bad))
    monkeypatch.setattr(history, "NEWEST", NEWEST + 1)
    with pytest.raises(HistoryError, match="one already exists"):
        record(path, run)
    assert dump(path) == before
    assert query(path, "PRAGMA user_version") == [(NEWEST,)]
