"""An object as a file that is read from place to place, by pieces that grow if these lie close together."""

import io
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future

from batchclf.data.sources.bucket import Bucket

_FIRST, _MOST = 64 * 2**10, 4 * 2**20
"""Bytes of the first piece, and of one after a jump; each piece behind another has twice its size, up to this."""

_UNDER_WAY = 4
"""Pieces that are asked for ahead: with 4 MiB each the time of a request does not count."""

_NEAR = 2 * 2**20
"""Bytes that are read rather than skipped: a request takes as long as they do (30 ms of 70 MB/s)."""


class ObjectFile(io.RawIOBase):
    """Bytes that `get` gives from a start to before an end; used from one thread.

    While one piece is looked at, the next ones are under way in other threads. Raises what `get` raises.
    """

    def __init__(self, size: int, bucket: Bucket, get: Callable[[int, int], bytes]) -> None:
        super().__init__()
        self._size, self._bucket, self._get = size, bucket, get
        self._ending = bucket.ending
        self._at = self._start = self._asked = 0
        self._piece = b""
        self._ahead = _FIRST
        self._waiting: deque[tuple[int, Future[bytes]]] = deque()

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
        """Get a piece further on: that which holds the present byte, of so many bytes or more, or one before it."""
        behind = self._at - (self._start + len(self._piece))
        is_near = self._piece != b"" and 0 <= behind <= _NEAR
        if not (is_near and self._waiting):
            for _, future in self._waiting:
                future.cancel()
            self._waiting.clear()
            self._ahead = min(2 * self._ahead, _MOST) if is_near else _FIRST
            self._asked = self._at
            self._ask(max(wanted, self._ahead))
        start, future = self._waiting.popleft()
        self._start, self._piece = start, self._bucket.wait(future, self._ending)
        while is_near and len(self._waiting) < _UNDER_WAY and self._asked < self._size:
            self._ahead = min(2 * self._ahead, _MOST)
            self._ask(self._ahead)

    def _ask(self, size: int) -> None:
        """Ask for the next piece."""
        start, self._asked = self._asked, min(self._asked + size, self._size)
        end = self._asked
        self._waiting.append((start, self._bucket.submit(lambda: self._get(start, end))))
