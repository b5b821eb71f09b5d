"""Files and folders that are whole or not there, also after a power cut: written beside their target, then renamed."""

import errno
import os
import re
import secrets
import shutil
import stat
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TextIO

STDOUT = Path("-")
"""Standard output as the target of a file."""

_NAMELESS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EPIPE)
_DESCRIPTOR = re.compile(r"(?:/dev/fd|/proc/(?P<process>[0-9]+)(?:/task/[0-9]+)?/fd)/(?P<number>[0-9]+)")
_MOST_LINKS = 40
"""As many as Linux follows."""
_ABANDONED_SECONDS = 3600
"""No write takes so long: a process that is not found may still be at work on another machine or in a container."""

_BETWEEN_TRIES = 0.02
"""Seconds."""

_REFUSED = frozenset({errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP})
"""How a file system says that it does not have what it was asked for."""

NO_LOCKS = _REFUSED | {errno.ENOLCK}
"""How it says that it has no locks."""
WITHOUT_LOCKS = "the file system has no locks"
_LONGEST_NAME = 255
OWNER = r"(?P<process>[0-9]+)-[^.]*"
"""The number of the process that writes, and what tells its names apart; as a regular expression."""
_NO_TERMINAL = getattr(os, "O_NOCTTY", 0)  # not on Windows


def beside(target: Path) -> Path:
    """Name a hidden path in the target's folder that nothing else uses."""
    return target.with_name(f".{target.name}.{os.getpid()}-{secrets.token_hex(4)}.partial")


def is_beside(partial: Path, target: Path) -> bool:
    """Whether a path is one that `beside` has named for `target`, in this or another process."""
    return partial.parent == target.parent and partial.name.rsplit(".", 2)[0] == f".{target.name}"


def remove_leftovers(folder: Path, kept: Path | None = None) -> list[Path]:
    """Remove what killed processes left half-written in a folder that no one else writes to now, but for `kept`.

    Returns what was removed. Raises OSError if something cannot be.
    """
    leftovers = sorted(path for path in folder.glob(".*.partial") if path != kept)
    for path in leftovers:
        _remove(path)
    return leftovers


def remove_abandoned(folder: Path, names: str, *, keep: Callable[[Path], bool] = lambda path: False) -> None:
    """Remove what processes that are gone have left in a folder: `names` is a regular expression that has `OWNER`.

    Only what is this user's and an hour old, and not what is to be kept; what cannot be removed stays.
    """
    if not hasattr(os, "geteuid"):  # Windows, whose os.kill would end the process
        return
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            found = re.fullmatch(names, entry.name)
            if found is None:
                continue
            with suppress(OSError):
                about = entry.stat(follow_symlinks=False)
                old = about.st_mtime < time.time() - _ABANDONED_SECONDS
                gone = old and about.st_uid == os.geteuid() and not _is_running(int(found["process"]))
                if gone and not keep(Path(entry.path)):
                    _remove(Path(entry.path))


def _remove_older(target: Path) -> None:
    """Remove what killed processes have left beside a target that has just been written (decision 155)."""
    remove_abandoned(target.parent, rf"\.{re.escape(target.name)}\.{OWNER}\.partial")


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # another user's
        return True
    return True


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def write_bytes(target: Path, content: bytes) -> None:
    """Write a file as `new_file` does: a reader sees the old content or the new, never a part. Raises OSError."""
    with new_file(target) as handle:
        handle.write(content)


@contextmanager
def new_file(target: Path) -> Iterator[IO[bytes]]:
    """Give a file to write; it takes the place of `target` at the end, or is removed if anything is raised.

    Symbolic links are followed. Only a regular file is replaced: a device, a FIFO, an open descriptor such as
    /dev/stdout, or `STDOUT` is written to as the content comes.

    Raises OSError, with the target's name if the disk is full or nobody reads the pipe any more.
    """
    try:
        place = written_place(target)
        with _replacing(place) if is_replaced(place) else _opened(place) as handle:
            yield handle
    except BaseException as error:
        _name(error, target)
        raise


@contextmanager
def _replacing(place: Path) -> Iterator[IO[bytes]]:
    """Give a file that is renamed to `place` at the end."""
    partial = beside(place)
    try:
        with partial.open("wb") as handle:
            yield handle
            handle.flush()
            _flush(handle.fileno())
        partial.replace(place)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    flush_path(place.parent)
    # Only now: until there is a new one, what a kill has left may be all that there is (decision 155)
    _remove_older(place)


@contextmanager
def _opened(place: Path) -> Iterator[IO[bytes]]:
    """Give what is written to directly."""
    stream = _standard_stream(place)
    if stream is not None:
        stream.flush()  # what was printed before comes first
        yield stream.buffer
        stream.flush()
        return
    with os.fdopen(_open(place), "wb") as handle:
        yield handle


def _open(place: Path) -> int:
    found = _DESCRIPTOR.fullmatch(str(place))
    if found and found["process"] in (None, str(os.getpid())):
        # Opened anew, a file would be written from its start, which behind `>>` is over what is there.
        return os.dup(int(found["number"]))
    # Without O_CREAT, with which Linux refuses another user's FIFO in a sticky folder (fs.protected_fifos).
    return os.open(place, os.O_WRONLY | _NO_TERMINAL)


def _standard_stream(place: Path) -> TextIO | None:
    """Give standard output or error if it is meant: Python's, since descriptor 2 has C's chatter (decision 017)."""
    if place == STDOUT or (_DESCRIPTOR.fullmatch(str(place)) and is_standard_output(place)):
        return sys.stdout
    found = _DESCRIPTOR.fullmatch(str(place))
    return sys.stderr if found and found["process"] in (None, str(os.getpid())) and found["number"] == "2" else None


def written_place(target: Path) -> Path:
    """Follow symbolic links to what is written: the target of the last one, which need not be there.

    A descriptor in /proc, to which /dev/stdout leads, is not followed: behind it may be a pipe or a removed file.
    Raises OSError if links lead round in a circle.
    """
    if target == STDOUT:
        return target
    place = target
    # Not by Path.resolve, which makes names such as `pipe:[123]` of descriptors (decision 154)
    for _ in range(_MOST_LINKS):
        place = Path(os.path.realpath(place.parent)) / place.name
        if _DESCRIPTOR.fullmatch(str(place)) or not place.is_symlink():
            return place
        place = place.parent / place.readlink()
    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(target))


def is_replaced(place: Path) -> bool:
    """Whether a file gets to a `written_place` by a rename: unless a device, FIFO, socket or descriptor is there."""
    if place == STDOUT or _DESCRIPTOR.fullmatch(str(place)):
        return False
    try:
        mode = place.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return True
    return stat.S_ISREG(mode) or stat.S_ISDIR(mode)


def is_standard_output(target: Path) -> bool:
    """Whether what is written to `target` comes out of standard output: `-`, /dev/stdout, its pipe or terminal."""
    place = written_place(target)
    if place == STDOUT:
        return True
    try:
        output = os.fstat(1)
        return (
            not is_replaced(place)
            and os.path.samestat(place.stat(), output)
            and not os.path.samestat(output, Path(os.devnull).stat())
        )
    except OSError:
        return False


def write_text(target: Path, content: str) -> None:
    """Write a UTF-8 file in one step, line ends as they are in `content`. Raises OSError."""
    write_bytes(target, content.encode("utf-8"))


@contextmanager
def new_folder(target: Path, *, replaces: bool = True) -> Iterator[Path]:
    """Give an empty folder to fill; rename it to `target` at the end, or remove it if anything is raised.

    Symbolic links are followed, and a folder that already stands there is replaced as a whole; FileExistsError is
    raised then unless this `replaces` it. Raises OSError, that of a full disk with the target's name.
    """
    target = written_place(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = beside(target)
    partial.mkdir()
    try:
        yield partial
        flush_tree(partial)
        if not replaces and os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
        replace_folder(partial, target)
    except BaseException as error:
        _name(error, target)
        shutil.rmtree(partial, ignore_errors=True)
        raise
    _remove_older(target)


def _name(error: BaseException, target: Path) -> None:
    """Name the file of a full disk or a broken pipe: the system names none when a write fails.

    That nobody reads standard output any more, as behind `| head`, stays without a name.
    """
    if not isinstance(error, OSError) or error.errno not in _NAMELESS or error.filename is not None:
        return
    if not (isinstance(error, BrokenPipeError) and is_standard_output(target)):
        error.filename = "standard output" if target == STDOUT else str(target)


def publish_folder(partial: Path, target: Path) -> None:
    """Rename a hidden folder to `target`, where nothing stands, once all that it holds is on the disk. Raises OSError.

    The caller goes on with `flush_path(target.parent)`: until then a power cut may undo the rename.
    """
    flush_tree(partial)
    partial.rename(target)


def remove_folder(folder: Path, tries: int = 20) -> bool:
    """Remove a folder, though somebody may still write into it; gives whether it is gone. Never raises."""
    # A file that comes meanwhile stops it once; in a folder that is gone none can come
    for _ in range(tries):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return True
        time.sleep(_BETWEEN_TRIES)
    return False


def flush_tree(folder: Path) -> None:
    """Wait until a folder and all that it holds are on the disk, links aside. Raises OSError with the file's name."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                flush_tree(Path(entry.path))
            elif entry.is_file(follow_symlinks=False):
                flush_path(Path(entry.path))
    flush_path(folder)


def flush_path(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk. Raises OSError with its name."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except PermissionError:  # a folder that may only be written to, or any on Windows: what can be done is done
        return
    try:
        _flush(descriptor)
    except OSError as error:
        error.filename = error.filename or str(path)
        raise
    finally:
        os.close(descriptor)


def _flush(descriptor: int) -> None:
    """Wait until a file or folder is on the disk, if its file system can do that."""
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Of folders network file systems refuse it, and Windows that of what is open for reading (decision 159)
        if error.errno not in (*_REFUSED, errno.EBADF):
            raise


def replace_folder(new: Path, target: Path) -> None:
    """Rename `new` to `target`; what stood there is moved aside first and removed after. Raises OSError."""
    if not target.exists():
        new.rename(target)
        flush_path(target.parent)
        return
    old = beside(target)
    target.rename(old)
    try:
        new.rename(target)
    except OSError:
        old.rename(target)
        raise
    flush_path(target.parent)  # before the old one goes
    if old.is_dir() and not old.is_symlink():
        shutil.rmtree(old, ignore_errors=True)
    else:
        old.unlink()


def point_link(link: Path, name: str) -> None:
    """Make the symbolic link `link` lead to `name` in the same folder, in one step. Raises OSError.

    On a file system without symbolic links it becomes a file that holds the name, which `followed` reads.
    """
    partial = beside(link)
    try:
        if not _linked(partial, name):
            # In place of the link, not through it: one may be there from another mount (decision 158)
            partial.write_bytes(os.fsencode(f"{name}\n"))
            flush_path(partial)
        partial.replace(link)
    except OSError:
        partial.unlink(missing_ok=True)
        raise
    flush_path(link.parent)
    _remove_older(link)


def has_links(folder: Path) -> bool:
    """Try whether the file system of a folder has symbolic links; nothing stays behind. Raises OSError."""
    partial = beside(folder / "link")
    found = _linked(partial, "nothing")
    partial.unlink(missing_ok=True)
    return found


def _linked(link: Path, name: str) -> bool:
    try:
        link.symlink_to(name)
    except OSError as error:
        if error.errno not in (*_REFUSED, errno.EPERM):  # EPERM: Linux's FAT
            raise
        return False
    return True


def followed(path: Path) -> Path:
    """Go on in the folder that a file in place of a link names, if the path leads to or through one. Never raises."""
    for place in (path, *path.parents):
        if "." not in place.name and os.path.isfile(place):  # noqa: PTH113 (Path's raises if it may not look)
            folder = _named_folder(place)
            return path if folder is None else folder / path.relative_to(place)
    return path


def _named_folder(place: Path) -> Path | None:
    try:
        with place.open("rb") as handle:
            content = handle.read(_LONGEST_NAME + 2)
    except OSError:
        return None
    name = os.fsdecode(content.removesuffix(b"\n").removesuffix(b"\r"))
    if not name or name in (".", "..") or set(name) & set("/\\\n\0") or len(content) > _LONGEST_NAME + 1:
        return None
    folder = place.with_name(name)
    return folder if os.path.isdir(folder) else None  # noqa: PTH112 (as above)


def try_lock(path: Path) -> None:
    """Lock a file as SQLite does, and let go of it. Raises OSError if the file system has no such locks.

    For before SQLite opens the file: it takes ENOLCK for another process at work, and waits for that. Afterwards it
    would lose the locks that it holds, since those of a process end when it closes the file anywhere.
    """
    try:
        import fcntl  # not on Windows
    except ImportError:
        return
    with path.open("rb") as handle:
        try:
            fcntl.lockf(handle, fcntl.LOCK_SH | fcntl.LOCK_NB, 1)  # its first byte, on which SQLite has none
        except OSError as error:
            if error.errno in NO_LOCKS:
                raise OSError(error.errno, f"{WITHOUT_LOCKS} ({error.strerror})", str(path)) from error
