"""What a file that holds many images can do."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from batchclf.data.sources.found import Found, by_its_name, why_folders_are_left_out


def why_file_is_left_out(path: str, *, hidden: bool = True) -> str:
    """Say why a file at a path is no image to score, by its path alone; "" if it is one.

    Without `hidden` a hidden file is like any other: whoever put it there wants it.
    """
    above, name = path[: path.rfind("/") + 1], path[path.rfind("/") + 1 :]
    excluded = by_its_name(path, name, why_folders_are_left_out(above)) if hidden else by_its_name(path, "", "")
    return "" if excluded is None else excluded.reason


class ShardDamageError(Exception):
    """A shard that cannot be read on from a byte (`offset`) on; what came before it is good."""

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(message)
        self.offset = offset


class Shard(Protocol):
    """One file; used from one thread."""

    path: Path

    def check(self) -> bool:
        """Raise DataError if it cannot be read at all; say whether `batchclf pack` has written it."""

    def entries(self) -> Iterator[Found]:
        """Yield what it holds, in its order; the label of an image is the one that the shard itself gives.

        Raises ShardDamageError behind the last entry that can be read, and OSError.
        """

    def read(self, first: int, second: int) -> bytes:
        """Read an image by the two numbers of its place; raises UnreadableImageError."""


class Descriptor:
    """A file that is open for reading, until nobody has it any more."""

    def __init__(self, path: Path) -> None:
        self.number = -1
        self.number = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0))

    def __del__(self) -> None:
        """Close it."""
        if self.number >= 0:
            os.close(self.number)


def cut_off(at: int, size: int) -> ShardDamageError:
    """Make the error for a shard of some bytes that ends within a member, which begins at a byte."""
    return ShardDamageError(
        f"it breaks off at byte {size:,}, within the member at byte {at:,}; what follows is lost", at
    )


def member_path(name: str) -> str | None:
    """Give the path of a member by its name, without `.` and empty parts; None if it leads out of the archive."""
    parts = name.split("/")
    if name.startswith("/") or ".." in parts or "\0" in name:
        return None
    return "/".join(part for part in parts if part not in ("", "."))


def place_of(number: int, first: int, second: int, digest: str, path: str) -> str:
    """Write where an image is: the shard's number, two numbers within it, the content's digest ("" if unknown)."""
    return f"{number}:{first}:{second}:{digest}:{path}"
