"""A cluster of Ray for the length of a run: one that is there, or one on this machine that is started and ended."""

import logging
import os
import secrets
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from batchclf.core.text import counted, duration
from batchclf.core.types import Say
from batchclf.errors import EngineError

STORE_BYTES = 256 * 2**20
"""Memory for what is under way between processes of a local cluster, beside the model; Ray's default is 30% of all."""

_END_SECONDS = 2
_LONGEST_SOCKET = 107  # bytes that Linux takes as the path of a socket
_SESSION = len("/session_2026-11-30_19-31-53_842114_4194304/sockets/plasma_store")


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster that this process is connected to.

    `folder` is one on this machine that is removed at the end, None if the cluster is not this run's own. `is_remote`
    says that this process is not on a machine of it, as with ray://. `seconds` is what the start or connection took.
    """

    folder: Path | None
    is_remote: bool
    seconds: float

    def count(self, resource: str) -> int:
        """How many of a resource there are now, as "CPU"; at least 1, since a cluster may grow."""
        return max(1, int(import_ray().cluster_resources().get(resource, 0)))


def import_ray() -> Any:
    """Import Ray; raises EngineError if it is not installed."""
    try:
        import ray
    except ImportError as error:
        raise EngineError(
            f"Ray is needed for --engine ray and cannot be imported ({error})",
            hint="install it with: pip install 'batchclf[ray]'",
        ) from error
    return ray


@contextmanager
def ray_cluster(address: str | None, cores: int, store_bytes: int, *, say: Say, log: Say) -> Iterator[Cluster]:
    """Connect to the cluster at an address, or start one of `cores` on this machine and end it after the block.

    Without an address $RAY_ADDRESS counts, as for all programs that use Ray. If this process is connected already, that
    connection is used, and stays. What Ray itself warns of goes to `log`. Raises EngineError if there is no such
    cluster, or none can be started.
    """
    ray = import_ray()
    started = time.perf_counter()
    address = address or os.environ.get("RAY_ADDRESS") or None
    if ray.is_initialized():
        say("using the cluster of Ray that this process is connected to")
        yield Cluster(None, _is_client(ray), 0.0)
        return
    with _lines_to(log):
        if address is None or address == "local":
            with _session_folder() as folder, _ending_processes(ray, folder):
                _start(ray, folder, cores, STORE_BYTES + store_bytes)
                seconds = time.perf_counter() - started
                of = f"on this machine with {counted(cores, 'core')}"
                say(f"started Ray {ray.__version__} {of} in {duration(seconds)}")
                yield Cluster(folder, False, seconds)
        else:
            _connect(ray, address)
            seconds = time.perf_counter() - started
            say(f"connected to Ray {ray.__version__} at {address} in {duration(seconds)}")
            try:
                yield Cluster(None, _is_client(ray), seconds)
            finally:
                ray.shutdown()


def _is_client(ray: Any) -> bool:
    return bool(ray.util.client.ray.is_connected())


def _start(ray: Any, folder: Path, cores: int, store_bytes: int) -> None:
    environment = {
        "RAY_USAGE_STATS_ENABLED": "0",
        # Its processes listen on all interfaces, and ask for a token. Without one in the environment ray.init writes
        # one into ~/.ray, where it stays (decision 182)
        # How long what is left of Ray looks for the rest of it if this process is killed; 60 s by default.
        "RAY_gcs_rpc_server_reconnect_timeout_s": "5",
        "RAY_AUTH_TOKEN": os.environ.get("RAY_AUTH_TOKEN") or _token(),
        # Workers find this package as this process does, installed or not.
        "PYTHONPATH": os.pathsep.join(filter(None, [str(Path(__file__).parents[3]), os.environ.get("PYTHONPATH")])),
    }
    try:
        with _environment(environment), _same_handlers(), _quiet():
            ray.init(
                "local",
                num_cpus=cores,
                object_store_memory=store_bytes,
                include_dashboard=False,
                configure_logging=False,
                log_to_driver=False,
                _temp_dir=str(folder),
            )
    except (OSError, RuntimeError, ValueError, TimeoutError) as error:
        raise EngineError(
            f"Ray cannot be started on this machine: {_first_line(error)}",
            hint="free memory (it takes 0.6 GB) and space in the folder for temporary files, or score without --engine",
        ) from error


def _connect(ray: Any, address: str) -> None:
    try:
        with _same_handlers():
            ray.init(address, configure_logging=False, log_to_driver=False)
    except (OSError, RuntimeError, ValueError, TimeoutError, ray.exceptions.RayError) as error:
        ray.shutdown()
        raise EngineError(
            f"there is no cluster of Ray to connect to at {address}: {_first_line(error)}",
            hint="check the address and that the cluster is up with: ray status; if it asks for a token, set "
            "RAY_AUTH_MODE=token and RAY_AUTH_TOKEN; without --ray-address a cluster is started on this machine",
        ) from error


@contextmanager
def _ending_processes(ray: Any, folder: Path) -> Iterator[None]:
    """Shut Ray down after the block, and end all of its processes before its folder is removed.

    Without the folder, or if its start was interrupted, some of them would stay for a minute (decision 182).
    """
    import psutil  # Ray brings it

    try:
        yield
    finally:
        # Those that ray.init starts have the folder among their arguments
        own = [each for each in psutil.Process().children() if str(folder) in " ".join(_arguments(each))]
        processes = [process for each in own for process in (each, *each.children(recursive=True))]
        ray.shutdown()
        _, left = psutil.wait_procs(processes, timeout=_END_SECONDS)
        for process in left:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(left, timeout=_END_SECONDS)


def _arguments(process: Any) -> list[str]:
    try:
        arguments: list[str] = process.cmdline()
    except Exception:  # it has ended meanwhile, and psutil has a class of its own for each way
        return []
    return arguments


@cache
def _token() -> str:
    """One for all clusters that this process starts: Ray reads it once."""
    return secrets.token_hex(32)


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


@contextmanager
def _session_folder() -> Iterator[Path]:
    """Make the folder of Ray's session; it is removed at the end, or by a later process if this one is killed."""
    parent = Path(tempfile.gettempdir())
    # In this process' own folder the name may be short, which the paths of sockets need
    prefix = "r" if parent.name.startswith("batchclf-") else f"batchclf-{os.getpid()}-"
    if len(os.fsencode(parent)) + 1 + len(prefix) + 8 + _SESSION > _LONGEST_SOCKET:
        parent, prefix = Path("/tmp"), f"batchclf-{os.getpid()}-"
    with tempfile.TemporaryDirectory(prefix=prefix, dir=parent, ignore_cleanup_errors=True) as folder:
        yield Path(folder)
    # A worker that Ray was still starting may write its log between the listing of a folder and its removal
    until = time.monotonic() + _END_SECONDS
    while Path(folder).exists() and time.monotonic() < until:
        time.sleep(0.1)
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(values)
    try:
        yield
    finally:
        for name in os.environ.keys() - before.keys():
            del os.environ[name]
        os.environ.update(before)


@contextmanager
def _same_handlers() -> Iterator[None]:
    """Keep what SIGTERM does: ray.init makes it a SystemExit, from its first moments on (decision 182)."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    except SystemExit as error:
        raise KeyboardInterrupt from error
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _quiet() -> Iterator[None]:
    """Leave out that Ray asks for a token, which it warns of at each start."""
    logger = logging.getLogger("ray")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


class _ToSay(logging.Handler):
    def __init__(self, say: Say) -> None:
        super().__init__(logging.WARNING)
        self._say = say

    def emit(self, record: logging.LogRecord) -> None:
        self._say(f"Ray: {' '.join(record.getMessage().split())}")


@contextmanager
def _lines_to(say: Say) -> Iterator[None]:
    """Take what Ray logs and prints in this process from the terminal."""
    from ray._private import worker

    # The ends of workers it prints to standard output, whatever log_to_driver says (decision 182)
    printed = worker.print_to_stdstream
    worker.print_to_stdstream = lambda data, **_: say(f"Ray: {' '.join(' '.join(data['lines']).split())}")
    logger, handler = logging.getLogger("ray"), _ToSay(say)
    before = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(logging.WARNING)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.level, logger.propagate = before
        worker.print_to_stdstream = printed
