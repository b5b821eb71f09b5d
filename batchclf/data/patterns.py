"""Patterns of paths as in gitignore files: `--glob`, and the file .batchclfignore."""

import re
import warnings
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import TYPE_CHECKING

from batchclf.data.sources.found import IGNORE_FILE, Matches
from batchclf.errors import DataError, UsageError

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

    from batchclf.data.sources.interface import ImageSource


def glob_paths(globs: Iterable[str]) -> Matches:
    """Make a test for the paths that match any of some patterns, each read as a line of a gitignore file.

    `*.jpg` matches at any depth, `photos/*.jpg` only there. Raises UsageError where one is no such pattern, would
    match nothing, or begins with `!`.
    """
    specs: list[GitIgnoreSpec] = []
    for glob in globs:
        spec = None if glob.startswith("!") else _compiled(glob)
        if spec is None:
            raise UsageError(
                f"--glob '{glob}' is not a pattern of files to score",
                hint=f"for example: --glob '*.jpg' or --glob 'photos/2026-*/**' (what to leave out goes to "
                f"{IGNORE_FILE})",
            )
        specs += map(_spec, _as_git(glob))
    return _joined(specs).match_file


def split_folders(source: "ImageSource") -> tuple[str, ...]:
    """Name the split folders of training data in a source: train and test if both are there, otherwise none."""
    names = ("train", "test")
    return names if all(source.has_folder(name) for name in names) else ()


def ignore_content(source: "ImageSource") -> dict[str, bytes]:
    """Read `.batchclfignore` of a source (key "") and in its split folders (key train, test), as far as they are there.

    Raises DataError where one cannot be read.
    """
    folders = ("", *split_folders(source))
    contents = {folder: source.file(_ignore_file(folder)) for folder in folders}
    return {folder: content for folder, content in contents.items() if content is not None}


def _ignore_file(folder: str) -> str:
    return f"{folder}/{IGNORE_FILE}" if folder else IGNORE_FILE


def ignored_paths(source: "ImageSource") -> Matches | None:
    """Make a test for the paths that `.batchclfignore` of a source leaves out; None where there is no such file.

    The rules are git's: the last line that matches decides, and `!` takes back, but nothing out of a folder that is
    left out. Lines of a file in a split folder are about what lies in it, and come after those at its top. Raises
    DataError where a file cannot be read, is not UTF-8 or has a line that is no pattern.
    """
    contents = ignore_content(source)
    if not contents:
        return None
    lines = [line for folder, content in contents.items() for line in _ignore_lines(source, folder, content)]
    # pathspec takes files back out of a folder that is left out, so each folder of a path is asked for by itself. It
    # is so as a file, for which the lines that match its own name come before those that match a folder above it; so
    # the "/" of lines about folders has to go (decision 148)
    of_folders = _joined(_spec(line.removesuffix("/")) for line in lines)
    of_files = _joined(_spec(line) for line in lines)

    @lru_cache(256)
    def is_left_out(folder: str) -> bool:
        ends = (end for end, character in enumerate(folder) if character == "/")
        return any(of_folders.match_file(folder[:end]) for end in ends)

    def is_ignored(path: str) -> bool:
        folder = path[: path.rfind("/") + 1]
        return is_left_out(folder) or (folder != path and of_files.match_file(path))

    return is_ignored


def _ignore_lines(source: "ImageSource", folder: str, content: bytes) -> Iterator[str]:
    """Yield the patterns of an ignore file in `folder` as they would stand at the top; raises DataError."""
    path = source.named(_ignore_file(folder))
    try:
        lines = content.decode("utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        number = content.count(b"\n", 0, error.start) + 1
        raise DataError(f"{path} is not UTF-8 (line {number})", hint="save it as UTF-8") from error
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        text = line.removesuffix("\r")
        text = text if text.endswith("\\ ") else text.rstrip()
        if _compiled(text) is None or _compiled(text.removesuffix("/")) is None:
            raise DataError(
                f"line {number} of {path} is not a pattern: {line.strip()}",
                hint="patterns are written as in a .gitignore file, for example: thumbs/ or *_small.jpg",
            )
        yield from _as_git(_below(folder, text))


def _below(folder: str, pattern: str) -> str:
    """Write a pattern of an ignore file in `folder` as one in the folder above it; "" leaves it as it is."""
    # By git "a/**/" is the folders in "a"; pathspec takes the files in it, too, but reads "a/**/*/" as git does.
    pattern = re.sub(r"(^|/)\*\*/$", r"\1**/*/", pattern)
    if not folder:
        return pattern
    sign, rest = ("!", pattern[1:]) if pattern.startswith("!") else ("", pattern)
    return f"{sign}/{folder}/{rest.removeprefix('/') if '/' in rest.removesuffix('/') else '**/' + rest}"


def _as_git(pattern: str) -> Iterator[str]:
    """Give a pattern as those that mean for pathspec what git takes it for."""
    # git compares the text before the first wildcard by itself, so "**/" that follows it begins a pattern there
    match = re.fullmatch(r"(!|(?!!))/?([^*?[\\]*[^*?[\\/])\*\*/(.+)", pattern)
    if match is None:
        yield pattern
        return
    sign, before, rest = match.groups()
    yield from _as_git(f"{sign}/{before}{rest}")
    yield f"{sign}/{before}*/**/{rest}"


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


def _spec(pattern: str) -> "GitIgnoreSpec":
    from pathspec import GitIgnoreSpec

    return GitIgnoreSpec.from_lines([pattern])


def _joined(specs: "Iterable[GitIgnoreSpec]") -> "GitIgnoreSpec":
    from pathspec import GitIgnoreSpec

    return GitIgnoreSpec([pattern for spec in specs for pattern in spec.patterns])
