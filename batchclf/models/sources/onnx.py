"""ONNX files as the source of a model."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from batchclf.errors import ModelError
from batchclf.models.onnx_graph import read as onnx_graph
from batchclf.models.onnx_graph.bundle_notes import noted_geometry
from batchclf.models.onnx_graph.last_step import LastStep
from batchclf.models.onnx_graph.operations import check_operations
from batchclf.models.onnx_graph.outputs import described, keep_output, zipped_labels
from batchclf.models.onnx_graph.own_names import own_class_names
from batchclf.models.onnx_graph.parameters import parameter_count
from batchclf.models.onnx_session import DYNAMIC_BATCH, onnx_session
from batchclf.models.sources.infer_preprocessing import ModelInput
from batchclf.models.sources.interface import check_one_input, chosen_output


class OnnxOriginal:
    """An ONNX file in ONNX Runtime; needs no TensorFlow. Of several outputs, the one that is asked for."""

    kept: str | None = None
    libraries: tuple[str, ...] = ("onnx", "onnxruntime")
    last_step: LastStep | None = None

    def __init__(self, path: Path, output_name: str | None = None) -> None:
        onnx = onnx_graph.onnx_or_error()
        self._model = onnx_graph.load(path)
        graph = self._model.graph
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
        check_one_input(path, [described(each) for each in onnx_graph.real_inputs(graph)])
        self._output = chosen_output(path, {each.name: described(each) for each in graph.output}, output_name)
        self._labels = zipped_labels(graph, self._output)
        self.class_names = own_class_names(self._model, self._output)
        if len(graph.output) > 1 or self._labels is not None:
            keep_output(graph, self._output)
        source = onnx_graph.real_inputs(graph)[0]
        if not source.type.HasField("tensor_type") or not graph.output[0].type.HasField("tensor_type"):
            raise ModelError(
                f"{path} takes or gives something that is no tensor: {described(source)}; {described(graph.output[0])}",
                hint="export the model so that its output is a tensor of probabilities (skl2onnx: zipmap=False)",
            )
        given = onnx.helper.tensor_dtype_to_np_dtype(graph.output[0].type.tensor_type.elem_type).name
        if not given.endswith(("float16", "float32", "float64")):
            raise ModelError(
                f"{path} gives {given} in its output '{graph.output[0].name}', such as a label; a probability or a "
                "logit for each class is needed",
                hint="choose the probabilities with --output-name, or export the model with them",
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
            return np.concatenate([self._answers(part) for part in parts])
        except Exception as error:  # ONNX Runtime raises a class of its own for each status code
            raise ModelError(
                f"the model cannot make predictions for inputs of shape {values.shape}: {error}",
                hint="check --input-size, --color and --layout; a model that predicts one image alone "
                "(a reshape to 1 x N in it does that) must be exported with a batch size of 1",
            ) from error

    def _answers(self, values: NDArray[Any]) -> NDArray[np.floating]:
        """Run the file as it came; maps of label to probability become rows in the order of the labels."""
        answers = self._session.run([self._output], {self.input.name: values})[0]
        if self._labels is None:
            return np.asarray(answers)
        return np.array([[row[label] for label in self._labels] for row in answers], np.float32)

    def graph(self, shape: tuple[int, ...]) -> Any:
        """Give the model, without the outputs that are not asked for."""
        return self._model

    def parameters(self) -> int:
        """Count the weights, as many as before the model was quantised, if it was."""
        return parameter_count(self._model.graph)

    def close(self) -> None:
        """Free the session, which holds the weights."""
        del self._session


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
