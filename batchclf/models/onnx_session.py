"""Open an ONNX graph in ONNX Runtime."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

DYNAMIC_BATCH = (
    "export it with a dynamic batch axis (torch.onnx.export: dynamic_shapes=({0: 'batch'},), or with dynamo=False "
    "input_names=['image'], dynamic_axes={'image': {0: 'batch'}})"
)


def onnx_session(path: Path, *, first: Sequence[tuple[str, Mapping[str, str]]] = (), cores: int | None = None) -> Any:
    """Open an ONNX graph on the CPU, on so many cores or all that this process may use, without the runtime's chatter.

    Execution providers of ONNX Runtime named `first`, with their options, come before the CPU. The session that comes
    back does without one that cannot be loaded: look at its `get_providers`.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    # A number of one's own: by default threads are pinned to cores, and to as many as the machine has (decision 042)
    options.intra_op_num_threads = cores or usable_cores()
    # Threads that wait by spinning take the cores from the decoding workers (decision 042)
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Some of CUDA's sums depend on the order in which threads finish, unless this is set; on the CPU none does.
    options.use_deterministic_compute = bool(first)
    providers = [*first, "CPUExecutionProvider"]
    # Its fallback tries the same again, and prints to standard output.
    return onnxruntime.InferenceSession(str(path), options, providers=providers, enable_fallback=0)


def usable_cores() -> int:
    """Give how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
