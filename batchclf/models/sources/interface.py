"""What every source of a model offers: its input, its predictions and its ONNX graph."""

from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from batchclf.core.geometry import Geometry
from batchclf.errors import ModelError
from batchclf.models.sources.infer_preprocessing import ModelInput

H5_SUFFIXES = (".h5", ".hdf5")


class Original(Protocol):
    """A model as it was made elsewhere.

    `kind` names it for a person; `geometry` is what its file says of that, None for most; `kept` is the name of the
    file or folder that a bundle keeps of it, None where its graph says all.
    """

    kind: str
    kept: str | None
    input: ModelInput
    geometry: Geometry | None

    def run(self, inputs: NDArray[Any]) -> NDArray[np.floating]:
        """Predict (n, *shape) inputs: (n, units), or more axes."""

    def graph(self, shape: tuple[int, ...]) -> Any:
        """Give the ONNX model that takes images of this shape, as a ModelProto."""

    def parameters(self) -> int:
        """Count its parameters."""


def one_of_each(path: Path, inputs: list[str], outputs: list[str]) -> None:
    """Raise ModelError unless there is one input and one output."""
    hints = {
        "input": "the image",
        "output": "the probabilities or the logits of the classes; onnx.utils.extract_model cuts an ONNX graph down "
        "to one of its outputs",
    }
    for what, names in (("input", inputs), ("output", outputs)):
        if len(names) != 1:
            raise ModelError(
                f"{path} has {len(names)} {what}s ({', '.join(names)}); an image classifier has one",
                hint=f"export a model that has one {what}: {hints[what]}",
            )
