"""The folder that batchclf keeps for itself in the user's cache."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from platformdirs import user_cache_path

from batchclf.errors import DataError


def user_cache() -> Path:
    """Give batchclf's folder in the user's cache ($XDG_CACHE_HOME/batchclf on Linux); it need not exist.

    Raises DataError where this user has no home folder to keep a cache in.
    """
    return in_home(lambda: user_cache_path("batchclf"))


def in_home(locate: Callable[[], Path]) -> Path:
    """Locate a folder that may lie in the home folder; raises DataError where this user has none."""
    with suppress(RuntimeError):
        folder = locate()
        # Older platformdirs leave the ~ as it is, which would be a folder of that name here.
        if folder.parts[:1] != ("~",):
            return folder.absolute()
    raise DataError("this user has no home folder: neither HOME nor the password file names one")
