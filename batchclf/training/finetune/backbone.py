"""The part of a Keras model that gives features: its classifying layers cut off, its input of fixed size."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from batchclf.errors import ModelError
from batchclf.models.onnx_graph.first_steps import FirstSteps, first_steps
from batchclf.models.sources.keras import keras_model

_PASSED = ("Softmax", "Activation", "Dropout", "Flatten", "Reshape")
"""Layers that may stand after the classifying one: they learn nothing."""

_POOLING = ("GlobalAveragePooling2D", "GlobalMaxPooling2D", "Flatten")
_FIRST_STEPS = 8
_EXPECTED = "a base ends in a Dense layer, which is cut off, or in features: height x width x channels, or pooled ones"


@dataclass(frozen=True)
class Features:
    """Where a model's features are: a symbolic tensor of its graph, (n, values) or (n, height, width, channels).

    `cut` names the layer before which they stand, None where nothing was cut off.
    """

    tensor: Any
    cut: str | None

    @property
    def sentence(self) -> str:
        """Say it in words: `the 64 values before layer 'logits'`."""
        place = (
            "at the end of the base, of which nothing is cut off" if self.cut is None else f"before layer '{self.cut}'"
        )
        shape = tuple(self.tensor.shape[1:])
        if len(shape) != 3:
            return f"the {shape[-1]} values {place}"
        where = "" if None in shape[:2] else f" over {shape[0]}x{shape[1]} places"
        return f"the {shape[-1]} values {place}, averaged{where}"


def find_features(path: Path, model: Any) -> Features:
    """Find the features of a Keras model with one input and one output: what goes into its last Dense layer.

    After that layer only ones that learn nothing may stand (softmax, dropout, shape). A convolution whose output is
    1 x 1 counts as a Dense layer, as in MobileNet; in a model inside the model it is looked for there. A model
    without such a layer is taken whole where it gives (n, height, width, channels) or ends in pooling. Raises
    ModelError for any other.
    """
    found = _before_head(model.outputs[0])
    if found is not None:
        rank = len(found.tensor.shape)
        if rank in (2, 4):
            return found
        raise ModelError(
            f"{path} cannot be a base: before its last layer '{found.cut}' are features of {rank - 1} axes",
            hint=_EXPECTED,
        )
    last, _ = _made_by(model.outputs[0])
    rank, kind = len(model.outputs[0].shape), type(last).__name__
    if rank == 4 or (rank == 2 and kind in _POOLING):
        return Features(model.outputs[0], None)
    raise ModelError(
        f"{path} cannot be a base: it ends in the layer '{last.name}' ({kind}), so it is not known where its features "
        "end and its classes begin",
        hint=_EXPECTED,
    )


def rebuild(path: Path, model: Any, features: Features, shape: tuple[int, ...]) -> Any:
    """Give the Keras model from float32 inputs (n, *shape) to the features; it shares its layers with `model`.

    Raises ModelError where images of that size do not fit, or where nothing that was trained is left.
    """
    import keras

    part = keras.Model(model.inputs[0], features.tensor, name="backbone")
    try:
        # A nested model makes its inputs what it takes: bytes would be cut off to whole numbers after resizing.
        inputs = keras.Input(shape, name="input")
        backbone = keras.models.clone_model(part, input_tensors=inputs, clone_function=lambda layer: layer)
    except Exception as error:  # Keras raises nearly anything for a shape that does not fit
        size = "x".join(map(str, shape))
        raise ModelError(
            f"{path} cannot take images of {size}: {str(error).strip().splitlines()[0]}",
            hint="use larger images, or a base for smaller ones",
        ) from error
    if not backbone.count_params():
        raise ModelError(
            f"{path} cannot be a base: before its last layer '{features.cut}' there is nothing that was trained",
            hint="give a base of several layers, or train a recipe without --base",
        )
    return backbone


def first_range(path: Path, backbone: Any) -> FirstSteps | None:
    """Say what the first steps of a model with one input make of 0 to 255, as `first_steps` does.

    Only the first layers are turned into a graph, since the whole of a deep network takes long. Raises ModelError
    where tf2onnx cannot do it.
    """
    import keras

    tensor = backbone.inputs[0]
    for _ in range(_FIRST_STEPS):
        nodes = [
            node
            for operation in backbone.operations
            for node in operation._inbound_nodes
            if any(each is tensor for each in node.input_tensors)
        ]
        if len(nodes) != 1 or len(nodes[0].output_tensors) != 1:
            break
        tensor = nodes[0].output_tensors[0]
        operation = nodes[0].operation
        if getattr(operation, "weights", ()) and not isinstance(operation, keras.layers.Normalization):
            break
    if tensor is backbone.inputs[0]:
        return None
    first = keras_model(path, keras.Model(backbone.inputs[0], tensor))
    return first_steps(first.graph(tuple(backbone.inputs[0].shape[1:])).graph)


def copied(backbone: Any) -> Any:
    """Give a Keras model of the same layers and weights that shares none of them."""
    import keras

    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(backbone))
    copy.set_weights(backbone.get_weights())
    for layer in copy._flatten_layers():
        if isinstance(layer, keras.layers.Normalization):
            layer.finalize_state()  # it computes with what it made of its weights
    return copy


def set_trainable(backbone: Any, trainable: bool) -> None:
    """Freeze a whole backbone, or let all of it be trained but its BatchNormalization layers.

    Those stay as they are, and with that in inference mode, whatever `training` a model is called with: batches of
    other images would spoil the statistics that the base was trained with. Source: Keras' guide "Transfer learning &
    fine-tuning". Training functions that were traced before must be made again.
    """
    import keras

    backbone.trainable = trainable
    for layer in backbone._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = False


def _before_head(tensor: Any) -> Features | None:
    """Go back from a model's output to what its last Dense layer takes."""
    import keras

    flat = len(tensor.shape) == 2
    while True:
        operation, node = _made_by(tensor)
        kind = type(operation).__name__
        if kind == "Average":
            networks: dict[int, Any] = {}
            for each in node.input_tensors:  # of one network's calls, as for mirror images, the first tells
                networks.setdefault(id(_made_by(each)[0]), each)
            if len(networks) > 1:
                return _joined([_before_head(each) for each in networks.values()])
            tensor = node.input_tensors[0]
            continue
        if len(node.input_tensors) != 1:
            return None
        before = node.input_tensors[0]
        if isinstance(operation, keras.Model):
            return _inside(operation, before)
        if kind == "Dense" or (kind == "Conv2D" and flat and tuple(tensor.shape[1:3]) == (1, 1)):
            return Features(_without_dropout(before), operation.name)
        if kind not in _PASSED:
            return None
        tensor = before


def _joined(members: list[Features | None]) -> Features | None:
    """Put the features of several networks side by side: a Dense layer on them is the mean of one on each."""
    import keras

    found = [each for each in members if each is not None and len(each.tensor.shape) == 2]
    if len(found) < len(members):
        return None
    return Features(keras.layers.Concatenate(name="features")([each.tensor for each in found]), found[0].cut)


def _inside(inner: Any, source: Any) -> Features | None:
    """Cut a model that is a layer of another, and call it on what the layer was called on."""
    import keras

    if len(inner.inputs) != 1 or len(inner.outputs) != 1:
        return None
    found = _before_head(inner.outputs[0])
    if found is None:
        return None
    part = keras.Model(inner.inputs[0], found.tensor, name=inner.name)
    return Features(part(source), found.cut)


def _without_dropout(tensor: Any) -> Any:
    operation, node = _made_by(tensor)
    while type(operation).__name__ == "Dropout":
        tensor = node.input_tensors[0]
        operation, node = _made_by(tensor)
    return tensor


def _made_by(tensor: Any) -> tuple[Any, Any]:
    """Give the layer or operation that a symbolic tensor comes from, and the call that made it."""
    operation, index, _ = tensor._keras_history
    return operation, operation._inbound_nodes[index]
