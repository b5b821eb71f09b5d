"""The stream: files in path order → decoded batches → probabilities, a bounded number in memory at a time."""

import hashlib
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import chain, islice, takewhile
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from batchclf.core.images.facts import array_facts
from batchclf.core.types import BatchScores, ExcludedFile, ImageRef, Known, SkippedImage, Split
from batchclf.data.sources.found import Found
from batchclf.scoring.batches import files_per_part
from batchclf.scoring.decoder import content_digest, reason_digest
from batchclf.scoring.model_run import ModelRun
from batchclf.scoring.pool import DecodePool, Part, joined
from batchclf.scoring.processes import PROCESSES_FROM

if TYPE_CHECKING:
    from batchclf.scoring.cache import ScoreCache

BLOCKS_AHEAD = 2
"""Blocks that are decoded while the model runs on the one before; more where many workers need them."""

Result = TypeVar("Result")


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
    or, in a split, of its pixels.
    """

    found: int
    digest: bytes
    skipped: tuple[SkippedImage, ...]
    excluded: tuple[ExcludedFile, ...]
    scores: BatchScores | None
    facts: NDArray[np.void]
    contents: Sequence[bytes]


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


def score_blocks(
    blocks: Iterable[list[Found]],
    pool: DecodePool,
    model: ModelRun,
    *,
    cache: "ScoreCache | None" = None,
    times: StreamTimes,
) -> Generator[Block, None, None]:
    """Score the files of each block, in order; the same blocks give the same result whatever the pool's workers.

    An unreadable image becomes a `SkippedImage` with its reason. What is in memory does not grow with the number of
    files: the images of a few blocks. The pool must have the same cache.
    """
    blocks = _with_processes(iter(blocks), pool)

    def submit(block: list[Found]) -> "list[Future[Part]]":
        return [pool.decode(part) for part in _parts(block)]

    for block, parts in _ahead(blocks, submit, _blocks_ahead(pool)):
        yield _score_block(block, parts, model, cache, times)


def count_unchanged(
    blocks: Iterator[list[Found]], digests: Sequence[bytes], pool: DecodePool
) -> tuple[int, Iterator[list[Found]]]:
    """Count how many leading blocks still have these digests, reading every image in them again.

    Returns the count and the blocks from the first one on that differs.
    """
    blocks = _with_processes(blocks, pool)

    def submit(block: list[Found]) -> "list[Future[list[bytes]]]":
        return [pool.digests(part) for part in _parts(block)]

    remaining: deque[list[Found]] = deque()
    same = 0
    taken = _remember(islice(blocks, len(digests)), remaining)
    for (block, parts), expected in zip(_ahead(taken, submit, _blocks_ahead(pool)), digests, strict=False):
        if _block_digest(block, list(chain.from_iterable(parts))) != expected:
            break
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
        facts, probabilities = _scored(digests, known, missing, array_facts(missing), model, cache)
        digest = _block_digest(refs, digests)
        yield Block(len(refs), digest, (), (), BatchScores(refs, probabilities), facts, digests)


def count_unchanged_in_split(split: Split, class_names: tuple[str, ...], size: int, digests: Sequence[bytes]) -> int:
    """Count how many leading blocks of a split, of `size` images each, still have these digests."""
    blocks = zip(_split_blocks(split, class_names, size), digests, strict=False)
    same = (_block_digest(refs, of_images) == expected for (refs, _, of_images), expected in blocks)
    return sum(takewhile(bool, same))


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


def _score_block(
    block: list[Found], parts: list[Part], model: ModelRun, cache: "ScoreCache | None", times: StreamTimes
) -> Block:
    refs = [item for item in block if isinstance(item, ImageRef)]
    whole = joined(parts)
    decoded, known = whole.decoded, whole.known
    times.read += decoded.read
    times.decode += decoded.decode
    skipped = [item for item in block if isinstance(item, SkippedImage)]
    skipped += [SkippedImage(refs[index], reason) for index, reason in decoded.reasons.items()]
    kept = [index for index in range(len(refs)) if index not in decoded.reasons]
    contents = [decoded.digests[index] for index in kept]
    scores, facts = None, decoded.facts
    if known is not None:
        times.cached += len(known.places)
        known = Known(np.searchsorted(kept, known.places), known.rows)
    if kept:
        facts, probabilities = _scored(contents, known, decoded.images, facts, model, cache)
        scores = BatchScores(tuple(refs[index] for index in kept), probabilities)
    return Block(
        len(block),
        _block_digest(block, decoded.digests),
        tuple(sorted(skipped, key=lambda each: each.ref.path)),
        tuple(item for item in block if isinstance(item, ExcludedFile)),
        scores,
        facts,
        contents,
    )


def _scored(
    digests: Sequence[bytes],
    known: Known | None,
    missing: NDArray[np.uint8],
    facts: NDArray[np.void],
    model: ModelRun,
    cache: "ScoreCache | None",
) -> tuple[NDArray[np.void], NDArray[np.float32]]:
    """Score what is missing, and put it and its facts between what is known; `digests` has one entry for each image."""
    scored = model.probabilities(missing) if len(missing) else None
    is_missing = np.ones(len(digests), np.bool_)
    if known is not None:
        is_missing[known.places] = False
    if cache is not None and scored is not None:
        cache.add([digests[i] for i in np.flatnonzero(is_missing).tolist()], facts, scored)
    if known is None or not len(known.places):
        assert scored is not None
        return facts, scored
    rows = np.empty(len(digests), known.rows.dtype)
    rows[known.places] = known.rows
    if scored is not None:
        rows["facts"][is_missing], rows["probabilities"][is_missing] = facts, scored
    return rows["facts"], np.ascontiguousarray(rows["probabilities"], np.float32)


def _parts(block: list[Found]) -> list[list[str]]:
    paths = [item.at for item in block if isinstance(item, ImageRef)]
    size = files_per_part(len(block))
    return [paths[i : i + size] for i in range(0, len(paths), size)]


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


def _with_processes(blocks: Iterator[list[Found]], pool: DecodePool) -> Iterator[list[Found]]:
    """Look ahead a little: a long run is worth the start of processes."""
    first: list[list[Found]] = []
    files = 0
    while files < PROCESSES_FROM and (block := next(blocks, None)) is not None:
        first.append(block)
        files += len(block)
    if files >= PROCESSES_FROM:
        pool.use_processes()
    while first:
        yield first.pop(0)
    yield from blocks


def _remember(blocks: Iterable[list[Found]], taken: deque[list[Found]]) -> Iterator[list[Found]]:
    for block in blocks:
        taken.append(block)
        yield block


def _blocks_ahead(pool: DecodePool) -> int:
    """A block has four parts or more, except the smallest; with one in hand for each worker none has to wait."""
    return max(BLOCKS_AHEAD, pool.workers // 2)


def _ahead(
    blocks: Iterable[list[Found]], submit: Callable[[list[Found]], "list[Future[Result]]"], ahead: int
) -> Iterator[tuple[list[Found], list[Result]]]:
    """Keep a few blocks under way in the pool and hand them on in order."""
    waiting: deque[tuple[list[Found], list[Future[Result]]]] = deque()
    iterator = iter(blocks)
    try:
        while True:
            while len(waiting) <= ahead and (block := next(iterator, None)) is not None:
                waiting.append((block, submit(block)))
            if not waiting:
                return
            block, futures = waiting.popleft()
            yield block, [future.result() for future in futures]
    finally:
        for _, futures in waiting:
            for future in futures:
                future.cancel()
