"""Images in shards: tars and Parquet files that hold many of them, made by `batchclf pack` or by others."""

import hashlib
import os
import threading
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from batchclf.core.images.facts import content_digest
from batchclf.core.types import ImageRef, PlacedImage, SkippedImage
from batchclf.data.sources.folder import OneByOne, relative_path
from batchclf.data.sources.found import Found, Labels, Matches, why_folder_is_left_out
from batchclf.data.sources.manifest import MANIFEST_FILE, Manifest, read_manifest
from batchclf.data.sources.parquet import ParquetShard
from batchclf.data.sources.shard import Shard, ShardDamageError
from batchclf.data.sources.tar import TarShard
from batchclf.errors import WANT, DataError, UnreadableImageError

_OPEN = 4
"""Shards that a thread keeps open: it goes through them one after the other, a resumed run through two."""


class Shards(OneByOne):
    """An `ImageSource` of some shards, in the order of their names, or of the manifest if there is one.

    Rows come in the order of the shards and of what is in them, which is that of paths in those of `batchclf pack`. A
    path that comes again is a skip: the first one counts.
    """

    def __init__(self, place: Path, names: tuple[str, ...] | None) -> None:
        """Take the shards of these names in the folder `place`; with None `place` itself is one."""
        self.root: Path | None = place
        self._place, self._single = place, names is None
        self._folder, self._names = (place.parent, (place.name,)) if names is None else (place, names)
        self._is_packed = False
        self._own = threading.local()
        self._known: _Census | None = None
        self._digests: NDArray[np.bytes_] | None = None

    def __getstate__(self) -> tuple[Path, tuple[str, ...] | None]:
        """Give what opens the same shards in another process."""
        return self._place, None if self._single else self._names

    def __setstate__(self, state: tuple[Path, tuple[str, ...] | None]) -> None:
        """Begin anew with that."""
        Shards.__init__(self, *state)

    def __str__(self) -> str:
        """Give the path as it was given."""
        return str(self._place)

    @property
    def address(self) -> str:
        """The absolute path, links resolved."""
        return str(self._place.resolve())

    def check(self) -> None:
        """Raise DataError if a shard is missing, damaged as a whole, or not of those that were packed together."""
        manifest = None if self._single else read_manifest(self._folder)
        if manifest is None:
            for number in range(len(self._names)):
                if self._shard(number).check() and not self._single:
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
            self._shard(number).check()

    def _check_all(self, manifest: Manifest) -> None:
        """Compare the shards with the manifest; their digests are not: that would read all of them twice."""
        # One skip for a whole shard would pass any budget (decision 185)
        hint = "copy it again; to score what is there, score the shards one by one"
        for entry in manifest.shards:
            path = self._folder / entry.name
            try:
                size = path.stat().st_size
            except OSError as error:
                raise DataError(
                    f"the shard {path} with {entry.images:,} of {manifest.packed:,} images cannot be read: "
                    f"{error.strerror}",
                    hint=hint,
                ) from error
            if size != entry.bytes:
                raise DataError(
                    f"the shard {path} has {size:,} bytes, and {entry.bytes:,} were packed: it is damaged", hint=hint
                )
        if more := sorted(set(self._names) - {entry.name for entry in manifest.shards}):
            raise DataError(
                f"{self._folder / more[0]} is not listed in {MANIFEST_FILE}",
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
        path = self._folder / self._names[number]
        return (ParquetShard if path.name.lower().endswith(".parquet") else TarShard)(path, number)

    def _entries(self, numbers: Iterable[int] | None = None) -> Iterator[Found]:
        """Yield all that the shards hold, or those of some numbers, with the labels that they give themselves."""
        for number in range(len(self._names)) if numbers is None else numbers:
            name = self._names[number]
            try:
                yield from self._begin(number).entries()
            except (ShardDamageError, DataError) as error:
                yield SkippedImage(ImageRef(name, None), f"the shard is damaged: {error}")
            except OSError as error:
                if error.errno in WANT:
                    raise
                yield SkippedImage(ImageRef(name, None), f"the shard cannot be read: {error.strerror}")

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

    def _census(self) -> "_Census":
        """Look once at what the shards hold; the manifest knows it."""
        if self._known is None:
            manifest = None if self._single else read_manifest(self._folder)
            if manifest is not None:
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
            return self._place.exists()
        if self._digests is None:
            digests = b"".join(_digest(_path(found)) for found in self._entries())
            self._digests = np.sort(np.frombuffer(digests, f"S{_DIGEST}"))
        place = int(np.searchsorted(self._digests, np.bytes_(_digest(path))))
        return place < len(self._digests) and bool(self._digests[place] == np.bytes_(_digest(path)))

    def has_folder(self, path: str) -> bool:
        """Say no: no folder of a shard has an ignore file of its own."""
        return False

    def file(self, path: str) -> bytes | None:
        """Read a small file that lies beside the shards."""
        if self._single or "/" in path:
            return None
        try:
            return (self._folder / path).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise DataError(f"{self._folder / path} cannot be read: {error.strerror}") from error

    def relative(self, path: str) -> str | None:
        """See `relative_path`; the shards stand for the folder that was packed."""
        return relative_path(path, self._place)

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
        manifest = None if self._single else read_manifest(self._folder)
        if manifest is None:
            return range(len(self._names)) if paths else ()
        self._names = tuple(entry.name for entry in manifest.shards)
        firsts = [entry.first for entry in manifest.shards]
        return sorted({max(0, bisect_right(firsts, path) - 1) for path in paths})

    def read(self, at: str) -> bytes:
        """Read an image; raises UnreadableImageError, also if its bytes are not those that were packed."""
        number, first, second, digest, _ = at.split(":", 4)
        shard = self._shard(int(number))
        try:
            content = shard.read(int(first), int(second))
        except OSError as error:
            if error.errno in WANT:
                raise
            raise UnreadableImageError(f"cannot be read: {error.strerror}") from error
        except DataError as error:
            raise UnreadableImageError(f"cannot be read: {error.message}") from error
        if digest and content_digest(content).hex() != digest:
            raise UnreadableImageError(f"damaged: {shard.path.name} holds other bytes than were packed")
        return content

    def named(self, at: str) -> str:
        """Give the shard and the path of an image, or the path of a file beside the shards."""
        parts = at.split(":", 4)
        if len(parts) < 5:
            return os.path.join(self._folder, at)  # noqa: PTH118 (as of a folder)
        return f"{self._folder / self._names[int(parts[0])]}: {parts[4]}"

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
