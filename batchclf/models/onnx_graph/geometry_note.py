"""The geometry as a note in an ONNX graph, so that graphs which want other pixels have other digests."""

from typing import Any

import msgspec

from batchclf.core.geometry import OWN, UNKNOWN, Geometry

KEY = "batchclf.geometry"


def note_geometry(model: Any, geometry: Geometry) -> None:
    """Write a geometry into a ModelProto's metadata, in place of one that is there.

    Batchclf's own is left out: such graphs, and their digests, are those that earlier versions made.
    """
    kept = [entry for entry in model.metadata_props if entry.key != KEY]
    notes = [(entry.key, entry.value) for entry in kept]
    if geometry not in (OWN, UNKNOWN):
        notes.append((KEY, msgspec.json.encode(geometry).decode()))
    del model.metadata_props[:]
    for key, value in notes:
        entry = model.metadata_props.add()
        entry.key, entry.value = key, value


def noted_geometry(model: Any) -> Geometry | None:
    """Read it from a ModelProto's metadata; None if there is none that this batchclf knows."""
    for entry in model.metadata_props:
        if entry.key == KEY:
            try:
                return msgspec.json.decode(entry.value, type=Geometry)
            except msgspec.MsgspecError:
                return None
    return None
