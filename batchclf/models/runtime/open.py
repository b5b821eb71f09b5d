"""Run a bundle's model: in ONNX Runtime by default, in another runtime on request."""

from typing import TYPE_CHECKING

from batchclf.models.bundle import Bundle
from batchclf.models.runtime.registry import find_runtime

if TYPE_CHECKING:
    from batchclf.models.runtime.interface import Runtime
    from batchclf.models.runtime.registry import Device, Precision, RuntimeName


def open_runtime(
    bundle: Bundle, name: "RuntimeName", *, precision: "Precision" = "f32", device: "Device" = "cpu"
) -> "Runtime":
    """Load the bundle's model.

    Raises ModelError if it cannot be loaded, a library is missing or the machine cannot do what is asked for, and
    UsageError if the three do not go together.
    """
    return find_runtime(name, precision, device).open(bundle, device)
