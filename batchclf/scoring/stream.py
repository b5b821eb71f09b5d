"""The stream: files in path order → decoded batches → probabilities, a bounded number in memory at a time."""

import hashlib
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from batchclf.core.images.facts import FACTS, array_facts, content_digest
from batchclf.core.types import BatchScores, ExcludedFile, ImageRef, Known, SkippedImage, Split
from batchclf.data.sources.found import Found
from batchclf.scoring.decoder import Decoded, reason_digest
from batchclf.scoring.model_run import ModelRun

if TYPE_CHECKING:
    from batchclf.scoring.cache import ScoreCache


@dataclass
class StreamTimes:
    """Seconds spent in each step; `cached` counts images that were not scored again.

    `read` and `decode` are added up over the workers, which go on side by side.
    """

    list: float = 0.0
    read: float = 0.0
    decode: float = 0.0
    model: float = 0.0
    write: float = 0.0
    cached: int = 0


@dataclass(frozen=True, eq=False)
class Block:
    """What came of some files next to each other in path order; `found` is their number.

    `digest` (16 bytes) changes with any path, label, content or reason among them. `scores` is None where no image of
    the block could be read. For each image in it `facts` has its FACTS and `contents` the digest (16 bytes) of its file
    or, in a split, of its pixels. If a worker has written the rows, `written` is there in place of `scores`, and the
    block stands for all blocks of a part: `digest` has one after the other.
    """

    found: int
    digest: bytes
    skipped: tuple[SkippedImage, ...]
    excluded: tuple[ExcludedFile, ...]
    scores: BatchScores | None
    facts: NDArray[np.void]
    contents: Sequence[bytes]
    written: "Written | None" = None

    @property
    def refs(self) -> tuple[ImageRef, ...]:
        """The images that have a row."""
        if self.written is not None:
            return self.written.refs
        return () if self.scores is None else self.scores.refs


@dataclass(frozen=True, eq=False)
class Written:
    """The images whose rows a worker has written, and what its writer says of that."""

    refs: tuple[ImageRef, ...]
    result: Any


@dataclass(frozen=True, eq=False)
class PartColumns:
    """What an engine makes of the blocks of a part. If it wrote their rows, `written` is what its writer says of that,
    and the columns have no probabilities.
    """

    columns: list["Columns"]
    written: Any = None


def blocks_of(found: Iterable[Found], size: int, times: StreamTimes) -> Iterator[list[Found]]:
    """Cut the stream of files into blocks of `size` files, images or not; the last one may be smaller."""
    iterator = iter(found)
    while True:
        started = time.perf_counter()
        block = list(islice(iterator, size))
        times.list += time.perf_counter() - started
        if not block:
            return
        yield block


def parts_of(blocks: Iterator[list[Found]], count: int) -> Iterator[list[Found]]:
    """Join the files of `count` blocks each; the last part may have fewer."""
    while part := [item for block in islice(blocks, count) for item in block]:
        yield part


@dataclass(frozen=True, eq=False)
class Part:
    """What became of some files: those that were decoded, and what was known of the others from before."""

    decoded: Decoded
    known: Known | None


@dataclass(frozen=True, eq=False)
class Columns:
    """What an engine makes of the images of a block, by their index among these.

    `digests` has 16 bytes each, `reasons` says why some are skipped. The others, in order, have their FACTS in `facts`
    and a row of `probabilities`, (n, classes) float32, None for n = 0; `cached` are the places among them, int64, whose
    row was known from before. `read`, `decode` and `model` are seconds.
    """

    digests: list[bytes]
    reasons: dict[int, str]
    facts: NDArray[np.void]
    probabilities: NDArray[np.float32] | None
    cached: NDArray[np.int64]
    read: float
    decode: float
    model: float


def columns_of(parts: Sequence[Part], model: ModelRun) -> Columns:
    """Score the images of parts that follow one another and make up a block; raises what the model raises."""
    whole = joined(parts)
    decoded, known = whole.decoded, whole.known
    kept = [index for index in range(len(decoded.digests)) if index not in decoded.reasons]
    facts, probabilities, before = decoded.facts, None, model.seconds
    if known is not None:
        known = Known(np.searchsorted(kept, known.places), known.rows)
    if kept:
        facts, probabilities = _scored(len(kept), known, decoded.images, facts, model)
    cached = np.empty(0, np.int64) if known is None else known.places
    seconds = decoded.read, decoded.decode, model.seconds - before
    return Columns(decoded.digests, decoded.reasons, facts, probabilities, cached, *seconds)


def score_blocks(
    scored: Generator[tuple[list[Found], Columns], None, None],
    *,
    cache: "ScoreCache | None" = None,
    times: StreamTimes,
) -> Generator[Block, None, None]:
    """Put together what an engine's `columns` gives of each block of files, in order.

    An unreadable image becomes a `SkippedImage` with its reason. What the engine did not know from before is added to
    the cache.
    """
    with closing(scored):
        for block, columns in scored:
            yield _block_of(block, columns, cache, times)


def score_parts(
    scored: Generator[tuple[list[list[Found]], PartColumns], None, None], *, times: StreamTimes
) -> Generator[Block, None, None]:
    """Put together what an engine's `parts` gives of the blocks of each part: one for all that a worker has written."""
    with closing(scored):
        for found, part in scored:
            blocks = [_block_of(*each, None, times) for each in zip(found, part.columns, strict=True)]
            if part.written is None:
                yield from blocks
                continue
            yield Block(
                sum(block.found for block in blocks),
                b"".join(block.digest for block in blocks),
                tuple(skipped for block in blocks for skipped in block.skipped),
                tuple(file for block in blocks for file in block.excluded),
                None,
                np.concatenate([block.facts for block in blocks]),
                [content for block in blocks for content in block.contents],
                Written(
                    tuple(
                        ref
                        for files, columns in zip(found, part.columns, strict=True)
                        for ref in kept_refs(files, columns)
                    ),
                    part.written,
                ),
            )


def kept_refs(files: Sequence[Found], columns: Columns) -> tuple[ImageRef, ...]:
    """Give the images among some files that were not skipped."""
    refs = [item for item in files if isinstance(item, ImageRef)]
    return tuple(ref for index, ref in enumerate(refs) if index not in columns.reasons)


def count_unchanged(
    blocks: Iterator[list[Found]],
    groups: Sequence[Sequence[bytes]],
    read: Callable[[Iterable[list[Found]]], Generator[tuple[list[Found], list[bytes]], None, None]],
    *,
    whole: int = 1,
) -> tuple[int, Iterator[list[Found]]]:
    """Count how many leading groups of blocks still have these digests; `read` is an engine's `digests`, which reads
    every image.

    A group of fewer than `whole` blocks is the last one, so it is not the same if blocks come after it. Returns the
    count and the blocks from the first group on that differs.
    """
    remaining: deque[list[Found]] = deque()
    same = 0
    taken = _remember(islice(blocks, sum(map(len, groups))), remaining)
    with closing(read(taken)) as again:
        for group in groups:
            found = [_block_digest(block, of_images) for block, of_images in islice(again, len(group))]
            if found != list(group):
                break
            if len(group) < whole and (following := next(blocks, None)) is not None:
                remaining.append(following)
                break
            for _ in group:
                remaining.popleft()
            same += 1
    return same, chain(remaining, blocks)


def score_split(
    split: Split,
    model: ModelRun,
    class_names: tuple[str, ...],
    size: int,
    *,
    skip: int = 0,
    cache: "ScoreCache | None" = None,
    times: StreamTimes,
) -> Generator[Block, None, None]:
    """Score a split in memory, in path order, in blocks of `size` images; the first `skip` blocks are left out."""
    for refs, images, digests in islice(_split_blocks(split, class_names, size), skip, None):
        known = cache.find(digests) if cache else None
        missing = images
        if known is not None and len(known.places):
            missing = np.delete(images, known.places, axis=0)
            times.cached += len(known.places)
        before = model.seconds
        facts, probabilities = _scored(len(digests), known, missing, array_facts(missing), model)
        times.model += model.seconds - before
        if cache is not None:
            _add_to(cache, digests, None if known is None else known.places, facts, probabilities)
        digest = _block_digest(refs, digests)
        yield Block(len(refs), digest, (), (), BatchScores(refs, probabilities), facts, digests)


def count_unchanged_in_split(
    split: Split, class_names: tuple[str, ...], size: int, groups: Sequence[Sequence[bytes]], *, whole: int = 1
) -> int:
    """Count how many leading groups of blocks of a split, `size` images a block, still have these digests.

    `whole` is as for `count_unchanged`.
    """
    digests = (_block_digest(refs, of_images) for refs, _, of_images in _split_blocks(split, class_names, size))
    same = 0
    for group in groups:
        if list(islice(digests, len(group))) != list(group) or (len(group) < whole and next(digests, None) is not None):
            break
        same += 1
    return same


def _split_blocks(
    split: Split, class_names: tuple[str, ...], size: int
) -> Iterator[tuple[tuple[ImageRef, ...], NDArray[np.uint8], list[bytes]]]:
    """Give the images of a split block by block: what they are, their pixels, and the digests of these."""
    for start in range(0, len(split.images), size):
        some = slice(start, start + size)
        images = split.images[some]
        named = zip(split.paths[some], split.labels[some].tolist(), strict=True)
        refs = tuple(ImageRef(path, class_names[label]) for path, label in named)
        yield refs, images, [content_digest(image.data) for image in images]


def _block_of(block: list[Found], columns: Columns, cache: "ScoreCache | None", times: StreamTimes) -> Block:
    refs = [item for item in block if isinstance(item, ImageRef)]
    times.read += columns.read
    times.decode += columns.decode
    times.model += columns.model
    times.cached += len(columns.cached)
    skipped = [item for item in block if isinstance(item, SkippedImage)]
    skipped += [SkippedImage(refs[index], reason) for index, reason in columns.reasons.items()]
    kept = [index for index in range(len(refs)) if index not in columns.reasons]
    contents = [columns.digests[index] for index in kept]
    scores = None
    if columns.probabilities is not None:
        scores = BatchScores(tuple(refs[index] for index in kept), columns.probabilities)
        if cache is not None:
            _add_to(cache, contents, columns.cached, columns.facts, columns.probabilities)
    return Block(
        len(block),
        _block_digest(block, columns.digests),
        tuple(sorted(skipped, key=lambda each: each.ref.path)),
        tuple(item for item in block if isinstance(item, ExcludedFile)),
        scores,
        columns.facts,
        contents,
    )


def _scored(
    count: int, known: Known | None, missing: NDArray[np.uint8], facts: NDArray[np.void], model: ModelRun
) -> tuple[NDArray[np.void], NDArray[np.float32]]:
    """Score what is missing of `count` images, and put it and its facts between what is known."""
    scored = model.probabilities(missing) if len(missing) else None
    if known is None or not len(known.places):
        assert scored is not None
        return facts, scored
    is_missing = np.ones(count, np.bool_)
    is_missing[known.places] = False
    rows = np.empty(count, known.rows.dtype)
    rows[known.places] = known.rows
    if scored is not None:
        rows["facts"][is_missing], rows["probabilities"][is_missing] = facts, scored
    return rows["facts"], np.ascontiguousarray(rows["probabilities"], np.float32)


def _add_to(
    cache: "ScoreCache",
    digests: Sequence[bytes],
    known: NDArray[np.int64] | None,
    facts: NDArray[np.void],
    probabilities: NDArray[np.float32],
) -> None:
    """Add to the cache what was not known from before."""
    new = np.arange(len(digests)) if known is None else np.setdiff1d(np.arange(len(digests)), known)
    if len(new):
        cache.add([digests[i] for i in new.tolist()], facts[new], probabilities[new])


def _block_digest(block: Sequence[Found], of_images: Sequence[bytes]) -> bytes:
    texts, kinds, contents = [], bytearray(), []
    images = iter(of_images)
    for item in block:
        if isinstance(item, ExcludedFile):
            kinds.append(1)
            texts.append(item.path)
            contents.append(reason_digest(item.reason))
            continue
        if isinstance(item, ImageRef):
            ref, content = item, next(images)
        else:
            ref, content = item.ref, reason_digest(item.reason)
        kinds.append(0 if ref is item else 2)
        texts += ref.path, ref.label or ""
        contents.append(content)
    # No path or class holds a NUL, and the kinds say how many texts there are (decision 035)
    whole = hashlib.blake2b(len(block).to_bytes(8) + kinds + b"".join(contents), digest_size=16)
    whole.update("\0".join(texts).encode("utf-8", "surrogatepass"))
    return whole.digest()


def _remember(blocks: Iterable[list[Found]], taken: deque[list[Found]]) -> Iterator[list[Found]]:
    for block in blocks:
        taken.append(block)
        yield block


def joined(parts: Sequence[Part]) -> Part:
    """Join parts that follow one another to one; its indices count through all of them."""
    digests: list[bytes] = []
    reasons: dict[int, str] = {}
    known: list[Known] = []
    for part in parts:
        start = len(digests)
        reasons |= {start + index: reason for index, reason in part.decoded.reasons.items()}
        if part.known is not None:
            known.append(Known(start + part.known.places, part.known.rows))
        digests += part.decoded.digests
    images = np.concatenate([part.decoded.images for part in parts]) if parts else np.empty(0, np.uint8)
    facts = np.concatenate([part.decoded.facts for part in parts]) if parts else np.empty(0, FACTS)
    read, decode = (sum(getattr(part.decoded, name) for part in parts) for name in ("read", "decode"))
    return Part(Decoded(digests, reasons, images, facts, read, decode), _joined_known(known))


def _joined_known(parts: Sequence[Known]) -> Known | None:
    """Join what is known of images that follow one another; None where there is nothing."""
    if not any(len(part.places) for part in parts):
        return None
    return Known(np.concatenate([part.places for part in parts]), np.concatenate([part.rows for part in parts]))
