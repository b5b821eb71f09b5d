"""The engine of Ray: blocks go to actors on the machines of a cluster, what came of them comes back in order."""

import pickle
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING, Any, Literal

from batchclf.core.text import counted
from batchclf.core.types import ImageRef, Say, SkippedImage
from batchclf.data.sources.found import Found
from batchclf.errors import EngineError, UnreadableImageError, UsageError
from batchclf.scoring.decoder import DecodeSetup
from batchclf.scoring.engines.actor import ActorJob, CacheReader, PartWriter, Reply, ScoringActor
from batchclf.scoring.engines.cluster import Cluster, import_ray
from batchclf.scoring.stream import Columns, PartColumns

if TYPE_CHECKING:
    from batchclf.scoring.cache import ScoreCache

IN_FLIGHT = 2
"""Blocks that an actor has at a time, so that it need not wait for the next one."""

BLOCKS_AHEAD = 4
"""Blocks an actor, from the first one that is not through on, whose answers may wait for that one."""

MOST_TRIES = 4
"""So often a block is sent before the run gives up on it."""

START_SECONDS = 600
"""So long the first worker may take to be there: a cluster that grows needs minutes for a machine."""

_NOTICE_SECONDS = 10
_CLOSE_SECONDS = 2
_MOST_TEXT = 300
_FIT = "batchclf with the same versions must be installed on all machines of the cluster; see Ray's logs there"

NOT_READ = "cannot be read: "
"""How the reason of a file begins whose content cannot be had."""

Method = Literal["columns", "digests", "part"]


@dataclass(eq=False)
class _Task:
    number: int
    found: list[Found]
    tries: int = 0


@dataclass(eq=False)
class _Worker:
    """An actor, the blocks that it has in the order in which it does them, and its `node` once it has started."""

    actor: Any
    starting: Any
    node: str = ""
    tasks: dict[Any, _Task] = field(default_factory=dict)


_Done = dict[int, tuple[list[Found], str, Any]]
"""The number of a block → the block, the node, and the answer or what is to be raised when it is its turn."""


Send = Callable[[list[Found]], tuple[Any, ...]]


class RayWorkers:
    """The actors of a run, `count` of them; use as a context manager, which ends them.

    Each holds the model; the `files` of its bundle are once in the object store of each node. One that ends is
    replaced, and its blocks are sent again. `versions` is what each node must have. `ended` counts actors that were
    replaced, `again` blocks that were sent again.
    """

    def __init__(
        self,
        cluster: Cluster,
        job: ActorJob,
        files: Mapping[str, bytes],
        count: int,
        *,
        versions: Mapping[str, str],
        cache: "ScoreCache | None" = None,
        say: Say,
    ) -> None:
        self._ray = import_ray()
        self._job, self._count, self._versions, self.say = job, count, versions, say
        self._files = self._ray.put(dict(files))
        self._cache = None if cache is None else self._cache_reader(cluster, cache)
        self._workers: list[_Worker] = []
        self._failed_starts = 0
        self._start_seconds = cluster.seconds
        self.ended = 0
        self.again = 0

    def take_start_seconds(self) -> float:
        """Give the seconds that Ray itself took to start, once; 0 from then on."""
        seconds, self._start_seconds = self._start_seconds, 0.0
        return seconds

    def __enter__(self) -> "RayWorkers":
        """Start the actors; does not wait for them."""
        for _ in range(self._count):
            self._start()
        return self

    def __exit__(self, *_: object) -> None:
        """End them."""
        ray, workers = self._ray, self._workers
        self._workers = []
        with suppress(ray.exceptions.RayError):
            # Those that are idle remove their files; what one that is at work leaves, a later run removes.
            idle = [worker.actor.close.remote() for worker in workers if worker.node and not worker.tasks]
            if idle:
                ray.wait(idle, num_returns=len(idle), timeout=_CLOSE_SECONDS)
        for worker in workers:
            with suppress(ray.exceptions.RayError):
                ray.kill(worker.actor)

    def run(
        self, method: Method, setup: DecodeSetup, blocks: Iterable[list[Found]], send: Send
    ) -> Generator[tuple[list[Found], str, Any], None, None]:
        """Have each block answered by a method of an actor; gives block, node and answer, in order.

        `send` gives what the actor is sent of a block.

        Raises what the actor raises, and EngineError if a block ends one actor after the other, if none can be started,
        or if a node is not fit.
        """
        numbered, pickled = enumerate(blocks), pickle.dumps(setup)
        queue: deque[_Task] = deque()
        done: _Done = {}
        sent, out, more = 0, 0, True
        began = time.monotonic()
        for worker in self._workers:
            worker.tasks.clear()  # what an earlier call was not interested in any more
        while True:
            if not queue and more and sent < out + BLOCKS_AHEAD * self._count:
                block = next(numbered, None)
                more = block is not None
                if block is not None:
                    queue.append(_Task(*block))
                    sent += 1
            if queue and (free := self._free_worker(queue[0])) is not None:
                task = queue.popleft()
                free.tasks[getattr(free.actor, method).remote(pickled, *send(task.found))] = task
            elif out in done:
                found, node, value = done.pop(out)
                if isinstance(value, Exception):
                    raise value
                yield found, node, value
                out += 1
            elif out == sent and not more:
                return
            else:
                began = self._take(done, queue, began)

    def _cache_reader(self, cluster: Cluster, cache: "ScoreCache") -> Any:
        ray = self._ray
        if cluster.is_remote:
            raise UsageError(
                "--cache does not go with ray://: the cache lies on this machine, which is none of the cluster's",
                hint="run without --cache, or on a machine of the cluster, as with: ray job submit",
            )
        here = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(
            ray.get_runtime_context().get_node_id(), soft=False
        )
        options = {"num_cpus": 0, "scheduling_strategy": here}
        return ray.remote(CacheReader).options(**options).remote(*cache.place)

    def _start(self) -> None:
        devices = {"num_gpus": 1} if self._job.device != "cpu" else {}
        actors = self._ray.remote(ScoringActor).options(num_cpus=self._job.cores, **devices)
        actor = actors.remote(self._job, self._files, self._cache)
        self._workers.append(_Worker(actor, actor.start.remote()))

    def _free_worker(self, task: _Task) -> _Worker | None:
        """Find one that may have a block; one that was under way when a worker ended is sent alone: it may be why."""
        most = 0 if task.tries else IN_FLIGHT - 1
        free = [
            worker
            for worker in self._workers
            if worker.node and len(worker.tasks) <= most and not any(each.tries for each in worker.tasks.values())
        ]
        return min(free, key=lambda worker: len(worker.tasks), default=None)

    def _take(self, done: _Done, queue: deque[_Task], began: float) -> float:
        """Wait for an answer or the start of an actor; gives `began`, or a later time once nobody need wait."""
        ray = self._ray
        of = {ref: worker for worker in self._workers for ref in worker.tasks}
        of |= {worker.starting: worker for worker in self._workers if not worker.node}
        ready, _ = ray.wait(list(of), num_returns=1, timeout=_NOTICE_SECONDS)
        if not ready:
            return self._waited(began)
        (ref,) = ready
        worker = of[ref]
        try:
            reply: Reply = ray.get(ref)
        except ray.exceptions.ObjectLostError:
            # Its node is gone, or the answer was pushed out of memory: the actor may be well.
            self._again([worker.tasks.pop(ref)], done, queue)
            return began
        except ray.exceptions.RayTaskError as error:
            raise EngineError(f"a worker of Ray fails: {_in_a_line(error)}", hint=_FIT) from error
        except ray.exceptions.RayError as error:
            self._replace(worker, error, done, queue)
            return began
        for line in reply.said:
            self.say(f"{reply.node}: {line}")
        if ref in worker.tasks:
            task = worker.tasks.pop(ref)
            done[task.number] = task.found, reply.node, reply.error or reply.value
        elif reply.error is not None:
            raise reply.error
        else:
            self._check_versions(reply)
            worker.node, self._failed_starts = reply.node, 0
        return began

    def _waited(self, began: float) -> float:
        started = sum(bool(worker.node) for worker in self._workers)
        if started == self._count or (started and began == inf):
            return inf
        if not started and time.monotonic() - began > START_SECONDS:
            raise EngineError(
                f"no worker of Ray has started within {START_SECONDS} s",
                hint=f"look with ray status for free cores ({counted(self._job.cores, 'core')} a worker); give fewer "
                "--workers, or wait until other jobs are through",
            )
        self.say(f"{started} of {counted(self._count, 'worker')} have started; the cluster has no core free for more")
        return inf if started else began

    def _again(self, tasks: list[_Task], done: _Done, queue: deque[_Task]) -> None:
        """Queue blocks again; one is given up after so many tries, of which all but the first were its own."""
        for task in list(tasks):
            task.tries += 1
            if task.tries == MOST_TRIES:
                first, last = (_path(task.found[place]) for place in (0, -1))
                done[task.number] = (
                    *(task.found, ""),
                    EngineError(
                        f"{MOST_TRIES} workers of Ray have ended while they scored the files from {first} to {last}",
                        hint="look into log.jsonl and Ray's logs for why; if a machine ran out of memory, "
                        "give fewer --workers or a smaller --batch-size",
                    ),
                )
                tasks.remove(task)
        self.again += len(tasks)
        queue.extendleft(reversed(tasks))

    def _replace(self, worker: _Worker, error: Exception, done: _Done, queue: deque[_Task]) -> None:
        """Start another actor in place of one that has ended, and queue its blocks."""
        self._workers.remove(worker)
        with suppress(self._ray.exceptions.RayError):
            self._ray.kill(worker.actor)
        cause = _in_a_line(error)
        if not worker.node:
            self._failed_starts += 1
            if self._failed_starts >= MOST_TRIES:
                if self._workers:
                    self.say(f"going on with {counted(len(self._workers), 'worker')}: no more can be started: {cause}")
                    self._count = len(self._workers)
                    return
                raise EngineError(f"no worker of Ray can be started: {cause}", hint=_FIT)
        else:
            self.ended += 1
            tasks = list(worker.tasks.values())
            self.say(f"a worker on {worker.node} ended; sending {counted(len(tasks), 'block')} again ({cause})")
            self._again(tasks, done, queue)
        self._start()

    def _check_versions(self, reply: Reply) -> None:
        for name, version in self._versions.items():
            if (there := reply.value.get(name)) != version:
                raise EngineError(
                    f"{reply.node} has {name} {there}, this machine has {version}; scores could be other ones there",
                    hint="install the same versions of batchclf and its libraries on all machines of the cluster",
                )


class RayEngine:
    """Scores one source with the actors of a run."""

    def __init__(self, workers: RayWorkers, setup: DecodeSetup) -> None:
        self._workers, self._setup = workers, setup
        self._before = workers.ended, workers.again

    def __enter__(self) -> "RayEngine":
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Do nothing: the actors are those of the run."""

    @property
    def warnings(self) -> list[str]:
        """How many workers have ended, if any."""
        ended, again = (now - before for now, before in zip(self._counts(), self._before, strict=True))
        if not again:
            return []
        return [f"{counted(ended, 'worker')} of Ray ended and had to be replaced; {counted(again, 'block')} sent again"]

    def _counts(self) -> tuple[int, int]:
        return self._workers.ended, self._workers.again

    def columns(self, blocks: Iterable[list[Found]]) -> Generator[tuple[list[Found], Columns], None, None]:
        """See `Engine`. Raises EngineError if a node does not see a file that is here."""
        with closing(self._workers.run("columns", self._setup, blocks, _places)) as answers:
            for found, node, columns in answers:
                self._check_seen(found, columns.reasons, node)
                yield found, columns

    def parts(
        self, parts: Iterable[list[Found]], size: int, writer: PartWriter
    ) -> Generator[tuple[list[list[Found]], PartColumns], None, None]:
        """Score the files of each part in blocks of `size`; `writer` writes their rows on machines that see its folder.

        Gives the blocks and what came of them.
        """
        pickled, blind = pickle.dumps(writer), set[str]()

        def send(files: list[Found]) -> tuple[Any, ...]:
            return [*map(_refs, _cut(files, size))], pickled

        with closing(self._workers.run("part", self._setup, parts, send)) as answers:
            for files, node, part in answers:
                blocks = _cut(files, size)
                for found, columns in zip(blocks, part.columns, strict=True):
                    self._check_seen(found, columns.reasons, node)
                if node not in blind and any(columns.probabilities is not None for columns in part.columns):
                    blind.add(node)
                    self._workers.say(f"{node} does not see the run directory, so this machine writes its parts")
                yield blocks, part

    def digests(self, blocks: Iterable[list[Found]]) -> Generator[tuple[list[Found], list[bytes]], None, None]:
        """See `Engine`."""
        with closing(self._workers.run("digests", self._setup, blocks, _places)) as answers:
            for found, _, digests in answers:
                yield found, digests

    def _check_seen(self, found: list[Found], reasons: Mapping[int, str], node: str) -> None:
        """Refuse a file that only the node cannot read: the folder is not there, or is another one."""
        source = self._setup.source
        if source.root is None:
            return
        refs = _refs(found)
        for index, reason in reasons.items():
            if not reason.startswith(NOT_READ):
                continue
            with suppress(UnreadableImageError):
                source.read(refs[index].at)
                raise EngineError(
                    f"{node} cannot read {source.named(refs[index].at)}, this machine can: {reason}",
                    hint="share the folder of images so that each machine of the cluster has it at the same path and "
                    "may read it, or score from an object store",
                )


def _refs(found: list[Found]) -> list[ImageRef]:
    return [item for item in found if isinstance(item, ImageRef)]


def _places(found: list[Found]) -> tuple[list[Any]]:
    return ([ref.at for ref in _refs(found)],)


def _cut(files: list[Found], size: int) -> list[list[Found]]:
    return [files[start : start + size] for start in range(0, len(files), size)]


def _path(found: Found) -> str:
    return found.ref.path if isinstance(found, SkippedImage) else found.path


def _in_a_line(error: Exception) -> str:
    """Shorten what Ray says of an error, its last part first: there it has the cause."""
    text = " ".join(str(error).split())
    for mark in ("Worker exit detail: ", "The actor died because ", "died because "):
        text = text.rpartition(mark)[2]
    text = text.partition(" Some common causes include")[0]
    return text[:_MOST_TEXT] or type(error).__name__
