"""What batchclf says while it works goes to the logger `batchclf` of the standard library.

Whoever imports batchclf routes or silences it there; on the command line the console is its handler. By itself it
prints nothing.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from batchclf.core.progress import Advance, Total

LOGGER = logging.getLogger("batchclf")
LOGGER.addHandler(logging.NullHandler())  # else Python prints warnings of a logger that nobody has set up


class LogWatcher:
    """Watches jobs and logs what they say, INFO for a line, WARNING for a warning and DEBUG for a detail.

    Shows no progress.
    """

    def say(self, line: str) -> None:
        """Log one line."""
        LOGGER.info(line)

    def warn(self, line: str) -> None:
        """Log what is no error but must not go unseen, WARNING."""
        LOGGER.warning(line)

    def detail(self, line: str) -> None:
        """Log one line for those who ask for more."""
        LOGGER.debug(line)

    @contextmanager
    def progress(self, what: str, total: "Total") -> "Iterator[Advance]":
        """Show nothing."""
        yield _unseen


def _unseen(steps: int) -> None:
    """Show nothing."""
