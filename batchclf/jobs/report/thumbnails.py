"""The few images that a report shows, as small PNGs or WebPs."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from batchclf.core.records.run import SubsetRecord
from batchclf.core.text import counted
from batchclf.core.types import Prediction, Say, Split, unheard
from batchclf.data.decoding.decode import decode_as
from batchclf.data.decoding.interface import Policy, Size
from batchclf.data.decoding.limits import SCORED_BEFORE
from batchclf.data.decoding.opencv import encode_png
from batchclf.data.geometry.resize import fit, reduction
from batchclf.data.sources.registry import source_again
from batchclf.errors import DataError, StoreError, UnreadableImageError

if TYPE_CHECKING:
    from batchclf.data.sources.interface import ImageSource

LONGEST_SIDE = 96
LOSSLESS_SIDE = 64
"""Pictures up to this size are PNGs and exact; larger ones are WebPs, a tenth of a PNG's size."""

WEBP_QUALITY = 80
READERS = 2
"""Threads that read and decode files for pictures: OpenCV lets go of Python's lock. Each may hold a large image."""

_AT_ONCE = 16
"""Images that a thread reads together: out of a store several come at a time."""

Pictures = dict[tuple[str, str], bytes]


def load_pictures(
    wanted: Iterable[Prediction],
    subsets: Sequence[SubsetRecord],
    splits: Callable[[], Mapping[str, Split]],
    *,
    say: Say = unheard,
) -> Pictures:
    """Find the wanted images, by (split, path); those not there any more are left out, and `say` gets a line on it.

    `splits` is called only if a picture of a split is wanted; one that gives none has said why. Longest side at most 96
    pixels.
    """
    keys = dict.fromkeys((row.split, row.path) for row in wanted)
    addresses = {t.split: t.images or t.source for t in subsets if t.kind == "directory" or t.images}
    files = [key for key in keys if key[0] in addresses]
    without = {t.split for t in subsets if t.kind == "predictions"} | addresses.keys()
    of_splits = {key for key in keys if key[0] not in without}
    made = _of_files({name: addresses[name] for name, _ in files}, files)
    pictures = {key: picture for key, picture in made.items() if isinstance(picture, bytes)}
    if why := [f"{key[1]}: {reason}" for key, reason in made.items() if isinstance(reason, str)]:
        say(f"the report goes without {len(why):,} of {counted(len(files), 'picture')}: {why[0]}")
    if of_splits:
        for split in splits().values():
            chosen = {path for of_split, path in of_splits if of_split == split.name}
            for index, path in enumerate(split.paths):
                if path in chosen:
                    pictures[split.name, path] = _encoded(split.images[index])
    return pictures


def _of_files(addresses: Mapping[str, str], files: Sequence[tuple[str, str]]) -> dict[tuple[str, str], bytes | str]:
    """Give the pictures of some files, by split and path, or why there is none; `addresses` are those of the splits."""
    made: dict[tuple[str, str], bytes | str] = {}
    pool = ThreadPoolExecutor(READERS, "pictures")
    try:
        for split, address in addresses.items():
            paths = [path for of, path in files if of == split]
            try:
                source = source_again(address)
                places = source.find(paths)
            except (DataError, StoreError) as error:
                made |= {(split, path): error.message for path in paths}
                continue
            made |= {(split, path): f"it is not in {source} any more" for path in paths if path not in places}
            there = [path for path in paths if path in places]
            parts = [there[start : start + _AT_ONCE] for start in range(0, len(there), _AT_ONCE)]
            ats = [[places[path] for path in part] for part in parts]
            for part, pictures in zip(parts, pool.map(partial(_read, source), ats), strict=True):
                made |= {(split, path): picture for path, picture in zip(part, pictures, strict=True)}
    finally:
        pool.shutdown(wait=False, cancel_futures=True)  # Ctrl-C does not wait for a store (decision 194)
    return {key: made[key] for key in files}


def _read(source: "ImageSource", ats: Sequence[str]) -> list[bytes | str]:
    """Read images and give their pictures, or why there is none."""
    contents, made = source.read_many(ats), list[bytes | str]()
    for _ in ats:
        try:
            content = next(contents)
            if isinstance(content, UnreadableImageError):
                raise content
            made.append(_encoded(decode_as(content, _POLICY)[0]))
        except (UnreadableImageError, StoreError) as error:
            made.append(error.message)
        except OSError as error:
            made.append(error.strerror or str(error))
        except ValueError as error:
            made.append(str(error))
        except StopIteration:  # behind an error that ended the reading
            made.append(made[-1])
    return made


def _scale(size: Size) -> int:
    return reduction(size, (*_shrunk(*size), 3))


def _small(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width, channels = pixels.shape
    return fit(pixels, (*_shrunk(height, width), channels))


def _encoded(pixels: NDArray[np.uint8]) -> bytes:
    small = _small(pixels)
    channels = small.shape[2]
    if max(small.shape[:2]) <= LOSSLESS_SIDE:
        return encode_png(small)
    # OpenCV takes blue first.
    turned = np.ascontiguousarray(small[..., ::-1]) if channels == 3 else small
    done, buffer = cv2.imencode(".webp", turned, [cv2.IMWRITE_WEBP_QUALITY, WEBP_QUALITY])
    return bytes(buffer) if done else encode_png(small)


def _shrunk(height: int, width: int) -> tuple[int, int]:
    """Choose the size of a picture: as it is, or with its longest side at 96 pixels."""
    scale = min(1.0, LONGEST_SIDE / max(height, width, 1))
    return max(1, round(height * scale)), max(1, round(width * scale))


_POLICY = Policy("rgb", scale_of=_scale, finish=_small, limits=SCORED_BEFORE)
