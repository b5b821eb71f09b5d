"""Pack the images of a source into shards, and account for every file."""

import hashlib
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Protocol

from batchclf import atomic
from batchclf.core.images.facts import content_digest
from batchclf.core.suffixes import count_suffix
from batchclf.core.text import counted
from batchclf.core.types import ExcludedFile, ImageRef, SkippedImage
from batchclf.data.class_folders import CLASS_MAP_FILE
from batchclf.data.decoding.suffixes import REASONS
from batchclf.data.selection import select
from batchclf.data.sources.found import Found, excluded_words, hint_without_image, links_left_out
from batchclf.data.sources.manifest import Manifest, ShardEntry, write_manifest
from batchclf.errors import DataError, NothingToScoreError, RunError, UnreadableImageError
from batchclf.jobs.pack.labels import pack_rule
from batchclf.storage.run.directory import SKIPPED_FILE
from batchclf.storage.run.skipped import SkippedWriter

if TYPE_CHECKING:
    from batchclf.core.choices import ShardFormat
    from batchclf.core.progress import Watcher
    from batchclf.data.sources.interface import ImageSource
    from batchclf.jobs.config.settings import DirectorySubset

_AT_ONCE = 128
"""Files that are looked at together: out of a store several images are read at a time."""


class _Writer(Protocol):
    """What writes one shard; `size` is its bytes so far, about."""

    suffix: str
    size: int

    def room(self, content: bytes, path: str) -> int:
        """Give the bytes that an image takes, about."""

    def write(self, number: int, path: str, label: str | None, content: bytes, digest: str) -> None:
        """Append an image; `number` counts through all shards. Raises UnreadableImageError if it cannot be held."""

    def close(self) -> None:
        """Write the end."""


def pack(
    subset: "DirectorySubset", out: Path, shard_format: "ShardFormat", shard_size: int, watcher: "Watcher"
) -> Manifest:
    """Write the images of a source, as their files are, into shards of about `shard_size` bytes in a new folder, `out`.

    Beside them lie shards.json, skipped.csv and, if the source has one, classes.json. `out` is whole or not there.
    Memory does not grow with the number of images. Raises DataError if `out` is there or lies in the source,
    NothingToScoreError if there is no image that can be read, and what `pack_rule` raises.
    """
    source = subset.source.opened()
    _check_out(out, source.root)
    _check_format(shard_format)
    rule = pack_rule(subset)
    watcher.say(f"packing {source}: {rule.sentence}")
    try:
        with atomic.new_folder(out, replaces=False) as folder:
            with (
                closing(SkippedWriter(folder / SKIPPED_FILE)) as skipped,
                _Shards(folder, shard_format, shard_size) as to,
            ):
                tally = _Tally(skipped, watcher)
                with watcher.progress(f"packing {source}", None) as advance:
                    for item in _packed(select(source, rule, subset.selection), source, to):
                        tally.count(item)
                        advance(1)
            if (content := source.file(CLASS_MAP_FILE)) is not None:
                (folder / CLASS_MAP_FILE).write_bytes(content)
            manifest = tally.manifest(to)
            tally.account(str(source), manifest)
            write_manifest(folder, manifest)
    except FileExistsError as error:
        raise _taken(out) from error
    if rule.table is not None:
        listed = subset.selection.files is not None
        if warning := rule.table.warning(listed=listed) or rule.table.repeats:
            watcher.warn(warning)
        elif unmatched := rule.table.unmatched():
            watcher.say(unmatched)
    return manifest


def _check_out(out: Path, root: Path | None) -> None:
    if out.exists() or out.is_symlink():
        raise _taken(out)
    if root is not None and out.resolve().is_relative_to(root.resolve()):
        raise DataError(f"{out} lies in the folder that is packed, {root}", hint="give a folder elsewhere")


def _taken(out: Path) -> DataError:
    return DataError(f"{out} is there already; nothing is overwritten", hint="give another name, or remove it")


def _check_format(shard_format: "ShardFormat") -> None:
    if shard_format == "parquet":
        try:
            import pyarrow  # noqa: F401
        except ImportError as error:
            raise DataError(
                "--format parquet needs the package pyarrow", hint="pip install 'batchclf[parquet]', or --format tar"
            ) from error


def _packed(found: Iterator[Found], source: "ImageSource", to: "_Shards") -> Iterator[Found]:
    """Write each image; give each file on, an image that cannot be read as a skip."""
    while some := list(islice(found, _AT_ONCE)):
        contents = source.read_many([item.at for item in some if isinstance(item, ImageRef)])
        for item in some:
            if isinstance(item, ImageRef):
                try:
                    content = next(contents)
                    if isinstance(content, UnreadableImageError):
                        raise content
                    to.write(item, content)
                except UnreadableImageError as error:
                    yield SkippedImage(item, error.message)
                    continue
            yield item


class _Shards:
    """Writes shard after shard; a context manager that ends the last one."""

    def __init__(self, folder: Path, shard_format: "ShardFormat", shard_size: int) -> None:
        self.entries: list[ShardEntry] = []
        self.folders: set[str] = set()
        self.labels: set[str] = set()
        self.images = 0
        self._folder, self._format, self._most = folder, shard_format, shard_size
        self._writer: _Writer | None = None
        self._file: _HashedFile | None = None
        self._first, self._before = "", 0

    def __enter__(self) -> "_Shards":
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the last shard; after an error only close it."""
        if error is None:
            self._end()
        elif self._file is not None:
            self._file.close()

    def write(self, image: ImageRef, content: bytes) -> None:
        """Append an image, to a new shard if the present one is full; raises UnreadableImageError."""
        writer = self._writer
        if writer is not None and writer.size + writer.room(content, image.path) > self._most and self._first:
            self._end()
            writer = None
        writer = writer or self._begin()
        writer.write(self.images, image.path, image.label, content, content_digest(content).hex())
        self._first = self._first or image.path
        self.images += 1
        folder, slash, _ = image.path.partition("/")
        if slash:
            self.folders.add(folder)
        if image.label is not None:
            self.labels.add(image.label)

    def _begin(self) -> _Writer:
        from batchclf.data.sources.write_parquet import ParquetWriter
        from batchclf.data.sources.write_tar import TarWriter

        kind: type[TarWriter] | type[ParquetWriter] = TarWriter if self._format == "tar" else ParquetWriter
        self._file = _HashedFile(self._folder / f"shard-{len(self.entries):06}{kind.suffix}")
        self._writer, self._first, self._before = kind(self._file.handle), "", self.images
        return self._writer

    def _end(self) -> None:
        if self._writer is None or self._file is None:
            return
        self._writer.close()
        self._file.close()
        self._writer = None
        if not self._first:  # the only image was one that the shard cannot hold
            self._file.path.unlink()
            return
        path, images = self._file.path, self.images - self._before
        entry = ShardEntry(path.name, images, path.stat().st_size, self._file.sha256, self._first)
        self.entries.append(entry)


class _HashedFile:
    """A file that is written from start to end, and its SHA-256."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._digest = hashlib.sha256()
        self._raw = path.open("wb")
        self.handle: IO[bytes] = _Tee(self._raw, self._digest)  # type: ignore[assignment]

    @property
    def sha256(self) -> str:
        """What was written, as 64 hexadecimal digits."""
        return self._digest.hexdigest()

    def close(self) -> None:
        """Close it."""
        self._raw.close()


class _Tee:
    """Hands bytes on to a file and a digest; as much of a file as writers use."""

    closed = False

    def __init__(self, file: IO[bytes], digest: "hashlib._Hash") -> None:
        self._file, self._digest = file, digest

    def write(self, content: bytes) -> int:
        self._digest.update(content)
        return self._file.write(content)

    def tell(self) -> int:
        return self._file.tell()

    def flush(self) -> None:
        self._file.flush()

    def close(self) -> None:
        pass


class _Tally:
    """Counts what came of the files."""

    def __init__(self, skipped: SkippedWriter, watcher: "Watcher") -> None:
        self.found, self.excluded, self.suffixes = 0, Counter[str](), dict[str, int]()
        self._skipped, self._watcher = skipped, watcher
        self._first_skip = ""

    def count(self, item: Found) -> None:
        """Count a file."""
        self.found += 1
        if isinstance(item, ExcludedFile):
            self.excluded[item.reason] += 1
            if item.reason in REASONS:
                count_suffix(self.suffixes, item.path)
        elif isinstance(item, SkippedImage):
            self._skipped.write(item, "")
            line = f"skipped {item.ref.path}: {item.reason}"
            self._first_skip = self._first_skip or line
            self._watcher.detail(line)

    def manifest(self, to: _Shards) -> Manifest:
        """Say what was packed."""
        return Manifest(
            tuple(to.entries),
            tuple(sorted(to.folders)),
            tuple(sorted(to.labels)),
            self.found,
            to.images,
            self._skipped.rows,
            dict(sorted(self.excluded.items())),
        )

    def account(self, name: str, manifest: Manifest) -> None:
        """Say how the files add up; raises NothingToScoreError if no image was packed."""
        left_out = sum(manifest.excluded.values())
        if manifest.found != manifest.packed + manifest.skipped + left_out:
            raise RunError(f"the files do not add up: {manifest}", hint="this is a fault in batchclf; report it")
        words = f" ({excluded_words(manifest.excluded)})" if left_out else ""
        line = (
            f"{name}: found {manifest.found:,} = packed {manifest.packed:,} + skipped {manifest.skipped:,} "
            f"+ excluded {left_out:,}{words}"
        )
        if not manifest.packed:
            hint = hint_without_image(manifest.excluded, self.suffixes) or "put images there that can be read"
            first = f"; the first: {self._first_skip}" if self._first_skip else ""
            raise NothingToScoreError(f"there is no image to pack in {line}{first}", hint=hint)
        self._watcher.say(line)
        if links := links_left_out(manifest.excluded):
            self._watcher.say(f"{name}: {links}")
        if manifest.skipped:
            self._watcher.warn(f"{counted(manifest.skipped, 'image')} could not be read; {self._first_skip}")
