"""What a model answers for sample images: whether an answer depends on other images, and whether it depends on any."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from batchclf.core.text import counted, scientific
from batchclf.errors import ModelError
from batchclf.models.onnx_graph.export import score
from batchclf.models.sources.interface import Original

_AT_ONCE = 4
"""Images that an original is given at once: ConvNeXtTiny of Keras takes 70 MB for each."""

_BATCH = 64
_LEAST = 1e-6
"""Of the largest output: differences below this are rounding."""

_DYNAMIC = "it is quantised dynamically: the values of all images of a batch decide how each is rounded"
_ALONE = (
    "export it as it is for predictions (model.eval() in PyTorch, training=False in Keras), or with a batch size of "
    "exactly 1, which is run image by image"
)


def run_original(original: Original, inputs: NDArray[Any], tolerance: float) -> NDArray[np.floating]:
    """Run a model on all (n, …) inputs, n > 0, and some of them alone: (n, units), or more axes.

    Raises ModelError if it fails, or an image alone has an answer that is further away than `tolerance` of the range
    of all outputs: the model would say something else of the same image in another batch.
    """
    outputs = np.concatenate([_rows(original, inputs[at : at + _AT_ONCE]) for at in range(0, len(inputs), _AT_ONCE)])
    places = sorted({0, len(inputs) // 2, len(inputs) - 1})
    alone = np.concatenate([original.run(inputs[place : place + 1]) for place in places])
    apart = float(np.abs(alone.astype(np.float64) - outputs[places]).max())
    if apart > tolerance * float(np.ptp(outputs)) + _LEAST * float(np.abs(outputs).max()):
        raise ModelError(
            f"the model's outputs for an image depend on the other images of its batch: they differ by up to "
            f"{scientific(apart)} from those for the image alone",
            hint=_ALONE,
        )
    return outputs


def _rows(original: Original, inputs: NDArray[Any]) -> NDArray[np.floating]:
    outputs = original.run(inputs)
    if len(outputs) != len(inputs):
        raise ModelError(
            f"the model gives outputs of shape {outputs.shape} for {counted(len(inputs), 'image')}; a row for each "
            "is needed",
            hint=_ALONE,
        )
    return outputs


def class_scores(outputs: NDArray[np.floating]) -> NDArray[np.floating]:
    """Give (n, units) of (n, …) outputs; raises ModelError if more than one of the other axes is longer than 1."""
    shape = outputs.shape[1:]
    if sum(size > 1 for size in shape) > 1:
        raise ModelError(
            f"the model gives {' x '.join(map(str, shape))} values an image, as maps of pixels and lists of boxes are; "
            "a classifier gives one value for each class",
            hint="import a classifier; if the model has one beside that, choose its output with --output-name, or "
            "export it with that output alone",
        )
    return outputs.reshape(len(outputs), -1)


def are_the_same(outputs: NDArray[np.floating]) -> bool:
    """Whether all (n, …) answers are the same, but for rounding: then no difference between models can show."""
    return bool(np.ptp(outputs, axis=0).max() <= _LEAST * np.abs(outputs).max())


def batch_limit(path: Path, images: NDArray[np.uint8]) -> str:
    """Say why a graph that is quantised dynamically must be given one image at a time; "" if batches do no harm.

    Its answers for (n, height, width, channels) uint8 images alone are compared with those in batches of 64.
    """
    alone = score(path, images, batch=1)
    try:
        together = score(path, images, batch=_BATCH)
    except ModelError:
        return "it does not run on several images"
    apart = float(np.abs(alone.astype(np.float64) - together).max())
    if not apart:
        return ""
    changed = int((alone.argmax(axis=1) != together.argmax(axis=1)).sum())
    return (
        f"{_DYNAMIC}; in batches of {min(_BATCH, len(images))} {changed} of {counted(len(images), 'sample image')} "
        f"had another class, and probabilities differed by up to {scientific(apart)}"
    )
