import os

import pytest

from batchclf import atomic


def _names(folder):
    return sorted(path.name for path in folder.iterdir())


def _refuse(*args, **kwargs):
    raise OSError(28, "No space left on device")


def test_a_file_is_written_and_replaced(tmp_path):
    target = tmp_path / "a.json"
    atomic.write_text(target, "old\r\n")
    assert target.read_bytes() == b"old\r\n"
    atomic.write_text(target, "größer 日本\n")
    assert target.read_bytes() == "größer 日本\n".encode()
    assert _names(tmp_path) == ["a.json"]


def test_a_disk_that_is_full_leaves_the_old_file(tmp_path, monkeypatch):
    target = tmp_path / "a.json"
    target.write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", _refuse)
    with pytest.raises(OSError, match="No space left") as caught:
        atomic.write_bytes(target, b"new")
    assert caught.value.filename == str(target)
    assert target.read_bytes() == b"old"
    assert _names(tmp_path) == ["a.json"]


def test_what_cannot_be_written_leaves_nothing(tmp_path):
    (tmp_path / "folder").mkdir()
    with pytest.raises(IsADirectoryError):
        atomic.write_bytes(tmp_path / "folder", b"new")
    with pytest.raises(FileNotFoundError):
        atomic.write_bytes(tmp_path / "missing" / "a", b"new")
    assert _names(tmp_path) == ["folder"]


def test_a_name_beside_is_hidden_and_free(tmp_path):
    names = {atomic.beside(tmp_path / "run") for _ in range(50)}
    assert len(names) == 50
    assert all(path.parent == tmp_path and path.name.startswith(".run.") for path in names)
    assert not any(path.exists() for path in names)


def test_a_new_folder_is_not_seen_before_it_is_whole(tmp_path):
    target = tmp_path / "deep" / "run"
    with atomic.new_folder(target) as folder:
        (folder / "a").write_text("1")
        assert not target.exists()
        assert folder.parent == target.parent
    assert _names(target) == ["a"]
    assert _names(target.parent) == ["run"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_folder_that_was_not_finished_is_removed_and_the_old_one_stays(tmp_path, error):
    target = tmp_path / "run"
    target.mkdir()
    (target / "old").write_text("1")

    def stop_half_way():
        with atomic.new_folder(target) as folder:
            (folder / "new").write_text("2")
            raise error

    with pytest.raises(error):
        stop_half_way()
    assert _names(target) == ["old"]
    assert _names(tmp_path) == ["run"]


def test_a_folder_is_replaced_as_a_whole(tmp_path):
    target = tmp_path / "run"
    target.mkdir()
    (target / "old").write_text("1")
    with atomic.new_folder(target) as folder:
        (folder / "new").write_text("2")
        assert _names(target) == ["old"]
    assert _names(target) == ["new"]
    assert _names(tmp_path) == ["run"]


def test_a_file_or_link_in_the_folders_place_is_replaced_and_what_it_points_at_is_left(tmp_path):
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "thesis").write_text("1")
    (tmp_path / "link").symlink_to("precious")
    (tmp_path / "file").write_text("")
    for name in ("link", "file"):
        with atomic.new_folder(tmp_path / name) as folder:
            (folder / "new").write_text("2")
        assert not (tmp_path / name).is_symlink()
        assert _names(tmp_path / name) == ["new"]
    assert _names(precious) == ["thesis"]
    assert _names(tmp_path) == ["file", "link", "precious"]


def test_the_old_folder_comes_back_where_the_new_one_cannot_take_its_place(tmp_path):
    target = tmp_path / "run"
    target.mkdir()
    (target / "old").write_text("1")
    with pytest.raises(FileNotFoundError):
        atomic.replace_folder(tmp_path / "missing", target)
    assert _names(target) == ["old"]
    assert _names(tmp_path) == ["run"]


def test_a_link_is_made_and_turned(tmp_path):
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        atomic.point_link(tmp_path / "latest", name)
        assert (tmp_path / "latest").readlink().name == name
        assert (tmp_path / "latest").resolve() == (tmp_path / name).resolve()
    assert _names(tmp_path) == ["first", "latest", "second"]


def test_a_real_folder_is_not_taken_for_a_link(tmp_path):
    (tmp_path / "latest").mkdir()
    with pytest.raises(IsADirectoryError):
        atomic.point_link(tmp_path / "latest", "first")
    assert _names(tmp_path) == ["latest"]


def test_a_link_that_cannot_be_turned_stays(tmp_path, monkeypatch):
    atomic.point_link(tmp_path / "latest", "first")
    monkeypatch.setattr(os, "replace", _refuse)
    with pytest.raises(OSError, match="No space left"):
        atomic.point_link(tmp_path / "latest", "second")
    assert (tmp_path / "latest").readlink().name == "first"
    assert _names(tmp_path) == ["latest"]
