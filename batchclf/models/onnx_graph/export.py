"""Write a bundle's ONNX graph, and check that it gives the outputs of the model that it was made of."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from batchclf.core.text import exact, scientific
from batchclf.errors import ModelError
from batchclf.models.onnx_graph.batch import open_batch, takes_one_image
from batchclf.models.onnx_graph.bundle_graph import INPUT, OUTPUT, with_interface
from batchclf.models.onnx_graph.constants import widen_constants
from batchclf.models.onnx_graph.geometry_note import note_geometry
from batchclf.models.onnx_session import DYNAMIC_BATCH, onnx_session
from batchclf.models.preprocessing import Preprocessing, to_probabilities

# Checked once, at training: a graph that is off by more is not written (decision 001)
TOLERANCE = 1e-5


def write_graph(
    model: Any,
    steps: Preprocessing,
    path: Path,
    images: NDArray[np.uint8],
    outputs: NDArray[np.floating],
    *,
    tolerance: float = TOLERANCE,
) -> float:
    """Write the graph from uint8 images to probabilities, and check it.

    `model` is the ModelProto of the model itself, which is changed; `outputs` is what the model itself gives for
    `images`, (n, height, width, channels) uint8, after the reference steps: (n, units), or with more axes of size 1.
    Returns the largest difference of a probability. Raises ModelError where it exceeds `tolerance`, or the most
    probable class is another although the first two are further apart than that.
    """
    if takes_one_image(model):
        open_batch(model)
    graph = with_interface(model, steps, outputs.ndim)
    widen_constants(graph)
    note_geometry(graph, steps.geometry)
    try:
        path.write_bytes(graph.SerializeToString())
    except ValueError as error:  # protobuf's limit of 2 GiB
        raise ModelError(f"the model is too large for one ONNX file: {error}", hint="models below 2 GiB fit") from error
    expected = to_probabilities(outputs.reshape(len(outputs), -1), steps.output, steps.temperature)
    return _difference(_scores(path, images), expected, tolerance)


def _scores(path: Path, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Score the first image alone and the others together, so that a graph that mixes up a batch is found out."""
    try:
        session = onnx_session(path)
    except Exception as error:  # ONNX Runtime raises a class of its own for each status code
        raise ModelError(
            f"ONNX Runtime cannot load the graph made of the model: {error}",
            hint=f"another exporter or opset may help; if the model was made for one image at a time, {DYNAMIC_BATCH}",
        ) from error
    try:
        parts = [part for part in (images[:1], images[1:]) if len(part)]
        return np.concatenate([session.run([OUTPUT], {INPUT: part})[0] for part in parts])
    except Exception as error:  # ONNX Runtime raises a class of its own for each status code
        raise ModelError(
            f"the model does not run on batches of images: {error}",
            hint=DYNAMIC_BATCH,
        ) from error


def _difference(actual: NDArray[np.float32], expected: NDArray[np.float32], tolerance: float) -> float:
    if actual.shape != expected.shape:
        raise ModelError(
            f"the ONNX graph gives outputs of shape {actual.shape} where the model gives {expected.shape}",
            hint="export the model with a dynamic batch axis",
        )
    difference = float(np.abs(actual.astype(np.float64) - expected).max())
    best = np.sort(expected, axis=1)[:, -2:]
    clear = best[:, 1] - best[:, 0] > tolerance
    other = int((clear & (actual.argmax(axis=1) != expected.argmax(axis=1))).sum())
    if other or not difference <= tolerance:
        raise ModelError(
            f"the ONNX graph does not give the model's outputs: on {len(actual)} sample images probabilities differ by "
            f"up to {scientific(difference)} (at most {exact(tolerance)} is allowed), and {other} have another "
            "class",
            hint="no bundle was written; another opset or TensorFlow version may help, or report this model",
        )
    return difference
