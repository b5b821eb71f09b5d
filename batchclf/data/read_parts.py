"""Lists of files to splits with pixels: decoded by several threads, in order, a bounded part in memory at a time."""

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from math import prod
from threading import get_ident

import numpy as np
from numpy.typing import NDArray

from batchclf.core.choices import ColorMode, ResizeMode, Store
from batchclf.core.geometry import OWN, Geometry
from batchclf.core.types import Progress, Say, Split, unseen
from batchclf.data.class_split import Part
from batchclf.data.decoding import aside
from batchclf.data.decoding.decode import read_image
from batchclf.data.decoding.limits import DEFAULT_LIMITS, Limits
from batchclf.data.left_out import LeftOut
from batchclf.data.pixel_store import Pixels, choose_store
from batchclf.errors import UnknownGeometryError, UnreadableImageError

_PIECE_IMAGES, _PIECE_BYTES = 64, 4_000_000
"""What a thread decodes before it hands over: as many images, but not more bytes unless it is one image."""


@dataclass(frozen=True, slots=True)
class InputFormat:
    """What images are brought to: `shape` is (height, width, channels)."""

    shape: tuple[int, int, int]
    color_mode: ColorMode
    resize: ResizeMode
    limits: Limits = DEFAULT_LIMITS
    geometry: Geometry = OWN


@dataclass(frozen=True, eq=False)
class _Piece:
    """Some files in a row: the images of those that can be read (`kept`), and for the others a line each."""

    images: NDArray[np.uint8]
    kept: NDArray[np.bool_]
    lines: list[str]


def read_parts(
    parts: Sequence[Part], to: InputFormat, store: Store, left_out: LeftOut, say: Say, progress: Progress = unseen
) -> list[Split]:
    """Read the images of each part at the input's size; those that cannot be read are left out.

    `store` is as for `choose_store`. Raises DataError where memory or disk does not hold the pixels, OSError where
    files cannot be opened for want of memory or handles.
    """
    images = sum(len(part.files) for part in parts)
    new_pixels = choose_store(store, images, to.shape, say)
    splits = []
    with progress("reading images", images) as advance:
        for part in parts:
            with new_pixels(len(part.files)) as pixels:
                splits.append(_read(part, to, pixels, left_out, advance))
    return splits


def _read(part: Part, to: InputFormat, pixels: Pixels, left_out: LeftOut, advance: Callable[[int], None]) -> Split:
    kept = np.zeros(len(part.files), bool)
    done = 0
    for piece in _pieces(part, to):
        for line in piece.lines:
            left_out.image(line)
        pixels.add(piece.images)
        kept[done : done + len(piece.kept)] = piece.kept
        done += len(piece.kept)
        advance(len(piece.kept))
    readable = part.only(part.name, kept)
    paths = tuple(f"{part.name}/{file}" for file in readable.files)
    return Split(part.name, pixels.array(), readable.labels, paths, readable.groups)


def _pieces(part: Part, to: InputFormat) -> Iterator[_Piece]:
    """Decode in threads; the codecs let others work meanwhile. At most two pieces a thread wait to be taken."""
    size = max(1, min(_PIECE_IMAGES, _PIECE_BYTES // prod(to.shape)))
    threads = os.cpu_count() or 1
    ids: set[int] = set()
    pool = ThreadPoolExecutor(threads, "decode", initializer=lambda: ids.add(get_ident()))
    waiting: deque[Future[_Piece]] = deque()
    try:
        for start in range(0, len(part.files), size):
            waiting.append(pool.submit(_decode, part, part.files[start : start + size], to))
            if len(waiting) > 2 * threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        aside.close(ids)
        pool.shutdown(cancel_futures=True)


def _decode(part: Part, files: Sequence[str], to: InputFormat) -> _Piece:
    images = np.empty((len(files), *to.shape), np.uint8)
    kept = np.zeros(len(files), bool)
    lines: list[str] = []
    count = 0
    for number, file in enumerate(files):
        path = part.folder / file
        try:
            images[count] = read_image(path, to.shape, to.color_mode, to.resize, to.limits, to.geometry)
        except UnreadableImageError as error:
            lines.append(f"{path}: {error.message}")
            continue
        except UnknownGeometryError as error:
            raise error.of(path) from None
        kept[number] = True
        count += 1
    return _Piece(images[:count], kept, lines)
