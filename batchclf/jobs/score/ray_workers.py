"""The workers of Ray that a run scores folders with."""

import os
from contextlib import ExitStack
from typing import TYPE_CHECKING

from batchclf.jobs.config.settings import ScoreSettings
from batchclf.models.bundle import ONNX_FILE, Bundle
from batchclf.models.runtime.registry import find_runtime
from batchclf.scoring.engines.actor import ActorJob, versions_there
from batchclf.scoring.engines.cluster import ray_cluster
from batchclf.scoring.engines.ray import RayWorkers

if TYPE_CHECKING:
    from batchclf.core.progress import Watcher
    from batchclf.scoring.cache import ScoreCache


def open_workers(
    stack: ExitStack, bundle: Bundle, settings: ScoreSettings, cache: "ScoreCache | None", watcher: "Watcher"
) -> RayWorkers:
    """Connect to the cluster or start one, and start the workers; `stack` ends them.

    There are as many as are asked for or else as the cluster has cores or, for a model on a GPU, GPUs. Raises
    EngineError if there is no such cluster, and UsageError if it does not go with the cache.
    """
    info, runtime = bundle.info, settings.runtime_for(bundle)
    files = _files(bundle, settings)
    size = sum(map(len, files.values()))
    opened = ray_cluster(settings.ray_address, settings.worker_count, size, say=watcher.say, log=watcher.detail)
    cluster = stack.enter_context(opened)
    on_gpu = settings.device != "cpu"
    cores, gpus = cluster.count("CPU"), cluster.count("GPU") if on_gpu else 0
    job = ActorJob(
        info,
        runtime,
        settings.device,
        settings.images_a_batch(bundle),
        # A GPU needs more than one core to decode for it.
        max(1, cores // gpus) if on_gpu else 1,
        None if cluster.folder is None else str(cluster.folder),
        os.getcwd(),  # noqa: PTH109 (a text)
    )
    versions = versions_there(info, runtime, settings.device)
    count = settings.workers or (gpus if on_gpu else cores)
    workers = RayWorkers(cluster, job, files, count, versions=versions, cache=cache, say=watcher.say)
    return stack.enter_context(workers)


def _files(bundle: Bundle, settings: ScoreSettings) -> dict[str, bytes]:
    """Read the files that the runtime needs of the bundle."""
    original = bundle.info.original or ""
    if find_runtime(settings.runtime_for(bundle), settings.precision, settings.device).graph:
        names = [ONNX_FILE]
    else:
        names = [name for name in bundle.info.files if name == original or name.startswith(f"{original}/")]
    return {name: (bundle.path / name).read_bytes() for name in names}
