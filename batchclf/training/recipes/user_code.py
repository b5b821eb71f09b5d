"""The user's Python code: where it is looked for, and in which of its lines something went wrong."""

import importlib
import re
import sys
import sysconfig
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from batchclf.training.recipes import builtin as recipes

_LONGEST = 300  # characters of a message; Keras lists all arguments of a layer that fails
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_LIBRARIES = {"keras", "tensorflow"}
_OURS = Path(__file__).resolve().parents[2]
_CUSTOM = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")


@contextmanager
def importable(folders: Sequence[Path]) -> Iterator[None]:
    """Let modules of these folders be imported, before those that are installed. No compiled files are written."""
    added = [str(folder) for folder in folders]
    writes_none = sys.dont_write_bytecode
    sys.path[:0] = added
    sys.dont_write_bytecode = True
    importlib.invalidate_caches()  # a file that was written a moment ago may not be known yet
    try:
        yield
    finally:
        sys.dont_write_bytecode = writes_none
        for each in added:
            if each in sys.path:
                sys.path.remove(each)


def told(error: BaseException) -> str:
    """Tell an error of the user's code in a line: its type and message, and the file and line that it came from."""
    text = _COLOURS.sub("", str(error)).partition("Arguments received by")[0]
    if isinstance(error, SyntaxError):
        text = error.msg
    text = " ".join(text.split())
    text = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
    what = f"{type(error).__name__}: {text}" if text else type(error).__name__
    place = _place(error)
    return f"{what} ({place})" if place else what


def _place(error: BaseException) -> str:
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}, line {error.lineno}"
    frames = [each for each in traceback.extract_tb(error.__traceback__) if not each.filename.startswith("<")]
    frames = [each for each in frames if not Path(each.filename).is_relative_to(_OURS)]
    paths = sysconfig.get_paths()
    installed = [paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    own = [each for each in frames if not any(Path(each.filename).is_relative_to(folder) for folder in installed)]
    # The last line of the user's code that led there. Of an installed package the first one, of Keras none: there is no
    # mistake in it.
    found = own[-1:] or [each for each in frames[:1] if not _LIBRARIES.intersection(Path(each.filename).parts)]
    return f"{found[0].filename}, line {found[0].lineno}" if found else ""


def is_custom(name: str) -> bool:
    """Whether a recipe's name is that of a custom recipe, `module:function`, rather than one of batchclf's."""
    return name not in recipes.RECIPES and _CUSTOM.fullmatch(name) is not None
