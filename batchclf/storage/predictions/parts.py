"""The predictions of a run as Parquet parts: predictions/part-000000.parquet, …, whole blocks in the order of paths."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from batchclf import atomic
from batchclf.core.metrics.evaluation import Tally
from batchclf.core.records.run import WrittenFile
from batchclf.core.types import BatchScores
from batchclf.storage.csv_files.append_file import ROWS, ClosedAtEnd, Positions
from batchclf.storage.predictions.columns import PredictionColumns, PredictionLayout, column_names
from batchclf.storage.predictions.parquet import ArrowFormat, check_pyarrow, write_parquet
from batchclf.storage.predictions.write import PARTS_FOLDER, pieces_of

FILES_A_PART = 16_384
CELLS_A_PART = 16_000_000
"""A part is in memory while it is filled: 64 MB at most (decision 190)."""

_TRIES = 50


def blocks_a_part(block: int, classes: int, *, topk: int, probabilities: bool) -> int:
    """Choose how many blocks of `block` files make up a part: as many whatever scores them, and how many at a time."""
    columns = len(column_names(("",) * classes, topk, probabilities))
    return max(1, min(FILES_A_PART, CELLS_A_PART // columns) // block)


def part_name(number: int) -> str:
    """Name a part, from 0, within the run directory."""
    return f"{PARTS_FOLDER}/part-{number:06d}.parquet"


@dataclass(frozen=True)
class WorkerPart:
    """A part as a worker wrote it, aside until it is its turn; `tally` has counted its rows."""

    file: Path
    written: WrittenFile
    tally: Tally


class PredictionParts(ClosedAtEnd):
    """Writes predictions part by part; use as a context manager.

    `kept` are the parts of an earlier run that still hold, by name; all others are removed. A part gets its name when
    it is whole, so that none is ever there by half. Raises RunError if pyarrow is missing, OSError if the disk refuses.
    """

    def __init__(
        self,
        folder: Path,
        class_names: tuple[str, ...],
        *,
        topk: int,
        probabilities: bool,
        kept: Mapping[str, WrittenFile],
    ) -> None:
        check_pyarrow()
        self._folder = folder / PARTS_FOLDER
        self._run, self._layout = folder, PredictionLayout(class_names, topk, probabilities)
        self._format = ArrowFormat(self._layout)
        self._written: dict[str, WrittenFile] = dict(kept)
        self._taken: dict[str, WrittenFile] = {}
        self._waiting: list[Any] = []
        self._of_workers: Path | None = None
        self._folder.mkdir(exist_ok=True)
        for path in self._folder.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            elif f"{PARTS_FOLDER}/{path.name}" not in self._written:
                path.unlink()

    def write(self, scores: BatchScores, split: str) -> list[PredictionColumns]:
        """Add one row for each image of the batch; gives what was added, piece by piece."""
        pieces = list(pieces_of(self._layout, scores, split))
        self._waiting += map(self._format.batch, pieces)
        return pieces

    def end_part(self) -> dict[str, WrittenFile]:
        """Write the rows that have come since the last part, if there are any; gives that part by its name."""
        if self._waiting:
            name = part_name(len(self._written))
            self._taken[name] = write_parquet(self._format.schema, self._waiting, self._run / name)
            self._written |= self._taken
        part, self._taken, self._waiting = self._taken, {}, []
        return part

    def for_workers(self) -> Path:
        """Make a folder that workers write parts into; a name that no other has tells a machine that it sees it."""
        if self._of_workers is None:
            self._of_workers = self._folder.resolve() / f".{uuid4().hex}"
            self._of_workers.mkdir()
        return self._of_workers

    def take_part(self, part: WorkerPart) -> Path:
        """Give what a worker has written the name of the next part."""
        name = part_name(len(self._written))
        path = self._run / name
        part.file.replace(path)
        self._written[name] = self._taken[name] = part.written
        return path

    def positions(self) -> Positions:
        """Count the rows of all parts."""
        return {ROWS: sum(part.rows for part in self._written.values())}

    def digests(self) -> dict[str, str]:
        """Give nothing: each part is whole, and the journal has it with its digest."""
        return {}

    def finish(self) -> dict[str, WrittenFile]:
        """Give all parts by their names; `end_part` was called before. Raises OSError."""
        # A worker whose part nobody waits for any more may still write it (decision 191)
        if self._of_workers is not None and not atomic.remove_folder(self._of_workers, _TRIES):
            shutil.rmtree(self._of_workers)
        atomic.flush_path(self._folder)
        return self._written

    def close(self) -> None:
        """Forget the rows of a part that is not whole."""
        self._waiting = []
