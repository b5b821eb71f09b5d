"""What every source of a model offers: its input, its predictions and its ONNX graph."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from batchclf.core.geometry import Geometry
from batchclf.errors import ModelError, UsageError
from batchclf.models.onnx_graph.last_step import LastStep
from batchclf.models.sources.infer_preprocessing import ModelInput

H5_SUFFIXES = (".h5", ".hdf5")


class Original(Protocol):
    """A model as it was made elsewhere.

    `kind` names it for a person; `geometry` is what its file says of that, None for most; `kept` is the name of the
    file or folder that a bundle keeps of it, None where its graph says all; `class_names` are those that its file
    gives, in the order of its outputs, () if it gives none; `libraries` are the modules that run and convert it;
    `last_step` says what its outputs are, None where its graph does.
    """

    kind: str
    kept: str | None
    input: ModelInput
    geometry: Geometry | None
    class_names: tuple[str, ...]
    libraries: tuple[str, ...]

    @property
    def last_step(self) -> LastStep | None:
        """The operation that gives the outputs; None where the graph says it."""

    def run(self, inputs: NDArray[Any]) -> NDArray[np.floating]:
        """Predict (n, *shape) inputs: (n, units), or more axes."""

    def graph(self, shape: tuple[int, ...]) -> Any:
        """Give the ONNX model that takes images of this shape, as a ModelProto; None if it is scored with as it is."""

    def parameters(self) -> int:
        """Count its parameters."""

    def close(self) -> None:
        """Free the model; what was read of it stays."""


def check_one_input(path: Path, inputs: Sequence[str]) -> None:
    """Raise ModelError unless there is one input; each is described by its name, type and shape."""
    if len(inputs) != 1:
        raise ModelError(
            f"{path} has {len(inputs)} inputs: {'; '.join(inputs)}; an image classifier has one, the image",
            hint="export a model that takes the image alone, with constants for the rest. Keras' own ONNX export turns "
            "the constants of a Normalization layer into inputs; import the .keras file instead",
        )


def chosen_output(path: Path, outputs: Mapping[str, str], asked: str | None) -> str:
    """Give the name of the output that is asked for, or of the only one.

    `outputs` has the description of each by its name. Raises UsageError if there is no such output, ModelError if
    there are several and none is asked for.
    """
    if asked is not None and asked not in outputs:
        raise UsageError(
            f"{path} has no output '{asked}'; it has: {'; '.join(outputs.values())}",
            hint="give --output-name the name of the probabilities or the logits",
        )
    if asked is None and len(outputs) != 1:
        raise ModelError(
            f"{path} has {len(outputs)} outputs: {'; '.join(outputs.values())}; an image classifier has one",
            hint="choose the probabilities or the logits of the classes with --output-name NAME of model import, or "
            "save a model with this one output",
        )
    return asked or next(iter(outputs))
