"""Start decoding processes. Imports nothing heavy, so that they can start before anything else is loaded."""

import os
import subprocess
import threading
from pathlib import Path

from batchclf.errors import DataError

# Threads take turns in Python; below this number the start of processes is not worth it (decision 033)
PROCESSES_FROM = 4096
"""Files from which on processes are worth their start (0.2 s each): below, threads are as quick."""

_MAIN = "from batchclf.scoring.worker import main; main()"


class WorkerProcesses:
    """The decoding processes of a run, idle until they are taken; use as a context manager, which ends them all.

    `start` before the run knows what it will score lets them load their libraries beside it.
    """

    def __init__(self) -> None:
        self._idle: list[subprocess.Popen[bytes]] = []
        self._all: list[subprocess.Popen[bytes]] = []
        self._lock = threading.Lock()
        self._closed = self._refused = False

    def __enter__(self) -> "WorkerProcesses":
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Kill the processes, whatever they do; no other can be taken after that."""
        with self._lock:
            self._closed = True
            processes = list(self._all)
        for process in processes:
            process.kill()
        for process in processes:
            self.end(process)

    def start(self, count: int) -> None:
        """Start some processes that will be taken later; none where the system does not give so many."""
        try:
            for _ in range(count):
                process = self._launch()
                with self._lock:
                    self._idle.append(process)
        except OSError:
            # Of files or processes there are hardly any left now; the run itself needs some.
            with self._lock:
                self._refused = True
                idle, self._idle = self._idle, []
            for process in idle:
                self.end(process)

    def take(self) -> "subprocess.Popen[bytes]":
        """Give a process that nobody else has. Raises OSError where the system gives none, RuntimeError at the end."""
        with self._lock:
            if self._idle and not self._closed:
                return self._idle.pop()
        return self._launch()

    def end(self, process: "subprocess.Popen[bytes]") -> None:
        """Kill a process, if it has not ended, and free what it held."""
        from batchclf import child

        child.end(process)
        with self._lock:
            if process in self._all:
                self._all.remove(process)

    def pids(self) -> list[int]:
        """The ids of the processes that have not been found ended."""
        with self._lock:
            return [process.pid for process in self._all if process.returncode is None]

    def _launch(self) -> "subprocess.Popen[bytes]":
        from batchclf import child

        with self._lock:
            if self._closed:
                raise RuntimeError("the run is ending")
            if self._refused:
                raise OSError("not as many could be started as there are workers")
            process = child.start(_MAIN)
            self._all.append(process)
        return process


def holds_many_files(folder: Path) -> bool:
    """Whether there are so many files under a folder that processes are worth their start; False where it is unknown.

    Looks at no more of them than it must; of shards that were packed together it asks their list.
    """
    left, waiting = PROCESSES_FROM, [str(folder)]
    try:
        if (list_of_shards := folder / "shards.json").is_file():
            from batchclf.data.sources.manifest import read_manifest

            return read_manifest(list_of_shards.read_bytes(), list_of_shards).packed >= PROCESSES_FROM
        while waiting and left > 0:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    else:
                        left -= 1
                    if left <= 0:
                        break
    except (OSError, DataError):
        return False
    return left <= 0
