"""The stream: files in path order → decoded batches → probabilities, a bounded number in memory at a time."""

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from batchclf.core.types import Batch, BatchScores, ColorMode, ExcludedFile, ImageRef, SkippedImage, Split
from batchclf.data.decoding import read_image
from batchclf.data.discovery import Found
from batchclf.errors import UnreadableImageError
from batchclf.models.runtimes import Runtime

FILES_PER_TASK = 64
"""Files that one worker decodes between two hand-overs: large enough that the hand-over costs nothing."""

BATCHES_AHEAD = 2
"""Batches being decoded while the model runs on the one before."""

Outcome = BatchScores | SkippedImage | ExcludedFile


@dataclass(frozen=True, eq=False)
class Decoded:
    """What one worker made of some files: `images` is (n, height, width, channels) uint8, one row a ref."""

    refs: list[ImageRef]
    images: NDArray[np.uint8]
    skipped: list[SkippedImage]


def score_split(split: Split, runtime: Runtime, class_names: tuple[str, ...], batch_size: int) -> Iterator[Outcome]:
    """Score a split in memory, in path order, batch by batch."""
    for start in range(0, len(split.images), batch_size):
        stop = start + batch_size
        refs = tuple(
            ImageRef(path, class_names[label])
            for path, label in zip(split.paths[start:stop], split.labels[start:stop].tolist(), strict=True)
        )
        yield _score(Batch(refs, split.images[start:stop]), runtime)


def score_files(
    root: Path,
    found: Iterable[Found],
    runtime: Runtime,
    *,
    input_shape: tuple[int, int, int],
    color_mode: ColorMode,
    batch_size: int,
    workers: int,
) -> Iterator[Outcome]:
    """Score the image files under `root`, decoding in `workers` threads; outcomes keep the order of `found`.

    An unreadable image becomes a `SkippedImage` with its reason. What is in memory does not grow with the number
    of files: `batch_size` images for each of a few batches. A batch may be smaller by its unreadable images.
    """
    folder = os.path.join(root, "")  # noqa: PTH118 (a Path per file is slow)

    def decode_some(refs: list[ImageRef]) -> Decoded:
        images = np.empty((len(refs), *input_shape), np.uint8)
        kept: list[ImageRef] = []
        skipped: list[SkippedImage] = []
        for ref in refs:
            try:
                images[len(kept)] = read_image(folder + ref.path, input_shape, color_mode)
            except UnreadableImageError as error:
                skipped.append(SkippedImage(ref, error.message))
            else:
                kept.append(ref)
        return Decoded(kept, images[: len(kept)], skipped)

    with (
        ThreadPoolExecutor(workers, thread_name_prefix="decode") as pool,
        # Closed before the pool is: what waits is cancelled, so that a stopped run does not decode it first.
        closing(_ahead(_blocks(found, batch_size), pool, decode_some)) as ahead,
    ):
        for items, decoded in ahead:
            yield from _outcomes(items, decoded, runtime)


def _blocks(found: Iterable[Found], batch_size: int) -> Iterator[list[Found]]:
    """Cut the stream of files into pieces that hold at most `batch_size` of them, images or not."""
    iterator = iter(found)
    while block := list(islice(iterator, batch_size)):
        yield block


def _ahead(
    blocks: Iterator[list[Found]],
    pool: ThreadPoolExecutor,
    decode_some: Callable[[list[ImageRef]], Decoded],
) -> Generator[tuple[list[Found], list[Decoded]], None, None]:
    """Keep a few blocks under way in the pool and hand them on in order."""
    waiting: deque[tuple[list[Found], list[Future[Decoded]]]] = deque()
    try:
        while True:
            while len(waiting) <= BATCHES_AHEAD and (block := next(blocks, None)) is not None:
                refs = [item for item in block if isinstance(item, ImageRef)]
                parts = [refs[i : i + FILES_PER_TASK] for i in range(0, len(refs), FILES_PER_TASK)]
                waiting.append((block, [pool.submit(decode_some, part) for part in parts]))
            if not waiting:
                return
            block, futures = waiting.popleft()
            yield block, [future.result() for future in futures]
    finally:
        for _, futures in waiting:
            for future in futures:
                future.cancel()


def _outcomes(items: list[Found], parts: list[Decoded], runtime: Runtime) -> Iterator[Outcome]:
    skipped = [item for item in items if isinstance(item, SkippedImage)]
    skipped += [each for part in parts for each in part.skipped]
    yield from sorted(skipped, key=lambda each: each.ref.path)
    yield from (item for item in items if isinstance(item, ExcludedFile))
    refs = tuple(ref for part in parts for ref in part.refs)
    if refs:
        yield _score(Batch(refs, np.concatenate([part.images for part in parts])), runtime)


def _score(batch: Batch, runtime: Runtime) -> BatchScores:
    return BatchScores(batch.refs, runtime.probabilities(batch.images))
