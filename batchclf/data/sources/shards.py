"""Images in shards: tars and Parquet files that hold many of them, made by `batchclf pack` or by others."""

import hashlib
import threading
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import cached_property
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from batchclf.core.images.facts import content_digest
from batchclf.core.text import counted
from batchclf.core.types import ImageRef, PlacedImage, SkippedImage
from batchclf.data.sources.found import Found, Labels, Matches, why_folder_is_left_out
from batchclf.data.sources.manifest import MANIFEST_FILE, Manifest, read_manifest
from batchclf.data.sources.parquet import ParquetShard
from batchclf.data.sources.shard import Shard, ShardDamageError, ShardPlace
from batchclf.data.sources.tar import TarShard
from batchclf.errors import WANT, DataError, UnreadableImageError

_OPEN = 4
"""Shards that a thread keeps open: it goes through them one after the other, a resumed run through two."""


class Shards:
    """An `ImageSource` of some shards at a place, in the order of their names, or of the manifest if there is one.

    Rows come in the order of the shards and of what is in them, which is that of paths in those of `batchclf pack`. A
    path that comes again is a skip: the first one counts.
    """

    def __init__(self, place: ShardPlace, names: tuple[str, ...]) -> None:
        """Take the shards of these names."""
        self._place, self._names = place, names
        self._is_open = self._is_packed = False
        self._own = threading.local()
        self._known: _Census | None = None
        self._digests: NDArray[np.bytes_] | None = None
        self._left_unread: dict[str, str] = {}

    def __reduce__(self) -> tuple[type["Shards"], tuple[ShardPlace, tuple[str, ...]]]:
        """Another process opens the same shards anew."""
        return Shards, (self._place, self._names)

    def __str__(self) -> str:
        """Give the path as it was given, or the address."""
        return str(self._place)

    @property
    def root(self) -> Path | None:
        """The folder or the shard on disk."""
        return self._place.root

    @property
    def address(self) -> str:
        """The absolute path, links resolved, or the address."""
        return self._place.address

    def opened(self) -> "Shards":
        """Give itself; raises DataError if a shard is missing, damaged as a whole, or not of those packed together."""
        if not self._is_open:
            self._check()
            self._is_open = True
        return self

    def _check(self) -> None:
        manifest = self._manifest
        if manifest is None:
            for number in range(len(self._names)):
                if self._begin(number).check() and not self._place.single:
                    raise DataError(
                        f"{self._place} holds shards of batchclf pack without {MANIFEST_FILE}, which says how many "
                        "there are",
                        hint=f"copy {MANIFEST_FILE}, too, or score the shards one by one",
                    )
            return
        self._check_all(manifest)
        self._is_packed = True
        self._names = tuple(entry.name for entry in manifest.shards)
        for number in range(min(1, len(self._names))):
            self._begin(number).check()

    @cached_property
    def _manifest(self) -> Manifest | None:
        """What shards.json says; None if it is not there. Raises DataError."""
        content = None if self._place.single else self._place.file(MANIFEST_FILE)
        return None if content is None else read_manifest(content, self._place.named(MANIFEST_FILE))

    def _check_all(self, manifest: Manifest) -> None:
        """Compare the shards with the manifest; their digests are not: that would read all of them twice."""
        # One skip for a whole shard would pass any budget (decision 185)
        hint = "copy it again; to score what is there, score the shards one by one"
        for entry in manifest.shards:
            where = self._place.named(entry.name)
            try:
                size = self._place.size(entry.name)
            except OSError as error:
                raise DataError(
                    f"the shard {where} with {entry.images:,} of {manifest.packed:,} images cannot be read: "
                    f"{error.strerror}",
                    hint=hint,
                ) from error
            if size != entry.bytes:
                raise DataError(
                    f"the shard {where} has {size:,} bytes, and {entry.bytes:,} were packed: it is damaged", hint=hint
                )
        if more := sorted(set(self._names) - {entry.name for entry in manifest.shards}):
            raise DataError(
                f"{self._place.named(more[0])} is not listed in {MANIFEST_FILE}",
                hint="take it away, or score it by itself",
            )

    def _shard(self, number: int) -> Shard:
        """Give a shard as this thread has it open."""
        opened: OrderedDict[int, Shard] | None = getattr(self._own, "opened", None)
        if opened is None:
            opened = self._own.opened = OrderedDict()
        shard = opened.get(number)
        if shard is None:
            shard = opened[number] = self._begin(number)
            if len(opened) > _OPEN:
                opened.popitem(last=False)
        return shard

    def _begin(self, number: int) -> Shard:
        name = self._names[number]
        return (ParquetShard if name.lower().endswith(".parquet") else TarShard)(self._place.shard(name), number)

    def _entries(self, numbers: Iterable[int] | None = None) -> Iterator[Found]:
        """Yield all that the shards hold, or those of some numbers, with the labels that they give themselves."""
        for number in range(len(self._names)) if numbers is None else numbers:
            count, why = 0, ""
            try:
                for found in self._begin(number).entries():
                    count += 1
                    yield found
            except (ShardDamageError, DataError) as error:
                why = f"the shard is damaged: {error}"
            except OSError as error:
                if error.errno in WANT:
                    raise
                why = f"the shard cannot be read: {error.strerror}"
            yield from self._not_found(number, count, why)

    def _not_found(self, number: int, count: int, why: str) -> Iterator[SkippedImage]:
        """Give what was not found in a shard in which `count` files were; `why` it was not read to its end, if so."""
        name, manifest = self._names[number], self._manifest
        if manifest is None:
            if why:
                self._left_unread[name] = f"an unknown number of images is missing: {name}: {why}"
                yield SkippedImage(ImageRef(name, None), why)
            return
        # Each is a skip of its own, so that none passes a budget (decision 193)
        before = sum(entry.images for entry in manifest.shards[:number])
        promised = manifest.shards[number].images
        for image in range(before + count, before + promised):
            path = f"{name}/{image:09}"
            reason = why or f"the shard is damaged: it holds {count:,} of {counted(promised, 'packed image')}"
            yield SkippedImage(ImageRef(path, None), reason)

    def discover(self, rule: Labels, *, follow_symlinks: bool = False, only: str = "") -> Iterator[Found]:
        """Yield what the shards hold, in their order; with `only` what lies below that folder."""
        # A pack has each path once
        seen = None if self._is_packed else _Seen()
        by_own = rule.by_own
        for found in self._entries():
            if only and not _path(found).startswith(f"{only}/"):
                continue
            if not isinstance(found, PlacedImage):
                yield found
                continue
            path = found.path
            label = rule.label(path) if by_own is None else by_own.get(found.label or "")
            if seen is not None and seen.again(path):
                yield SkippedImage(ImageRef(path, label), f"its path comes a second time, in {self._of(found)}")
            else:
                yield found if label == found.label else PlacedImage(path, label, found.place)

    def discover_listed(self, rule: Labels, paths: Iterable[str], *, follow_symlinks: bool = False) -> Iterator[Found]:
        """Yield each of `paths` in the order given; one that is in no shard is a skip."""
        wanted = list(paths)
        found: dict[str, Found] = {}
        among = set(wanted)
        for each in self.discover(rule):
            if (path := _path(each)) in among:
                found.setdefault(path, each)
        for path in wanted:
            yield found.get(path) or SkippedImage(ImageRef(path, rule.label(path)), f"there is no such file in {self}")

    def class_folders(self, ignored: Matches | None, *, follow_symlinks: bool = False) -> tuple[list[str], list[str]]:
        """Give the folders at the top of the images' paths; shards hold no links."""
        folders = (name for name in self._census().folders if not why_folder_is_left_out(name))
        return sorted(name for name in folders if not (ignored and ignored(f"{name}/"))), []

    def labels(self) -> Collection[str]:
        """Give the labels that the shards hold."""
        return self._census().labels

    def missing(self) -> Sequence[str]:
        """Say which shards were not read to their end, if nobody knows what they held."""
        return tuple(self._left_unread.values())

    def _census(self) -> "_Census":
        """Look once at what the shards hold; the manifest knows it."""
        if self._known is None:
            if (manifest := self._manifest) is not None:
                self._known = _Census(set(manifest.folders), set(manifest.labels))
            else:
                self._known = _Census(set(), set())
                for found in self._entries():
                    if isinstance(found, PlacedImage):
                        self._known.add(found)
        return self._known

    def has(self, path: str) -> bool:
        """Whether a shard holds a file of this path; "" stands for the shards themselves."""
        if not path:
            return self._place.has()
        if self._digests is None:
            digests = b"".join(_digest(_path(found)) for found in self._entries())
            self._digests = np.sort(np.frombuffer(digests, f"S{_DIGEST}"))
        place = int(np.searchsorted(self._digests, np.bytes_(_digest(path))))
        return place < len(self._digests) and bool(self._digests[place] == np.bytes_(_digest(path)))

    def has_any(self, paths: Iterable[str]) -> bool:
        """Whether a shard holds a file of one of some paths."""
        return any(self.has(path) for path in paths)

    def has_folder(self, path: str) -> bool:
        """Say no: no folder of a shard has an ignore file of its own."""
        return False

    def file(self, path: str) -> bytes | None:
        """Read a small file that lies beside the shards."""
        return None if self._place.single or "/" in path else self._place.file(path)

    def relative(self, path: str) -> str | None:
        """Give a path as `discover` does; the shards stand for the folder that was packed."""
        return self._place.relative(path)

    def find(self, paths: Iterable[str]) -> dict[str, str]:
        """Give the place of each of some images by its path; those that are in no shard are left out."""
        left, places = set(paths), {}
        for found in self._entries(self._that_may_hold(left)):
            if isinstance(found, PlacedImage) and found.path in left:
                left.remove(found.path)
                places[found.path] = found.place
                if not left:
                    break
        return places

    def _that_may_hold(self, paths: Collection[str]) -> Iterable[int]:
        """Give the numbers of the shards in which images may be: the paths of a pack ascend, and the manifest has the
        first of each shard.
        """
        manifest = self._manifest
        if manifest is None:
            return range(len(self._names)) if paths else ()
        self._names = tuple(entry.name for entry in manifest.shards)
        firsts = [entry.first for entry in manifest.shards]
        return sorted({max(0, bisect_right(firsts, path) - 1) for path in paths})

    def read(self, at: str) -> bytes:
        """Read an image; raises UnreadableImageError, also if its bytes are not those that were packed."""
        (content,) = self.read_many([at])
        if isinstance(content, UnreadableImageError):
            raise content
        return content

    def read_many(self, ats: Sequence[str]) -> Iterator[bytes | UnreadableImageError]:
        """Read images in their order, those that follow one another in a shard together."""
        places = (at.split(":", 4) for at in ats)
        for number, of_shard in groupby(places, lambda place: int(place[0])):
            here = list(of_shard)
            contents = self._shard(number).read_many([(int(first), int(second)) for _, first, second, *_ in here])
            for (*_, digest, _), content in zip(here, contents, strict=True):
                if isinstance(content, bytes) and digest and content_digest(content).hex() != digest:
                    name = self._names[number]
                    yield UnreadableImageError(f"damaged: {name} holds other bytes than were packed")
                else:
                    yield content

    def close(self) -> None:
        """Let nobody wait any longer for an answer of the place."""
        self._place.close()

    def named(self, at: str) -> str:
        """Give the shard and the path of an image, or the path of a file beside the shards."""
        parts = at.split(":", 4)
        if len(parts) < 5:
            return self._place.named(at)
        return f"{self._place.named(self._names[int(parts[0])])}: {parts[4]}"

    def _of(self, found: PlacedImage) -> str:
        return self._names[int(found.place.partition(":")[0])]


class _Census:
    """The folders at the top of the images' paths, and the labels that shards hold."""

    def __init__(self, folders: set[str], labels: set[str]) -> None:
        self.folders, self.labels = folders, labels

    def add(self, image: ImageRef) -> None:
        """Count one more."""
        folder, slash, _ = image.path.partition("/")
        if slash:
            self.folders.add(folder)
        if image.label is not None:
            self.labels.add(image.label)


_DIGEST = 16
_NEW = 2**16


class _Seen:
    """Knows paths again that have come before, at 16 bytes a path."""

    def __init__(self) -> None:
        self._new: set[bytes] = set()
        self._old: list[NDArray[np.bytes_]] = []

    def again(self, path: str) -> bool:
        """Whether a path has come before; remembers it."""
        digest = _digest(path)
        if digest in self._new or any(_holds(old, digest) for old in self._old):
            return True
        self._new.add(digest)
        if len(self._new) >= _NEW:
            merged = np.sort(np.frombuffer(b"".join(self._new), f"S{_DIGEST}"))
            # Pieces of a size become one of twice that size, so that there are few
            while self._old and len(self._old[-1]) <= len(merged):
                merged = np.sort(np.concatenate([self._old.pop(), merged]))
            self._old.append(merged)
            self._new = set()
        return False


def _holds(digests: NDArray[np.bytes_], digest: bytes) -> bool:
    place = int(np.searchsorted(digests, np.bytes_(digest)))
    return place < len(digests) and bool(digests[place] == np.bytes_(digest))


def _digest(path: str) -> bytes:
    return hashlib.blake2b(path.encode("utf-8", "surrogatepass"), digest_size=_DIGEST).digest()


def _path(found: Found) -> str:
    return found.ref.path if isinstance(found, SkippedImage) else found.path
