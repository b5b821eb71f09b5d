"""Keras models: load them, run what TensorFlow runs, turn it into ONNX graphs."""

import os
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from batchclf.core.geometry import Geometry
from batchclf.errors import ModelError
from batchclf.models.bundle import H5_FILE, KERAS_FILE
from batchclf.models.onnx_graph.last_step import LastStep
from batchclf.models.onnx_graph.outputs import words_of_tensor
from batchclf.models.sources.infer_preprocessing import ModelInput
from batchclf.models.sources.interface import H5_SUFFIXES, check_one_input, chosen_output
from batchclf.models.sources.keras2 import keras_2_version, read_keras_2
from batchclf.models.sources.keras_graph import onnx_graph_of
from batchclf.models.sources.load_errors import not_loaded

KERAS = ("onnx", "onnxruntime", "tensorflow", "keras", "tf2onnx")
TF_KERAS = ("onnx", "onnxruntime", "tensorflow", "tf_keras", "tf2onnx")
"""The modules that load and convert a model, and one of Keras 2."""


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
    """A model that TensorFlow runs: `call` takes (n, *shape) of the input's dtype and gives (n, units).

    `batch` is how many images it takes at a time: 1, or None for any number.
    """

    batch: int | None = None

    def __init__(
        self,
        kind: str,
        kept: str,
        call: Callable[[Any], Any],
        source: ModelInput,
        parameters: int,
        libraries: tuple[str, ...],
    ) -> None:
        self.kind, self.input, self.libraries = kind, source, libraries
        self.kept: str | None = kept
        self.last_step: LastStep | None = None
        self.geometry: Geometry | None = None
        self.class_names: tuple[str, ...] = ()
        self._call, self._parameters = call, parameters
        self._functions: dict[tuple[int, ...], Any] = {}

    def run(self, inputs: NDArray[Any]) -> NDArray[np.floating]:
        """Predict (n, *shape) inputs; raises ModelError, and MemoryError where out of memory."""
        tf = tensorflow_or_error()
        values = inputs.astype(self.input.dtype)
        parts = np.split(values, len(values)) if self.batch == 1 else [values]
        try:
            function = self._function(inputs.shape[1:])
            return np.concatenate([function(tf.constant(part))["output"].numpy() for part in parts])
        except tf.errors.ResourceExhaustedError as error:
            raise MemoryError(str(error)) from error
        except Exception as error:  # Keras and TensorFlow raise nearly anything for a shape that does not fit
            raise ModelError(
                f"the model cannot make predictions for inputs of shape {inputs.shape}: {error}",
                hint="check --input-size, --color and --layout",
            ) from error

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
            self._functions[shape] = self._new_function(shape, self._call)
        return self._functions[shape]

    def _traced(self, shape: tuple[int, ...]) -> Any:
        """Give a function of its own for the graph, with no functions inside.

        Keras compiles a convolution of groups, as in ConvNeXt, by XLA; tf2onnx cannot see into such a function.
        """
        tf = tensorflow_or_error()
        function, before = self._new_function(shape, self._call_for_graph()), tf.config.functions_run_eagerly()
        # While a function is traced, that writes those inside it in place, and runs nothing (decision 204)
        tf.config.run_functions_eagerly(True)
        try:
            function.get_concrete_function()
        finally:
            tf.config.run_functions_eagerly(before)
        return function

    def _call_for_graph(self) -> Callable[[Any], Any]:
        """Give the call of which the graph is made."""
        return self._call

    def _new_function(self, shape: tuple[int, ...], call: Callable[[Any], Any]) -> Any:
        tf = tensorflow_or_error()
        signature = [tf.TensorSpec((self.batch, *shape), self.input.dtype, name="input")]

        # Without autograph, which writes a file for each function: no model has code of its own (decision 166)
        @tf.function(input_signature=signature, autograph=False)  # type: ignore[untyped-decorator]
        def output(inputs: Any) -> dict[str, Any]:
            return {"output": tf.identity(call(inputs))}

        return output


def load_keras(path: Path, output_name: str | None = None) -> TensorflowModel:
    """Load a `.keras` or legacy `.h5` file to be run: one of Keras 2 by tf_keras, others as `read_keras` does.

    Raises ModelError where it cannot be loaded, and what `keras_model` raises.
    """
    tensorflow_or_error()  # has h5py
    if holds_only_weights(path):
        raise ModelError(
            f"{path} holds weights only, and not the model that they belong to",
            hint="load them into their network where its Python code is, save the whole of it with "
            'model.save("model.keras"), and import that file',
        )
    if version := keras_2_version(path):
        model, library = read_keras_2(path, version)
        return keras_model(path, model, output_name, library)
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
    """Give the model of a `.keras` or `.h5` file of Keras 3, loaded in safe mode: no code out of the file is run.

    Raises ModelError where it cannot be loaded, or was saved by Keras 2: some layers would compute something else.
    """
    if version := keras_2_version(path):
        raise ModelError(
            f"{path} was saved by Keras {version}; Keras 3 would compute some layers otherwise, and with no error",
            hint="give a model that Keras 3 has saved; batchclf model import takes those of Keras 2",
        )
    tensorflow_or_error()
    import keras

    try:
        model = keras.models.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # Keras raises nearly anything on files that are damaged or ask for missing code
        raise not_loaded(path, error) from error
    _compute_in_float32(model)
    return model


def _compute_in_float32(model: Any) -> None:
    """Let layers of mixed precision compute with the float32 weights that they have; a CPU does that faster, too."""
    layers = getattr(model, "_flatten_layers", lambda: ())()
    for layer in [each for each in layers if each.compute_dtype in ("float16", "bfloat16")]:
        if layer.variable_dtype == "float32":
            layer.dtype_policy = "float32"


def keras_model(path: Path, model: Any, output_name: str | None = None, tf_keras: Any = None) -> TensorflowModel:
    """Wrap a Keras model that stands, or will stand, at `path`, with the output `output_name` of several.

    `tf_keras` is that module if the model is one of Keras 2.

    Raises ModelError if it has several inputs or, without a name, outputs; UsageError if it has no such output.
    """
    inputs, outputs = getattr(model, "inputs", None), getattr(model, "outputs", None)
    if not inputs or not outputs:
        raise ModelError(
            f"{path} does not say what its input is",
            hint="build the model with keras.Input(shape), or call it once on an image, and save it again",
        )
    check_one_input(path, [_words_of_keras(each.name, each) for each in inputs])
    names = getattr(model, "output_names", ())
    if len(set(names)) != len(outputs):  # a layer that is called twice names both of its outputs
        names = [each.name for each in outputs]
    by_name = dict(zip(names, outputs, strict=True))
    chosen = chosen_output(path, {name: _words_of_keras(name, each) for name, each in by_name.items()}, output_name)
    if len(outputs) > 1:
        import keras

        model = (tf_keras or keras).Model(model.input, by_name[chosen])
    source = ModelInput(inputs[0].name, tuple(inputs[0].shape[1:]), _dtype(inputs[0]))
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

    kind, libraries = ("Keras 2 model", TF_KERAS) if tf_keras else ("Keras model", KERAS)
    return TensorflowModel(kind, kept, call, source, int(model.count_params()), libraries)


def _words_of_keras(name: str, tensor: Any) -> str:
    return words_of_tensor(name, _dtype(tensor), tuple(tensor.shape))


def _dtype(tensor: Any) -> str:
    return str(getattr(tensor.dtype, "name", tensor.dtype))  # one of TensorFlow's in Keras 2, a text in Keras 3
