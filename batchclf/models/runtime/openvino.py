"""Run a bundle's graph in OpenVINO with bfloat16 arithmetic: faster than float32, and less exact."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from batchclf.errors import ModelError
from batchclf.libraries import versions_of
from batchclf.models.bundle import Bundle
from batchclf.models.runtime.memory_errors import is_out_of_memory
from batchclf.models.runtime.registry import Device

CPUINFO = Path("/proc/cpuinfo")
_INSTRUCTIONS = {"avx512_bf16", "amx_bf16", "bf16"}
"""Processor flags of bfloat16 arithmetic as Linux names them: x86-64's, and Arm's."""

_REPORTING = "openvino.tools.ovc"
_ALL_CORES = {
    # One request a core or two; the requests of a batch go on side by side and need not wait for each other.
    "PERFORMANCE_HINT": "THROUGHPUT",
    # The decoding workers need the cores, too.
    "ENABLE_CPU_PINNING": False,
}


def has_bf16(cpuinfo: str) -> bool:
    """Whether a processor computes in bfloat16, by the text of Linux' /proc/cpuinfo."""
    lines = [line.partition(":") for line in cpuinfo.splitlines()]
    flags = {flag for key, _, text in lines if key.strip() in ("flags", "Features") for flag in text.split()}
    return not _INSTRUCTIONS.isdisjoint(flags)


class OpenvinoRuntime:
    """The bundle's model.onnx in OpenVINO, in bfloat16."""

    def __init__(self, bundle: Bundle, device: Device, cores: int | None = None) -> None:
        self.check(device)
        core = _openvino().Core()
        self._path = bundle.onnx_path
        how = {"INFERENCE_PRECISION_HINT": "bf16", **_ALL_CORES, **({"INFERENCE_NUM_THREADS": cores} if cores else {})}
        try:
            compiled = core.compile_model(str(self._path), "CPU", how)
            count = compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")
            self._requests = [compiled.create_infer_request() for _ in range(count)]
        except Exception as error:  # OpenVINO raises RuntimeError for anything
            raise ModelError(
                f"OpenVINO cannot load {self._path}: {error}", hint="score with --precision f32, or train it again"
            ) from error

    @staticmethod
    def versions() -> dict[str, str]:
        """Give the version of OpenVINO."""
        _openvino()
        return versions_of("openvino")

    @staticmethod
    def check(device: Device) -> None:
        """Raise ModelError if the processor has no bfloat16 arithmetic."""
        able = _openvino().Core().get_property(device.upper(), "OPTIMIZATION_CAPABILITIES")
        # OpenVINO also takes bfloat16 if the processor must imitate it, and is slow then (decision 045)
        if "BF16" not in able or not _native():
            raise ModelError(
                "this processor has no bfloat16 arithmetic (avx512_bf16 or amx_bf16)", hint="score with --precision f32"
            )

    def probabilities(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Score (n, height, width, channels) uint8 images, n >= 1: (n, classes) float32, rows sum to 1.

        Raises MemoryError where out of memory for so many, ModelError where the model fails.
        """
        size = -(-len(images) // len(self._requests))
        parts = [np.ascontiguousarray(images[start : start + size]) for start in range(0, len(images), size)]
        running = self._requests[: len(parts)]
        try:
            for request, part in zip(running, parts, strict=True):
                request.start_async({0: part}, share_inputs=True)
            for request in running:
                request.wait()
            # Copied: the next batch is written over the requests' own tensors.
            return np.concatenate([request.get_output_tensor(0).data for request in running])
        except Exception as error:
            _finish(running)
            if is_out_of_memory(error):
                raise MemoryError(f"{self._path}: {error}") from error
            raise ModelError(f"{self._path} fails on {len(images)} images: {error}") from error


def _finish(requests: list[Any]) -> None:
    """Wait for requests of which one has failed, and been told of: the others still read the images."""
    for request in requests:
        try:
            request.wait()
        except Exception:
            continue


def _native() -> bool:
    try:
        return has_bf16(CPUINFO.read_text(encoding="utf-8", errors="replace"))
    except OSError:  # not Linux: OpenVINO's word must do
        return True


def _openvino() -> Any:
    """Import OpenVINO without the part that reports its use to Intel; raises ImportError."""
    held = sys.modules.get(_REPORTING)
    # None makes Python's import fail, which OpenVINO allows for: only its model converter is missing then.
    # (decision 046)
    sys.modules[_REPORTING] = held  # type: ignore[assignment]
    try:
        import openvino
    finally:
        if held is None:
            sys.modules.pop(_REPORTING, None)  # another thread may import it, too
    return openvino
