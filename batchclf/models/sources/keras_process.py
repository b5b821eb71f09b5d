"""Have TensorFlow load, run and convert a model in a process of its own, whose memory is free again at its end."""

import sys
from collections.abc import Callable
from inspect import get_annotations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from batchclf import child
from batchclf.core.geometry import Geometry
from batchclf.errors import ModelError
from batchclf.models.onnx_graph.last_step import LastStep
from batchclf.models.sources.infer_preprocessing import ModelInput
from batchclf.models.sources.interface import Original

Load = Callable[[Path, str | None], Original]
"""Loads the model at a path, with the output of this name if it has several; a function of a module."""

_MAIN = "from batchclf.models.sources.keras_process import main; main()"
_WORDS = {"graph": "convert", "parameters": "count the parameters of"}


def load_apart(load: Load, path: Path, output_name: str | None) -> Original:
    """Load a model in a process of its own, which ends with `close`; raises what `load` raises.

    In a process that has TensorFlow already, as one that trains has, it is loaded there: the memory is taken, and
    another TensorFlow would cost seconds (decision 210).
    """
    return load(path, output_name) if "tensorflow" in sys.modules else ModelApart(load, path, output_name)


class ModelApart:
    """An `Original` in a process of its own. If that ends too soon each method raises ModelError."""

    kind: str
    kept: str | None
    input: ModelInput
    geometry: Geometry | None
    class_names: tuple[str, ...]
    libraries: tuple[str, ...]
    last_step: LastStep | None

    def __init__(self, load: Load, path: Path, output_name: str | None) -> None:
        self._path = path
        self._process = child.start(_MAIN)
        try:
            vars(self).update(self._ask("load", load, path, output_name))
        except BaseException:
            self.close()
            raise

    def run(self, inputs: NDArray[Any]) -> NDArray[np.floating]:
        """Predict (n, *shape) inputs: (n, units), or more axes."""
        outputs: NDArray[np.floating] = self._ask("run", inputs)
        return outputs

    def graph(self, shape: tuple[int, ...]) -> Any:
        """Give the ONNX model that takes images of this shape, as a ModelProto."""
        import onnx

        return onnx.load_model_from_string(self._ask("graph", shape))

    def parameters(self) -> int:
        """Count its parameters."""
        count: int = self._ask("parameters")
        return count

    def close(self) -> None:
        """End the process."""
        child.end(self._process)

    def _ask(self, what: str, *arguments: Any) -> Any:
        try:
            return child.ask(self._process, (what, *arguments))
        except child.ChildDiedError as error:
            raise ModelError(
                f"TensorFlow ended with {error} when it was asked to {_WORDS.get(what, what)} {self._path}",
                hint="signal 9 is mostly the want of memory: free some, or import the model on a larger machine",
            ) from error


def main() -> None:
    """Answer requests until standard input ends; the first is to load a model."""
    model: Original

    def answer(request: Any) -> Any:
        nonlocal model
        what, *arguments = request
        if what == "load":
            load, path, output_name = arguments
            model = load(path, output_name)
            return {name: getattr(model, name) for name in get_annotations(ModelApart)}
        given = getattr(model, what)(*arguments)
        return given.SerializeToString() if what == "graph" else given

    child.serve(answer)
