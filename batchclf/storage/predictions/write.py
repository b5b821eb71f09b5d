"""The predictions of a run, in every format that is asked for, written as the scores come."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Protocol

from batchclf.core.choices import Format
from batchclf.core.records.run import WrittenFile
from batchclf.core.types import BatchScores, PredictionRows
from batchclf.storage.csv_files.append_file import ROWS, AppendFile, ClosedAtEnd, Positions
from batchclf.storage.predictions.columns import PredictionColumns, PredictionLayout, columns_of
from batchclf.storage.predictions.text import TextFormat, csv_format, jsonl_format

CSV_FILE, PARQUET_FILE = "predictions.csv", "predictions.parquet"
GROWING_PARQUET_FILE = ".predictions.arrows"
PARTS_FOLDER = "predictions"
"""Stands in place of all these files in a run with `--partitioned`."""

_OF_LINES: dict[Format, Callable[[PredictionLayout], TextFormat]] = {"csv": csv_format, "jsonl": jsonl_format}
"""The formats with a line a row, which grow as they are: `predictions.NAME`."""
# Numbers that are turned into text at a time.
_NUMBERS = 200_000


class _Growing(Protocol):
    """A format as it is written batch by batch: what the file starts with, then the bytes of some rows, in pieces."""

    header: bytes

    def rows(self, columns: PredictionColumns) -> Iterable[bytearray | memoryview]: ...


def check_formats(formats: tuple[Format, ...]) -> None:
    """Raise RunError where a format needs a package that is not installed."""
    if "parquet" in formats:
        from batchclf.storage.predictions.parquet import check_pyarrow

        check_pyarrow()


def predictions_in(folder: Path) -> Path:
    """Name the predictions of a run directory: predictions.csv or, if it has parts instead, their folder."""
    csv, parts = folder / CSV_FILE, folder / PARTS_FOLDER
    return parts if parts.is_dir() and not csv.exists() else csv


def pieces_of(layout: PredictionLayout, scores: BatchScores, split: str) -> Iterator[PredictionColumns]:
    """Give the columns of a batch, some rows at a time."""
    step = max(1, _NUMBERS // scores.probabilities.shape[1])
    for start in range(0, len(scores.refs), step):
        some = slice(start, start + step)
        yield layout.columns(BatchScores(scores.refs[some], scores.probabilities[some]), split)


class PredictionFiles(ClosedAtEnd):
    """Writes predictions.csv and the other formats asked for; use as a context manager.

    Needs at least two classes and 1 <= topk <= classes. `rows` counts the rows written, those before a resume too.
    The files are the same to the byte whether or not the run was cut off in between. Raises RunError where a package
    is missing or the files cannot be resumed, OSError where the disk refuses.
    """

    def __init__(
        self,
        folder: Path,
        class_names: tuple[str, ...],
        *,
        topk: int,
        probabilities: bool,
        formats: tuple[Format, ...] = ("csv",),
        resume_at: Positions | None = None,
    ) -> None:
        """Open the files in `folder`; `resume_at` is what `positions` gave in a run that was cut off later."""
        check_formats(formats)
        self.rows = 0 if resume_at is None else resume_at[ROWS]
        self._layout = PredictionLayout(class_names, topk, probabilities)
        self._folder = folder
        growing: dict[str, _Growing] = {
            f"predictions.{name}": begin(self._layout) for name, begin in _OF_LINES.items() if name in ("csv", *formats)
        }
        if "parquet" in formats:
            from batchclf.storage.predictions.parquet import ArrowFormat, cut_growing

            growing[GROWING_PARQUET_FILE] = ArrowFormat(self._layout)
            if resume_at is not None:
                size = cut_growing(folder / GROWING_PARQUET_FILE, folder / PARQUET_FILE, self.rows)
                resume_at = {**resume_at, GROWING_PARQUET_FILE: size}
        self._files: list[tuple[AppendFile, _Growing]] = []
        try:
            for name, each in growing.items():
                self._files.append((AppendFile(folder / name, each.header, resume_at), each))
        except BaseException:
            self.close()
            raise

    def write(self, scores: BatchScores, split: str) -> list[PredictionColumns]:
        """Append one row for each image of the batch; gives what was written, piece by piece."""
        written = []
        for columns in pieces_of(self._layout, scores, split):
            self._append(columns)
            written.append(columns)
        return written

    def write_rows(self, rows: PredictionRows, split: str) -> None:
        """Append rows of one split, at least one, as they are; they have the classes of this writer."""
        self._append(columns_of(rows, split, self._layout.topk))

    def _append(self, columns: PredictionColumns) -> None:
        for file, growing in self._files:
            for piece in growing.rows(columns):
                file.write(piece)
        self.rows += len(columns)

    def end_part(self) -> dict[str, WrittenFile]:
        """Give nothing: these files have no parts."""
        return {}

    def positions(self) -> Positions:
        """Hand all rows to the operating system and tell where to resume after a kill."""
        return {ROWS: self.rows, **{file.path.name: file.position() for file, _ in self._files}}

    def digests(self) -> dict[str, str]:
        """Give the SHA-256 of what is in each file so far, by its name: of the growing one for Parquet."""
        return {file.path.name: file.sha256 for file, _ in self._files}

    def finish(self) -> dict[str, WrittenFile]:
        """Make the files whole after the last row of a run: only now there is a Parquet file. Gives them by name."""
        self.close()
        digests = {}
        for file, _ in self._files:
            if file.path.name == GROWING_PARQUET_FILE:
                from batchclf.storage.predictions.parquet import finish_parquet

                digests[PARQUET_FILE] = finish_parquet(file.path, self._folder / PARQUET_FILE, self.rows)
            else:
                digests[file.path.name] = file.sha256
        return {name: WrittenFile(self.rows, digest) for name, digest in digests.items()}

    def close(self) -> None:
        """Close the files."""
        for file, _ in self._files:
            file.close()
