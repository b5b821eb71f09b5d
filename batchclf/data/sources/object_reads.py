"""Reading of objects and of parts of them: several at a time, until the store is down."""

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from batchclf.data.sources.bucket import HINTS, Bucket, explained, is_gone, is_of_store
from batchclf.errors import StoreError, UnreadableImageError

if TYPE_CHECKING:
    from obstore.store import S3Store

IN_FLIGHT = 8
"""Images that a worker asks for at a time: of 20 to 50 ms each, more than a core decodes (decision 186)."""

FAILURES = 2 * IN_FLIGHT
"""So many images in a row that the store fails to give end the run: it is down (decision 188)."""

Wanted = TypeVar("Wanted")


class Reads:
    """Reads images out of a bucket for several threads; `source` is what messages call all of them together."""

    def __init__(self, bucket: Bucket, source: object) -> None:
        self._bucket, self._source = bucket, source
        self._lock = threading.Lock()
        self._failures = 0

    def many(
        self,
        wanted: Sequence[Wanted],
        get: "Callable[[S3Store, Wanted], bytes]",
        images: Callable[[Wanted], int] = lambda _: 1,
    ) -> Iterator[bytes | UnreadableImageError]:
        """Give what `get` gives for each, in order, IN_FLIGHT at a time; `images` says how many hang on it.

        Raises StoreError if the credentials are refused, an object was replaced, or the store is down.
        """

        def submit(each: Wanted) -> Future[bytes | UnreadableImageError]:
            return self._bucket.submit(lambda: self.one(lambda store: get(store, each), images(each)))

        rest, ending = iter(wanted), self._bucket.ending
        waiting: deque[Future[bytes | UnreadableImageError]] = deque()
        try:
            waiting.extend(map(submit, islice(rest, IN_FLIGHT)))
            while waiting:
                content = self._bucket.wait(waiting.popleft(), ending)
                waiting.extend(map(submit, islice(rest, 1)))
                yield content
        finally:
            for future in waiting:
                future.cancel()

    def one(self, get: "Callable[[S3Store], bytes]", images: int = 1) -> bytes | UnreadableImageError:
        """Ask in this thread for what so many images need; raises StoreError, likewise."""
        try:
            content = get(self._bucket.opened())
        except Exception as error:
            if not is_of_store(error):
                raise
            return self._why_unread(error, images)
        self._failures = 0
        return content

    def _why_unread(self, error: Exception, images: int) -> UnreadableImageError:
        words, kind = explained(error)
        if is_gone(error):
            words, kind = "there is no such object", "gone"
        if kind in ("credentials", "missing", "replaced"):
            raise StoreError(f"{self._source} cannot be read any more: {words}", hint=HINTS[kind]) from error
        with self._lock:
            # However many hang on one request: it takes two rounds to find out that the store is down
            self._failures = self._failures + min(images, IN_FLIGHT) if kind == "passing" else 0
            if self._failures >= FAILURES:
                what = f"{FAILURES} images in a row of {self._source} could not be read"
                raise StoreError(f"{what}; of the last one: {words}", hint=HINTS[kind]) from error
        return UnreadableImageError(f"cannot be read: {words}")
