"""What runs in an actor of Ray: the model, and what reads and decodes images for it; and the cache's reader."""

import os
import pickle
import socket
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from batchclf import atomic
from batchclf.core.types import BatchScores, ImageRef, Known
from batchclf.data.decoding.decode import decoders
from batchclf.libraries import VERSION
from batchclf.models.bundle import Bundle, BundleInfo
from batchclf.models.runtime.registry import Device, RuntimeName, find_runtime, open_runtime
from batchclf.scoring.batches import files_per_part
from batchclf.scoring.engines.local import DecodePool
from batchclf.scoring.model_run import ModelRun
from batchclf.scoring.stream import Columns, PartColumns, columns_of, kept_refs


class PartWriter(Protocol):
    """Writes the rows of a part on the machine of an actor, into a folder of the driver's."""

    def sees_folder(self) -> bool:
        """Whether that folder is there."""

    def write(self, scores: Sequence[BatchScores]) -> Any:
        """Write the rows; what it gives is for the driver."""


@dataclass(frozen=True)
class ActorJob:
    """What an actor needs beside the files of the bundle.

    `cores` is how many it may use. `folder` is one for temporary files that somebody else removes, None for the node's
    own; relative paths are below `working_folder`, where the node has it.
    """

    info: BundleInfo
    runtime: RuntimeName
    device: Device
    batch_size: int
    cores: int
    folder: str | None
    working_folder: str


@dataclass(frozen=True)
class Reply:
    """The answer of an actor on a node, or what it raised instead, and what it has to say to a person."""

    node: str
    value: Any
    error: Exception | None = None
    said: Sequence[str] = field(default_factory=list)


def versions_there(info: BundleInfo, runtime: RuntimeName, device: Device) -> dict[str, str]:
    """Give the versions of batchclf and of the libraries that pixels and probabilities depend on, here.

    Raises ModelError if what runs the model is not installed.
    """
    entry = find_runtime(runtime, "f32", device)
    return {"batchclf": VERSION, **entry.load().versions(), **decoders(info.geometry)}


class ScoringActor:
    """Reads, decodes and scores blocks, one after the other; images are decoded in a process of its own.

    So what crashes a decoder, or goes on for ever, is skipped with the reason that it has on one machine, too.
    """

    def __init__(self, job: ActorJob, files: Mapping[str, bytes], cache: Any) -> None:
        self._job, self._files, self._cache = job, files, None if cache is None else CacheFinder(cache)
        self._said: list[str] = []
        self._pool: DecodePool | None = None
        self._setup = b""
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._model: ModelRun | None = None

    def start(self) -> Reply:
        """Load the model; gives the versions of what decodes and computes there."""
        return self._answer(self._load)

    def columns(self, setup: bytes, places: list[Any]) -> Reply:
        """Score the images at some places of the source; gives `Columns`. `setup` is a pickled `DecodeSetup`."""
        return self._answer(lambda: self._columns(setup, places))

    def part(self, setup: bytes, blocks: list[list[ImageRef]], writer: bytes) -> Reply:
        """Score blocks of images and write their rows, if the folder for them is there; gives `PartColumns`.

        `writer` is a pickled `PartWriter`.
        """

        def score() -> PartColumns:
            to: PartWriter = pickle.loads(writer)
            columns = [self._columns(setup, [ref.at for ref in refs]) for refs in blocks]
            scores = [
                BatchScores(kept_refs(refs, each), each.probabilities)
                for refs, each in zip(blocks, columns, strict=True)
                if each.probabilities is not None
            ]
            if not scores or not to.sees_folder():
                return PartColumns(columns)
            return PartColumns([replace(each, probabilities=None) for each in columns], to.write(scores))

        return self._answer(score)

    def digests(self, setup: bytes, places: list[Any]) -> Reply:
        """Only read the images at some places; gives their digests."""

        def read() -> list[bytes]:
            pool = self._pool_of(setup)
            return [digest for part in [pool.digests(part) for part in _parts(places)] for digest in part.result()]

        return self._answer(read)

    def close(self) -> None:
        """End the decoding process and remove the bundle's files."""
        if self._pool is not None:
            self._pool.__exit__()
        if self._folder is not None:
            self._folder.cleanup()

    def _columns(self, setup: bytes, places: list[Any]) -> Columns:
        assert self._model is not None
        pool = self._pool_of(setup)
        parts = [pool.decode(part) for part in _parts(places)]
        return columns_of([part.result() for part in parts], self._model)

    def _answer(self, call: Callable[[], Any]) -> Reply:
        try:
            value, error = call(), None
        except Exception as raised:  # the driver's to handle, as if it had done the work by itself
            value, error = None, raised.with_traceback(None)
        said, self._said[:] = list(self._said), []
        return Reply(socket.gethostname(), value, error, said)

    def _load(self) -> dict[str, str]:
        job = self._job
        with suppress(OSError):
            os.chdir(job.working_folder)
        temporary = job.folder or tempfile.gettempdir()
        atomic.remove_abandoned(Path(temporary), f"batchclf-{atomic.OWNER}")
        self._folder = tempfile.TemporaryDirectory(prefix=f"batchclf-{os.getpid()}-", dir=temporary)
        bundle = Bundle(Path(self._folder.name), job.info)
        for name, content in self._files.items():
            path = bundle.path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        self._files = {}
        versions = versions_there(job.info, job.runtime, job.device)
        runtime = open_runtime(bundle, job.runtime, device=job.device, cores=job.cores)
        self._model = ModelRun(lambda: runtime, job.batch_size, say=self._said.append)
        return versions

    def _pool_of(self, setup: bytes) -> DecodePool:
        if self._pool is None or setup != self._setup:
            if self._pool is not None:
                self._pool.__exit__()
            self._setup = setup
            self._pool = DecodePool(pickle.loads(setup), self._job.cores, cache=self._cache, say=self._said.append)
            self._pool.use_processes()
        return self._pool


def _parts(places: list[Any]) -> list[list[Any]]:
    size = files_per_part(len(places))
    return [places[start : start + size] for start in range(0, len(places), size)]


class CacheReader:
    """Looks into the score cache, on the machine that it lies on."""

    def __init__(self, folder: Path, key: str, classes: int) -> None:
        from batchclf.scoring.cache import ScoreCache

        self._cache = ScoreCache(folder, key, classes, say=lambda line: None)

    def find(self, digests: Sequence[bytes]) -> Known:
        """As `ScoreCache.find`."""
        return self._cache.find(digests)


class CacheFinder:
    """The score cache as an actor sees it, through a `CacheReader`; a cache never stops a run."""

    def __init__(self, reader: Any) -> None:
        self._reader = reader

    def find(self, digests: Sequence[bytes]) -> Known:
        """As `ScoreCache.find`; nothing if the reader has ended."""
        import ray

        try:
            known: Known = ray.get(self._reader.find.remote(list(digests)))
        except ray.exceptions.RayError:
            return Known(np.empty(0, np.int64), np.empty(0, np.void))
        return known
