"""The members of a tar, header by header: ustar, GNU and pax as GNU tar, Python and WebDataset write them."""

import os
import zlib
from collections.abc import Iterator
from typing import IO, NamedTuple

from batchclf.data.sources.shard import ShardDamageError

BLOCK = 512
_LONGEST_HEADER = 2**20
_ZERO = bytes(BLOCK)
REGULAR, SPARSE, FOLDER = b"0\x007", b"S", b"5"
"""Kinds of members; an old tar has a NUL for a regular file."""

_WITHOUT_DATA = b"123456"


class Member(NamedTuple):
    """A member: its name, kind (one byte), and where its bytes are."""

    name: str
    kind: bytes
    offset: int
    size: int


class Members:
    """Walks the headers of a tar; the file may be moved in between. Not tarfile, see decision 201.

    Raises ShardDamageError at the first place that is no header, and if the end mark is missing.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.size = os.fstat(file.fileno()).st_size
        self.comment = ""

    def __iter__(self) -> Iterator[Member]:
        """Yield the members in their order."""
        at, name, records = 0, "", dict[str, str]()
        while header := self._header(at):
            kind, size = header[156:157], _number(header[124:136], at)
            if kind in b"xgXLK":
                text = self._extended(at + BLOCK, size)
                if kind == b"L":
                    name = _text(text)
                elif kind in b"xX":
                    records = _records(text, at)
                elif kind == b"g":
                    self.comment = _records(text, at).get("comment", "")
                at += BLOCK + _padded(size)
                continue
            member = self._member(header, at, name, records)
            yield member
            at = member.offset + (0 if member.kind in _WITHOUT_DATA else _padded(member.size))
            name, records = "", {}

    def _header(self, at: int) -> bytes:
        """Read a header; nothing at the end."""
        self._file.seek(at)
        header = self._file.read(BLOCK)
        if len(header) < BLOCK:
            raise ShardDamageError(
                f"it breaks off at byte {at:,}, without the mark of a tar's end: images may be missing", at
            )
        if header == _ZERO:
            self._check_end(at)
            return b""
        _check_sum(header, at)
        return header

    def _member(self, header: bytes, at: int, long_name: str, records: dict[str, str]) -> Member:
        """Put together what the header at a byte says of a member, and those before it."""
        kind, offset = header[156:157], at + BLOCK
        size = _decimal(records["size"], at) if "size" in records else _number(header[124:136], at)
        name = records.get("path") or long_name or _name(header)
        if any(record.startswith("GNU.sparse.") for record in records):
            name, kind = records.get("GNU.sparse.name", name), SPARSE
        elif kind == SPARSE and header[482]:
            offset = self._behind_sparse(offset)
        elif kind == b"\0" and name.endswith("/"):
            kind = FOLDER  # as tars before POSIX have it
        return Member(name, kind, offset, size)

    def _extended(self, start: int, size: int) -> bytes:
        # Its size may be any number (python/cpython#151497)
        if size > _LONGEST_HEADER or start + size > self.size:
            raise ShardDamageError(f"its header at byte {start - BLOCK:,} is damaged: it claims {size:,} bytes", start)
        return self._file.read(size)

    def _behind_sparse(self, at: int) -> int:
        """Skip the blocks that go on with the map of a sparse file."""
        while at + BLOCK <= self.size:
            self._file.seek(at)
            block = self._file.read(BLOCK)
            at += BLOCK
            if not block[504]:
                break
        return at

    def _check_end(self, at: int) -> None:
        """Raise ShardDamageError if more members come behind the end, as in tars that were joined by `cat`."""
        behind = at + BLOCK
        self._file.seek(behind)
        while piece := self._file.read(64 * 1024):
            if piece.strip(b"\0"):
                raise ShardDamageError(
                    f"it goes on behind the mark of its end at byte {at:,}, and that is not read; "
                    "take tars apart that were joined",
                    at,
                )


def _padded(size: int) -> int:
    return -(-size // BLOCK) * BLOCK


def _check_sum(header: bytes, at: int) -> None:
    expected = _number(header[148:156], at)
    rest = header[:148] + b"        " + header[156:]
    # The low half of Adler-32 is 1 + the sum of the bytes modulo 65,521: 20 times faster than a sum in Python
    if (
        zlib.adler32(rest) & 0xFFFF != (expected + 1) % 65521
        and sum(rest) - 256 * sum(b > 127 for b in rest) != expected
    ):
        raise ShardDamageError(f"its header at byte {at:,} is damaged, and what follows is not read", at)


def _number(field: bytes, at: int) -> int:
    """Read a number: octal, or in base 256 as GNU tar writes large ones."""
    if field[0] == 0x80:
        return int.from_bytes(field[1:])
    try:
        return int(field.split(b"\0", 1)[0].strip() or b"0", 8)
    except ValueError:
        raise ShardDamageError(f"its header at byte {at:,} is damaged, and what follows is not read", at) from None


def _decimal(text: str, at: int) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 20):
        raise ShardDamageError(f"its header at byte {at:,} is damaged: it has the size {text[:40]!r}", at)
    return int(text)


def _name(header: bytes) -> str:
    name = _text(header[:100])
    if header[257:263] == b"ustar\0" and header[345]:
        return f"{_text(header[345:500])}/{name}"
    return name


def _text(field: bytes) -> str:
    return field.split(b"\0", 1)[0].decode("utf-8", "surrogateescape")


def _records(content: bytes, at: int) -> dict[str, str]:
    """Read the records of a pax header, `LENGTH KEY=VALUE\\n` each (POSIX.1-2001, pax)."""
    records, place = {}, 0
    while place < len(content) and content[place]:
        length, blank, _ = content[place : place + 21].partition(b" ")
        end = place + int(length) if length.isdigit() else 0
        key, equal, value = content[place + len(length) + 1 : end - 1].partition(b"=")
        if not (blank and equal and place < end <= len(content)):
            raise ShardDamageError(f"its header at byte {at:,} is damaged, and what follows is not read", at)
        records[key.decode("utf-8", "surrogateescape")] = value.decode("utf-8", "surrogateescape")
        place = end
    return records
