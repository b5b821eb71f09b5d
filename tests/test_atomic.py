import errno
import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

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


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP, errno.ENOSYS])
def test_a_file_system_that_cannot_flush_is_no_error(tmp_path, monkeypatch, number):
    asked = []

    def refuse(descriptor):
        asked.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", refuse)
    atomic.write_text(tmp_path / "a.json", "new")
    with atomic.new_folder(tmp_path / "run") as folder:
        (folder / "b").write_text("1")
    atomic.point_link(tmp_path / "latest", "run")
    assert _names(tmp_path) == ["a.json", "latest", "run"]
    assert {str(tmp_path), f"{folder}/b", str(folder)} < set(asked)


def test_a_disk_that_fails_while_a_folder_is_flushed_is_named(tmp_path, monkeypatch):
    target = tmp_path / "run"

    def fail(descriptor):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    def write():
        with atomic.new_folder(target) as folder:
            (folder / "b").write_text("1")
            monkeypatch.setattr(os, "fsync", fail)

    with pytest.raises(OSError, match="Input/output error") as caught:
        write()
    assert caught.value.filename.endswith(".partial/b")
    assert _names(tmp_path) == []


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="a POSIX test")
def test_a_folder_that_may_not_be_read_takes_a_file(tmp_path, monkeypatch):
    """As root may open everything, the refusal is played."""
    opened = os.open

    def refuse(path, flags, *rest, **more):
        if Path(path).is_dir():
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return opened(path, flags, *rest, **more)

    monkeypatch.setattr(os, "open", refuse)
    atomic.write_text(tmp_path / "a.json", "new")
    monkeypatch.undo()
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


def test_a_file_in_the_folders_place_is_replaced(tmp_path):
    (tmp_path / "file").write_text("")
    with atomic.new_folder(tmp_path / "file") as folder:
        (folder / "new").write_text("2")
    assert _names(tmp_path / "file") == ["new"]
    assert _names(tmp_path) == ["file"]


def test_a_link_in_the_folders_place_is_followed(tmp_path):
    (tmp_path / "v3").mkdir()
    (tmp_path / "v3" / "old").write_text("1")
    (tmp_path / "current").symlink_to("v3")
    with atomic.new_folder(tmp_path / "current") as folder:
        (folder / "new").write_text("2")
    assert (tmp_path / "current").readlink().name == "v3"
    assert _names(tmp_path / "v3") == ["new"]
    assert _names(tmp_path) == ["current", "v3"]


@given(
    links=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.booleans()), max_size=12),
    exists=st.booleans(),
)
def test_links_are_followed_as_the_system_does(tmp_path_factory, links, exists):
    folder = tmp_path_factory.mktemp("links")
    places = [folder / f"d{number}" for number in range(4)]
    for place in places:
        place.mkdir()
    end = places[0] / "end"
    if exists:
        end.write_bytes(b"old")
    for number, (at, through, absolute) in enumerate(links):
        (places[at] / f"via{number}").symlink_to(places[through], target_is_directory=True)
        to = places[at] / f"via{number}" / os.path.relpath(end, places[through])
        link = places[at] / f"l{number}"
        link.symlink_to(to if absolute else to.relative_to(places[at]))
        end = link
    atomic.write_bytes(end, b"new")
    assert (places[0] / "end").read_bytes() == b"new"
    assert os.path.realpath(end) == str(places[0] / "end")
    assert sum(not path.is_symlink() for place in places for path in place.iterdir()) == 1


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


def test_what_a_kill_has_left_stays_until_there_is_something_new(tmp_path):
    ended = subprocess.Popen(["true"])
    ended.wait()
    left = tmp_path / f".model.{ended.pid}-0a1b2c3d.partial"
    left.mkdir()
    (left / "weights").write_text("the only ones, after a kill between two renames")
    os.utime(left, (0, 0))

    def stop_half_way():
        with atomic.new_folder(tmp_path / "model"):
            raise ValueError

    with pytest.raises(ValueError):
        stop_half_way()
    assert _names(tmp_path) == [left.name]
    with atomic.new_folder(tmp_path / "model"):
        pass
    assert _names(tmp_path) == ["model"]


@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_link_that_is_refused_becomes_a_file(tmp_path, monkeypatch, number):
    for name in ("older", "newer"):
        (tmp_path / name).mkdir()
    link = tmp_path / "latest"
    atomic.point_link(link, "older")
    assert link.is_symlink()

    def refuse(*args, **kwargs):
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patched:
        patched.setattr(os, "symlink", refuse)
        assert not atomic.has_links(tmp_path)
        atomic.point_link(link, "newer")
    # In place of the old link, not written through it.
    assert not link.is_symlink()
    assert link.read_bytes() == b"newer\n"
    assert atomic.followed(link) == tmp_path / "newer"
    assert atomic.followed(link / "report.html") == tmp_path / "newer" / "report.html"
    assert atomic.has_links(tmp_path)
    atomic.point_link(link, "older")
    assert link.is_symlink()
    assert atomic.followed(link / "report.html") == link / "report.html"
    assert _names(tmp_path) == ["latest", "newer", "older"]


def test_a_link_that_may_not_be_made_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "symlink", _refuse)
    with pytest.raises(OSError, match="No space left"):
        atomic.point_link(tmp_path / "latest", "run")
    assert _names(tmp_path) == []


@pytest.mark.parametrize(
    "content", ["", ".\n", "..", "gone\n", "run\nrun\n", "run/inner\n", "r" * 300, "run\0", " run"]
)
def test_a_file_that_names_no_folder_beside_it_is_a_file(tmp_path, content):
    (tmp_path / "run" / "inner").mkdir(parents=True)
    file = tmp_path / "latest"
    file.write_text(content)
    assert atomic.followed(file) == file
    assert atomic.followed(file / "report.html") == file / "report.html"


def test_what_an_editor_on_windows_wrote_is_followed(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "latest").write_bytes(b"run\r\n")
    assert atomic.followed(tmp_path / "latest") == tmp_path / "run"
