"""The members of a tar, header by header: ustar, GNU and pax as GNU tar, Python and WebDataset write them."""

import os
import zlib
from collections.abc import Iterator
from typing import NamedTuple

from batchclf.data.sources.shard import Seekable, ShardDamageError

BLOCK = 512
_LONGEST_HEADER = 2**20
_ZERO, _BLANKS = bytes(BLOCK), b" " * 8
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
    """Walks the headers of a tar; the file may be moved in between. Not tarfile, see decision 184.

    Raises ShardDamageError at the first place that is no header, and if the end mark is missing.
    """

    def __init__(self, file: Seekable, at: int = 0) -> None:
        """Begin at a byte of a file."""
        self._file, self._at = file, at
        self.size = file.seek(0, os.SEEK_END)
        self.comment = ""

    def __iter__(self) -> Iterator[Member]:
        """Yield the members in their order."""
        at, name, records = self._at, "", dict[str, str]()
        while header := self._header(at):
            kind = header[156:157]
            if kind in b"xgXLK":
                size = _number(header[124:136], at)
                text = self._extended(at + BLOCK, size)
                if kind == b"L":
                    name = _text(text)
                elif kind in b"xX":
                    records = _records(text, at)
                elif kind == b"g":
                    self.comment = _records(text, at).get("comment", "")
                at += BLOCK + padded(size)
                continue
            if kind == b"0" and not (name or records or header[345]):
                # What nearly all members are, without a call more than it takes
                member = Member(_text(header[:100]), kind, at + BLOCK, _number(header[124:136], at))
            else:
                member = self._member(header, at, name, records)
                name, records = "", {}
            yield member
            at = member.offset + (0 if member.kind in _WITHOUT_DATA else padded(member.size))

    def _header(self, at: int) -> bytes:
        """Read a header; nothing at the end."""
        header = b""
        if at < self.size:  # what a header claims may be more than any file has
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


def padded(size: int) -> int:
    """Give the bytes that a content takes, a whole number of blocks."""
    return -(-size // BLOCK) * BLOCK


def is_whole(header: bytes) -> bool:
    """Whether the checksum of a header is right, if it is written as it is nowadays."""
    # The low half of Adler-32 is 1 + the sum of the bytes modulo 65,521: 20 times faster than a sum in Python
    found = zlib.adler32(header[156:], zlib.adler32(_BLANKS, zlib.adler32(header[:148]))) & 0xFFFF
    return found == (int(header[148:154], 8) + 1) % 65521


def _check_sum(header: bytes, at: int) -> None:
    try:
        if is_whole(header):
            return
    except ValueError:
        pass
    expected, rest = _number(header[148:156], at), header[:148] + _BLANKS + header[156:]
    # Some old programs take bytes for numbers from -128 to 127
    if expected not in (sum(rest), sum(rest) - 256 * sum(byte > 127 for byte in rest)):
        raise _damaged(at)


def _damaged(at: int) -> ShardDamageError:
    return ShardDamageError(f"its header at byte {at:,} is damaged, and what follows is not read", at)


def _number(field: bytes, at: int) -> int:
    """Read a number: octal, or in base 256 as GNU tar writes large ones."""
    try:
        number = int(field.rstrip(b"\0 "), 8)
    except ValueError:
        pass
    else:
        if number < 0:  # the walk would go back, and for ever
            raise _damaged(at)
        return number
    if field[0] == 0x80:
        return int.from_bytes(field[1:])
    digits = field.split(b"\0", 1)[0].strip()
    if digits.strip(b"01234567"):
        raise _damaged(at)
    return int(digits or b"0", 8)


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
            raise _damaged(at)
        records[key.decode("utf-8", "surrogateescape")] = value.decode("utf-8", "surrogateescape")
        place = end
    return records
