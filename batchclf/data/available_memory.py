"""How much memory this process may still take, as far as the system tells."""

import os
from collections.abc import Iterator
from pathlib import Path

PROC, CGROUPS = Path("/proc"), Path("/sys/fs/cgroup")


def available_memory() -> int | None:
    """Count the bytes that can be taken without swapping: free on the machine, and left by the limits of its cgroups.

    Linux: MemAvailable of /proc/meminfo, and for each cgroup above the process (version 1 or 2) its limit less what it
    uses, file cache that can be dropped not counted as used. Elsewhere the machine's memory; None where nothing tells.
    """
    of_machine = _of_machine()
    return min([*([] if of_machine is None else [of_machine]), *_left_by_cgroups()], default=None)


def _of_machine() -> int | None:
    try:
        for line in (PROC / "meminfo").read_text().splitlines():
            name, _, value = line.partition(":")
            if name == "MemAvailable":
                return int(value.split()[0]) * 1024
    except (OSError, ValueError, IndexError):
        pass
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None


def _left_by_cgroups() -> Iterator[int]:
    """Yield what each cgroup with a limit has left, from the process' own up to the topmost."""
    try:
        lines = (PROC / "self" / "cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, kinds, path = (*line.split(":", 2), "", "")[:3]
        if kinds == "":
            root, limit, used, droppable = CGROUPS, "memory.max", "memory.current", "inactive_file"
        elif "memory" in kinds.split(","):
            root = CGROUPS / "memory"
            limit, used, droppable = "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"
        else:
            continue
        # In a container the path is often that of the host, and the container's own limit stands at the root.
        group = root / path.lstrip("/")
        for folder in (group, *group.parents):
            if not folder.is_relative_to(root):
                break
            if (bytes_limit := _number(folder / limit)) is None or (in_use := _number(folder / used)) is None:
                continue
            yield max(0, bytes_limit - in_use + _statistic(folder / "memory.stat", droppable))


def _number(file: Path) -> int | None:
    try:
        return int(file.read_text())
    except (OSError, ValueError):  # ValueError: "max"
        return None


def _statistic(file: Path, name: str) -> int:
    try:
        pairs = (line.split() for line in file.read_text().splitlines())
        return next((int(value) for key, value in pairs if key == name), 0)
    except (OSError, ValueError):
        return 0
