"""SavedModels: load them, and run their signature by TensorFlow."""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from batchclf.errors import ModelError
from batchclf.models.bundle import SAVED_MODEL_FOLDER
from batchclf.models.onnx_graph.outputs import words_of_tensor
from batchclf.models.sources.infer_preprocessing import ModelInput
from batchclf.models.sources.interface import check_one_input, chosen_output
from batchclf.models.sources.keras import KERAS, TensorflowModel, tensorflow_or_error
from batchclf.models.sources.load_errors import first_line

_SIGNATURE = "serving_default"
_PROGRAM = "saved_model.pb"
_COMPILED = "_XlaMustCompile"
"""The mark of functions that XLA compiles, and of their calls."""


class SavedModel(TensorflowModel):
    """A SavedModel folder, by its signature `serving_default` or its only one.

    A SavedModel is a program: loading one runs what it says. Raises ModelError if it cannot be loaded, takes something
    else than pixels, or has several inputs or, without `output_name`, outputs; UsageError if it has no such output.
    """

    def __init__(self, path: Path, output_name: str | None = None) -> None:
        loaded = _loaded(path)
        self._path, self._signature = path, _signature_name(path, dict(loaded.signatures))
        signature = loaded.signatures[self._signature]
        inputs, outputs = signature.structured_input_signature[1], signature.structured_outputs
        check_one_input(path, [_words_of_spec(name, spec) for name, spec in inputs.items()])
        self._output = chosen_output(
            path, {name: _words_of_spec(name, spec) for name, spec in outputs.items()}, output_name
        )
        (self._input, spec) = next(iter(inputs.items()))
        _check_takes_pixels(path, self._input, spec, dict(loaded.signatures))
        self.batch = spec.shape[0]
        super().__init__(
            "SavedModel",
            SAVED_MODEL_FOLDER,
            self._call_of(loaded),
            ModelInput(self._input, tuple(spec.shape[1:]), spec.dtype.name),
            sum(int(np.prod(each.shape)) for each in signature.variables),
            KERAS,
        )

    def _call_of(self, loaded: Any) -> Callable[[Any], Any]:
        def call(values: Any) -> Any:  # holds `loaded`, without which its variables would be freed
            return loaded.signatures[self._signature](**{self._input: values})[self._output]

        return call

    def _call_for_graph(self) -> Callable[[Any], Any]:
        """Load the folder again without the marks of functions that are to be kept apart, if it has any.

        Keras has XLA compile convolutions of groups, and tf2onnx cannot look into a function that is called.
        """
        from tensorflow.core.protobuf import saved_model_pb2

        program = saved_model_pb2.SavedModel.FromString((self._path / _PROGRAM).read_bytes())
        functions = [each for graph in program.meta_graphs for each in graph.graph_def.library.function]
        attributes = [each.attr for function in functions for each in (function, *function.node_def)]
        if not any(_COMPILED in each for each in attributes):
            return self._call
        for each in attributes:
            each.pop(_COMPILED, None)
            each.pop("_noinline", None)
        # In a folder of its own: the model that is run, and judges the graph, is the one that came (decision 209)
        with TemporaryDirectory() as folder:
            (Path(folder) / _PROGRAM).write_bytes(program.SerializeToString())
            for other in self._path.resolve().iterdir():
                if other.name in ("variables", "assets"):
                    (Path(folder) / other.name).symlink_to(other)
            return self._call_of(_loaded(Path(folder)))


def _loaded(path: Path) -> Any:
    tf = tensorflow_or_error()
    try:
        return tf.saved_model.load(str(path))
    except Exception as error:  # TensorFlow raises nearly anything on damaged folders
        raise ModelError(
            f"{path} cannot be loaded as a SavedModel: {first_line(error)}", hint="export the model again"
        ) from error


def _signature_name(path: Path, signatures: dict[str, Any]) -> str:
    name = _SIGNATURE if _SIGNATURE in signatures else next(iter(signatures), "")
    if not name or (name != _SIGNATURE and len(signatures) > 1):
        raise ModelError(
            f"{path} has no signature {_SIGNATURE}; it has {', '.join(signatures) or 'none'}",
            hint="export it with model.export(FOLDER) of Keras, or with tf.saved_model.save(…, signatures=…)",
        )
    return name


def _check_takes_pixels(path: Path, name: str, spec: Any, signatures: dict[str, Any]) -> None:
    """Raise ModelError unless the input is of numbers, with a batch of open size or of 1."""
    if spec.dtype.name == "string":
        hint = "export the network behind its decoding, with an input of pixels"
        for other in [each for each, signature in signatures.items() if _numbers(signature)][:1]:
            hint = (
                f"its signature '{other}' takes numbers; save that one: loaded = tf.saved_model.load(\"{path}\"); "
                f'tf.saved_model.save(loaded, "pixels", signatures=loaded.signatures["{other}"])'
            )
        raise ModelError(
            f"{path} takes text, '{name}': encoded images, which it decodes and resizes itself, in a way that nothing "
            "but its program says",
            hint=hint,
        )
    if spec.shape.rank is None or spec.shape.rank < 2 or spec.shape[0] not in (None, 1):
        raise ModelError(
            f"{path} takes inputs of the shape {spec.shape}; the first axis must be the batch, of open size or of 1",
            hint="export it with a signature whose first size is None",
        )


def _numbers(signature: Any) -> bool:
    specs = signature.structured_input_signature[1].values()
    return len(specs) == 1 and all(each.dtype.is_floating or each.dtype.is_integer for each in specs)


def _words_of_spec(name: str, spec: Any) -> str:
    return words_of_tensor(name, spec.dtype.name, () if spec.shape.rank is None else tuple(spec.shape))
