"""Whether the tables of a run are still as the run wrote them, by the rows and digests in its run.json."""

import csv
import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType

import msgspec

from batchclf.core.records.run import WrittenFile
from batchclf.core.types import Say
from batchclf.errors import RunError
from batchclf.storage.predictions.parquet import is_pyarrow_there
from batchclf.storage.predictions.write import CSV_FILE, PARTS_FOLDER
from batchclf.storage.run.directory import RECORD_FILE


class _Run(msgspec.Struct):
    files: dict[str, WrittenFile] = {}


def check_written(
    folder: Path, names: Iterable[str], *, warn: Say, digests: Mapping[str, str] = MappingProxyType({})
) -> None:
    """Compare tables in a run directory with what its run.json says of them, each if it is there.

    predictions.csv stands for the parts, too, of a run that has them in its place; of these none may be missing, and no
    other may be there.
    `warn` gets a line for one that was edited and has as many rows as before. Without a run.json, or with that of an
    earlier batchclf, there is nothing to compare with. `digests` are the SHA-256 of files, as far as the caller knows
    them. Raises RunError if one has fewer or more rows than the run wrote, or its rows cannot be counted.
    """
    written = _written(folder)
    names = set(names)
    if names & {CSV_FILE, PARTS_FOLDER}:
        names |= _parts(folder, written)
    for name in sorted(names):
        if name in written and (folder / name).is_file():
            _check(folder / name, written[name], digests.get(name), warn)


def _parts(folder: Path, written: Mapping[str, WrittenFile]) -> set[str]:
    """Name the parts that the run wrote, none without any; raises RunError if others are there."""
    parts = {name for name in written if name.startswith(f"{PARTS_FOLDER}/")}
    there = (
        {f"{PARTS_FOLDER}/{path.name}" for path in (folder / PARTS_FOLDER).glob("part-*.parquet")} if parts else parts
    )
    if parts != there:
        name = min(parts ^ there)
        what = "is missing, and the run wrote it" if name in parts else "is there, and the run wrote no such part"
        raise RunError(f"{folder / name} {what} ({RECORD_FILE})", hint="restore the parts of the run, or score again")
    return parts


def _written(folder: Path) -> dict[str, WrittenFile]:
    try:
        return msgspec.json.decode((folder / RECORD_FILE).read_bytes(), type=_Run).files
    except (OSError, msgspec.MsgspecError):  # whoever needs more of it says what is wrong
        return {}


def _check(path: Path, written: WrittenFile, digest: str | None, warn: Say) -> None:
    try:
        if digest is None:
            with path.open("rb") as handle:
                digest = hashlib.file_digest(handle, "sha256").hexdigest()
        if digest == written.sha256:
            return
        rows = _count_rows(path)
    except OSError as error:
        raise RunError(f"{path} cannot be read: {error.strerror}", hint="make it readable, or score again") from error
    if rows == written.rows:
        warn(f"{path} was edited since the run wrote it: it has the same {rows:,} rows, but other bytes")
        return
    what, number = ("lost", written.rows - rows) if rows < written.rows else ("gained", rows - written.rows)
    raise RunError(
        f"{path} has {rows:,} rows, and the run wrote {written.rows:,} ({RECORD_FILE}): it has {what} {number:,}",
        hint="restore the file or score again; to work with other rows, copy it out of the run directory",
    )


def _count_rows(path: Path) -> int:
    """Count the rows of a table that was edited, whatever its dialect became. Raises RunError, OSError."""
    if path.suffix == ".parquet":
        return _count_parquet(path)
    if path.suffix == ".jsonl":
        with path.open("rb") as lines:
            return sum(1 for line in lines if line.strip())
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as text:
        try:
            # A cell may hold a line break, and a line without any cell is no row.
            return max(0, sum(1 for row in csv.reader(text) if len(row) > 1 or "".join(row).strip()) - 1)
        except csv.Error as error:
            raise RunError(
                f"{path} was edited since the run wrote it, and is no CSV any more: {error}", hint="score again"
            ) from error


def _count_parquet(path: Path) -> int:
    if not is_pyarrow_there():
        raise RunError(
            f"{path} was edited since the run wrote it, and its rows cannot be counted without pyarrow",
            hint="install it with: pip install 'batchclf[parquet]', or score again",
        )
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            return int(file.metadata.num_rows)
    except pa.ArrowException as error:
        raise RunError(f"{path} is damaged: {error}", hint="score again") from error
