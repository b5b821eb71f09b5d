"""Files and folders that are either whole or not there: written beside their target, then renamed into place."""

import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def beside(target: Path) -> Path:
    """Name a hidden path in the target's folder that nothing else uses."""
    return target.with_name(f".{target.name}.{os.getpid()}-{secrets.token_hex(4)}.partial")


def is_beside(partial: Path, target: Path) -> bool:
    """Whether a path is one that `beside` has named for `target`, in this or another process."""
    return partial.parent == target.parent and partial.name.rsplit(".", 2)[0] == f".{target.name}"


def remove_leftovers(folder: Path) -> list[Path]:
    """Remove what killed processes left half-written in a folder that no one else writes to now.

    Returns what was removed. Raises OSError if something cannot be.
    """
    leftovers = sorted(folder.glob(".*.partial"))
    for path in leftovers:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    return leftovers


def write_bytes(target: Path, content: bytes) -> None:
    """Write a file in one step: a reader sees the old content or the new, never a part. Raises OSError."""
    with new_file(target) as handle:
        handle.write(content)


@contextmanager
def new_file(target: Path) -> Iterator[IO[bytes]]:
    """Give a file to write; it takes the place of `target` at the end, or is removed if anything is raised.

    Raises OSError, that of a full disk with the target's name.
    """
    partial = beside(target)
    try:
        with partial.open("wb") as handle:
            yield handle
            handle.flush()
            os.fsync(handle.fileno())
        partial.replace(target)
    except BaseException as error:
        _name(error, target)
        partial.unlink(missing_ok=True)
        raise


def write_text(target: Path, content: str) -> None:
    """Write a UTF-8 file in one step, line ends as they are in `content`. Raises OSError."""
    write_bytes(target, content.encode("utf-8"))


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """Give an empty folder to fill; rename it to `target` at the end, or remove it if anything is raised.

    A folder that already stands at `target` is replaced as a whole. Raises OSError, that of a full disk with the
    target's name.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = beside(target)
    partial.mkdir()
    try:
        yield partial
        replace_folder(partial, target)
    except BaseException as error:
        _name(error, target)
        shutil.rmtree(partial, ignore_errors=True)
        raise


def _name(error: BaseException, target: Path) -> None:
    """Name the file of a full disk: the system names none when a write fails."""
    if isinstance(error, OSError) and error.errno in _FULL and error.filename is None:
        error.filename = str(target)


def replace_folder(new: Path, target: Path) -> None:
    """Rename `new` to `target`; what stood there is moved aside first and removed after. Raises OSError."""
    if not target.exists():
        new.rename(target)
        return
    old = beside(target)
    target.rename(old)
    try:
        new.rename(target)
    except OSError:
        old.rename(target)
        raise
    if old.is_dir() and not old.is_symlink():
        shutil.rmtree(old, ignore_errors=True)
    else:
        old.unlink()


def point_link(link: Path, subset_name: str) -> None:
    """Make the symbolic link `link` point to `subset_name` in the same folder, in one step. Raises OSError."""
    partial = beside(link)
    partial.symlink_to(subset_name)
    try:
        partial.replace(link)
    except OSError:
        partial.unlink(missing_ok=True)
        raise
