"""What every engine does: blocks of files in path order go in, what came of each comes out in the same order."""

from collections.abc import Generator, Iterable, Sequence
from typing import Protocol, Self

from batchclf.data.sources.found import Found
from batchclf.scoring.stream import Columns


class Engine(Protocol):
    """Reads, decodes and scores the files of one source; use as a context manager, which frees what it holds.

    What comes out is the same to the byte whatever the engine, the number of its workers, the order in which they are
    done and what had to be done again. A few blocks are under way at a time, however many there are.
    """

    @property
    def warnings(self) -> Sequence[str]:
        """What it had to do again, in sentences that are kept with the run; empty for nothing."""

    def __enter__(self) -> Self:
        """Return itself."""

    def __exit__(self, *_: object) -> None:
        """Cancel what waits."""

    def columns(self, blocks: Iterable[list[Found]]) -> Generator[tuple[list[Found], Columns], None, None]:
        """Score the images of each block. Raises what decoding and the model raise, for the whole run."""

    def digests(self, blocks: Iterable[list[Found]]) -> Generator[tuple[list[Found], list[bytes]], None, None]:
        """Only read the images of each block, and give their digests, 16 bytes each."""
