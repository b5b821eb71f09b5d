"""Run a bundle's graph in ONNX Runtime, on the CPU or a GPU of NVIDIA."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from batchclf.errors import ModelError
from batchclf.libraries import versions_of
from batchclf.models.bundle import Bundle
from batchclf.models.onnx_session import onnx_session
from batchclf.models.runtime.registry import Device

CUDA = "CUDAExecutionProvider"
_EXACT = {
    # By default products and convolutions of float32 are computed in TF32, with 10 bits in place of 23 (decision 131)
    "use_tf32": "0",
    # By default cuDNN's algorithms are timed and the quickest is taken: another one on another day (decision 131)
    "cudnn_conv_algo_search": "HEURISTIC",
}
_PACKAGE_HINT = (
    "onnxruntime-gpu must be installed in place of onnxruntime, not beside it: pip uninstall onnxruntime "
    "onnxruntime-gpu, then pip install 'onnxruntime-gpu[cuda,cudnn]'; or take the device cpu"
)
_GPU_HINT = (
    "check that nvidia-smi lists a GPU, and that CUDA and cuDNN of the versions that onnxruntime-gpu asks for are "
    "installed: pip install 'onnxruntime-gpu[cuda,cudnn]'; or take the device cpu"
)


class OnnxRuntime:
    """The bundle's model.onnx in ONNX Runtime; imports no TensorFlow."""

    def __init__(self, bundle: Bundle, device: Device, cores: int | None = None) -> None:
        self._path, self._device, self._cores = bundle.onnx_path, device, cores
        self._missing = self.check(device)
        self._session = self._open()

    @staticmethod
    def versions() -> dict[str, str]:
        """Give the version of ONNX Runtime."""
        return versions_of("onnxruntime")

    @staticmethod
    def check(device: Device) -> str:
        """Raise ModelError for cuda if ONNX Runtime has none; say what it lacks to load it, empty for nothing."""
        return _load_cuda() if device == "cuda" else ""

    def probabilities(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Score (n, height, width, channels) uint8 images, n >= 1: (n, classes) float32, rows sum to 1.

        Raises MemoryError where out of memory for so many, ModelError where the model fails.
        """
        if self._session is None:
            self._session = self._open()
        try:
            scores: NDArray[np.float32] = self._session.run(["probabilities"], {"image": images})[0]
            return scores
        except Exception as error:  # ONNX Runtime raises a class of its own for each status code
            from batchclf.models.runtime.memory_errors import is_out_of_memory

            if not is_out_of_memory(error):
                raise ModelError(f"{self._path} fails on {len(images)} images: {error}") from error
            message = f"{self._path}: {error}"
        # A session keeps the memory that a failed run had got so far, and fewer images may not find room beside it.
        # Outside of the handler: the error's traceback holds the session (decision 044)
        self._session = None
        raise MemoryError(message)

    def _open(self) -> Any:
        try:
            first = [(CUDA, _EXACT)] if self._device == "cuda" else ()
            session = onnx_session(self._path, first=first, cores=self._cores)
        except Exception as error:  # ONNX Runtime raises a class of its own for each status code
            from batchclf.models.runtime.memory_errors import is_out_of_memory

            broken = "train it again" if self._device == "cpu" else _GPU_HINT
            hint = "free memory" if is_out_of_memory(error) else broken
            raise ModelError(f"{self._path} cannot be loaded: {error}", hint=hint) from error
        # It goes on without a provider that it cannot load, and raises nothing (decision 130)
        if self._device == "cuda" and CUDA not in session.get_providers():
            raise ModelError(f"ONNX Runtime cannot use CUDA, and would score on the CPU{self._missing}", hint=_GPU_HINT)
        return session


def _load_cuda() -> str:
    """Load the libraries of CUDA that pip has installed, and say which are missing; raises ModelError without CUDA."""
    import onnxruntime

    if CUDA not in onnxruntime.get_available_providers():
        raise ModelError("the ONNX Runtime that is installed has no CUDA", hint=_PACKAGE_HINT)
    printed: list[str] = []
    # It prints what it does not find. Only its own `print` is replaced: other threads write to standard output.
    onnxruntime.print = printed.append
    try:
        if hasattr(onnxruntime, "preload_dlls"):  # from 1.21 on
            # The libraries in pip's packages, where the system's loader does not look (decision 130)
            onnxruntime.preload_dlls(directory="")
    finally:
        del onnxruntime.print
    return "".join(f": {line}" for line in printed[:1])
