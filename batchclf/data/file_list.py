"""A list of files, one path a line, as `find` and other tools write it."""

import os
from typing import TYPE_CHECKING

from batchclf.errors import UsageError

if TYPE_CHECKING:
    from batchclf.data.sources.interface import ImageSource

UTF_16_MARKS = (b"\xff\xfe", b"\xfe\xff")


def parse_file_list(content: bytes, images: "ImageSource", source: str) -> tuple[str, ...]:
    """Read a list of paths, one a line, or NUL-separated where it holds a NUL (`find -print0`).

    Gives each path once, relative to the source `images`, sorted. Blank lines are left out; lines may end in CRLF.
    Names that are not UTF-8 are kept. Raises UsageError if the list is UTF-16 and, naming the line, if a path leads out
    of `images`.
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
        path = images.relative(entry)
        if path is None:
            raise UsageError(
                f"{'entry' if by_nul else 'line'} {number} of {source} leads out of {images}: {entry}",
                hint=f"list files that lie under {images}, with paths relative to it",
            )
        paths.add(path)
    return tuple(sorted(paths))
