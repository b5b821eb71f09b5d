"""A file that grows, and that the run after a killed one can go on with."""

import hashlib
from pathlib import Path
from typing import BinaryIO, Self

from batchclf.errors import RunError

ROWS = "rows"
Positions = dict[str, int]
"""How far a writer has come: its `rows`, and under the name of each of its files the bytes on disk."""


class ClosedAtEnd:
    """What a `with` block closes at its end."""

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Close the files."""
        raise NotImplementedError


class AppendFile:
    """Appends bytes to a file, from its start or from a position that an earlier run has reached.

    Raises RunError where the file to go on with is missing or shorter than the position, OSError where the disk
    refuses.
    """

    def __init__(self, path: Path, header: bytes, resume_at: Positions | None) -> None:
        """Open the file: new with `header`, or cut off at the position that `resume_at` has for it."""
        self.path = path
        self._handle: BinaryIO
        self._hash = hashlib.sha256()
        if resume_at is None:
            self._handle = path.open("wb")
            self.write(header)
            return
        size = resume_at.get(path.name)
        if size is None or not path.is_file() or path.stat().st_size < size:
            there = f"{path.stat().st_size:,}" if path.is_file() else "no"
            raise RunError(
                f"{path} cannot be resumed: it has {there} bytes, and the run before wrote {size or 0:,}",
                hint="score again from the start, without --resume",
            )
        self._handle = path.open("r+b")
        self._handle.truncate(size)
        # The state of a hash cannot be kept, so what was written before is read once (decision 145)
        self._hash = hashlib.file_digest(self._handle, "sha256")
        self._handle.seek(size)

    def write(self, content: bytes | bytearray | memoryview) -> None:
        """Append."""
        self._handle.write(content)
        self._hash.update(content)

    @property
    def sha256(self) -> str:
        """The digest of all that is in the file, 64 hex digits."""
        return self._hash.hexdigest()

    def position(self) -> int:
        """Hand everything to the operating system and count the bytes of the file.

        What is handed over outlives the process, even one killed with SIGKILL, but not a power cut.
        """
        # No fsync: a kill loses nothing without it (decision 040)
        self._handle.flush()
        return self._handle.tell()

    def close(self) -> None:
        """Close the file."""
        self._handle.close()
