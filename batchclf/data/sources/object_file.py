"""An object as a file that is read from place to place, by pieces that grow if these lie close together."""

import io
from collections.abc import Callable
from concurrent.futures import Future

from batchclf.data.sources.bucket import Bucket

_FIRST, _MOST = 64 * 2**10, 4 * 2**20
"""Bytes of the first piece, and of one after a jump; each piece behind another has twice its size, up to this."""

_NEAR = 2 * 2**20
"""Bytes that are read rather than skipped: a request takes as long as they do (30 ms of 70 MB/s)."""


class ObjectFile(io.RawIOBase):
    """Bytes that `get` gives from a start to before an end; used from one thread.

    While one piece is looked at, the next one is under way in another thread. Raises what `get` raises.
    """

    def __init__(self, size: int, bucket: Bucket, get: Callable[[int, int], bytes]) -> None:
        super().__init__()
        self._size, self._bucket, self._get = size, bucket, get
        self._ending = bucket.ending
        self._at = self._start = 0
        self._piece = b""
        self._ahead = _FIRST
        self._next: Future[bytes] | None = None

    def readable(self) -> bool:
        """Say yes."""
        return True

    def seekable(self) -> bool:
        """Say yes."""
        return True

    def tell(self) -> int:
        """Give the byte that is read next."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Go to a byte."""
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        return self._at

    def read(self, size: int | None = -1, /) -> bytes:
        """Read so many bytes, fewer only at the end."""
        end = self._size if size is None or size < 0 else min(self._at + size, self._size)
        parts = []
        while self._at < end:
            place = self._at - self._start
            if not 0 <= place < len(self._piece):
                self._load(end - self._at)
                continue
            parts.append(self._piece[place : place + end - self._at])
            self._at += len(parts[-1])
        return b"".join(parts)

    def _load(self, wanted: int) -> None:
        """Get the piece that holds the present byte, of so many bytes or more."""
        end = self._start + len(self._piece)
        is_near = 0 <= self._at - end <= _NEAR
        waiting, self._next = self._next, None
        if is_near and waiting is not None:
            self._start, self._piece = end, self._bucket.wait(waiting, self._ending)
        else:
            if waiting is not None:
                waiting.cancel()
            self._ahead = min(2 * self._ahead, _MOST) if is_near else _FIRST
            self._start = self._at
            self._piece = self._bucket.wait(self._submit(self._at, max(wanted, self._ahead)), self._ending)
        end = self._start + len(self._piece)
        if is_near and end < self._size:
            self._ahead = min(2 * self._ahead, _MOST)
            self._next = self._submit(end, self._ahead)

    def _submit(self, start: int, size: int) -> "Future[bytes]":
        return self._bucket.submit(lambda: self._get(start, min(start + size, self._size)))
