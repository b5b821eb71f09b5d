"""Call the model: batches in order, smaller ones where the memory does not suffice."""

import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from batchclf.core.types import Say
from batchclf.errors import ModelError
from batchclf.models.runtimes import Runtime


class ModelRun:
    """A runtime as the stream uses it. `open_runtime` is called at the first image; it may wait for another thread.

    `seconds` is what the model took so far, `images` how many it has scored, `limit` the most images that fit into
    memory at a time, None while everything has fitted.
    """

    def __init__(self, open_runtime: Callable[[], Runtime], *, say: Say) -> None:
        self._open = open_runtime
        self._say = say
        self._runtime: Runtime | None = None
        self.limit: int | None = None
        self.seconds = 0.0
        self.images = 0

    def probabilities(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Score (n, height, width, channels) uint8 images, n >= 1: (n, classes) float32.

        Where the memory does not suffice the batch is halved, and batches stay that small. Raises ModelError where
        not even one image fits.
        """
        if self._runtime is None:
            self._runtime = self._open()
        started = time.perf_counter()
        parts = []
        done = 0
        while done < len(images):
            some = images[done : done + (self.limit or len(images))]
            try:
                parts.append(self._runtime.probabilities(some))
            except MemoryError as error:
                if len(some) == 1:
                    raise ModelError(
                        f"the memory does not suffice to score a single image: {error}",
                        hint="free memory, or raise the limit that this process runs under",
                    ) from error
                self.limit = (len(some) + 1) // 2
                self._say(f"out of memory with {len(some)} images a batch; going on with {self.limit}")
                continue
            done += len(some)
        self.images += len(images)
        self.seconds += time.perf_counter() - started
        return parts[0] if len(parts) == 1 else np.concatenate(parts)
