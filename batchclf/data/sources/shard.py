"""What a shard, a file that holds many images, can do, and what the place where it lies."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from batchclf.data.sources.found import Found, by_its_name, why_folders_are_left_out
from batchclf.errors import WANT, UnreadableImageError


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


class Seekable(Protocol):
    """What is read from place to place."""

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Go to a byte, see `io.IOBase`; returns its number."""

    def read(self, size: int = -1, /) -> bytes:
        """Read so many bytes, fewer only at the end."""


class ShardFile(Protocol):
    """The bytes of a shard, wherever they are; used from one thread. `str()` of it is what messages call it."""

    name: str

    def open(self) -> AbstractContextManager[Seekable]:
        """Open it to walk through it; raises OSError on disk, StoreError in a store, and so does reading."""

    def read_many(self, places: Sequence[tuple[int, int]]) -> Iterator[bytes | UnreadableImageError]:
        """Read some bytes from each of some places on, (offset, size): images, in this order.

        Fewer at the end of the file; an error is given in place of what cannot be read.
        """

    def parquet(self, *, of_images: bool, **options: Any) -> Any:
        """Open it as pyarrow's ParquetFile, with options of that; `of_images` says that images are read."""


class ShardPlace(Protocol):
    """Where shards lie, a folder, or one of them alone (`single`); it goes to other processes by pickle."""

    single: bool

    @property
    def root(self) -> Path | None:
        """The folder or shard on disk; None if it is not on disk."""

    @property
    def address(self) -> str:
        """In full, see `ImageSource.address`."""

    def shard(self, name: str) -> ShardFile:
        """Give a shard by the name of its file; looks at nothing."""

    def size(self, name: str) -> int:
        """Give the bytes of a shard; raises OSError if it is not there."""

    def file(self, name: str) -> bytes | None:
        """Read a small file that lies beside the shards; None if it is not there. Raises DataError, StoreError."""

    def relative(self, path: str) -> str | None:
        """See `ImageSource.relative`."""

    def has(self) -> bool:
        """Whether it is there."""

    def named(self, name: str) -> str:
        """Give the path or address of a file in it."""

    def close(self) -> None:
        """See `ImageSource.close`."""


class Shard(Protocol):
    """One file; used from one thread."""

    def check(self) -> bool:
        """Raise DataError if it cannot be read at all; say whether `batchclf pack` has written it."""

    def entries(self) -> Iterator[Found]:
        """Yield what it holds, in its order; the label of an image is the one that the shard itself gives.

        Raises ShardDamageError behind the last entry that can be read, and what its file raises.
        """

    def read_many(self, places: Sequence[tuple[int, int]]) -> Iterator[bytes | UnreadableImageError]:
        """Read images by the two numbers of their places; an error is given in place of what cannot be read."""


def cut_off(at: int, size: int) -> ShardDamageError:
    """Make the error for a shard of some bytes that ends within a member, which begins at a byte."""
    return ShardDamageError(
        f"it breaks off at byte {size:,}, within the member at byte {at:,}; what follows is lost", at
    )


def unread(error: OSError) -> UnreadableImageError:
    """Say that an image cannot be read; raises the error if it is the want of this process or the machine."""
    if error.errno in WANT:
        raise error
    return UnreadableImageError(f"cannot be read: {error.strerror}")


def member_path(name: str) -> str | None:
    """Give the path of a member by its name, without `.` and empty parts; None if it leads out of the archive."""
    parts = name.split("/")
    if name.startswith("/") or ".." in parts or "\0" in name:
        return None
    return "/".join(part for part in parts if part not in ("", "."))


def place_of(number: int, first: int, second: int, digest: str, path: str) -> str:
    """Write where an image is: the shard's number, two numbers within it, the content's digest ("" if unknown)."""
    return f"{number}:{first}:{second}:{digest}:{path}"
