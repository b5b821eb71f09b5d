"""A list of files, one path a line, as `find` and other tools write it."""

import os
from pathlib import Path

from batchclf.errors import UsageError

UTF_16_MARKS = (b"\xff\xfe", b"\xfe\xff")


def relative_path(text: str, root: Path) -> str | None:
    """Give a path relative to `root` (an absolute one must lie in it) without `.` and `..`; None where it leaves it.

    What is relative is taken to be so to `root`, not to the current folder. Looks at nothing but the path of `root`.
    """
    path = os.path.normpath(text)
    if os.path.isabs(path):  # noqa: PTH117 (a Path per line is slow)
        path = "/" + path.lstrip("/")  # normpath keeps two slashes
        bases = (os.path.abspath(root), os.path.realpath(root))  # noqa: PTH100
        inside = [base for base in bases if path == base or path.startswith(base.rstrip("/") + "/")]
        return os.path.relpath(path, inside[0]) if inside else None
    return None if path == ".." or path.startswith("../") else path


def parse_file_list(content: bytes, root: Path, source: str) -> tuple[str, ...]:
    """Read a list of paths, one a line, or NUL-separated where it holds a NUL (`find -print0`).

    Gives each path once, relative to `root`, sorted. Blank lines are left out; lines may end in CRLF. Names that are
    not UTF-8 are kept. Raises UsageError if the list is UTF-16 and, naming the line, if a path leaves `root`.
    """
    if content[:2] in UTF_16_MARKS:
        # PowerShell's `>` writes it; its NULs would pass for the ends of entries.
        raise UsageError(f"{source} is UTF-16", hint="save it as UTF-8 (PowerShell: Out-File -Encoding utf8)")
    by_nul = b"\0" in content
    entries = content.split(b"\0") if by_nul else content.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    paths = set()
    for number, raw in enumerate(entries, 1):
        entry = os.fsdecode(raw if by_nul else raw.removesuffix(b"\r"))
        if not (entry if by_nul else entry.strip()):
            continue
        path = relative_path(entry, root)
        if path is None:
            raise UsageError(
                f"{'entry' if by_nul else 'line'} {number} of {source} leads out of {root}: {entry}",
                hint=f"list files that lie under {root}, with paths relative to it",
            )
        paths.add(path)
    return tuple(sorted(paths))
