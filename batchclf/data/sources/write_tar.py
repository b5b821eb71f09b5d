"""Writes images as they are into a tar in WebDataset layout."""

import json
from typing import IO

from batchclf.data.sources.tar import MARK
from batchclf.data.sources.tar_members import BLOCK

_TAIL = 2 * BLOCK
"""Two empty blocks are the end of a tar."""


class TarWriter:
    """Writes a sample for each image: `NUMBER.SUFFIX` and `NUMBER.json`, with path, label and digest (decision 183).

    The same images give the same bytes: no time, no owner.
    """

    suffix = ".tar"

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        mark = f" comment={MARK}\n"
        length = len(mark) + len(str(len(mark) + 2))
        self.size = 0
        self._member("pax_global_header", f"{length}{mark}".encode(), b"g")

    def room(self, content: bytes, path: str) -> int:
        """Give the bytes that an image takes, about."""
        return len(content) + len(path) + 4 * BLOCK

    def write(self, number: int, path: str, label: str | None, content: bytes, digest: str) -> None:
        """Append an image; `number` counts through all shards."""
        key = f"{number:09}"
        self._member(f"{key}{path[path.rfind('.') :].lower()}", content)
        # ASCII, so that a path that is not UTF-8 comes back as it is
        self._member(f"{key}.json", json.dumps({"path": path, "label": label, "digest": digest}).encode("ascii"))

    def _member(self, name: str, content: bytes, kind: bytes = b"0") -> None:
        padding = -len(content) % BLOCK
        self._file.write(b"".join((_header(name, len(content), kind), content, bytes(padding))))
        self.size += BLOCK + len(content) + padding

    def close(self) -> None:
        """Write the end."""
        self._file.write(bytes(_TAIL))
        self.size += _TAIL


def _header(name: str, size: int, kind: bytes) -> bytes:
    """Give a header of POSIX.1-2001 (ustar): mode 644, no owner, the time 0."""
    length = f"{size:011o}".encode()
    if len(length) > 11:
        length = b"\x80" + size.to_bytes(11)  # as GNU tar has it, from 8 GiB on
    fields = (
        name.encode("ascii").ljust(100, b"\0"),
        b"0000644\0" + b"0000000\0" * 2,
        length.ljust(12, b"\0"),
        b"00000000000\0",
    )
    before, after = b"".join(fields), kind + bytes(100) + b"ustar\x0000"
    total = sum(before) + sum(after) + 8 * ord(" ")
    return (before + f"{total:06o}\0 ".encode() + after).ljust(BLOCK, b"\0")
