"""Objects of a bucket as a folder of images: listed page by page, several read at a time."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from batchclf.core.types import ImageRef
from batchclf.data.decoding.suffixes import PACKED_SUFFIXES
from batchclf.data.sources.addresses import Address
from batchclf.data.sources.bucket import Bucket
from batchclf.data.sources.found import (
    Found,
    Labels,
    Matches,
    by_its_name,
    rules_out_shards,
    why_folder_is_left_out,
    why_folders_are_left_out,
)
from batchclf.data.sources.object_reads import IN_FLIGHT, Reads
from batchclf.errors import DataError, StoreError, UnreadableImageError

if TYPE_CHECKING:
    from obstore import ObjectMeta
    from obstore.store import S3Store

    from batchclf.data.sources.interface import ImageSource

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
        self._reads = Reads(self._bucket, self)

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

    def opened(self) -> "ImageSource":
        """Give what reads it: shards if there are some and neither images nor folders, as on disk.

        Raises DataError if nothing begins with the prefix, StoreError if the store cannot be listed.
        """
        if (shard := self._as_shard()) is not None:
            return shard
        shards: dict[str, ObjectMeta] = {}
        there = False
        for path, item in self._listed_objects():
            there = True
            name, slash, _ = path.partition("/")
            if why_folder_is_left_out(name):
                continue
            if rules_out_shards(name, is_folder=bool(slash)):
                return self
            if name.lower().endswith(PACKED_SUFFIXES):
                shards[name] = item
        if not there:
            raise DataError(f"there is no object under {self}", hint="check the address for a typo")
        return self._shards(self._address, shards) if shards else self

    def _as_shard(self) -> "ImageSource | None":
        """Give the shard that the address itself is; None if it is none, but what others begin with."""
        import obstore

        above, name = self._address.parent, self._address.name
        if not (self._address.key and name.lower().endswith(PACKED_SUFFIXES)):
            return None
        try:
            item = self._bucket.ask(
                lambda store: obstore.head(store, self._address.key), f"{self._address} cannot be read"
            )
        except FileNotFoundError:
            return None
        return self._shards(above, {name: item}, single=True)

    def _shards(self, folder: Address, found: "dict[str, ObjectMeta]", *, single: bool = False) -> "ImageSource":
        from batchclf.data.sources.shards import Shards
        from batchclf.data.sources.stored_shards import BucketShards, Version

        versions = {name: Version(item["size"], item["e_tag"]) for name, item in found.items()}
        return Shards(BucketShards(folder, versions, single=single), tuple(sorted(versions)))

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
        return self._address.relative(path)

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
        """Read images in their order, several at a time; raises StoreError once the store is down."""
        return self._reads.many(ats, lambda store, at: _content(store, self._prefix + at))

    def close(self) -> None:
        """Let nobody wait any longer for what the store has not answered yet."""
        self._bucket.close()

    def missing(self) -> Sequence[str]:
        """Give nothing: each object is listed."""
        return ()

    def named(self, at: str) -> str:
        """Give the address of an object."""
        return str(self._address / at)

    def _has_object(self, path: str) -> bool:
        import obstore

        try:
            self._read_by(lambda store: obstore.head(store, self._prefix + path), path)
        except FileNotFoundError:
            return False
        return True

    def _objects(self, folder: str = "") -> Iterator[str]:
        return (path for path, _ in self._listed_objects(folder))

    def _listed_objects(self, folder: str = "") -> "Iterator[tuple[str, ObjectMeta]]":
        """Yield the objects by their paths, in order, page by page; markers of folders are left out."""
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
                yield path, item

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
