"""Objects of a bucket as a folder of images: listed page by page, several read at a time."""

import threading
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from batchclf.core.types import ImageRef
from batchclf.data.sources.addresses import Address
from batchclf.data.sources.bucket import HINTS, Bucket, explained, is_gone, is_of_store
from batchclf.data.sources.found import (
    Found,
    Labels,
    Matches,
    by_its_name,
    why_folder_is_left_out,
    why_folders_are_left_out,
)
from batchclf.errors import DataError, StoreError, UnreadableImageError

if TYPE_CHECKING:
    from obstore import ObjectMeta
    from obstore.store import S3Store

IN_FLIGHT = 8
"""Images that a worker asks for at a time: of 20 to 50 ms each, more than a core decodes (decision 186)."""

FAILURES = 2 * IN_FLIGHT
"""So many images in a row that the store fails to give end the run: it is down (decision 188)."""

_PAGE, _LAST = 1000, "\U0010fffd"
_PIECE = 8 * 2**20
Result = TypeVar("Result")


class ObjectFolder:
    """An `ImageSource`: the objects of a bucket whose keys begin with a prefix and `/`."""

    root: Path | None = None

    def __init__(self, address: Address) -> None:
        self._address = address
        self._prefix = f"{address.key}/" if address.key else ""
        self._bucket = Bucket(address.bucket)
        self._lock = threading.Lock()
        self._pool: ThreadPoolExecutor | None = None
        self._failures = 0

    def __reduce__(self) -> tuple[type["ObjectFolder"], tuple[Address]]:
        """Another process opens the store by itself, with credentials from its own environment."""
        return ObjectFolder, (self._address,)

    def __str__(self) -> str:
        """Give its address."""
        return str(self._address)

    @property
    def address(self) -> str:
        """Its address."""
        return str(self._address)

    def check(self) -> None:
        """Raise DataError if nothing begins with the prefix, StoreError if the store cannot be listed."""
        if next(self._objects(), None) is None:
            raise DataError(f"there is no object under {self}", hint="check the address for a typo")

    def discover(self, rule: Labels, *, follow_symlinks: bool = False, only: str = "") -> Iterator[Found]:
        """List it, as `folder.discover` walks a folder; a store has no links to follow."""
        by_path = rule.by_path
        parent, left_out, label = "/", "", None
        for path in self._objects(only):
            above = path[: path.rfind("/") + 1]
            if above != parent:
                parent, left_out = above, why_folders_are_left_out(above)
                label = rule.label(path) if by_path is None else None
            found = by_its_name(path, path[len(above) :], left_out)
            yield found or ImageRef(path, label if by_path is None else by_path.get(path))

    def discover_listed(self, rule: Labels, paths: Iterable[str], *, follow_symlinks: bool = False) -> Iterator[Found]:
        """Give the images of a list without a look at the store: one that is not there is skipped when it is read."""
        for path in paths:
            yield by_its_name(path, "", "") or ImageRef(path, rule.label(path))

    def class_folders(self, ignored: Matches | None, *, follow_symlinks: bool = False) -> tuple[list[str], list[str]]:
        """Give the folders that may stand for classes, see `folder.class_folders`."""
        names: dict[str, None] = {}
        after: str | None = None
        # obstore's listing by folders holds all objects beside them; so pages are listed, and long folders skipped. The
        # marker `a/`, which comes as `a`, comes again after that
        while (page := next(self._pages("", after), None)) and page[-1]["path"] != after:
            paths = [item["path"][len(self._prefix) :] for item in page]
            names |= dict.fromkeys(path.split("/", 1)[0] for path in paths if "/" in path)
            folder, slash, _ = paths[-1].partition("/")
            after = f"{self._prefix}{folder}/{_LAST}" if slash else page[-1]["path"]
        folders = [name for name in names if not why_folder_is_left_out(name)]
        return sorted(name for name in folders if not (ignored and ignored(f"{name}/"))), []

    def labels(self) -> Collection[str]:
        """Give none: objects have no labels of their own."""
        return ()

    def has(self, path: str) -> bool:
        """Whether there is an object at a path, or one below it."""
        return (path != "" and self._has_object(path)) or self.has_folder(path)

    def has_any(self, paths: Iterable[str]) -> bool:
        """Whether there is an object at one of the paths: asks for the first few, then lists all."""
        rest = iter(paths)
        if any(self._has_object(path) for path in islice(rest, IN_FLIGHT)):
            return True
        wanted = frozenset(rest)
        return bool(wanted) and any(path in wanted for path in self._objects())

    def has_folder(self, path: str) -> bool:
        """Whether there is an object below a path."""
        return next(self._objects(path), None) is not None

    def find(self, paths: Iterable[str]) -> dict[str, str]:
        """Give each path: objects are read by it."""
        return {path: path for path in paths}

    def relative(self, path: str) -> str | None:
        """Give a path as `discover` does; it may be written as an address. None if it leads elsewhere."""
        if path.startswith("s3://"):
            return path[len(self._address) + 1 :] if path.startswith(f"{self}/") else None
        parts = [part for part in path.split("/") if part not in ("", ".")]
        return None if ".." in parts or path.startswith("/") else "/".join(parts)

    def file(self, path: str) -> bytes | None:
        """Read a small object beside the images; None if it is not there. Raises StoreError."""
        try:
            return self._read_by(lambda store: _content(store, self._prefix + path), path)
        except FileNotFoundError:
            return None

    def fetch(self, path: str, target: Path) -> bool:
        """Copy an object into a file, piece by piece; False if it is not there. Raises StoreError, OSError."""
        import obstore

        try:
            pieces = self._read_by(lambda store: iter(obstore.get(store, self._prefix + path).stream(_PIECE)), path)
        except FileNotFoundError:
            return False
        with target.open("wb") as file:
            while (piece := self._read_by(lambda _: next(pieces, None), path)) is not None:
                file.write(piece)
        return True

    def read(self, at: str) -> bytes:
        """Read an image; raises UnreadableImageError with the reason."""
        (content,) = self.read_many([at])
        if isinstance(content, UnreadableImageError):
            raise content
        return content

    def read_many(self, ats: Sequence[str]) -> Iterator[bytes | UnreadableImageError]:
        """Read images in their order, IN_FLIGHT at a time.

        Raises StoreError if the credentials are refused, or FAILURES images one after the other are not given.
        """
        with self._lock:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(4 * IN_FLIGHT, "read-objects")
        rest = iter(ats)
        waiting: deque[Future[bytes | UnreadableImageError]] = deque()
        try:
            waiting.extend(self._pool.submit(self._read, at) for at in islice(rest, IN_FLIGHT))
            while waiting:
                content = waiting.popleft().result()
                waiting.extend(self._pool.submit(self._read, at) for at in islice(rest, 1))
                yield content
        finally:
            for future in waiting:
                future.cancel()

    def named(self, at: str) -> str:
        """Give the address of an object."""
        return str(self._address / at)

    def _read(self, at: str) -> bytes | UnreadableImageError:
        try:
            content = _content(self._bucket.opened(), self._prefix + at)
        except Exception as error:
            if not is_of_store(error):
                raise
            return self._why_unread(error)
        self._failures = 0
        return content

    def _why_unread(self, error: Exception) -> UnreadableImageError:
        words, kind = explained(error)
        if is_gone(error):
            words, kind = "there is no such object", "gone"
        if kind in ("credentials", "missing"):
            raise StoreError(f"{self} cannot be read any more: {words}", hint=HINTS[kind]) from error
        with self._lock:
            self._failures = self._failures + 1 if kind == "passing" else 0
            if self._failures >= FAILURES:
                what = f"{FAILURES} objects in a row of {self} could not be read"
                raise StoreError(f"{what}; of the last one: {words}", hint=HINTS[kind]) from error
        return UnreadableImageError(f"cannot be read: {words}")

    def _has_object(self, path: str) -> bool:
        import obstore

        try:
            self._read_by(lambda store: obstore.head(store, self._prefix + path), path)
        except FileNotFoundError:
            return False
        return True

    def _objects(self, folder: str = "") -> Iterator[str]:
        """Yield the paths of the objects, in order, page by page; markers of folders are left out."""
        start = len(self._prefix)
        before = ""
        for page in self._pages(folder):
            for item in page:
                key, path = item["path"], item["path"][start:]
                # obstore gives the marker `a/` as `a`: again, out of its order, or with no object of that name
                if item["size"] == 0 and (key <= before or not path or not self._has_object(path)):
                    continue
                if key <= before:
                    raise StoreError(
                        f"{self} does not list its objects in the order of their keys: {key} comes after {before}",
                        hint="directory buckets of S3 Express, and keys that begin with /, cannot be scored; copy the "
                        "objects to a bucket of the usual kind, or to a folder",
                    )
                before = key
                yield path

    def _pages(self, folder: str, after: str | None = None) -> "Iterator[Sequence[ObjectMeta]]":
        """Yield the objects in a folder, a page of S3's at a time, those after a key only."""
        import obstore

        prefix = (self._prefix + folder).rstrip("/") or None
        pages = self._listed(lambda store: iter(obstore.list(store, prefix, offset=after, chunk_size=_PAGE)))
        while (page := self._listed(lambda _: next(pages, None))) is not None:
            yield page

    def _listed(self, ask: "Callable[[S3Store], Result]") -> Result:
        return self._bucket.ask(ask, f"{self} cannot be listed")

    def _read_by(self, ask: "Callable[[S3Store], Result]", path: str) -> Result:
        return self._bucket.ask(ask, f"{self._address / path} cannot be read")


def _content(store: "S3Store", key: str) -> bytes:
    import obstore

    return bytes(obstore.get(store, key).bytes())
