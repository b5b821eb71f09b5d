"""The hidden folders of runs: taken over, left alone and removed."""

import os
import shutil
import time

import pytest
from filelock import FileLock

from batchclf.errors import RunError, TargetTakenError
from batchclf.storage.run.journal import Counts, Journal, JournalEntry, JournalHead
from batchclf.storage.run.resume import resumable_run_directory

HEAD = JournalHead("/photos", {"model": "a", "batch size": "8"})
OTHER = JournalHead("/photos", {"model": "b", "batch size": "8"})


def _killed(folder, name, head, files=10):
    """What a run that was to become `name` has left."""
    hidden = folder / f".{name}.123-abcdef01.partial"
    hidden.mkdir(parents=True)
    with Journal(hidden, head, []) as journal:
        journal.append(JournalEntry("", "00", Counts(files), {}, {}, {}, {}, {}))
    return hidden


def _run(target, head=HEAD, *, resume=False):
    said = []
    with resumable_run_directory(target, head, resume=resume, say=said.append) as run:
        (run.folder / "rows").touch()
    return run, said


def test_a_run_that_succeeded_removes_what_it_has_made_good_and_nothing_else(tmp_path):
    same = _killed(tmp_path, "later", HEAD)
    before = _killed(tmp_path, "run", OTHER)
    longer_name = _killed(tmp_path, "run.v2", OTHER)
    elsewhere = _killed(tmp_path, "x", JournalHead("/other", HEAD.parts))
    _run(tmp_path / "run")
    assert [path.exists() for path in (same, before, longer_name, elsewhere)] == [False, False, True, True]
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["rows"]


def test_what_nobody_has_gone_on_with_for_a_month_is_removed(tmp_path):
    young, old = _killed(tmp_path, "young", OTHER), _killed(tmp_path, "old", OTHER)
    for path, days in ((young, 29), (old, 31)):
        os.utime(path / "journal.jsonl", times=(time.time() - days * 86400,) * 2)
    _run(tmp_path / "run")
    assert (young.exists(), old.exists()) == (True, False)


def test_a_run_under_another_name_says_why_it_does_not_go_on(tmp_path):
    _killed(tmp_path, "yesterday", OTHER)
    run, said = _run(tmp_path / "today", resume=True)
    assert run.files == 0
    assert said == ["beginning anew: the run that was killed after 10 files had another model"]


def test_what_was_half_written_does_not_get_into_the_run_directory(tmp_path):
    hidden = _killed(tmp_path, "run", HEAD)
    (hidden / ".report.html.123-abcdef01.partial").touch()
    run, _ = _run(tmp_path / "run", resume=True)
    assert run.folder == hidden
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["rows"]


def test_a_run_is_known_as_killed_from_its_first_moment(tmp_path):
    """A kill leaves the folder as it is; the next run that succeeds removes it."""
    with resumable_run_directory(tmp_path / "first", HEAD, resume=False, say=print) as run:
        shutil.copytree(run.folder, tmp_path / ".run.1-0.partial")
    _run(tmp_path / "run")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["first", "run"]


def test_nothing_is_left_where_the_journal_cannot_be_written(tmp_path, monkeypatch):
    def full(path, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("batchclf.storage.run.journal.atomic.write_bytes", full)
    with pytest.raises(OSError, match="No space"):
        _run(tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("resume", [False, True])
def test_a_second_run_of_the_same_name_is_told_before_it_scores(tmp_path, resume):
    with resumable_run_directory(tmp_path / "run", HEAD, resume=False, say=print):
        with pytest.raises(TargetTakenError, match="another run is under way"):
            _run(tmp_path / "run", resume=resume)
        _run(tmp_path / "run.v2", resume=resume)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run", "run.v2"]
    with pytest.raises(RunError, match="is there already"):
        _run(tmp_path / "run")


def test_a_run_that_is_going_on_is_not_taken_over(tmp_path):
    hidden = _killed(tmp_path, "run", HEAD)
    with FileLock(hidden / ".lock"):
        run, said = _run(tmp_path / "other", resume=True)
    assert run.files == 0
    assert said == []
    assert hidden.exists()
