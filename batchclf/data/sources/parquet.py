"""A Parquet file of images, a row each: list its rows, and read one by its place. Needs the extra parquet."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from batchclf.core.text import counted
from batchclf.core.types import ExcludedFile, PlacedImage
from batchclf.data.sources.found import Found
from batchclf.data.sources.shard import ShardDamageError, ShardFile, member_path, place_of, why_file_is_left_out
from batchclf.errors import WANT, DataError, UnreadableImageError

MARK = "batchclf shards"
"""The key among the file's metadata by which files of `batchclf pack` are known; its value is the format."""

PACKED = ("path", "label", "content", "digest")
"""The columns that `batchclf pack` writes."""

_PATHS = ("path", "file_name", "filename", "filepath", "file_path", "__key__", "key", "name")
_LABELS = ("label", "labels", "class", "cls")
_AT_ONCE = 8 * 2**20
"""Bytes of images that are read at a time, about."""

_ROWS = 4096
_INSTALL = "pip install 'batchclf[parquet]'"


@dataclass(frozen=True)
class _Columns:
    """Which columns hold what; `path` is "" if only the rows' numbers can name images."""

    content: str
    path: str
    label: str | None
    digest: str | None
    names: Sequence[str] | None
    packed: bool


class ParquetShard:
    """A `Shard` that is a Parquet file."""

    def __init__(self, file: ShardFile, number: int) -> None:
        self._file, self._number = file, number
        self._opened: Any = None
        self._reader: Any = None
        self._columns: _Columns | None = None
        self._group, self._next, self._batches = -1, 0, iter(())
        self._held: Any = None
        self._first = 0

    def check(self) -> bool:
        """Raise DataError if it is no Parquet file of images; say whether `batchclf pack` has written it."""
        return self._open()[1].packed

    def _open(self) -> tuple[Any, _Columns]:
        if self._columns is None:
            try:
                import pyarrow as pa
            except ImportError as error:
                raise DataError(f"reading {self._file} needs the package pyarrow", hint=_INSTALL) from error
            try:
                self._opened = self._file.parquet(of_images=False, page_checksum_verification=True)
            except (OSError, pa.ArrowException) as error:
                if getattr(error, "errno", None) in WANT:
                    raise
                raise DataError(
                    f"the shard {self._file} cannot be read: {error}", hint="copy it again, or leave it out"
                ) from error
            self._columns = _find_columns(self._file, self._opened.schema_arrow)
        return self._opened, self._columns

    def entries(self) -> Iterator[Found]:
        """List it, see `Shard.entries`."""
        import pyarrow as pa

        file, columns = self._open()
        wanted = [each for each in (columns.path, columns.label, columns.digest) if each]
        for group in range(file.metadata.num_row_groups):
            row = 0
            try:
                for batch in file.iter_batches(_ROWS, row_groups=[group], columns=wanted, use_threads=False):
                    yield from self._batch(batch, columns, group, row)
                    row += len(batch)
            except (OSError, pa.ArrowException) as error:
                raise ShardDamageError(
                    f"its row group {group} is damaged, and what follows is not read: {error}", 1
                ) from error
            if row < file.metadata.row_group(group).num_rows:
                # Of no column at all there are no batches
                for number in range(row, file.metadata.row_group(group).num_rows):
                    yield self._entry(columns, group, number, None, None, "")

    def _batch(self, batch: Any, columns: _Columns, group: int, first: int) -> Iterator[Found]:
        taken = {name: batch.column(place) for place, name in enumerate(batch.schema.names)}
        nothing = [None] * len(batch)
        paths = _texts(taken, columns.path) if columns.path else nothing
        labels = taken[columns.label].to_pylist() if columns.label else nothing
        digests = taken[columns.digest].to_pylist() if columns.digest else nothing
        for row, (path, label, digest) in enumerate(zip(paths, labels, digests, strict=True), first):
            yield self._entry(columns, group, row, path, _label(label, columns.names), digest or "")

    def _entry(
        self, columns: _Columns, group: int, row: int, name: str | None, label: str | None, digest: str
    ) -> Found:
        path = name if name is None or columns.packed else member_path(name)
        if name is not None and path is None:
            return ExcludedFile(name, "its path leads out of the shard")
        if not path:
            path = f"{self._file.name}/{group}-{row}"
        # A key of a sample has no suffix, and what the column holds are images anyway
        elif "." in path[path.rfind("/") + 1 :] and (reason := why_file_is_left_out(path, hidden=not columns.packed)):
            return ExcludedFile(path, reason)
        return PlacedImage(path, label, place_of(self._number, group, row, digest, path))

    def read_many(self, places: Sequence[tuple[int, int]]) -> Iterator[bytes | UnreadableImageError]:
        """Read images by row group and row, see `Shard.read_many`.

        Rows that ascend are read once, some MiB at a time, whatever the size of the row group.
        """
        for group, row in places:
            try:
                yield self._read(group, row)
            except UnreadableImageError as error:
                yield error
            except DataError as error:
                yield UnreadableImageError(f"cannot be read: {error.message}")

    def _read(self, group: int, row: int) -> bytes:
        import pyarrow as pa

        columns = self._open()[1]
        try:
            if group != self._group or row < self._first:
                self._begin(columns, group)
            while self._held is None or row >= self._first + len(self._held):
                self._first += 0 if self._held is None else len(self._held)
                self._held = next(self._batches).column(0)
        except UnreadableImageError:
            self._group = -1
            raise
        except (OSError, StopIteration, pa.ArrowException) as error:
            self._group = -1
            if getattr(error, "errno", None) in WANT:
                raise
            raise UnreadableImageError(
                f"cannot be read: row group {group} of {self._file.name} is damaged: {error}"
            ) from error
        value = self._held[row - self._first].as_py()
        if isinstance(value, dict):
            value = value["bytes"]
        if value is None:
            raise UnreadableImageError(f"cannot be read: {self._file.name} holds no bytes of it")
        content: bytes = value
        return content

    def _begin(self, columns: _Columns, group: int) -> None:
        if self._reader is None:
            # With a digest for each image not all of a page is lost with one of them
            self._reader = self._file.parquet(
                of_images=True, page_checksum_verification=columns.digest is None, metadata=self._opened.metadata
            )
        file = self._reader
        about = file.metadata.row_group(group)
        rows = max(1, about.num_rows * _AT_ONCE // max(about.total_byte_size, 1))
        self._batches = file.iter_batches(
            min(rows, about.num_rows), row_groups=[group], columns=[columns.content], use_threads=False
        )
        self._group, self._held, self._first = group, None, 0


def _find_columns(file: ShardFile, schema: Any) -> _Columns:
    """Find the column of images: one of bytes, or one of bytes and path as Hugging Face's `Image` has it."""
    import pyarrow.types as kinds

    metadata = schema.metadata or {}
    if metadata.get(MARK.encode()) is not None and set(PACKED) <= set(schema.names):
        return _Columns("content", "path", "label", "digest", None, packed=True)
    pictures = [
        field.name
        for field in schema
        if kinds.is_struct(field.type) and {each.name for each in field.type} == {"bytes", "path"}
    ]
    plain = [field.name for field in schema if kinds.is_binary(field.type) or kinds.is_large_binary(field.type)]
    found = pictures or plain
    if len(found) != 1:
        raise DataError(
            f"{file} has {counted(len(found), 'column') if found else 'no column'} of image files (bytes, or bytes and "
            f"path); its columns are {', '.join(schema.names)}",
            hint="write the images' files as one column of bytes, and their paths as a column path",
        )
    labels = [name for name in _LABELS if name in schema.names]
    label = labels[0] if labels else None
    named = f"{found[0]}.path" if pictures else next((name for name in _PATHS if name in schema.names), "")
    return _Columns(found[0], named, label, None, _class_names(metadata, label), packed=False)


def _class_names(metadata: dict[bytes, bytes], label: str | None) -> Sequence[str] | None:
    """Give the names of a ClassLabel that Hugging Face's datasets keeps in a file's metadata; None without one."""
    try:
        names = json.loads(metadata[b"huggingface"])["info"]["features"][label]["names"]
    except (KeyError, ValueError, TypeError):
        return None
    return names if isinstance(names, list) and all(isinstance(name, str) for name in names) else None


def _label(value: Any, names: Sequence[str] | None) -> str | None:
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        return None
    if isinstance(value, int) and names is not None:
        return names[value] if 0 <= value < len(names) else None
    return str(value)


def _texts(taken: dict[str, Any], name: str) -> list[Any]:
    column = name.partition(".")[0]
    values = taken[column].to_pylist() if column in taken else taken[name].to_pylist()
    return [value if isinstance(value, str | None) else (value or {}).get("path") for value in values]
