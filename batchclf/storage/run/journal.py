"""The journal of a run that is under way: what has been written so far, block by block, so that it can be resumed.

`journal.jsonl` lies in the hidden run directory while the run goes on. Its first line says what is scored and how,
each further line what stands on disk after one more block. A line counts only when it is whole, and it is written
after what it speaks of.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from batchclf import atomic
from batchclf.storage.csv_files.append_file import ClosedAtEnd

JOURNAL_FILE = "journal.jsonl"
JOURNAL_FORMAT = 2


@dataclass(frozen=True)
class JournalHead:
    """What is scored (`source`) and all that the rows depend on beside the images: name → value."""

    source: str
    parts: dict[str, str]
    format: int = JOURNAL_FORMAT


@dataclass(frozen=True)
class JournalEntry:
    """The state after a block: its digest (32 hex digits), and counts and positions since the run began.

    `excluded` counts by reason, `suffixes` by suffix those that are no images by that. `predictions`, `images` and
    `skipped` are what the writers give as their positions.
    """

    digest: str
    found: int
    excluded: dict[str, int]
    suffixes: dict[str, int]
    first_skip: str
    predictions: dict[str, int]
    images: dict[str, int]
    skipped: dict[str, int]


@dataclass(frozen=True)
class KilledRun:
    """What a killed run has left: its folder, how it was asked for, and how far it came."""

    folder: Path
    head: JournalHead
    entries: list[JournalEntry] = field(default_factory=list)

    @property
    def files(self) -> int:
        """How many files it was through with."""
        return self.entries[-1].found if self.entries else 0


class Journal(ClosedAtEnd):
    """Writes the journal of a run; use as a context manager."""

    def __init__(self, folder: Path, head: JournalHead, kept: list[JournalEntry]) -> None:
        """Write the journal of `folder` anew, in one step, with the entries that still hold. Raises OSError."""
        self.entries = len(kept)
        path = folder / JOURNAL_FILE
        atomic.write_bytes(path, b"".join(msgspec.json.encode(each) + b"\n" for each in (head, *kept)))
        self._handle = path.open("ab")

    def close(self) -> None:
        """Close the file."""
        self._handle.close()

    def append(self, entry: JournalEntry) -> None:
        """Add the state after one more block, which must be on disk already. Raises OSError."""
        self._handle.write(msgspec.json.encode(entry) + b"\n")
        self._handle.flush()
        self.entries += 1


def read_journal(folder: Path) -> KilledRun | None:
    """Read what a killed run has left in its folder; None where it left no journal that can be used.

    A line that breaks off ends the journal, so what was being written when the run was killed does not count.
    """
    try:
        lines = (folder / JOURNAL_FILE).read_bytes().split(b"\n")[:-1]
        head = msgspec.json.decode(lines[0], type=JournalHead)
    except (OSError, IndexError, msgspec.MsgspecError):
        return None
    if head.format != JOURNAL_FORMAT:
        return None
    return KilledRun(folder, head, list(_whole_entries(lines[1:])))


def _whole_entries(lines: list[bytes]) -> Iterator[JournalEntry]:
    for line in lines:
        try:
            yield msgspec.json.decode(line, type=JournalEntry)
        except msgspec.MsgspecError:
            return
