"""Patterns of paths as in gitignore files: `--glob`, and the file .batchclfignore."""

import re
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from batchclf.errors import DataError, UsageError

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

IGNORE_FILE = ".batchclfignore"

SYSTEM_FOLDERS = frozenset(
    {"lost+found", "@eadir", "__macosx", "#recycle", "#snapshot", "$recycle.bin", "system volume information"}
)
"""Folders of systems and network drives, in small letters; hidden ones are left out anyway."""

Matches = Callable[[str], bool]
"""Tells whether a relative path matches; a folder's path ends in `/`."""


def is_system_folder(name: str) -> bool:
    """Whether a folder of this name belongs to a system or a network drive, in upper or lower case."""
    return name.lower() in SYSTEM_FOLDERS


def glob_paths(globs: Iterable[str]) -> Matches:
    """Make a test for the paths that match any of some patterns, each read as a line of a gitignore file.

    `*.jpg` matches at any depth, `photos/*.jpg` only there. Raises UsageError where one is no such pattern, would
    match nothing, or begins with `!`.
    """
    specs = []
    for glob in globs:
        spec = None if glob.startswith("!") else _compiled(glob)
        if spec is None:
            raise UsageError(
                f"--glob '{glob}' is not a pattern of files to score",
                hint=f"for example: --glob '*.jpg' or --glob 'photos/2026-*/**' (what to leave out goes to "
                f"{IGNORE_FILE})",
            )
        specs.append(spec)
    return _joined(specs).match_file


def ignore_content(root: Path) -> bytes | None:
    """Read `.batchclfignore` in `root`; None where there is none. Raises DataError where it cannot be read."""
    try:
        return (root / IGNORE_FILE).read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DataError(f"{root / IGNORE_FILE} cannot be read: {error.strerror}") from error


def ignored_paths(root: Path) -> Matches | None:
    """Make a test for the paths that `.batchclfignore` in `root` leaves out; None where there is no such file.

    As in a gitignore file the last line that matches decides, and `!` takes files back; unlike there, also out of a
    folder that is left out. Raises DataError where the file cannot be read, is not UTF-8 or has a line that is no
    pattern.
    """
    content = ignore_content(root)
    if content is None:
        return None
    path = root / IGNORE_FILE
    try:
        lines = content.decode("utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        number = content.count(b"\n", 0, error.start) + 1
        raise DataError(f"{path} is not UTF-8 (line {number})", hint="save it as UTF-8") from error
    specs = []
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        spec = _compiled(line.removesuffix("\r"))
        if spec is None:
            raise DataError(
                f"line {number} of {path} is not a pattern: {line.strip()}",
                hint="patterns are written as in a .gitignore file, for example: thumbs/ or *_small.jpg",
            )
        specs.append(spec)
    return _joined(specs).match_file


def _compiled(line: str) -> "GitIgnoreSpec | None":
    # Imported here: 0.05 s that a run without patterns need not wait for.
    from pathspec import GitIgnoreSpec

    try:
        with warnings.catch_warnings():
            # Python's regular expressions warn of what they take otherwise than git, such as [[:alpha:]].
            warnings.simplefilter("error")
            spec = GitIgnoreSpec.from_lines([line])
    except (ValueError, re.error, FutureWarning):
        return None
    # git takes a line that it cannot read for one that matches nothing; here a typo is told.
    return spec if any(pattern.include is not None for pattern in spec.patterns) else None


def _joined(specs: "list[GitIgnoreSpec]") -> "GitIgnoreSpec":
    from pathspec import GitIgnoreSpec

    return GitIgnoreSpec([pattern for spec in specs for pattern in spec.patterns])
