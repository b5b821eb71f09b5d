"""How callers learn that something is wrong: every error is a BatchclfError, and warnings name their line."""

import functools
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, TypeVar

from batchclf.errors import explained

P = ParamSpec("P")
R = TypeVar("R")

_INNER = (str(Path(__file__).parents[1]), functools.__file__)
"""Files of these are not the caller's."""


def in_words(function: Callable[P, R]) -> Callable[P, R]:
    """Let a function raise what the system refuses, such as memory or a file, as a BatchclfError."""

    @functools.wraps(function)
    def called(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except (MemoryError, OSError, RuntimeError) as error:
            found = explained(error)
            if found is None:
                raise
            raise found from error

    return called


def warn_caller(line: str) -> None:
    """Warn (UserWarning) of what is no error, at the line that has called batchclf."""
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_INNER):
        level, frame = level + 1, frame.f_back
    warnings.warn(line, stacklevel=level)
