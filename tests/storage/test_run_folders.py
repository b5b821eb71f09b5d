"""Hidden folders of runs that begin and end at the same time."""

from batchclf.storage.run.resume import LOCK_FILE, _lock_of, take_lock


def test_a_look_at_who_is_at_work_does_not_bring_back_a_folder_that_its_run_has_removed(tmp_path):
    gone = tmp_path / ".20261130T000000Z.1-abc.partial"
    lock = _lock_of(gone)
    assert lock is not None
    lock.release()
    assert list(tmp_path.iterdir()) == []
    # So the look must remove it: to take a lock makes its folder.
    take_lock(gone / LOCK_FILE).release()
    assert gone.is_dir()


def test_a_folder_with_something_in_it_stays(tmp_path):
    left = tmp_path / ".20261130T000000Z.1-abc.partial"
    left.mkdir()
    (left / "journal.jsonl").write_text("{}\n")
    lock = _lock_of(left)
    assert lock is not None
    lock.release()
    assert (left / "journal.jsonl").exists()
