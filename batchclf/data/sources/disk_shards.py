"""Shards on disk."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from batchclf.data.sources.folder import relative_path
from batchclf.data.sources.shard import ShardFile, unread
from batchclf.errors import DataError, UnreadableImageError

_AHEAD = 16 * 1024
"""Bytes read at a time for headers: those of small images lie close together, those of large ones far apart."""


class DiskShards:
    """A `ShardPlace` on disk."""

    def __init__(self, path: Path, *, single: bool) -> None:
        self.root: Path | None = path
        self.single = single
        self._path, self._folder = path, path.parent if single else path

    def __str__(self) -> str:
        """Give the path as it was given."""
        return str(self._path)

    @property
    def address(self) -> str:
        """The absolute path, links resolved."""
        return str(self._path.resolve())

    def shard(self, name: str) -> ShardFile:
        """Give a shard; looks at nothing."""
        return DiskShard(self._folder / name)

    def size(self, name: str) -> int:
        """Give the bytes of a shard; raises OSError."""
        return (self._folder / name).stat().st_size

    def file(self, name: str) -> bytes | None:
        """Read a small file beside the shards."""
        try:
            return (self._folder / name).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise DataError(f"{self._folder / name} cannot be read: {error.strerror}") from error

    def relative(self, path: str) -> str | None:
        """See `relative_path`; the shards stand for the folder that was packed."""
        return relative_path(path, self._path)

    def has(self) -> bool:
        """Whether it is there."""
        return self._path.exists()

    def named(self, name: str) -> str:
        """Give the path of a file in it."""
        return str(self._folder / name)

    def close(self) -> None:
        """Do nothing: nobody waits for a store."""


class DiskShard:
    """A `ShardFile` on disk."""

    def __init__(self, path: Path) -> None:
        self._path, self.name = path, path.name
        self._descriptor: _Descriptor | None = None

    def __str__(self) -> str:
        """Give its path."""
        return str(self._path)

    def open(self) -> IO[bytes]:
        """Open it."""
        return self._path.open("rb", buffering=_AHEAD)

    def read_many(self, places: Sequence[tuple[int, int]]) -> Iterator[bytes | UnreadableImageError]:
        """Read one place after the other."""
        for offset, size in places:
            try:
                yield self._read(offset, size)
            except OSError as error:
                yield unread(error)

    def _read(self, offset: int, size: int) -> bytes:
        if self._descriptor is None:
            self._descriptor = _Descriptor(self._path)
        content = os.pread(self._descriptor.number, size, offset)
        # Linux gives no more than 2 GiB at a time
        while len(content) < size and (
            more := os.pread(self._descriptor.number, size - len(content), offset + len(content))
        ):
            content += more
        return content

    def parquet(self, *, of_images: bool, **options: Any) -> Any:
        """Open it as a ParquetFile."""
        import pyarrow.parquet as pq

        return pq.ParquetFile(self._path, memory_map=True, pre_buffer=False, **options)


class _Descriptor:
    """A file that is open for reading, until nobody has it any more."""

    def __init__(self, path: Path) -> None:
        self.number = -1
        self.number = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0))

    def __del__(self) -> None:
        """Close it."""
        if self.number >= 0:
            os.close(self.number)
