"""Call the model: batches in order, smaller ones where out of memory."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from batchclf.core.text import counted
from batchclf.core.types import Say
from batchclf.errors import ModelError

if TYPE_CHECKING:
    from batchclf.models.runtime.interface import Runtime
    from batchclf.models.runtime.precision import PrecisionCheck

OpenRuntime = Callable[[], "Runtime"]

FIRST_COMPARED = 16
"""So many images are compared with float32 at once, a batch of large ones, even if a run has few."""


class OpeningRuntime:
    """A runtime that is opened in a thread of its own: loading its library takes as long as decoding 1,000 images.

    Use as a context manager, which waits for that thread. Safe to use from several threads.
    """

    def __init__(self, open_runtime: OpenRuntime) -> None:
        self._open, self._lock = open_runtime, threading.Lock()
        self._threads = ThreadPoolExecutor(1, "open-runtime")
        self._runtime: Future[Runtime] | None = None

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Wait until it is open, if it has been begun."""
        self._threads.shutdown()

    def begin(self) -> None:
        """Begin to open it, unless that has been done."""
        with self._lock:
            if self._runtime is None:
                self._runtime = self._threads.submit(self._open)

    def wait(self) -> "Runtime":
        """Give the runtime; raises what opening it raises."""
        self.begin()
        assert self._runtime is not None
        return self._runtime.result()


class ModelRun:
    """A runtime as the stream uses it. `open_runtime` is called at the first image; it may wait for another thread.

    `batch_size` is the most images that the model is given at a time; it shrinks where out of memory.
    `seconds` is what the model took so far, `images` how many it has scored.
    """

    def __init__(self, open_runtime: OpenRuntime, batch_size: int, *, say: Say) -> None:
        self.batch_size = batch_size
        self.seconds = 0.0
        self.images = 0
        self._open = open_runtime
        self._say = say
        self._runtime: Runtime | None = None

    def probabilities(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Score (n, height, width, channels) uint8 images, n >= 1: (n, classes) float32.

        Where out of memory the batch is halved, and batches stay that small. Raises ModelError where
        not even one image fits.
        """
        if self._runtime is None:
            self._runtime = self._open()
        started = time.perf_counter()
        parts = []
        done = 0
        while done < len(images):
            some = images[done : done + self.batch_size]
            try:
                parts.append(self._runtime.probabilities(some))
            # Runtimes turn every lack of memory into this; a smaller batch may fit (decision 044)
            except MemoryError as error:
                if len(some) == 1:
                    raise ModelError(
                        f"out of memory for a single image: {error}",
                        hint="free memory, or raise the limit that this process runs under",
                    ) from error
                self.batch_size = (len(some) + 1) // 2
                self._say(f"out of memory with {counted(len(some), 'image')} a batch; going on with {self.batch_size}")
                continue
            done += len(some)
        self.images += len(images)
        self.seconds += time.perf_counter() - started
        return parts[0] if len(parts) == 1 else np.concatenate(parts)


class ComparedRuntime:
    """A runtime of less precision, and that of float32 which scores some of its images, too.

    These are the first ones, then one in `every`, `images` at most. `check` takes what was found.
    """

    def __init__(
        self, reduced: "Runtime", open_reference: OpenRuntime, check: "PrecisionCheck", images: int, every: int
    ) -> None:
        self._reduced = reduced
        self._open = open_reference
        self._reference: Runtime | None = None
        self._check = check
        self._most, self._every = images, every
        self._seen = self._compared = 0

    def probabilities(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Score (n, height, width, channels) uint8 images, n >= 1, with less precision: (n, classes) float32."""
        started = time.perf_counter()
        scores = self._reduced.probabilities(images)
        seconds = time.perf_counter() - started
        self._seen += len(images)
        # The float32 of a short run would cost more than less precision saves (decision 045)
        due = min(self._most, max(FIRST_COMPARED, self._seen // self._every)) - self._compared
        # In whole batches, whose time can be compared.
        if due > 0 and (not self._compared or due >= min(len(images), self._most - self._compared)):
            some = images[:due]
            if first := self._reference is None:
                self._reference = self._open()
            started = time.perf_counter()
            self._check.add(self._reference.probabilities(some), scores[: len(some)])
            if not first:  # which warms up
                self._check.add_seconds(time.perf_counter() - started, seconds * len(some) / len(images))
            self._compared += len(some)
        elif self._compared >= self._most:
            self._reference = None
        return scores
