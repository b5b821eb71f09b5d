"""Writes images as they are into a Parquet file, a row each. Needs the extra parquet."""

from typing import IO, Any

from batchclf.data.sources.manifest import MANIFEST_FORMAT
from batchclf.data.sources.parquet import MARK
from batchclf.errors import UnreadableImageError

_GROUP_BYTES = 2**20
_GROUP_ROWS = 1000
"""A row group holds so many bytes of images, or one image more than that; a worker reads whole ones."""

NOT_UTF8 = "its name is not UTF-8, which Parquet cannot hold; --format tar can"


class ParquetWriter:
    """Writes the columns path, label, content (the file's bytes) and digest, in small row groups."""

    suffix = ".parquet"

    def __init__(self, file: IO[bytes]) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        self._schema = pa.schema(
            [("path", pa.string()), ("label", pa.string()), ("content", pa.binary()), ("digest", pa.string())],
            metadata={MARK: str(MANIFEST_FORMAT)},
        )
        # Images are compressed already
        self._writer: Any = pq.ParquetWriter(
            file, self._schema, compression="none", use_dictionary=["label"], write_page_checksum=True
        )
        self._rows: list[tuple[str, str | None, bytes, str]] = []
        self._waiting = self.size = 0

    def room(self, content: bytes, path: str) -> int:
        """Give the bytes that an image takes, about."""
        return len(content) + len(path) + 64

    def write(self, number: int, path: str, label: str | None, content: bytes, digest: str) -> None:
        """Append an image; raises UnreadableImageError for a path that is not UTF-8."""
        if not path.isascii():
            try:
                path.encode()
            except UnicodeEncodeError:
                raise UnreadableImageError(NOT_UTF8) from None
        self._rows.append((path, label, content, digest))
        self._waiting += len(content)
        self.size += self.room(content, path)
        if self._waiting >= _GROUP_BYTES or len(self._rows) >= _GROUP_ROWS:
            self._flush()

    def _flush(self) -> None:
        import pyarrow as pa

        if self._rows:
            columns = [list(column) for column in zip(*self._rows, strict=True)]
            self._writer.write_table(pa.table(columns, schema=self._schema))
            self._rows, self._waiting = [], 0

    def close(self) -> None:
        """Write the rows that wait, and the end."""
        self._flush()
        self._writer.close()
