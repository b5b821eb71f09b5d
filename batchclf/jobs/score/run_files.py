"""What a run writes while it scores: predictions, facts of the images, skipped ones and, to be resumed, the journal."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from batchclf.core.records.run import WrittenFile
from batchclf.core.suffixes import count_suffix
from batchclf.data.decoding.suffixes import REASONS
from batchclf.jobs.config.settings import ScoreSettings
from batchclf.scoring.stream import Block
from batchclf.storage.csv_files.cells import utf8_text
from batchclf.storage.images.facts import IMAGES_FILE, ImageFactsWriter
from batchclf.storage.predictions.write import PredictionFiles
from batchclf.storage.run.directory import SKIPPED_FILE
from batchclf.storage.run.journal import Journal, JournalEntry, JournalHead
from batchclf.storage.run.skipped import SkippedWriter

if TYPE_CHECKING:
    from batchclf.core.progress import Watcher


@dataclass
class Counts:
    """What came of the files of one subset so far.

    `excluded` counts by reason, `suffixes` those of them that are no image by their suffix as `count_suffix` does,
    `folders` images by first folder.
    """

    found: int = 0
    scored: int = 0
    skipped: int = 0
    excluded: Counter[str] = field(default_factory=Counter)
    suffixes: dict[str, int] = field(default_factory=dict)
    first_skip: str = ""
    folders: Counter[str] = field(default_factory=Counter)


class Results:
    """Writes blocks into a run directory; use as a context manager.

    `kept` is what an earlier run has written there and still holds: writing goes on after its last entry, and
    `counts` begins with it, but for the folders. Without `head` there is no journal, and the run cannot be resumed.
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
    ) -> None:
        self.counts = Counts()
        self.class_names = class_names
        self.resumed = bool(kept)
        self._watcher = watcher
        last = kept[-1] if kept else None
        # The journal first: it must never speak of more than the files hold.
        self._journal = None if head is None else Journal(folder, head, list(kept))
        self._predictions = PredictionFiles(
            folder,
            class_names,
            topk=min(settings.topk, len(class_names)),
            probabilities=settings.writes_probabilities(len(class_names)),
            formats=settings.formats,
            resume_at=None if last is None else last.predictions,
        )
        self._images = ImageFactsWriter(folder / IMAGES_FILE, resume_at=None if last is None else last.images)
        self._skipped = SkippedWriter(folder / SKIPPED_FILE, resume_at=None if last is None else last.skipped)
        if last is not None:
            self.counts = Counts(
                last.found,
                self._predictions.rows,
                self._skipped.rows,
                Counter(last.excluded),
                dict(last.suffixes),
                last.first_skip,
            )

    def __enter__(self) -> "Results":
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close all files."""
        self._predictions.__exit__(kind, error, trace)
        self._images.__exit__(kind, error, trace)
        self._skipped.__exit__(kind, error, trace)
        if self._journal is not None:
            self._journal.__exit__(kind, error, trace)

    def next_subset(self) -> None:
        """Count from zero again."""
        self.counts = Counts()

    def write(self, block: Block, split: str) -> None:
        """Write what came of a block; once this returns a kill does not undo it."""
        counts = self.counts
        counts.found += block.found
        counts.skipped += len(block.skipped)
        counts.excluded.update(file.reason for file in block.excluded)
        for file in block.excluded:
            if file.reason in REASONS:
                count_suffix(counts.suffixes, file.path)
        counts.folders.update(_first_folder(skipped.ref.path) for skipped in block.skipped)
        for skipped in block.skipped:
            self._skipped.write(skipped, split)
            line = utf8_text(f"skipped {skipped.ref.path}: {skipped.reason}")
            counts.first_skip = counts.first_skip or line
            self._watcher.detail(line)
        if block.scores is not None:
            self._predictions.write(block.scores, split)
            self._images.write(block.scores.refs, block.facts, block.contents, split)
            counts.scored += len(block.scores.refs)
            counts.folders.update(_first_folder(ref.path) for ref in block.scores.refs)
        if self._journal is not None:
            positions = self._predictions.positions(), self._images.positions(), self._skipped.positions()
            excluded = dict(counts.excluded), dict(counts.suffixes)
            self._journal.append(
                JournalEntry(block.digest.hex(), counts.found, *excluded, counts.first_skip, *positions)
            )

    def finish(self) -> dict[str, WrittenFile]:
        """Make the files whole after the last block of the last subset, and give them by their names."""
        return {
            **self._predictions.finish(),
            IMAGES_FILE: self._images.written(),
            SKIPPED_FILE: self._skipped.written(),
        }


def _first_folder(path: str) -> str:
    return path[: max(path.find("/"), 0)]
