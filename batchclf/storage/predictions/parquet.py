"""predictions.parquet, and the Arrow file that grows in its place while a run goes on.

A Parquet file cannot be added to: what tells where its parts are stands at its end. An Arrow stream can, after a kill
too, since each batch of rows stands for itself.
"""

import hashlib
import io
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from batchclf import atomic
from batchclf.core.records.run import WrittenFile
from batchclf.errors import RunError
from batchclf.storage.predictions.columns import PredictionColumns, PredictionLayout

CLASSES_KEY = b"batchclf.class_names"
"""Key of the Parquet file's metadata under which the class names stand in the model's order, as a JSON list."""
# Row groups: large enough to be read fast, and at most this many cells, so that wide rows do not fill the memory.
_ROWS_PER_GROUP = 65_536
_CELLS_PER_GROUP = 4_000_000


def is_pyarrow_there() -> bool:
    """Say whether pyarrow is installed."""
    return find_spec("pyarrow") is not None


def check_pyarrow() -> None:
    """Raise RunError where pyarrow is not installed."""
    if not is_pyarrow_there():
        raise RunError(
            "predictions as Parquet need pyarrow, which is not installed",
            hint="install it with: pip install 'batchclf[parquet]'",
        )


class ArrowFormat:
    """The growing file: an Arrow IPC stream without its end mark. `header` is its schema."""

    def __init__(self, layout: PredictionLayout) -> None:
        """Make the schema: texts as strings, `correct` as bool, numbers as float32; unknown is null."""
        import pyarrow as pa

        types = {"correct": pa.bool_()}
        texts = {
            "path",
            "split",
            "label",
            "prediction",
            *(f"top{rank}_prediction" for rank in range(2, layout.topk + 1)),
        }
        types |= dict.fromkeys(texts, pa.string())
        fields = [(name, types.get(name, pa.float32())) for name in layout.column_names]
        classes = msgspec.json.encode(layout.class_names)
        self.schema = pa.schema(fields, metadata={CLASSES_KEY: classes})
        self.header = self.schema.serialize().to_pybytes()

    def rows(self, columns: PredictionColumns) -> list[memoryview]:
        """Write at least one row as one batch."""
        return [memoryview(self.batch(columns).serialize())]

    def batch(self, columns: PredictionColumns) -> Any:
        """Give at least one row as a record batch."""
        import pyarrow as pa

        names = pa.array(columns.names, pa.string())
        labels = pa.array(columns.labels, mask=~columns.known)
        values: list[Any] = [
            pa.array(columns.paths, pa.string()),
            pa.repeat(pa.scalar(columns.split, pa.string()), len(columns)),
            names.take(labels),
            names.take(pa.array(columns.classes[:, 0])),
            pa.array(columns.correct, mask=~columns.known),
            columns.confidence[:, 0],
            columns.margin,
        ]
        for rank in range(1, columns.confidence.shape[1]):
            values += [names.take(pa.array(columns.classes[:, rank])), columns.confidence[:, rank]]
        if columns.probabilities is not None:
            values += list(columns.probabilities.T)
        arrays = [pa.array(np.ascontiguousarray(v)) if isinstance(v, np.ndarray) else v for v in values]
        return pa.record_batch(arrays, schema=self.schema)


class _HashedFile(io.BufferedWriter):
    """A file that hashes what is written to it, once: a Parquet file is written from its start to its end."""

    def __init__(self, path: Path) -> None:
        super().__init__(io.FileIO(path, "wb"))
        self.hash = hashlib.sha256()

    def write(self, content: Any, /) -> int:
        self.hash.update(content)
        return super().write(content)


def write_parquet(schema: Any, batches: Iterable[Any], path: Path) -> WrittenFile:
    """Write record batches as a Parquet file, in one step, and say what it is. Raises OSError."""
    unfinished = _unfinished(path)
    written = _write(schema, iter(batches), unfinished)
    unfinished.replace(path)
    return written


def finish_parquet(arrows: Path, parquet: Path, rows: int) -> str:
    """Turn the growing file into the Parquet file, in one step; removes the growing file. Returns its SHA-256.

    Raises RunError where there are not as many rows as expected, OSError where the disk refuses.
    """
    # A Parquet file cannot grow, so it is made of the Arrow stream at the end (decision 041)
    unfinished = _unfinished(parquet)
    with _batches(arrows) as (schema, batches):
        written = _write(schema, batches, unfinished)
    if written.rows != rows:
        raise RunError(
            f"{arrows} holds {written.rows:,} rows, and {rows:,} were written",
            hint="score again from the start, without --resume",
        )
    # Before the growing file goes, whose bytes the journal knows.
    unfinished.replace(parquet)
    arrows.unlink()
    return written.sha256


def _unfinished(parquet: Path) -> Path:
    return parquet.with_name(f".{parquet.name}")  # always this name: a killed run's is written over


def _write(schema: Any, batches: Iterator[Any], path: Path) -> WrittenFile:
    """Write a Parquet file and have it on the disk; a few row groups are in memory at a time.

    The bytes depend on the rows alone, not on the batches they came in.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    size, rows = _group_size(schema), 0
    repeated = [name for name in schema.names if name != "path" and schema.field(name).type == pa.string()]
    with (
        _HashedFile(path) as file,
        pq.ParquetWriter(file, schema, compression="zstd", use_dictionary=repeated) as writer,
    ):
        for group in _groups(batches, size):
            writer.write_table(group, row_group_size=size)
            rows += len(group)
    atomic.flush_path(path)
    return WrittenFile(rows, file.hash.hexdigest())


def _group_size(schema: Any) -> int:
    return max(1, min(_ROWS_PER_GROUP, _CELLS_PER_GROUP // len(schema)))


def _groups(stream: Iterator[Any], size: int) -> Iterator[Any]:
    """Join and cut batches into tables of `size` rows; the last may have fewer."""
    import pyarrow as pa

    batches, rows = [], 0
    for batch in stream:
        batches.append(batch)
        rows += len(batch)
        if rows >= size:
            table = pa.Table.from_batches(batches)
            for start in range(0, rows - rows % size, size):
                yield table.slice(start, size).combine_chunks()
            rows %= size
            batches = table.slice(len(table) - rows).to_batches()
    if rows:
        yield pa.Table.from_batches(batches).combine_chunks()


def cut_growing(arrows: Path, parquet: Path, rows: int) -> int:
    """Write the growing file anew with the first `rows` rows, from itself or from the finished Parquet file.

    Counts its bytes. The rows count, not where they stood: after a kill between `finish_parquet` and the end of the
    run the file is made from the Parquet file, whose batches are others. Raises RunError where there are fewer rows,
    OSError where the disk refuses.
    """
    import pyarrow as pa

    unfinished, left = arrows.with_name(f"{arrows.name}.new"), rows
    why = ""
    try:
        with _batches(arrows if arrows.exists() else parquet) as (schema, batches), unfinished.open("wb") as out:
            out.write(schema.serialize())
            while left:
                kept = next(batches).slice(0, left)
                out.write(kept.serialize())
                left -= len(kept)
    except StopIteration:
        pass
    except (OSError, pa.ArrowException) as error:
        why = f" ({error})"
    if left:
        raise RunError(
            f"{arrows} cannot be resumed: it has {rows - left:,} rows, and the run before wrote {rows:,}{why}",
            hint="score again from the start, without --resume",
        )
    unfinished.replace(arrows)
    return arrows.stat().st_size


@contextmanager
def _batches(path: Path) -> Iterator[tuple[Any, Iterator[Any]]]:
    """Open the growing file or a Parquet file: its schema and its batches."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if path.suffix == ".parquet":
        with pq.ParquetFile(path) as file:
            yield file.schema_arrow, file.iter_batches(batch_size=_group_size(file.schema_arrow))
    else:
        with pa.OSFile(str(path)) as source, pa.ipc.open_stream(source) as stream:
            yield stream.schema, stream
