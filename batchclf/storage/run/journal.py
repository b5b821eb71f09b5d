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
from batchclf.core.records.run import PrecisionRecord, WrittenFile
from batchclf.storage.csv_files.append_file import ClosedAtEnd

JOURNAL_FILE = "journal.jsonl"
JOURNAL_FORMAT = 3
_DIGEST = 16


@dataclass(frozen=True)
class JournalHead:
    """What is scored (`source`) and all that the rows depend on beside the images: name → value."""

    source: str
    parts: dict[str, str]
    format: int = JOURNAL_FORMAT


@dataclass
class Counts:
    """What came of the files of one subset so far.

    `excluded` counts by reason, `suffixes` those of them that are no image by their suffix as `count_suffix` does.
    `cached` of the scored images were in the cache. Of the `labelled` images `correct` are right among the classes that
    labels name; both are 0 if labels name all classes. `precision` is there if less than float32 was asked for.
    """

    found: int = 0
    scored: int = 0
    skipped: int = 0
    cached: int = 0
    labelled: int = 0
    correct: int = 0
    first_skip: str = ""
    excluded: dict[str, int] = field(default_factory=dict)
    suffixes: dict[str, int] = field(default_factory=dict)
    precision: PrecisionRecord | None = None


@dataclass(frozen=True)
class JournalEntry:
    """The state after a block of a subset: the block's digest (32 hex digits), and the subset's counts with it.

    With `--partitioned` it is that after all blocks of a part: `digest` has one after the other, `part` what was
    written, by its name, unless there was no image. `folders` counts the images of these blocks alone by first folder.
    `predictions`, `images` and `skipped` are what the writers give as their positions in the whole run, `written` the
    SHA-256 of each file that grows up to there.
    """

    subset: str
    digest: str
    counts: Counts
    folders: dict[str, int]
    predictions: dict[str, int]
    images: dict[str, int]
    skipped: dict[str, int]
    written: dict[str, str]
    part: dict[str, WrittenFile] = field(default_factory=dict)

    @property
    def digests(self) -> list[bytes]:
        """The digest of each block, 16 bytes each."""
        whole = bytes.fromhex(self.digest)
        return [whole[start : start + _DIGEST] for start in range(0, len(whole), _DIGEST)]


@dataclass(frozen=True)
class KilledRun:
    """What a killed run has left: its folder, how it was asked for (None if nothing is left), and how far it came."""

    folder: Path
    head: JournalHead | None = None
    entries: list[JournalEntry] = field(default_factory=list)

    @property
    def files(self) -> int:
        """How many files it was through with."""
        return sum({each.subset: each.counts.found for each in self.entries}.values())


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
