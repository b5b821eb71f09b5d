"""Open an ONNX graph in ONNX Runtime."""

import os
from pathlib import Path
from typing import Any

DYNAMIC_BATCH = (
    "export it with a dynamic batch axis (torch.onnx.export: dynamic_shapes=({0: 'batch'},), or with dynamo=False "
    "input_names=['image'], dynamic_axes={'image': {0: 'batch'}})"
)


def onnx_session(path: Path) -> Any:
    """Open an ONNX graph on the CPU, on all cores that this process may use, with the runtime's own chatter off."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    # A number of one's own: by default threads are pinned to cores, and to as many as the machine has (decision 042)
    options.intra_op_num_threads = _usable_cores()
    # Threads that wait by spinning take the cores from the decoding workers (decision 042)
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Its fallback tries the same again, and prints to standard output.
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"], enable_fallback=0)


def _usable_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
