"""What a run writes while it scores: predictions, facts of the images, skipped ones and, to be resumed, the journal."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from batchclf.core.records.run import WrittenFile
from batchclf.core.suffixes import count_suffix
from batchclf.core.text import utf8_text
from batchclf.core.types import PredictionRows
from batchclf.data.decoding.suffixes import REASONS
from batchclf.jobs.config.settings import ScoreSettings
from batchclf.jobs.score.score_cache import computed_with
from batchclf.libraries import VERSION
from batchclf.models.bundle import Bundle
from batchclf.scoring.stream import Block
from batchclf.storage.images.facts import IMAGES_FILE, ImageFactsWriter
from batchclf.storage.predictions.as_written import rows_as_written
from batchclf.storage.predictions.write import PredictionFiles
from batchclf.storage.run.directory import SKIPPED_FILE
from batchclf.storage.run.journal import Counts, Journal, JournalEntry, JournalHead
from batchclf.storage.run.skipped import SkippedWriter

if TYPE_CHECKING:
    from batchclf.core.metrics.evaluation import Tally
    from batchclf.core.progress import Watcher
    from batchclf.storage.predictions.parts import PredictionParts, WorkerPart


class RowTally(Protocol):
    """Takes all rows of a run, in order."""

    def take(self, rows: PredictionRows, facts: NDArray[np.void]) -> None:
        """Add rows as they are written, and the FACTS of their images."""

    def take_part(self, tally: "Tally", facts: NDArray[np.void], read: Callable[[], Iterable[PredictionRows]]) -> None:
        """Add rows that somebody else has counted, and the FACTS of their images; `read` gives the rows themselves."""


def journal_head(source: str, parts: Mapping[str, str], bundle: Bundle, settings: ScoreSettings) -> JournalHead:
    """Name all that the rows of `source` depend on beside the images: `parts` and what is alike for all sources.

    The number of workers and the cache change nothing. Raises ModelError if what runs the model is not installed.
    """
    classes = bundle.info.class_names
    common = {
        **computed_with(bundle, settings),
        "list of classes": msgspec.json.encode(classes).decode(),
        "batch size": str(settings.images_a_batch(bundle)),
        "number of classes a row": str(settings.topk),
        "choice of probability columns": str(settings.writes_probabilities(len(classes))),
        "list of formats": ",".join(settings.formats),
        "version of batchclf": VERSION,
    }
    return JournalHead(utf8_text(source), {**common, **{name: utf8_text(value) for name, value in parts.items()}})


class Results:
    """Writes blocks into a run directory, subset by subset; use as a context manager.

    `kept` is what an earlier run has written there. Each subset begins with those of its entries that still hold;
    where the first does not, all after it is written anew. Without `head` there is no journal, and the run cannot be
    resumed. With `part`, so many blocks of a subset make up a part of the predictions, and it is resumed after a whole
    one. `tally` gets all rows that are written, which are those of the run if nothing is kept. `counts` and
    `folders`, images by first folder, are those of the present subset, `resumed` the images of it that an earlier run
    has scored.
    """

    def __init__(
        self,
        folder: Path,
        class_names: tuple[str, ...],
        settings: ScoreSettings,
        watcher: "Watcher",
        *,
        head: JournalHead | None = None,
        kept: Sequence[JournalEntry] = (),
        tally: RowTally | None = None,
        part: int = 0,
    ) -> None:
        self.counts, self.folders, self.resumed = Counts(), Counter[str](), 0
        self._tally, self._part = tally, part
        self.class_names = class_names
        self._folder, self._settings, self._watcher, self._head = folder, settings, watcher, head
        self._subset = ""
        self._left, self._kept = list(kept), list[JournalEntry]()
        self._files: _Files | None = None

    def __enter__(self) -> "Results":
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close all files."""
        if self._files is not None:
            self._files.close()

    def entries_of(self, subset: str) -> list[JournalEntry]:
        """Give the entries of the next subset that may still hold; none once an earlier one does not."""
        return list(takewhile(lambda entry: entry.subset == subset, self._left))

    @property
    def resuming(self) -> bool:
        """Whether there are entries that may still hold."""
        return bool(self._left)

    def resumes_after(self, subset: str) -> bool:
        """Whether subsets after the next one have entries that may still hold."""
        return len(self._left) > len(self.entries_of(subset))

    def begin(self, subset: str, kept: int, *, goes_on: bool) -> None:
        """Begin a subset with its first `kept` entries; `goes_on` says that blocks come after those."""
        if self._files is not None:
            self._files.end_part()
        entries = self.entries_of(subset)
        holding = entries[:kept]
        self._subset = subset
        # A copy: its numbers go on.
        self.counts = msgspec.convert(msgspec.to_builtins(holding[-1].counts), Counts) if holding else Counts()
        self.folders = sum((Counter(each.folders) for each in holding), Counter[str]())
        self.resumed = self.counts.scored
        self._kept += holding
        self._left = [] if goes_on or kept < len(entries) else self._left[kept:]
        if not self._left:
            self._open()

    def _open(self) -> "_Files":
        if self._files is None:
            self._files = _Files(self._folder, self.class_names, self._settings, self._head, self._kept, self._part)
        return self._files

    def write(self, block: Block) -> None:
        """Write what came of a block; once this returns for the last one of a part, a kill does not undo it."""
        files, counts = self._open(), self.counts
        counts.found += block.found
        counts.skipped += len(block.skipped)
        for file in block.excluded:
            counts.excluded[file.reason] = counts.excluded.get(file.reason, 0) + 1
            if file.reason in REASONS:
                count_suffix(counts.suffixes, file.path)
        for skipped in block.skipped:
            files.skipped.write(skipped, self._subset)
            line = utf8_text(f"skipped {skipped.ref.path}: {skipped.reason}")
            counts.first_skip = counts.first_skip or line
            self._watcher.detail(line)
        if block.scores is not None:
            done = 0
            for columns in files.predictions.write(block.scores, self._subset):
                if self._tally is not None:
                    rows = rows_as_written(columns, self.class_names)
                    self._tally.take(rows, block.facts[done : done + len(rows)])
                    done += len(rows)
        if block.refs:
            files.images.write(block.refs, block.facts, block.contents, self._subset)
            counts.scored += len(block.refs)
        self.folders.update(folders := _first_folders(block))
        if block.written is not None:
            self._take_part(block.written.result, block.facts)
        files.note(self._subset, block.digest, counts, folders, whole=block.written is not None)

    @property
    def parts(self) -> "PredictionParts":
        """The predictions of a run that writes them in parts."""
        return self._open().parts

    def _take_part(self, part: "WorkerPart", facts: NDArray[np.void]) -> None:
        """Take over a part that a worker has written, and what it has counted."""
        path = self.parts.take_part(part)
        if self._tally is not None:
            self._tally.take_part(part.tally, facts, lambda: _read_part(path, self.class_names))

    def finish(self) -> dict[str, WrittenFile]:
        """Make the files whole after the last block of the last subset, and give them by their names."""
        return self._open().finish()


@dataclass(frozen=True)
class _Written:
    """A block that is written: its subset and digest, the counts after it, and its own images by first folder."""

    subset: str
    digest: bytes
    counts: Counts
    folders: Mapping[str, int]


class _Files:
    """The files, gone on with after the last of the entries that are kept, and their journal if it has a head."""

    def __init__(
        self,
        folder: Path,
        class_names: tuple[str, ...],
        settings: ScoreSettings,
        head: JournalHead | None,
        kept: list[JournalEntry],
        part: int,
    ) -> None:
        self._part, self._blocks = part, list[_Written]()
        last = kept[-1] if kept else None
        # The journal first: it must never speak of more than the files hold.
        self._journal = None if head is None else Journal(folder, head, kept)
        self.predictions = _open_predictions(folder, class_names, settings, kept, in_parts=part > 0)
        self.images = ImageFactsWriter(folder / IMAGES_FILE, resume_at=None if last is None else last.images)
        self.skipped = SkippedWriter(folder / SKIPPED_FILE, resume_at=None if last is None else last.skipped)
        if head is not None and self._journal is not None and last is not None and not part:
            # The file that grows for Parquet was written anew, perhaps with other bytes.
            self._journal.close()
            kept[-1] = self._entry(last.subset, last.digest, last.counts, last.folders)
            self._journal = Journal(folder, head, kept)

    @property
    def parts(self) -> "PredictionParts":
        """The predictions, which are written in parts."""
        from batchclf.storage.predictions.parts import PredictionParts

        assert isinstance(self.predictions, PredictionParts)
        return self.predictions

    def note(
        self, subset: str, digest: bytes, counts: Counts, folders: Mapping[str, int], *, whole: bool = False
    ) -> None:
        """Put a block that is written into the journal, if there is one; if it is of a part, once that is `whole`."""
        self._blocks.append(_Written(subset, digest, counts, folders))
        if whole or len(self._blocks) >= self._part:
            self.end_part()

    def end_part(self) -> None:
        """Write the part of predictions that the last blocks belong to, if there are any, and note them."""
        if not self._blocks:
            return
        part = self.predictions.end_part()
        if self._journal is not None:
            last, folders = self._blocks[-1], sum((Counter(each.folders) for each in self._blocks), Counter[str]())
            digests = b"".join(each.digest for each in self._blocks).hex()
            self._journal.append(replace(self._entry(last.subset, digests, last.counts, folders), part=part))
        self._blocks.clear()

    def _entry(self, subset: str, digest: str, counts: Counts, folders: Mapping[str, int]) -> JournalEntry:
        positions = self.predictions.positions(), self.images.positions(), self.skipped.positions()
        written = {**self.predictions.digests(), IMAGES_FILE: self.images.written().sha256}
        written[SKIPPED_FILE] = self.skipped.written().sha256
        return JournalEntry(subset, digest, counts, dict(folders), *positions, written)

    def finish(self) -> dict[str, WrittenFile]:
        """Make the files whole, and give them by their names."""
        self.end_part()
        return {
            **self.predictions.finish(),
            IMAGES_FILE: self.images.written(),
            SKIPPED_FILE: self.skipped.written(),
        }

    def close(self) -> None:
        """Close all files."""
        for file in (self.predictions, self.images, self.skipped, self._journal):
            if file is not None:
                file.close()


def columns_of(settings: ScoreSettings, classes: int) -> tuple[int, bool]:
    """Give how many classes a row names, and whether it has all probabilities."""
    return min(settings.topk, classes), settings.writes_probabilities(classes)


def _read_part(path: Path, class_names: tuple[str, ...]) -> Iterator[PredictionRows]:
    from batchclf.storage.predictions.read import read_prediction_rows
    from batchclf.storage.predictions.read_parts import PartsTable

    return read_prediction_rows(PartsTable(path.parent, [path]), class_names)


def _open_predictions(
    folder: Path, class_names: tuple[str, ...], settings: ScoreSettings, kept: Sequence[JournalEntry], *, in_parts: bool
) -> "PredictionFiles | PredictionParts":
    topk, probabilities = columns_of(settings, len(class_names))
    if in_parts:
        from batchclf.storage.predictions.parts import PredictionParts

        parts = {name: written for entry in kept for name, written in entry.part.items()}
        return PredictionParts(folder, class_names, topk=topk, probabilities=probabilities, kept=parts)
    return PredictionFiles(
        folder,
        class_names,
        topk=topk,
        probabilities=probabilities,
        formats=settings.formats,
        resume_at=kept[-1].predictions if kept else None,
    )


def _first_folders(block: Block) -> Counter[str]:
    """Count the images of a block by the first folder of their paths, "" without one."""
    paths = [skipped.ref.path for skipped in block.skipped]
    paths += [ref.path for ref in block.refs]
    counts = Counter[str]()
    for folder, count in Counter([path[: max(path.find("/"), 0)] for path in paths]).items():
        counts[utf8_text(folder)] += count
    return counts
