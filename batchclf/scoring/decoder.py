"""Read and decode some files, one after the other: what every decoding thread and worker process does."""

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from batchclf.core.choices import ColorMode, ResizeMode
from batchclf.core.geometry import OWN, Geometry
from batchclf.core.images.facts import FactMeter, content_digest, stored_as
from batchclf.data.decoding.decode import PixelReader
from batchclf.data.decoding.limits import DEFAULT_LIMITS, Limits
from batchclf.errors import ImageTimeoutError, UnknownGeometryError, UnreadableImageError

if TYPE_CHECKING:
    from batchclf.data.sources.interface import ImageSource

KEPT_BYTES = 32 * 2**20
"""Content that is kept between `read` and `decode`; more is read again, so that huge files cannot fill the memory."""

_LATE = 0.01
"""Part of an image's time by which a timer may be late; setting it for each small file would cost 1% of a run."""


@dataclass(frozen=True, slots=True)
class DecodeSetup:
    """How to decode: `source` reads each file, `input_shape` is (h, w, channels)."""

    source: "ImageSource"
    input_shape: tuple[int, int, int]
    color_mode: ColorMode
    resize: ResizeMode
    limits: Limits = DEFAULT_LIMITS
    geometry: Geometry = OWN


@dataclass(frozen=True, eq=False)
class Decoded:
    """What became of some files, by their index.

    `digests` has 16 bytes a file: of its content or, where that cannot be read, of the reason; of one that took too
    long what no other reading gives. `reasons` says why a file is skipped. `images` is (n, height, width, channels)
    uint8: the files that were to be decoded, in order, without the skipped ones; `facts` are their n FACTS. `read` and
    `decode` are seconds.
    """

    digests: list[bytes]
    reasons: dict[int, str]
    images: NDArray[np.uint8]
    facts: NDArray[np.void]
    read: float
    decode: float


def reason_digest(reason: str) -> bytes:
    """The digest that stands for a content that is not there: 16 bytes of the reason."""
    return content_digest(reason.encode("utf-8", "surrogateescape"))


def passing_digest() -> bytes:
    """A digest that no other reading gives, 16 bytes: a resumed run tries the file again."""
    return os.urandom(16)


class Decoder:
    """Reads files and decodes them in this thread.

    `set_timer` is called with the seconds that an image may take, before the first file and now and then after that;
    who has called a method calls the timer off. An image of many has at least 99% of its time, a single one all of it.
    """

    def __init__(self, setup: DecodeSetup, set_timer: Callable[[float], object] = lambda seconds: None) -> None:
        self._setup = setup
        self._reader = PixelReader(setup.input_shape, setup.color_mode, setup.resize, setup.limits, setup.geometry)
        self._set_timer = set_timer
        self._due = 0.0
        self._meter = FactMeter(setup.input_shape)
        self._paths: list[str] = []
        self._kept: list[bytes | None] = []

    def read(self, paths: Sequence[str]) -> Decoded:
        """Read files and tell their digests; decodes nothing. `decode_read` may follow."""
        self._paths, self._kept = list(paths), []
        digests, reasons = [], {}
        room = KEPT_BYTES
        started = time.perf_counter()
        self._due = 0.0
        contents = self._setup.source.read_many(paths)
        for index in range(len(paths)):
            self._start_image(time.perf_counter())
            content = next(contents)
            if isinstance(content, UnreadableImageError):
                reasons[index] = content.message
                digests.append(reason_digest(content.message))
                self._kept.append(None)
                continue
            digests.append(content_digest(content))
            room -= len(content)
            self._kept.append(content if room >= 0 else None)
        nothing = self._images(0)
        return Decoded(digests, reasons, nothing, self._meter.measure(nothing), time.perf_counter() - started, 0.0)

    def decode_read(self, wanted: Sequence[int]) -> Decoded:
        """Decode some of the files that `read` has read last, by their index there; indices here count `wanted`."""
        return self._decode([self._paths[i] for i in wanted], [self._kept[i] for i in wanted])

    def decode(self, paths: Sequence[str]) -> Decoded:
        """Read and decode files."""
        return self._decode(paths, [None] * len(paths))

    def _decode(self, paths: Sequence[str], contents: Sequence[bytes | None]) -> Decoded:
        setup, clock = self._setup, time.perf_counter
        images = self._images(len(paths))
        digests, reasons = [], {}
        headers: list[bytes] = []
        reading = decoding = 0.0
        count = 0
        self._due = 0.0
        missing = setup.source.read_many([path for path, kept in zip(paths, contents, strict=True) if kept is None])
        for index, (path, kept) in enumerate(zip(paths, contents, strict=True)):
            started = clock()
            self._start_image(started)
            content = next(missing) if kept is None else kept
            if isinstance(content, UnreadableImageError):
                reasons[index] = content.message
                digests.append(reason_digest(content.message))
                continue
            digests.append(content_digest(content))
            between = clock()
            reading += between - started
            try:
                images[count], header = self._reader.read(content)
                headers.append(header)
                count += 1
            except UnreadableImageError as error:
                reasons[index] = error.message
                if isinstance(error, ImageTimeoutError):
                    digests[-1] = passing_digest()
            except UnknownGeometryError as error:
                raise error.of(setup.source.named(path)) from None
            decoding += clock() - between
        started = clock()
        images = images[:count]
        facts = self._meter.measure(images)
        stored_as(headers, facts)
        decoding += clock() - started
        return Decoded(digests, reasons, images, facts, reading, decoding)

    def _start_image(self, now: float) -> None:
        if now >= self._due:
            seconds = self._setup.limits.seconds
            self._set_timer(seconds)
            self._due = now + _LATE * seconds

    def _images(self, count: int) -> NDArray[np.uint8]:
        return np.empty((count, *self._setup.input_shape), np.uint8)
