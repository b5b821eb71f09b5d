"""Shards in a bucket, read by ranges of bytes (decision 192)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from errno import ENOENT
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from batchclf.data.sources.addresses import Address
from batchclf.data.sources.bucket import Bucket
from batchclf.data.sources.object_file import ObjectFile
from batchclf.data.sources.object_reads import IN_FLIGHT, Reads
from batchclf.data.sources.shard import ShardFile
from batchclf.errors import StoreError, UnreadableImageError

if TYPE_CHECKING:
    from obstore import GetOptions
    from obstore.store import S3Store

_APART = 64 * 2**10
"""Images that lie no further apart are asked for together: what is between them takes less time than a request."""

_TOGETHER = 2**19
"""Bytes of images that are asked for together at most."""

_PIECE = 2**20
"""Bytes of a column that pyarrow takes at a time; otherwise it takes all of a row group."""


class Version(NamedTuple):
    """An object as it was listed: its bytes, and the tag that another content does not have."""

    size: int
    e_tag: str | None


class BucketShards:
    """A `ShardPlace` in a bucket: objects right below `folder`, by their names."""

    root: Path | None = None

    def __init__(self, folder: Address, versions: Mapping[str, Version], *, single: bool) -> None:
        self.single = single
        self._folder, self._versions = folder, versions
        self._bucket = Bucket(folder.bucket)
        self._reads = Reads(self._bucket, self)

    def __reduce__(self) -> tuple[Any, ...]:
        """Another process opens the store by itself, with credentials from its own environment."""
        return partial(BucketShards, single=self.single), (self._folder, self._versions)

    def __str__(self) -> str:
        """Give its address."""
        return str(self._folder / next(iter(self._versions)) if self.single else self._folder)

    @property
    def address(self) -> str:
        """Its address."""
        return str(self)

    def shard(self, name: str) -> ShardFile:
        """Give a shard; asks for nothing."""
        return StoredShard(self._bucket, self._reads, self._folder / name, self._versions[name])

    def size(self, name: str) -> int:
        """Give the bytes of a shard; raises FileNotFoundError if it was not listed."""
        try:
            return self._versions[name].size
        except KeyError:
            raise FileNotFoundError(ENOENT, "there is no such object") from None

    def file(self, name: str) -> bytes | None:
        """Read a small object beside the shards."""
        import obstore

        place = self._folder / name
        try:
            return self._bucket.ask(
                lambda store: bytes(obstore.get(store, place.key).bytes()), f"{place} cannot be read"
            )
        except FileNotFoundError:
            return None

    def relative(self, path: str) -> str | None:
        """See `Address.relative`; the shards stand for the folder that was packed."""
        return Address(str(self)).relative(path)

    def has(self) -> bool:
        """Say yes: it was listed."""
        return True

    def named(self, name: str) -> str:
        """Give the address of an object in it."""
        return str(self._folder / name)

    def close(self) -> None:
        """Let nobody wait any longer for what the store has not answered yet."""
        self._bucket.close()


@dataclass(slots=True)
class _Range:
    """Bytes that are asked for together: from `start` to before `end`, for the images at these places."""

    start: int
    end: int
    places: list[tuple[int, int]]


class StoredShard:
    """A `ShardFile` in a bucket. One that is replaced in the meantime is not read any more."""

    def __init__(self, bucket: Bucket, reads: Reads, address: Address, version: Version) -> None:
        self.name = address.name
        self._bucket, self._reads, self._address, self._version = bucket, reads, address, version

    def __str__(self) -> str:
        """Give its address."""
        return str(self._address)

    def open(self) -> ObjectFile:
        """Open it; reading raises StoreError."""
        return ObjectFile(self._version.size, self._bucket, self._listed)

    def read_many(self, places: Sequence[tuple[int, int]]) -> Iterator[bytes | UnreadableImageError]:
        """Read what lies close together by one request, and several of these at a time."""
        ranges = _ranges(places, self._version.size)
        contents = self._reads.many(
            ranges, lambda store, each: self._get(store, each.start, each.end), lambda each: len(each.places)
        )
        for each, content in zip(ranges, contents, strict=True):
            for offset, size in each.places:
                first = offset - each.start
                yield content[first : first + size] if isinstance(content, bytes) else content

    def parquet(self, *, of_images: bool, **options: Any) -> Any:
        """Open it as a ParquetFile; reading raises StoreError or, of images, UnreadableImageError."""
        import pyarrow.parquet as pq

        file = ObjectFile(self._version.size, self._bucket, self._image if of_images else self._listed)
        return pq.ParquetFile(file, buffer_size=_PIECE, pre_buffer=False, **options)

    def _listed(self, start: int, end: int) -> bytes:
        try:
            return self._bucket.ask_here(lambda store: self._get(store, start, end), f"{self} cannot be read")
        except FileNotFoundError as error:
            raise StoreError(f"{self} cannot be read: there is no such object any more") from error

    def _image(self, start: int, end: int) -> bytes:
        content = self._reads.one(lambda store: self._get(store, start, end), IN_FLIGHT)
        if isinstance(content, UnreadableImageError):
            raise content
        return content

    def _get(self, store: "S3Store", start: int, end: int) -> bytes:
        import obstore

        if start >= end:  # a store refuses to give nothing
            return b""
        options: GetOptions = {"range": (start, end), "if_match": self._version.e_tag}
        return bytes(obstore.get(store, self._address.key, options=options).bytes())


def _ranges(places: Sequence[tuple[int, int]], end_of_file: int) -> list[_Range]:
    """Join places that ascend and lie close together."""
    ranges: list[_Range] = []
    for offset, size in places:
        end = min(offset + size, end_of_file)
        last = ranges[-1] if ranges else None
        if last is not None and last.end <= offset <= last.end + _APART and end - last.start <= _TOGETHER:
            last.end = end
            last.places.append((offset, size))
        else:
            ranges.append(_Range(offset, end, [(offset, size)]))
    return ranges
