"""What the jobs need from whoever watches: a line to say, and progress to show."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

Total = int | Callable[[], int | None] | None
"""How many steps there are: the number, or what counts them in a thread if a bar is drawn; None if it is not known."""


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

    def progress(self, what: str, total: Total) -> AbstractContextManager[Advance]:
        """Show how far a step is."""
