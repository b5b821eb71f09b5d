"""The engine of one machine: threads that decode by themselves or, in a long run, each through a process of its own."""

import sys
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain
from typing import TYPE_CHECKING, Protocol, TypeVar

import numpy as np

from batchclf.child import ChildDiedError
from batchclf.core.images.facts import FACTS
from batchclf.core.types import ImageRef, Known, Say
from batchclf.data.decoding.limits import took_too_long
from batchclf.data.sources.found import Found
from batchclf.scoring.batches import files_per_part
from batchclf.scoring.decoder import Decoded, Decoder, DecodeSetup, passing_digest
from batchclf.scoring.model_run import ModelRun
from batchclf.scoring.processes import PROCESSES_FROM, WorkerProcesses
from batchclf.scoring.stream import Columns, Part, columns_of, joined

if TYPE_CHECKING:
    from batchclf.scoring.worker import RemoteDecoder


BLOCKS_AHEAD = 2
"""Blocks that are decoded while the model runs on the one before; more where many workers need them."""

Result = TypeVar("Result")


class KnownScores(Protocol):
    """What a pool asks for scores from before, as `ScoreCache` has them."""

    def find(self, digests: Sequence[bytes]) -> Known:
        """Give what is known; its places are indices into `digests`."""


class DecodePool:
    """Decodes parts of the stream side by side; use as a context manager, which ends `processes`, too.

    With a cache, images found there are read but not decoded; `missed` is called if one is not there.
    """

    def __init__(
        self,
        setup: DecodeSetup,
        workers: int,
        *,
        cache: "KnownScores | None" = None,
        missed: Callable[[], None] = lambda: None,
        processes: WorkerProcesses | None = None,
        say: Say = lambda line: None,
    ) -> None:
        self.workers = workers
        self.processes = processes or WorkerProcesses()
        self._setup = setup
        self._cache, self._missed = cache, missed
        self._say = say
        self._own = threading.local()
        self._thread_ids: set[int] = set()
        self._use_processes = self._closed = False
        self._processes_work = bool(sys.executable)
        self._threads = ThreadPoolExecutor(
            workers, "decode", initializer=lambda: self._thread_ids.add(threading.get_ident())
        )

    def __enter__(self) -> "DecodePool":
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Cancel what waits and end the processes."""
        self._closed = True
        self.processes.__exit__()
        self._setup.source.close()
        # Not loaded, so that it is not either where no file needed it.
        if (aside := sys.modules.get("batchclf.data.decoding.aside")) is not None:
            aside.close(self._thread_ids)
        self._threads.shutdown(cancel_futures=True)

    def use_processes(self) -> None:
        """From here on each thread decodes through a process of its own; by itself where no process can be had."""
        self._use_processes = self._processes_work

    def decode(self, paths: Sequence[str]) -> "Future[Part]":
        """Read and decode files."""
        return self._threads.submit(self._decode, paths)

    def digests(self, paths: Sequence[str]) -> "Future[list[bytes]]":
        """Only read files, and tell their digests."""
        return self._threads.submit(self._digests, paths)

    def _decode(self, paths: Sequence[str]) -> Part:
        try:
            return self._decode_with(self._decoder(), paths)
        except ChildDiedError:
            # Killed from outside, or by a file: one at a time says which.
            return joined([self._decode_one(path) for path in paths])

    def _decode_with(self, decoder: "Decoder | RemoteDecoder", paths: Sequence[str]) -> Part:
        if self._cache is None:
            return Part(decoder.decode(paths), None)
        read = decoder.read(paths)
        readable = [i for i in range(len(paths)) if i not in read.reasons]
        found = self._cache.find([read.digests[i] for i in readable])
        known = Known(np.array(readable, np.int64)[found.places], found.rows)
        missing = sorted(set(readable).difference(known.places.tolist()))
        if missing:
            self._missed()
        decoded = decoder.decode_read(missing)
        digests = list(read.digests)
        reasons = dict(read.reasons)
        for place, index in enumerate(missing):
            digests[index] = decoded.digests[place]
            if place in decoded.reasons:
                reasons[index] = decoded.reasons[place]
        seconds = read.read + decoded.read, decoded.decode
        return Part(Decoded(digests, reasons, decoded.images, decoded.facts, *seconds), known)

    def _decode_one(self, path: str) -> Part:
        """Decode one of the files of which some have ended a process: one that does so again is skipped."""
        crash: ChildDiedError | None = None
        for _ in range(2):
            try:
                return self._decode_with(self._decoder(), [path])
            except ChildDiedError as error:
                if error.timed_out:
                    return self._skipped(took_too_long(self._setup.limits.seconds).message, passing_digest())
                crash = error
        # The digest is that of the content: a resumed run, which only reads, must find the same.
        (digest,) = Decoder(self._setup).read([path]).digests
        return self._skipped(f"the decoder crashed on it twice ({crash})", digest)

    def _skipped(self, reason: str, digest: bytes) -> Part:
        nothing = np.empty((0, *self._setup.input_shape), np.uint8)
        return Part(Decoded([digest], {0: reason}, nothing, np.empty(0, FACTS), 0.0, 0.0), None)

    def _digests(self, paths: Sequence[str]) -> list[bytes]:
        try:
            return self._decoder().read(paths).digests
        except ChildDiedError as error:
            if error.timed_out:
                # Some of them cannot even be read: none is taken for unchanged.
                return [passing_digest() for _ in paths]
            return Decoder(self._setup).read(paths).digests

    def _decoder(self) -> "Decoder | RemoteDecoder":
        """Give this thread's decoder; a process that died is replaced. Raises RuntimeError once the run ends."""
        if self._closed:
            raise RuntimeError("the run is ending")
        decoder: Decoder | RemoteDecoder | None = getattr(self._own, "decoder", None)
        if isinstance(decoder, Decoder):
            if not self._use_processes:
                return decoder
        elif decoder is not None:
            if not decoder.ended:
                return decoder
            self.processes.end(decoder.process)
        self._own.decoder = self._remote_decoder() if self._use_processes else Decoder(self._setup, self._check_open)
        own: Decoder | RemoteDecoder = self._own.decoder
        return own

    def _check_open(self, seconds: float) -> None:
        """A thread has no timer that could end it, but it stops between two images when the run ends."""
        if self._closed:
            raise RuntimeError("the run is ending")

    def _remote_decoder(self) -> "Decoder | RemoteDecoder":
        try:
            from batchclf.scoring.worker import RemoteDecoder

            return RemoteDecoder(self._setup, self.processes.take())
        except (OSError, ChildDiedError) as error:
            if self._closed:
                raise RuntimeError("the run is ending") from error
            if self._processes_work:
                self._say(f"decoding without processes of their own, which is slower: none could be started ({error})")
            self._use_processes = self._processes_work = False
            return Decoder(self._setup, self._check_open)


class LocalEngine:
    """Decodes with a pool and scores in this process; use as a context manager, which closes the pool."""

    warnings: Sequence[str] = ()

    def __init__(self, pool: DecodePool, model: ModelRun) -> None:
        self._pool, self._model = pool, model

    def __enter__(self) -> "LocalEngine":
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the pool."""
        self._pool.__exit__()

    def columns(self, blocks: Iterable[list[Found]]) -> Generator[tuple[list[Found], Columns], None, None]:
        """See `Engine`."""
        for block, parts in self._ahead(blocks, self._pool.decode):
            yield block, columns_of(parts, self._model)

    def digests(self, blocks: Iterable[list[Found]]) -> Generator[tuple[list[Found], list[bytes]], None, None]:
        """See `Engine`."""
        for block, parts in self._ahead(blocks, self._pool.digests):
            yield block, list(chain.from_iterable(parts))

    def _ahead(
        self, blocks: Iterable[list[Found]], submit: Callable[[list[str]], "Future[Result]"]
    ) -> Iterator[tuple[list[Found], list[Result]]]:
        """Keep a few blocks under way in the pool and hand them on in order."""
        # A block has four parts or more, except the smallest; with one in hand for each worker none has to wait.
        ahead = max(BLOCKS_AHEAD, self._pool.workers // 2)
        waiting: deque[tuple[list[Found], list[Future[Result]]]] = deque()
        iterator = _with_processes(iter(blocks), self._pool)
        try:
            while True:
                while len(waiting) <= ahead and (block := next(iterator, None)) is not None:
                    waiting.append((block, [submit(part) for part in _parts(block)]))
                if not waiting:
                    return
                block, futures = waiting.popleft()
                yield block, [future.result() for future in futures]
        finally:
            for _, futures in waiting:
                for future in futures:
                    future.cancel()


def _parts(block: list[Found]) -> list[list[str]]:
    paths = [item.at for item in block if isinstance(item, ImageRef)]
    size = files_per_part(len(block))
    return [paths[i : i + size] for i in range(0, len(paths), size)]


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
