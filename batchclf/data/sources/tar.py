"""A tar of images, in WebDataset layout or plain: list its members, and read one by its place."""

import json
from collections.abc import Generator, Iterator, Sequence

import msgspec

from batchclf.core.types import ExcludedFile, ImageRef, PlacedImage, SkippedImage
from batchclf.data.sources.found import Found
from batchclf.data.sources.shard import (
    Seekable,
    ShardDamageError,
    ShardFile,
    cut_off,
    member_path,
    place_of,
    why_file_is_left_out,
)
from batchclf.data.sources.tar_members import BLOCK, FOLDER, REGULAR, SPARSE, Member, Members, is_whole, padded
from batchclf.errors import DataError, UnreadableImageError

MARK = "batchclf shards 1"
"""The comment at the beginning of tars that `batchclf pack` has written, as a pax header for all members."""

_LONGEST_LABEL = 2**20
_LEFT_OUT = {
    **dict.fromkeys((b"1", b"2"), "a link in an archive"),
    **dict.fromkeys((b"3", b"4", b"6"), "a pipe, socket or device"),
}
LEADS_OUT = "its path leads out of the archive"
_PLAIN = ord("0")
LABEL_ALONE = "a label that has no image next to it"
_COMPRESSED = {
    b"\x1f\x8b": ("gzip", "gunzip --keep"),
    b"\x28\xb5\x2f\xfd": ("Zstandard", "zstd --decompress --keep"),
    b"BZh": ("bzip2", "bunzip2 --keep"),
    b"\xfd7zXZ\0": ("xz", "unxz --keep"),
}


class _About(msgspec.Struct, gc=False):
    """What a `.json` member of batchclf says of the image before it."""

    path: str
    label: str | None
    digest: str


_ABOUT = msgspec.json.Decoder(_About)


class TarShard:
    """A `Shard` that is a tar."""

    def __init__(self, file: ShardFile, number: int) -> None:
        self._file, self._number = file, number

    def check(self) -> bool:
        """Raise DataError if it is no tar that can be read at any place; say whether `batchclf pack` has written it."""
        try:
            with self._file.open() as file:
                start = file.read(8)
                for mark, (what, command) in _COMPRESSED.items():
                    if start.startswith(mark):
                        raise DataError(
                            f"{self._file} is compressed by {what}, and a single image cannot be read out of it",
                            hint=f"make it a plain tar: {command} '{self._file}'",
                        )
                file.seek(0)
                members = Members(file)
                next(iter(members), None)
        except OSError as error:
            raise DataError(f"the shard {self._file} cannot be read: {error.strerror}") from error
        except ShardDamageError as error:
            if not error.offset:
                raise DataError(f"{self._file} is no tar: {error}", hint="copy it again, or leave it out") from error
        return members.comment == MARK

    def entries(self) -> Iterator[Found]:
        """List it, see `Shard.entries`."""
        with self._file.open() as file:
            at = 0
            if self._is_packed(file):
                at = yield from self._pairs(file)
            members = Members(file, at)
            sample: list[Member] = []
            key = None
            damage = None
            walk = iter(members)
            while True:
                try:
                    member = next(walk, None)
                    if member is not None and member.kind in REGULAR and member.offset + member.size > members.size:
                        raise cut_off(member.offset, members.size)
                except ShardDamageError as error:
                    member, damage = None, error
                of = None if member is None else _key(member.name)
                if sample and of != key:
                    yield from self._sample(file, sample, at > 0)
                    sample = []
                if member is None:
                    break
                key = of
                sample.append(member)
            if damage is not None:
                raise damage

    def _is_packed(self, file: Seekable) -> bool:
        """Whether a tar begins as those of `batchclf pack` do."""
        return file.read(2 * BLOCK)[BLOCK:].strip(b"\0").endswith(f" comment={MARK}\n".encode())

    def _pairs(self, file: Seekable) -> Generator[Found, None, int]:
        """Yield the images of a tar of `batchclf pack` as long as each is followed by a short `.json`.

        Returns the byte at which that ends: the end of the tar as a rule, or what takes a closer look.
        """
        at = 2 * BLOCK
        while True:
            file.seek(at)
            header = file.read(BLOCK)
            try:
                size = int(header[124:135], 8)
                behind = at + BLOCK + padded(size)
                file.seek(behind)
                beside = file.read(2 * BLOCK)
                length = int(beside[124:135], 8)
                about = _ABOUT.decode(beside[BLOCK : BLOCK + length])
                is_pair = is_whole(header) and is_whole(beside[:BLOCK]) and len(beside) == 2 * BLOCK
            except (ValueError, msgspec.MsgspecError):
                return at
            path = about.path
            is_pair = is_pair and size >= 0 and 0 < length <= BLOCK
            is_pair = is_pair and header[156] == beside[156] == _PLAIN and header[:9] == beside[:9]
            if not is_pair or why_file_is_left_out(path, hidden=False):
                return at
            yield PlacedImage(path, about.label, place_of(self._number, at + BLOCK, size, about.digest, path))
            at = behind + 2 * BLOCK

    def _sample(self, file: Seekable, sample: list[Member], ours: bool) -> Iterator[Found]:
        """Give what a few members of one key are."""
        if ours:
            yield self._packed(file, sample)
            return
        label = _label(file, sample)
        alone = label is not None and not any(why_file_is_left_out(each.name) == "" for each in sample)
        for member in sample:
            path = member_path(member.name)
            if member.kind == FOLDER or (path == "" and member.kind in REGULAR):
                continue
            if path is None:
                yield ExcludedFile(member.name, LEADS_OUT)
            elif member.kind in _LEFT_OUT:
                yield ExcludedFile(path, _LEFT_OUT[member.kind])
            elif reason := why_file_is_left_out(path):
                yield ExcludedFile(path, LABEL_ALONE if alone else reason)
            elif member.kind == SPARSE:
                why = "it is stored as a sparse file, which cannot be read; make the tar without --sparse"
                yield SkippedImage(PlacedImage(path, label, ""), why)
            elif member.kind not in REGULAR:
                yield ExcludedFile(path, f"a member of the type {member.kind.decode('ascii', 'backslashreplace')!r}")
            else:
                yield PlacedImage(path, label, place_of(self._number, member.offset, member.size, "", path))

    def _packed(self, file: Seekable, sample: list[Member]) -> Found:
        """Give the image of a sample that `batchclf pack` has written: itself, and a `.json` that says its path."""
        about = _about(_content(file, sample[-1])) if len(sample) == 2 else None
        if about is None:
            name = f"{self._file.name}/{sample[0].name}"
            return SkippedImage(ImageRef(name, None), "the shard is damaged: it does not say the path of this image")
        if reason := why_file_is_left_out(about.path, hidden=False):
            return ExcludedFile(about.path, reason)
        place = place_of(self._number, sample[0].offset, sample[0].size, about.digest, about.path)
        return PlacedImage(about.path, about.label, place)

    def read_many(self, places: Sequence[tuple[int, int]]) -> Iterator[bytes | UnreadableImageError]:
        """Read the bytes of members, see `Shard.read_many`."""
        for content, (_, size) in zip(self._file.read_many(places), places, strict=True):
            if isinstance(content, bytes) and len(content) < size:
                yield UnreadableImageError(f"cannot be read: {self._file.name} ends in the middle of it")
            else:
                yield content


def _key(name: str) -> str:
    """Give the key of a sample as WebDataset does: the name up to the first dot of its last part."""
    slash = name.rfind("/") + 1
    dot = name.find(".", slash)
    return name if dot < 0 else name[:dot]


def _content(file: Seekable, member: Member) -> bytes:
    file.seek(member.offset)
    return file.read(min(member.size, _LONGEST_LABEL))


def _about(content: bytes) -> _About | None:
    try:
        return _ABOUT.decode(content)
    except msgspec.MsgspecError:
        pass
    try:
        # A path that is not UTF-8, which msgspec does not take
        return msgspec.convert(json.loads(content), _About)
    except (ValueError, RecursionError, msgspec.MsgspecError):
        return None


def _label(file: Seekable, sample: list[Member]) -> str | None:
    """Give the label of a sample: the text of its member `.cls`, or `label` in its `.json`."""
    fields = {member.name[member.name.rfind(".") :]: member for member in sample if member.kind in REGULAR}
    if (member := fields.get(".cls")) is not None:
        return _content(file, member).decode("utf-8", "replace").strip() or None
    if (member := fields.get(".json")) is not None:
        try:
            label = json.loads(_content(file, member)).get("label")
        except (ValueError, AttributeError, RecursionError):
            return None
        return str(label) if isinstance(label, str | int) and not isinstance(label, bool) else None
    return None
