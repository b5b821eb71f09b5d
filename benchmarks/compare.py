"""Run commands side by side, in turn, and print medians and ratios; the peak memory of each with all its processes."""

import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

SAMPLE_SECONDS = 0.02


@dataclass
class Measured:
    """What was measured of one command: seconds by the clock and of the processor, and MB, with its children."""

    name: str
    seconds: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)
    megabytes: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        """The median of the seconds."""
        return median(self.seconds)

    @property
    def cpu(self) -> float:
        """The median of the seconds of the processor, user and system, all processes together."""
        return median(self.processor)

    @property
    def peak(self) -> float:
        """The highest memory of all runs, in MB (proportional set size, so shared pages count once)."""
        return max(self.megabytes)


@dataclass(frozen=True)
class Ended:
    """One command that has ended: seconds by the clock and of the processor, peak MB if asked for, and what it said."""

    seconds: float
    processor: float
    megabytes: float
    code: int
    output: str


def run(command: list[str], *, cwd: Path, memory: bool = False) -> tuple[float, float, float]:
    """Run one command to its end, which must be a good one: seconds from start to exit, those of the processor, and its
    peak memory in MB if that is asked for."""
    ended = run_to_end(command, cwd=cwd, memory=memory)
    if ended.code:
        sys.exit(f"{' '.join(command)} ended with {ended.code}:\n{ended.output[-2000:]}")
    return ended.seconds, ended.processor, ended.megabytes


def run_to_end(command: list[str], *, cwd: Path, memory: bool = False) -> Ended:
    """Run one command to its end, whatever its exit code; the processor time is wrong for commands side by side."""
    # The first two make numpy slow. Without bytecode a program in a checkout is compiled anew each time, an installed
    # one is not.
    slowing = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "PYTHONDONTWRITEBYTECODE")
    environment = {name: value for name, value in os.environ.items() if name not in slowing}
    before, started = _cpu_of_children(), time.perf_counter()
    process = subprocess.Popen(
        command, cwd=cwd, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    peak = [0.0]
    sampler = threading.Thread(target=_sample, args=(process, peak), daemon=True)
    if memory:
        sampler.start()
    try:
        output, _ = process.communicate()
    finally:
        process.kill()  # if this one is interrupted
    seconds = time.perf_counter() - started
    if memory:
        sampler.join()
    return Ended(seconds, _cpu_of_children() - before, peak[0], process.returncode, output)


def _cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def alternate(commands: dict[str, list[str]], rounds: int, *, cwd: Path, memory: bool = False) -> dict[str, Measured]:
    """Run each command once a round, in turn; `{out}` in an argument becomes a new path each time."""
    measured = {name: Measured(name) for name in commands}
    for number in range(rounds):
        for name, command in commands.items():
            with tempfile.TemporaryDirectory(dir=cwd) as folder:
                full = [part.replace("{out}", f"{folder}/out") for part in command]
                seconds, cpu, peak = run(full, cwd=cwd, memory=memory)
            measured[name].seconds.append(seconds)
            measured[name].processor.append(cpu)
            measured[name].megabytes.append(peak)
            print(f"  round {number + 1}: {name} {seconds:.2f} s, of the processor {cpu:.2f} s", flush=True)
    return measured


def _sample(process: subprocess.Popen[str], peak: list[float]) -> None:
    while process.poll() is None:
        peak[0] = max(peak[0], megabytes_of(process.pid))
        time.sleep(SAMPLE_SECONDS)


def megabytes_of(pid: int) -> float:
    """Give the proportional set size of a process and of all below it, in MB."""
    return sum(map(_megabytes, _with_children(pid)))


def _with_children(pid: int) -> list[int]:
    found, waiting = [], [pid]
    while waiting:
        each = waiting.pop()
        found.append(each)
        try:
            for task in Path(f"/proc/{each}/task").iterdir():
                waiting += map(int, (task / "children").read_text().split())
        except OSError:
            continue
    return found


def _megabytes(pid: int) -> float:
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1024
    except OSError:
        pass
    return 0.0
