"""The graph of a bundle as a file of its own, for other programs."""

from pathlib import Path
from typing import Any

from batchclf import atomic
from batchclf.errors import ModelError, UsageError
from batchclf.models.bundle import TFLITE_FILE, Bundle, is_bundle
from batchclf.models.onnx_graph.bundle_graph import INPUT, OUTPUT
from batchclf.models.onnx_graph.bundle_notes import note_bundle
from batchclf.models.onnx_graph.read import load


def export_graph(bundle: Bundle, out: Path) -> int:
    """Write the graph of a bundle with its class names, input and geometry in its metadata; gives the bytes.

    Bundles made before these were noted have them in the file, too. Raises UsageError if `out` lies in a bundle,
    ModelError if
    there is no graph or onnx is not installed, OSError.
    """
    if is_bundle(out.resolve().parent):
        raise UsageError(
            f"{out} lies in a model bundle, whose files are what it was made with",
            hint="give --onnx a file in another folder",
        )
    if not bundle.has_graph:
        raise ModelError(
            f"{bundle.place} has no ONNX graph: it was imported from a TFLite file, which is scored as it is",
            hint=f"give other programs its {TFLITE_FILE}",
        )
    model = load(bundle.onnx_path)
    note_bundle(model, bundle.info.preprocessing, bundle.info.class_names)
    content: bytes = model.SerializeToString()
    atomic.write_bytes(out, content)
    return len(content)


def interface_of(bundle: Bundle) -> dict[str, Any]:
    """Say what the graph takes and gives."""
    info = bundle.info
    height, width, channels = info.input_shape
    return {
        "input": {
            **{"name": INPUT, "dtype": "uint8", "shape": ["n", height, width, channels], "range": [0, 255]},
            "channels": "gray" if info.color_mode == "grayscale" else "RGB",
        },
        "geometry": info.geometry.sentence((height, width)),
        "output": {"name": OUTPUT, "dtype": "float32", "shape": ["n", len(info.class_names)]},
        "class_names": list(info.class_names),
        "batch_size": info.batch_size,
    }
