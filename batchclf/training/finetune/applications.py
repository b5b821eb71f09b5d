"""The networks of keras.applications, with weights from a local file; nothing is downloaded."""

import difflib
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from batchclf.errors import ModelError, UsageError
from batchclf.models.preprocessing import Preprocessing
from batchclf.models.sources.keras import tensorflow_or_error

_IMAGENET_MEAN, _IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_MODES: dict[str, dict[str, Any]] = {
    "tf": {"scale": "minus1..1"},
    "torch": {"scale": "0..1", "mean": _IMAGENET_MEAN, "std": _IMAGENET_STD},
    "caffe": {"mean": (123.68, 116.779, 103.939), "channel_order": "bgr"},
    "inside": {},
}
"""What `preprocess_input` of keras.applications does in each of its modes; "inside": the model does it itself."""

_FAMILIES = {
    "convnext": "inside",
    "densenet": "torch",
    "efficientnet": "inside",
    "efficientnet_v2": "inside",
    "inception_resnet_v2": "tf",
    "inception_v3": "tf",
    "mobilenet": "tf",
    "mobilenet_v2": "tf",
    "mobilenet_v3": "inside",
    "nasnet": "tf",
    "resnet": "caffe",
    "resnet_v2": "tf",
    "vgg16": "caffe",
    "vgg19": "caffe",
    "xception": "tf",
}
"""The mode of each module of keras.applications, by the code of its `preprocess_input`."""

_EXAMPLE = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_96_no_top.h5"


def application_names() -> list[str]:
    """Give the names of the networks of keras.applications that are known here. Raises ModelError."""
    tensorflow_or_error()
    import keras

    return [name for name in sorted(vars(keras.applications)) if name[0].isupper() and _family(name) in _FAMILIES]


def check_application(name: str) -> None:
    """Raise UsageError where keras.applications has no such network."""
    names = application_names()
    if name in names:
        return
    known = {each.lower(): each for each in names}
    near = difflib.get_close_matches(name.lower(), known, n=3, cutoff=0.7)
    hint = (
        f"did you mean {' or '.join(known[each] for each in near)}?" if near else f"choose one of: {', '.join(names)}"
    )
    raise UsageError(f"keras.applications has no network '{name}'", hint=hint)


def application_steps(name: str, size: tuple[int, int]) -> Preprocessing:
    """Give the preprocessing that a network was trained with: that of its family's `preprocess_input`."""
    return Preprocessing((*size, 3), "rgb", **_MODES[_FAMILIES[_family(name)]])


def load_application(name: str, path: Path, size: tuple[int, int]) -> Any:
    """Build a network without its top for (height, width, 3) images and load its weights from a file.

    The file may hold the weights of the network with its top, too, which are left out. Raises UsageError for an
    unknown name, ModelError where the images are too small, or the file holds other weights.
    """
    check_application(name)
    import keras

    build = getattr(keras.applications, name)
    try:
        network = build(weights=None, include_top=False, input_shape=(*size, 3))
    except ValueError as error:
        raise ModelError(
            f"{name} cannot take images of {size[0]}x{size[1]}: {_first_line(error)}",
            hint="use larger images, or another base",
        ) from error
    try:
        _load(network, path)
    except Exception as error:  # Keras and h5py raise nearly anything on other weights and damaged files
        if not _load_with_top(network, build, path):
            raise _other_weights(name, path, error) from error
    _right_normalization(network)
    return network


def _load(network: Any, path: Path) -> None:
    """Load weights; raises nearly anything where they are other ones."""
    with warnings.catch_warnings():
        # A page of them, one a layer, before the error that says the same.
        warnings.simplefilter("ignore", UserWarning)
        network.load_weights(path)


def _load_with_top(network: Any, build: Any, path: Path) -> bool:
    """Load the weights of the network with its top, and take over those of all layers before it."""
    try:
        whole = build(weights=None, include_top=True, classes=_classes_of(path) or 1000)
        _load(whole, path)
        # The top comes last, so both have their layers before it in the same order.
        for mine, other in zip(_with_weights(network), _with_weights(whole), strict=False):
            mine.set_weights(other.get_weights())
    except Exception:  # as above; what is told is why the file does not fit without a top
        return False
    return True


def _with_weights(network: Any) -> list[Any]:
    return [layer for layer in network.layers if layer.weights]


def _classes_of(path: Path) -> int | None:
    """Read from a legacy HDF5 file of weights how many values the last layer gives; None where it does not tell."""
    import h5py

    with h5py.File(path, "r") as handle:
        group = handle.get("model_weights", handle)
        layers = [
            group[each.decode() if isinstance(each, bytes) else each] for each in group.attrs.get("layer_names", ())
        ]
        shapes = [layer[layer.attrs["weight_names"][-1]].shape for layer in layers if len(layer.attrs["weight_names"])]
    return int(shapes[-1][-1]) if shapes and shapes[-1] else None


def _right_normalization(network: Any) -> None:
    """Square the standard deviations that EfficientNet's files have in the place of variances.

    Keras makes up for them by one more layer, which it adds only where it downloads the weights itself. Source:
    keras/src/applications/efficientnet.py, and TensorFlow's issue 49930 that it names.
    """
    import keras

    for layer in network.layers:
        if isinstance(layer, keras.layers.Normalization) and len(layer.get_weights()) == 3:
            mean, variance, count = layer.get_weights()
            if variance.shape == (3,) and np.allclose(variance, _IMAGENET_STD, rtol=1e-3):
                layer.set_weights([mean, variance**2, count])
                layer.finalize_state()


def _other_weights(name: str, path: Path, error: Exception) -> ModelError:
    return ModelError(
        f"{path} does not hold the weights of {name}: {_first_line(error)}",
        hint=f"give the file of the weights of {name}, with or without its top; such files are named like {_EXAMPLE}. "
        "A whole model is given without --application",
    )


def _first_line(error: Exception) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return " ".join(lines[: 2 if lines[0].endswith(":") else 1]).strip()


def _family(name: str) -> str:
    import keras

    return str(getattr(keras.applications, name).__module__).rpartition(".")[2]
