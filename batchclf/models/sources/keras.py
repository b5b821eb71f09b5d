"""Keras models and SavedModels: load them, run them, turn them into ONNX graphs. All that needs TensorFlow."""

import os
import re
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from batchclf.core.geometry import Geometry
from batchclf.errors import ModelError
from batchclf.models.bundle import H5_FILE, KERAS_FILE, SAVED_MODEL_FOLDER
from batchclf.models.onnx_graph.outputs import words_of_tensor
from batchclf.models.sources.infer_preprocessing import ModelInput
from batchclf.models.sources.interface import H5_SUFFIXES, check_one_input, chosen_output
from batchclf.models.sources.keras_graph import onnx_graph_of

_SIGNATURE = "serving_default"


def quieten() -> None:
    """Set up TensorFlow before it or Keras is imported: no start-up chatter, oneDNN's convolutions, full float32.

    By itself TensorFlow has oneDNN on for some processors only; on others that trains in two thirds of the time.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # By itself TensorFlow has oneDNN on for newer processors only (decision 121)
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    # Each of them lets oneDNN compute products of float32 in bfloat16 (decision 164)
    for name in ("DNNL_DEFAULT_FPMATH_MODE", "TF_SET_ONEDNN_FPMATH_MODE"):
        os.environ.pop(name, None)
    os.environ["ONEDNN_DEFAULT_FPMATH_MODE"] = "STRICT"


def tensorflow_or_error() -> Any:
    """Import TensorFlow with its start-up chatter off, and keep it off GPUs unless CUDA_VISIBLE_DEVICES names some.

    Raises ModelError if it is not installed.
    """
    quieten()
    try:
        import tensorflow
    except ImportError as error:
        raise ModelError(
            f"TensorFlow is needed for this and cannot be imported ({error})",
            hint="install it with: pip install 'batchclf[train]'",
        ) from error
    _keep_off_gpus(tensorflow)
    return tensorflow


@cache
def _keep_off_gpus(tensorflow: Any) -> None:
    # Not by CUDA_VISIBLE_DEVICES, which would hide the GPU from ONNX Runtime in this process, too (decision 130)
    if "CUDA_VISIBLE_DEVICES" not in os.environ:
        with suppress(RuntimeError):  # whoever imports batchclf has begun with TensorFlow
            tensorflow.config.set_visible_devices([], "GPU")


class TensorflowModel:
    """A model that TensorFlow runs: `call` takes (n, *shape) of the input's dtype and gives (n, units)."""

    def __init__(self, kind: str, kept: str, call: Callable[[Any], Any], source: ModelInput, parameters: int) -> None:
        self.kind, self.input = kind, source
        self.kept: str | None = kept
        self.geometry: Geometry | None = None
        self.class_names: tuple[str, ...] = ()
        self._call, self._parameters = call, parameters
        self._functions: dict[tuple[int, ...], Any] = {}

    def run(self, inputs: NDArray[Any]) -> NDArray[np.floating]:
        """Predict (n, *shape) inputs; raises ModelError, and MemoryError where the memory does not suffice."""
        tf = tensorflow_or_error()
        try:
            outputs = self._function(inputs.shape[1:])(tf.constant(inputs.astype(self.input.dtype)))["output"]
        except tf.errors.ResourceExhaustedError as error:
            raise MemoryError(str(error)) from error
        except Exception as error:  # Keras and TensorFlow raise nearly anything for a shape that does not fit
            raise ModelError(
                f"the model cannot make predictions for inputs of shape {inputs.shape}: {error}",
                hint="check --input-size, --color and --layout",
            ) from error
        result: NDArray[np.floating] = outputs.numpy()
        return result

    def graph(self, shape: tuple[int, ...]) -> Any:
        """Give the ONNX model that takes images of this shape, the same for the same weights, byte for byte.

        Raises ModelError where tf2onnx cannot make it.
        """
        return onnx_graph_of(self._traced(shape))

    def parameters(self) -> int:
        """Count its parameters."""
        return self._parameters

    def close(self) -> None:
        """Free the model."""
        del self._call
        self._functions.clear()

    def _function(self, shape: tuple[int, ...]) -> Any:
        if shape not in self._functions:
            self._functions[shape] = self._new_function(shape)
        return self._functions[shape]

    def _traced(self, shape: tuple[int, ...]) -> Any:
        """Give a function of its own for the graph, with no functions inside.

        Keras compiles a convolution of groups, as in ConvNeXt, by XLA; tf2onnx cannot see into such a function.
        """
        tf = tensorflow_or_error()
        function, before = self._new_function(shape), tf.config.functions_run_eagerly()
        # While a function is traced, that writes those inside it in place, and runs nothing (decision 204)
        tf.config.run_functions_eagerly(True)
        try:
            function.get_concrete_function()
        finally:
            tf.config.run_functions_eagerly(before)
        return function

    def _new_function(self, shape: tuple[int, ...]) -> Any:
        tf = tensorflow_or_error()
        signature = [tf.TensorSpec((None, *shape), self.input.dtype, name="input")]

        # Without autograph, which writes a file for each function: no model has code of its own (decision 166)
        @tf.function(input_signature=signature, autograph=False)  # type: ignore[untyped-decorator]
        def output(inputs: Any) -> dict[str, Any]:
            return {"output": tf.identity(self._call(inputs))}

        return output


def load_keras(path: Path, output_name: str | None = None) -> TensorflowModel:
    """Load a `.keras` or legacy `.h5` file, as `read_keras` does, to be run.

    Raises ModelError where it cannot be loaded, and what `keras_model` raises.
    """
    tensorflow_or_error()  # has h5py
    if holds_only_weights(path):
        raise ModelError(
            f"{path} holds weights only, and not the model that they belong to",
            hint="load them into their network where its Python code is, save the whole of it with "
            'model.save("model.keras"), and import that file',
        )
    return keras_model(path, read_keras(path), output_name)


def holds_only_weights(path: Path) -> bool:
    """Tell a `.keras` or `.h5` file of weights from one of a model; a file that is damaged is neither."""
    if path.suffix.lower() == ".keras":
        return False
    import h5py

    try:
        with h5py.File(path, "r") as handle:
            return "model_config" not in handle.attrs
    except OSError:
        return False


def read_keras(path: Path) -> Any:
    """Give the Keras model of a `.keras` or legacy `.h5` file, loaded in safe mode: no code out of the file is run.

    Raises ModelError where it cannot be loaded.
    """
    tensorflow_or_error()
    import keras

    try:
        model = keras.models.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # Keras raises nearly anything on files that are damaged or ask for missing code
        raise _not_loaded(path, error) from error
    _compute_in_float32(model)
    return model


def _compute_in_float32(model: Any) -> None:
    """Let layers of mixed precision compute with the float32 weights that they have; a CPU does that faster, too."""
    layers = getattr(model, "_flatten_layers", lambda: ())()
    for layer in [each for each in layers if each.compute_dtype in ("float16", "bfloat16")]:
        if layer.variable_dtype == "float32":
            layer.dtype_policy = "float32"


def keras_model(path: Path, model: Any, output_name: str | None = None) -> TensorflowModel:
    """Wrap a Keras model that stands, or will stand, at `path`, with the output `output_name` of several.

    Raises ModelError if it has several inputs or, without a name, outputs; UsageError if it has no such output.
    """
    inputs, outputs = getattr(model, "inputs", None), getattr(model, "outputs", None)
    if not inputs or not outputs:
        raise ModelError(
            f"{path} does not say what its input is",
            hint="build the model with keras.Input(shape), or call it once on an image, and save it again",
        )
    check_one_input(path, [words_of_tensor(each.name, str(each.dtype), each.shape) for each in inputs])
    names = getattr(model, "output_names", ())
    if len(set(names)) != len(outputs):  # a layer that is called twice names both of its outputs
        names = [each.name for each in outputs]
    by_name = dict(zip(names, outputs, strict=True))
    chosen = chosen_output(
        path, {name: words_of_tensor(name, str(each.dtype), each.shape) for name, each in by_name.items()}, output_name
    )
    if len(outputs) > 1:
        import keras

        model = keras.Model(model.input, by_name[chosen])
    source = ModelInput(inputs[0].name, tuple(inputs[0].shape[1:]), str(inputs[0].dtype))
    kept = H5_FILE if path.suffix.lower() in H5_SUFFIXES else KERAS_FILE

    def call(values: Any) -> Any:
        structure = getattr(model, "input", None)
        if isinstance(structure, dict):
            values = {next(iter(structure)): values}
        output = model(values, training=False)
        # A model with one output may give it in a list or dictionary.
        while isinstance(output, list | tuple | dict):
            output = next(iter(output.values() if isinstance(output, dict) else output))
        return output

    return TensorflowModel("Keras model", kept, call, source, int(model.count_params()))


def load_saved_model(path: Path, output_name: str | None = None) -> TensorflowModel:
    """Load a SavedModel folder and take its signature `serving_default`, or its only one.

    A SavedModel is a program: loading one runs what it says. Raises ModelError where it cannot be loaded, or has
    several inputs or, without `output_name`, outputs; UsageError if it has no output of this name.
    """
    tf = tensorflow_or_error()
    try:
        loaded = tf.saved_model.load(str(path))
    except Exception as error:  # TensorFlow raises nearly anything on damaged folders
        raise ModelError(
            f"{path} cannot be loaded as a SavedModel: {_first_line(error)}", hint="export the model again"
        ) from error
    signatures = dict(loaded.signatures)
    name = _SIGNATURE if _SIGNATURE in signatures else next(iter(signatures), "")
    if not name or (name != _SIGNATURE and len(signatures) > 1):
        raise ModelError(
            f"{path} has no signature {_SIGNATURE}; it has {', '.join(signatures) or 'none'}",
            hint="export it with model.export(FOLDER) of Keras, or with tf.saved_model.save(…, signatures=…)",
        )
    signature = signatures[name]
    inputs, outputs = signature.structured_input_signature[1], signature.structured_outputs
    check_one_input(path, [_words_of_spec(name, spec) for name, spec in inputs.items()])
    chosen = chosen_output(path, {name: _words_of_spec(name, spec) for name, spec in outputs.items()}, output_name)
    input_name, spec = next(iter(inputs.items()))
    if spec.shape.rank is None or spec.shape.rank < 2 or spec.shape[0] is not None:
        raise ModelError(
            f"{path} takes inputs of the shape {spec.shape}; the first axis must be the batch, of open size",
            hint="export it with a signature whose first size is None",
        )
    source = ModelInput(input_name, tuple(spec.shape[1:]), spec.dtype.name)
    parameters = sum(int(np.prod(each.shape)) for each in signature.variables)

    def call(values: Any, keep: Any = loaded) -> Any:  # without `keep` its variables would be freed
        return signature(**{input_name: values})[chosen]

    return TensorflowModel("SavedModel", SAVED_MODEL_FOLDER, call, source, parameters)


def _words_of_spec(name: str, spec: Any) -> str:
    return words_of_tensor(name, spec.dtype.name, () if spec.shape.rank is None else tuple(spec.shape))


def _first_line(error: Exception) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0]


def _not_loaded(path: Path, error: Exception) -> ModelError:
    text = str(error)
    elsewhere = "export the model where it was made, with model.export(FOLDER), and import that SavedModel"
    if "`Lambda` layer" in text:
        return ModelError(
            f"{path} cannot be loaded: it has a Lambda layer, whose Python code would have to be run",
            hint=f"replace it by a layer of Keras, or {elsewhere}",
        )
    missing = re.search(r"Could not locate class '([^']+)'|Unknown layer: '?([^'. ]+)", text)
    if missing is not None:
        return ModelError(
            f"{path} cannot be loaded: it needs the class {missing[1] or missing[2]}, which is no part of Keras",
            hint=elsewhere,
        )
    return ModelError(
        f"{path} cannot be loaded: {_first_line(error)}",
        hint="check that the file is whole and was saved by this or an older version of Keras",
    )
