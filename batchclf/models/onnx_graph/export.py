"""Write a bundle's ONNX graph, and check that it gives the outputs of the model that it was made of."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from batchclf.core.text import exact, scientific, significant
from batchclf.errors import ModelError
from batchclf.models.onnx_graph.batch import open_batch, takes_one_image
from batchclf.models.onnx_graph.bundle_graph import INPUT, OUTPUT, with_interface
from batchclf.models.onnx_graph.bundle_notes import note_bundle
from batchclf.models.onnx_graph.constants import widen_constants
from batchclf.models.onnx_session import DYNAMIC_BATCH, onnx_session
from batchclf.models.preprocessing import Preprocessing, to_probabilities

# Checked once, at training: a graph that is off by more is not written (decision 001)
TOLERANCE = 1e-5
RAW_TOLERANCE = 1e-4
"""Of the range of all outputs before softmax or sigmoid, at the least; deep networks come near it by rounding."""

_NO_BUNDLE = "no bundle was written; another opset or TensorFlow version may help, or report this model"
_ROUNDING = 1e-6
"""Of the largest output: what float32 loses of outputs that lie close together and far from 0."""


def write_graph(
    model: Any,
    steps: Preprocessing,
    path: Path,
    images: NDArray[np.uint8],
    outputs: NDArray[np.floating],
    *,
    class_names: Sequence[str] = (),
    tolerance: float = TOLERANCE,
    alone: bool = False,
) -> float:
    """Write the graph from uint8 images to probabilities, and check it.

    `model` is the ModelProto of the model itself, which is changed; `outputs` is what the model itself gives for
    `images`, (n, height, width, channels) uint8, after the reference steps: (n, units), or with more axes of size 1.
    Returns the largest difference of a probability. Raises ModelError if it exceeds `tolerance`, or the most probable
    class is another although the first two are further apart than that; or if the outputs before softmax or sigmoid,
    in which a model that is sure of everything can still differ, are further apart than `RAW_TOLERANCE` of their
    range, or than `tolerance` of it if that is more. With `alone` the graph is given one image at a time. The class
    names are noted in the file.
    """
    if takes_one_image(model):
        open_batch(model)
    rows = outputs.reshape(len(outputs), -1)
    # The same graph without what is made of its outputs, so that these can be compared as they are (decision 162)
    raw = replace(steps, output="probabilities", temperature=1.0, renormalize=False)
    if raw != steps:
        copy = type(model)()
        copy.CopyFrom(model)
        _write(copy, raw, path, outputs.ndim, class_names)
        _check_raw(score(path, images, 1 if alone else None), rows, max(tolerance, RAW_TOLERANCE))
    _write(model, steps, path, outputs.ndim, class_names)
    expected = to_probabilities(rows, steps.output, steps.temperature, renormalize=steps.renormalize)
    return _difference(score(path, images, 1 if alone else None), expected, tolerance)


def _write(model: Any, steps: Preprocessing, path: Path, rank: int, class_names: Sequence[str]) -> None:
    """Write the graph with the interface of a bundle; the model is changed."""
    graph = with_interface(model, steps, rank)
    widen_constants(graph)
    note_bundle(graph, steps, class_names)
    try:
        path.write_bytes(graph.SerializeToString())
    except ValueError as error:  # protobuf's limit of 2 GiB
        raise ModelError(f"the model is too large for one ONNX file: {error}", hint="models below 2 GiB fit") from error


def score(path: Path, images: NDArray[np.uint8], batch: int | None = None) -> NDArray[np.float32]:
    """Score (n, height, width, channels) uint8 images by a bundle's graph: (n, classes) float32.

    They are given in batches of `batch`; without it the first is alone and all others are together, which shows
    whether the graph mixes up a batch. Raises ModelError if ONNX Runtime refuses the graph.
    """
    try:
        session = onnx_session(path)
    except Exception as error:  # ONNX Runtime raises a class of its own for each status code
        raise ModelError(
            f"ONNX Runtime cannot load the graph made of the model: {error}",
            hint=f"another exporter or opset may help; if the model was made for one image at a time, {DYNAMIC_BATCH}",
        ) from error
    try:
        cuts = [1] if batch is None else range(batch, len(images), batch)
        parts = [part for part in np.split(images, cuts) if len(part)]
        return np.concatenate([session.run([OUTPUT], {INPUT: part})[0] for part in parts])
    except Exception as error:  # ONNX Runtime raises a class of its own for each status code
        raise ModelError(
            f"the model does not run on batches of images: {error}",
            hint=DYNAMIC_BATCH,
        ) from error


def _check_raw(actual: NDArray[np.float32], expected: NDArray[np.floating], tolerance: float) -> None:
    """Compare (n, units) outputs as the graph and as the model itself gives them; raises ModelError."""
    if actual.shape != expected.shape:
        raise _other_shape(actual.shape, expected.shape)
    wanted = expected.astype(np.float64)
    difference = float(np.abs(actual - wanted).max())
    allowed = tolerance * float(np.ptp(wanted)) + _ROUNDING * float(np.abs(wanted).max())
    if not difference <= allowed:
        raise ModelError(
            f"the ONNX graph does not give the model's outputs: on {len(actual)} sample images they differ by up to "
            f"{scientific(difference)} before softmax or sigmoid (at most {scientific(allowed)} is allowed; they lie "
            f"between {significant(wanted.min())} and {significant(wanted.max())})",
            hint=_NO_BUNDLE,
        )


def _other_shape(actual: tuple[int, ...], expected: tuple[int, ...]) -> ModelError:
    return ModelError(
        f"the ONNX graph gives outputs of shape {actual} where the model gives {expected}",
        hint="export the model with a dynamic batch axis",
    )


def _difference(actual: NDArray[np.float32], expected: NDArray[np.float32], tolerance: float) -> float:
    if actual.shape != expected.shape:
        raise _other_shape(actual.shape, expected.shape)
    difference = float(np.abs(actual.astype(np.float64) - expected).max())
    best = np.sort(expected, axis=1)[:, -2:]
    clear = best[:, 1] - best[:, 0] > tolerance
    other = int((clear & (actual.argmax(axis=1) != expected.argmax(axis=1))).sum())
    if other or not difference <= tolerance:
        raise ModelError(
            f"the ONNX graph does not give the model's outputs: on {len(actual)} sample images probabilities differ by "
            f"up to {scientific(difference)} (at most {exact(tolerance)} is allowed), and {other} have another "
            "class",
            hint=_NO_BUNDLE,
        )
    return difference
