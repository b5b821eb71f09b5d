"""ONNX files as the source of a model."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from batchclf.errors import ModelError
from batchclf.models.onnx_graph import read as onnx_graph
from batchclf.models.onnx_graph.geometry_note import noted_geometry
from batchclf.models.onnx_graph.operations import check_operations
from batchclf.models.onnx_session import DYNAMIC_BATCH, onnx_session
from batchclf.models.sources.infer_preprocessing import ModelInput
from batchclf.models.sources.interface import one_of_each


class OnnxOriginal:
    """An ONNX file in ONNX Runtime; needs no TensorFlow."""

    kept: str | None = None

    def __init__(self, path: Path) -> None:
        onnx = onnx_graph.onnx_or_error()
        again = "export the model again, and copy it with its files of external data, if it has any"
        try:
            self._model = onnx.load(path)
        except Exception as error:  # protobuf's, the checker's and the system's
            raise ModelError(f"{path} cannot be read as an ONNX model: {error}", hint=again) from error
        graph = self._model.graph
        if not graph.node or not graph.output:
            raise ModelError(f"{path} holds no ONNX graph", hint=again)
        self.kind = f"ONNX graph, opset {onnx_graph.opset(self._model)}"
        try:
            self._session = onnx_session(path)
        except Exception as error:  # ONNX Runtime raises a class of its own for each status code
            check_operations(graph)
            raise ModelError(
                f"ONNX Runtime cannot load {path}: {error}",
                hint="export the model again with an older opset and standard operators only, or update onnxruntime",
            ) from error
        _check_values(path, onnx_graph.real_inputs(graph))
        one_of_each(path, [each.name for each in onnx_graph.real_inputs(graph)], [each.name for each in graph.output])
        source = onnx_graph.real_inputs(graph)[0]
        if not source.type.HasField("tensor_type") or not graph.output[0].type.HasField("tensor_type"):
            raise ModelError(
                f"{path} takes or gives something that is no tensor",
                hint="export the model so that its output is a tensor of probabilities (skl2onnx: zipmap=False)",
            )
        given = onnx.helper.tensor_dtype_to_np_dtype(graph.output[0].type.tensor_type.elem_type).name
        if not given.endswith(("float16", "float32", "float64")):
            raise ModelError(
                f"{path} gives {given} in its output '{graph.output[0].name}', such as a label; a probability or a "
                "logit for each class is needed",
                hint="export the model with its probabilities as the only output",
            )
        batch, *shape = onnx_graph.dims(source) or (None,)
        if batch not in (None, 1):
            raise ModelError(
                f"{path} takes batches of exactly {batch} images",
                hint=DYNAMIC_BATCH,
            )
        # What one that is quantised dynamically says of an image is well defined for that image alone (decision 163)
        self._alone = batch == 1 or onnx_graph.quantises_dynamically(graph)
        dtype = onnx.helper.tensor_dtype_to_np_dtype(source.type.tensor_type.elem_type).name
        self.geometry = noted_geometry(self._model)
        self.input = ModelInput(source.name, tuple(shape), dtype)

    def run(self, inputs: NDArray[Any]) -> NDArray[np.floating]:
        """Predict (n, *shape) inputs, one at a time where the graph takes no more; raises ModelError."""
        values = inputs.astype(self.input.dtype)
        parts = np.split(values, len(values)) if self._alone else [values]
        try:
            return np.concatenate([self._session.run(None, {self.input.name: part})[0] for part in parts])
        except Exception as error:  # ONNX Runtime raises a class of its own for each status code
            raise ModelError(
                f"the model cannot make predictions for inputs of shape {values.shape}: {error}",
                hint="check --input-size, --color and --layout; a model that predicts one image alone "
                "(a reshape to 1 x N in it does that) must be exported with a batch size of 1",
            ) from error

    def graph(self, shape: tuple[int, ...]) -> Any:
        """Give the model as it is."""
        return self._model

    def parameters(self) -> int:
        """Count the floating-point constants."""
        return onnx_graph.parameter_count(self._model.graph)


def _check_values(path: Path, inputs: list[Any]) -> None:
    """Raise ModelError if an input beside the one with an open batch is of a fixed shape: a constant without value."""
    shapes = {each.name: onnx_graph.dims(each) for each in inputs}
    missing = [name for name, shape in shapes.items() if None not in shape]
    if missing and len(shapes) - len(missing) == 1:
        named = ", ".join(f"{each} ({'x'.join(map(str, shapes[each])) or 'a number'})" for each in missing)
        raise ModelError(
            f"{path} lacks the values of {named}: they are inputs of a fixed shape beside the image, as the constants "
            "of an export are that were left out",
            hint="Keras' own ONNX export leaves out the mean and variance of a Normalization layer: import the .keras "
            "file instead; otherwise export the model again, with its constants as initializers",
        )
