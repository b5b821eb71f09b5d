"""Run a bundle's model: ONNX Runtime by default, TensorFlow or OpenVINO on request."""

from typing import TYPE_CHECKING

from batchclf.errors import UsageError
from batchclf.models.bundle import Bundle
from batchclf.models.runtime.onnx import OnnxRuntime

if TYPE_CHECKING:
    from batchclf.models.runtime.interface import Runtime
    from batchclf.models.runtime.registry import Precision, RuntimeName


def open_runtime(bundle: Bundle, name: "RuntimeName", *, precision: "Precision" = "f32") -> "Runtime":
    """Load the bundle's model; with bf16 its graph is run in OpenVINO.

    Raises ModelError where it cannot be loaded, OpenVINO is missing or the processor has no bfloat16 arithmetic, and
    UsageError for bf16 with TensorFlow.
    """
    if precision == "bf16":
        if name != "onnx":
            raise UsageError("--precision bf16 does not go with --runtime tensorflow", hint="leave --runtime away")
        from batchclf.models.runtime.openvino import OpenvinoRuntime

        return OpenvinoRuntime(bundle)
    if name == "onnx":
        return OnnxRuntime(bundle)
    from batchclf.models.runtime.tensorflow import TensorflowRuntime

    return TensorflowRuntime(bundle)
