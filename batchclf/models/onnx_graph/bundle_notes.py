"""What a bundle's graph says in its metadata, so that the file alone is whole: class names, input and geometry.

Two graphs that want other pixels or name other classes have other digests.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from batchclf.core.geometry import UNKNOWN, Geometry
from batchclf.models.preprocessing import Preprocessing

CLASSES, INPUT, GEOMETRY = "batchclf.classes", "batchclf.input", "batchclf.geometry"
_FOREIGN = ("names", "task", "imgsz", "stride", "batch", "channels", "args")
"""What Ultralytics' exporter says of a graph that takes scaled floats, which a bundle's does not (decision 206)."""


def note_bundle(model: Any, steps: Preprocessing, class_names: Sequence[str]) -> None:
    """Write them into a ModelProto's metadata, as JSON; class names only if there are any.

    An unknown geometry is left out.
    """
    encoded = {INPUT: {"channels": "gray" if steps.color_mode == "grayscale" else "RGB", "range": [0, 255]}}
    notes = {key: msgspec.json.encode(value).decode() for key, value in encoded.items()}
    if class_names:
        notes[CLASSES] = msgspec.json.encode(class_names).decode()
    if steps.geometry != UNKNOWN:
        notes[GEOMETRY] = msgspec.json.encode(steps.geometry).decode()
    ours = (CLASSES, INPUT, GEOMETRY, *_FOREIGN)
    kept = [(entry.key, entry.value) for entry in model.metadata_props if entry.key not in ours]
    del model.metadata_props[:]
    for key, value in [*kept, *sorted(notes.items())]:
        entry = model.metadata_props.add()
        entry.key, entry.value = key, value


def noted_geometry(model: Any) -> Geometry | None:
    """Read the geometry from a ModelProto's metadata; None if there is none that this batchclf knows."""
    geometry: Geometry | None = _noted(model, GEOMETRY, Geometry)
    return geometry


def noted_classes(model: Any) -> tuple[str, ...]:
    """Read the class names from a ModelProto's metadata; () if there are none."""
    return _noted(model, CLASSES, tuple[str, ...]) or ()


def _noted(model: Any, key: str, kind: Any) -> Any:
    for entry in model.metadata_props:
        if entry.key == key:
            try:
                return msgspec.json.decode(entry.value, type=kind)
            except msgspec.MsgspecError:
                return None
    return None
