"""Files of Keras 2: recognised by the version they name, looked through for code, and loaded by tf_keras."""

import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from batchclf.errors import ModelError
from batchclf.models.sources.load_errors import ELSEWHERE, not_loaded

_CODE = {"Lambda", "__lambda__"}
_MODULE = re.compile(
    r"builtins|(tf_)?keras(\.src)?(\.(activations|constraints|engine|initializers|layers|mixed_precision|models|"
    r"regularizers)(\.\w+)*)?"
)
"""Where classes of Keras that make up a network are, as files name it."""

_FUNCTION = re.compile(
    r"(keras\.activations|(compat\.v1\.)?(__operators__|bitwise|image|linalg|math|nn))\.\w+|(compat\.v1\.)?"
    r"(abs|add|argmax|argmin|batch_to_space|boolean_mask|broadcast_to|cast|clip_by_value|concat|convert_to_tensor|"
    r"divide|einsum|ensure_shape|exp|expand_dims|floor|gather|gather_nd|greater|identity|less|matmul|maximum|minimum|"
    r"multiply|negative|norm|one_hot|ones_like|pad|pow|reduce_\w+|repeat|reshape|reverse|roll|round|shape|sigmoid|"
    r"sign|size|slice|space_to_batch|space_to_depth|split|sqrt|square|squeeze|stack|stop_gradient|strided_slice|"
    r"subtract|tanh|tensordot|tile|transpose|unstack|where|zeros_like)"
)
"""Functions of TensorFlow that compute, and do nothing else."""

_NODES = {"Add", "AddV2", "BiasAdd", "Cast", "Mean", "Mul", "RealDiv", "Reshape", "StridedSlice", "Sub"}
"""Operations of TensorFlow that preprocess_input of TensorFlow 2.0 to 2.3 left in a file."""


def keras_2_version(path: Path) -> str:
    """Give the version of Keras 2 that saved a `.keras` or `.h5` file; "" for Keras 3 and if the file does not say."""
    try:
        if _is_zip(path):
            with zipfile.ZipFile(path) as archive:
                version = json.loads(archive.read("metadata.json"))["keras_version"]
        else:
            version = _attribute(path, "keras_version")
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile):
        return ""  # damaged, which is for Keras to say
    return version if isinstance(version, str) and version.startswith("2.") else ""


def read_keras_2(path: Path, version: str) -> tuple[Any, Any]:
    """Load a file that Keras 2 saved, of that version: gives the model and the module tf_keras.

    No Python code out of the file is run, and no function of TensorFlow but those that compute. Raises ModelError if
    tf_keras is not installed, the file asks for code or for classes that are no part of Keras, or cannot be loaded.
    """
    try:
        import tf_keras
    except ImportError as error:
        # Keras 3 loads some of these files, and computes other numbers than Keras 2 with no error (decision 207)
        raise ModelError(
            f"{path} was saved by Keras {version}; tf_keras, which loads such files, cannot be imported ({error})",
            hint="install it with: pip install 'batchclf[keras2]'",
        ) from error
    try:
        for each in _configs(_config(path)):
            _check(path, each)
        # safe_mode alone does not suffice: tf_keras runs the code of a Lambda layer in an .h5 file (decision 207)
        model = tf_keras.models.load_model(path, compile=False, safe_mode=True)
    except ModelError:
        raise
    except Exception as error:  # Keras raises nearly anything on files that are damaged or ask for missing code
        raise not_loaded(path, error) from error
    for layer in model._flatten_layers():
        # Weights of mixed precision are float32; a CPU computes with them faster
        if layer.compute_dtype in ("float16", "bfloat16") and layer.variable_dtype == "float32":
            layer._set_dtype_policy("float32")
    return model, tf_keras


def _is_zip(path: Path) -> bool:
    """Say whether tf_keras takes a file for a zip: what it reads must be what was looked through."""
    return str(path).endswith(".keras") and zipfile.is_zipfile(path)


def _config(path: Path) -> Any:
    if _is_zip(path):
        with zipfile.ZipFile(path) as archive:
            return json.loads(archive.read("config.json"))
    return json.loads(_attribute(path, "model_config"))


def _attribute(path: Path, name: str) -> str:
    """Read an attribute of an HDF5 file; raises OSError and KeyError."""
    import h5py

    with h5py.File(path, "r") as handle:
        value = handle.attrs[name]
    return value.decode() if isinstance(value, bytes) else str(value)


def _configs(value: Any) -> Iterator[dict[str, Any]]:
    """Give each object within a configuration."""
    if isinstance(value, dict):
        yield value
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _configs(each)


def _check(path: Path, config: dict[str, Any]) -> None:
    """Raise ModelError if an object of a configuration asks for Python code, or for what is no part of a network."""
    name, inner = config.get("class_name"), config.get("config")
    if name in _CODE or config.get("function_type") == "lambda":
        raise ModelError(
            f"{path} cannot be loaded: it has a Lambda layer, whose Python code would have to be run",
            hint=f"replace it by a layer of Keras, or {ELSEWHERE}",
        )
    module = config.get("module") if "class_name" in config else None
    named = inner if name == "function" else name
    if module is not None and not (_MODULE.fullmatch(str(module)) and str(named).isidentifier()):
        raise ModelError(
            f"{path} cannot be loaded: it needs {named} of the module {module}, which is no part of Keras",
            hint=ELSEWHERE,
        )
    settings = inner if isinstance(inner, dict) else {}
    function = None
    if name in ("TFOpLambda", "SlicingOpLambda") and not _FUNCTION.fullmatch(str(settings.get("function"))):
        function = settings.get("function")
    if name == "TensorFlowOpLayer":
        node = settings.get("node_def")
        operation = node.get("op") if isinstance(node, dict) else node
        function = None if operation in _NODES else operation
    if function is not None:
        raise ModelError(
            f"{path} cannot be loaded: it calls {function} of TensorFlow, which is not known to compute and do nothing "
            "else",
            hint=ELSEWHERE,
        )
