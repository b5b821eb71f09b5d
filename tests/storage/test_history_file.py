"""history.sqlite: made, checked, shared by processes; what is wrong with it is told, and it is left alone."""

import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing

import pytest
from doc_pages import read, section
from history_cases import digest, dump, failed_run, query, record
from run_cases import NAMES, drawn, write_run, write_runs

from batchclf.errors import HistoryError
from batchclf.storage.history import database as history
from batchclf.storage.history.database import check, reading, writing
from batchclf.storage.history.rows import get_summaries
from batchclf.storage.history.schema import APPLICATION_ID, NEWEST


@pytest.fixture
def path(tmp_path):
    return tmp_path / "reports" / "history.sqlite"


@pytest.fixture
def run(tmp_path):
    return failed_run(tmp_path)


def test_a_new_file_is_ours_and_in_wal_mode(path):
    with writing(path):
        pass
    with closing(sqlite3.connect(path)) as connection:
        pragmas = [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")]
        assert pragmas == [APPLICATION_ID, NEWEST]
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        children = tables - {"runs", "failures"}
        for table in children:
            (key,) = connection.execute(f"PRAGMA foreign_key_list({table})")
            assert key[2:7] == ("runs", "run", "id", "NO ACTION", "CASCADE")
    assert path.read_bytes()[68:72] == b"bclh"
    assert sorted(each.name for each in path.parent.iterdir()) == ["history.sqlite"]


def test_the_page_names_every_table_view_and_column(path):
    text = section(read("docs/history.md"), "Tables for SQL")
    rows = re.findall(r"^\| `(\w+)` \|.*\|(.*)\|$", text, re.MULTILINE)
    with writing(path) as connection:
        names = connection.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view') ORDER BY name")
        columns = {name: [row[1] for row in connection.execute(f"PRAGMA table_info({name})")] for (name,) in names}
    assert {name: re.findall(r"`(\w+)`", cell) for name, cell in rows} == columns


def test_a_file_that_is_missing_is_only_made_to_write_to(path):
    with pytest.raises(HistoryError, match=r"there is no .*history\.sqlite") as told, reading(path):
        pass
    assert "history rebuild" in told.value.hint
    with pytest.raises(HistoryError):
        check(path)
    assert not path.exists()


def test_an_error_within_the_block_leaves_nothing_behind(path, run):
    record(path, run)
    before = dump(path)

    def fail():
        with writing(path) as connection:
            connection.execute("DELETE FROM runs")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert dump(path) == before


def test_removing_a_run_removes_all_that_belongs_to_it(path, run):
    record(path, run)
    with writing(path) as connection:
        connection.execute("DELETE FROM runs")
    for table in ("subsets", "metrics", "class_metrics", "gates", "digests"):
        assert query(path, f"SELECT count(*) FROM {table}") == [(0,)]
    check(path, full=True)


def test_rows_that_belong_to_no_run_are_found_by_the_full_check(path, run):
    record(path, run)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DELETE FROM runs")
        connection.commit()
    check(path)
    with pytest.raises(HistoryError, match="belongs to no run"):
        check(path, full=True)


def _empty(path, run):
    path.write_bytes(b"")


def _text(path, run):
    path.write_text("run_date,accuracy\n2026-03-01,0.9\n" * 20)


def _short(path, run):
    record(path, run)
    path.write_bytes(path.read_bytes()[:50])


def _cut(path, run):
    record(path, run)
    path.write_bytes(path.read_bytes()[:9000])


def _other(path, run):
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE runs (mine)")
        connection.commit()


def _newer(path, run):
    record(path, run)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")


def _damaged(path, run):
    record(path, run)
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xa5" * (len(content) - 4096)
    path.write_bytes(content)


def _folder(path, run):
    path.mkdir()


HOSTILE = {
    _empty: "is empty",
    _text: "is not a SQLite file",
    _short: "is not a SQLite file",
    _cut: "is damaged",
    _other: "another application",
    _newer: "schema version 99; this batchclf knows versions 1 to",
    _damaged: "is damaged",
    _folder: "cannot be read: Is a directory",
}


@pytest.mark.parametrize("make", HOSTILE)
def test_a_file_in_which_something_is_wrong_is_told_and_left_as_it_is(path, run, make):
    make(path, run)
    before = None if path.is_dir() else digest(path)
    for use in (check, lambda path: record(path, run)):
        with pytest.raises(HistoryError, match=HOSTILE[make]) as told:
            use(path)
        assert str(path) in told.value.message
        assert told.value.hint
    assert path.is_dir() or digest(path) == before
    if make is not _folder:
        assert ("update batchclf" if make is _newer else "history rebuild") in told.value.hint


def test_a_link_that_leads_nowhere_is_not_written_through(path, run, tmp_path):
    path.symlink_to(tmp_path / "gone")
    with pytest.raises(HistoryError):
        record(path, run)
    assert not (tmp_path / "gone").exists()


def test_damage_that_is_met_while_reading_is_told(path, run):
    for number in range(10):
        other = run.with_name(f"{number:03}")
        run.rename(other)
        record(path, other)
        run = other
    content = bytearray(path.read_bytes())
    content[8192:] = b"\x00\xff" * ((len(content) - 8192) // 2)
    path.write_bytes(content)

    def read_all():
        with reading(path) as connection:
            for table in ("subsets", "metrics", "class_metrics", "gates", "digests"):
                connection.execute(f"SELECT * FROM {table}").fetchall()

    with pytest.raises(HistoryError, match="damaged"):
        read_all()


def test_a_locked_file_is_waited_for_and_then_told(path, run, monkeypatch):
    record(path, run)
    monkeypatch.setattr(history, "BUSY_SECONDS", 0.1)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with reading(path) as connection:  # who only reads is not kept waiting
            assert len(get_summaries(connection, "nightly")) == 1
        with pytest.raises(HistoryError, match="is locked") as told:
            record(path, run)
        assert "added by the next run" in told.value.hint
        other.execute("ROLLBACK")
    record(path, run)


AS_NOBODY = """
import os, sys
from pathlib import Path
from batchclf.errors import HistoryError
from batchclf.storage.history.database import reading, writing
path = Path(sys.argv[1])
if os.geteuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
with reading(path) as connection:
    print(connection.execute("SELECT count(*) FROM runs").fetchone()[0])
try:
    with writing(path) as connection:
        connection.execute("DELETE FROM runs")
except HistoryError as error:
    print(error.message, "/", error.hint)
"""


def test_a_file_on_which_nothing_can_be_written(path, run):
    record(path, run)
    before = digest(path)
    path.parent.chmod(0o555)
    path.chmod(0o444)
    opened = []
    folder = path.parent.parent
    while os.geteuid() == 0 and folder.stat().st_uid == 0 and not folder.stat().st_mode & 0o001:
        opened.append((folder, folder.stat().st_mode))  # pytest's folders are for their owner alone
        folder.chmod(0o711)
        folder = folder.parent
    try:
        done = _python(AS_NOBODY, path).communicate(timeout=60)
    finally:
        path.parent.chmod(0o755)
        for folder, mode in opened:
            folder.chmod(mode)
    lines = done[0].splitlines()
    assert lines[0] == "1", done
    assert "history.sqlite cannot be written" in lines[1]
    assert "check the disk's free space and the permissions" in lines[1]
    assert digest(path) == before


RECORD = """
import sys
from pathlib import Path
from batchclf.jobs.history.runs import record_run
reports = Path(sys.argv[1])
for name in sys.argv[2:]:
    record_run(reports, Path(name))
    print(name, flush=True)
"""


def _python(code, *arguments):
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_two_processes_record_at_once_into_a_file_that_is_not_there_yet(path):
    jobs = [path.parent / name for name in ("a", "b")]
    ids = {job: write_runs(job, 3) for job in jobs}
    processes = [_python(RECORD, path.parent, *(job / each for each in ids[job])) for job in jobs]
    for process in processes:
        assert process.communicate(timeout=60)[0].count("\n") == 3
        assert process.returncode == 0
    check(path, full=True)
    expected = [(job.name, each) for job in jobs for each in ids[job]]
    assert query(path, "SELECT job, folder FROM runs ORDER BY job, folder") == expected
    assert not list(path.parent.glob(".*"))


def test_kill_9_while_runs_are_recorded_leaves_a_file_that_can_be_used(path, run):
    others = [run, *(run.with_name(f"2026030{number}T023000Z") for number in range(2, 8))]
    for other in others[1:]:
        write_run(other, drawn(NAMES, 40, seed=3, skill=0.8))
    for delay in (0, 0.004, 0.011):
        process = _python(RECORD, path.parent, *(others * 50))
        assert process.stdout.readline()
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        process.wait(timeout=60)
        process.stdout.close()
        check(path, full=True)
        assert ("20260301T023000Z",) in query(path, "SELECT folder FROM runs")
    record(path, others[-1])
    check(path, full=True)


IN_THE_MIDST = """
import os, signal, sys
from pathlib import Path
from batchclf.storage.history.database import writing
with writing(Path(sys.argv[1])) as connection:
    connection.execute("UPDATE runs SET status = 'partial'")
    connection.execute("DELETE FROM metrics")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_kill_9_in_the_midst_of_a_transaction_undoes_it(path, run):
    record(path, run)
    before = dump(path)
    process = _python(IN_THE_MIDST, path)
    assert process.communicate(timeout=60)[0] == ""
    assert process.returncode == -signal.SIGKILL
    check(path, full=True)
    assert dump(path) == before


def test_what_sqlite_left_of_another_file_is_not_moved_into_a_new_one(tmp_path):
    """A write-ahead log of a damaged file that was moved away would be written into the new one."""
    log = tmp_path / "history.sqlite-wal"
    log.write_bytes(b"frames of another file")
    with (
        pytest.raises(HistoryError, match="is left of a history that is no longer there") as told,
        writing(tmp_path / "history.sqlite"),
    ):
        pass
    assert f"mv {log} {log}.old" in told.value.hint
    assert sorted(path.name for path in tmp_path.iterdir()) == [log.name]
