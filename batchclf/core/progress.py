"""What the jobs need from whoever watches: a line to say, and progress to show."""

from contextlib import AbstractContextManager
from typing import Protocol


class Advance(Protocol):
    """Moves a progress bar on by some steps."""

    def __call__(self, steps: int) -> None:
        """Move on by `steps`."""


class Watcher(Protocol):
    """The command line, or a test."""

    def say(self, line: str) -> None:
        """Tell one line."""

    def warn(self, line: str) -> None:
        """Say what is no error but must not go unseen."""

    def detail(self, line: str) -> None:
        """Tell one line to those who asked for more."""

    def progress(self, what: str, total: int | None) -> AbstractContextManager[Advance]:
        """Show how far a step is; `total` None where it is not known beforehand."""
