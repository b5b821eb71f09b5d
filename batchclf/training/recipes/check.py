"""Whether the model that a recipe builds can be trained and kept, told before it is trained."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from batchclf.errors import ModelError
from batchclf.models.onnx_graph.last_step import last_step
from batchclf.models.sources.keras import keras_model
from batchclf.training.recipes.user_code import is_custom, told

_ENDS = {"softmax": "Softmax", "sigmoid": "Sigmoid"}
"""Activations that make probabilities of logits, with the operations of ONNX."""


def check_model(model: Any, input_shape: tuple[int, int, int], classes: int, recipe_name: str) -> None:
    """Check that a model is one of Keras, from (n, *input_shape) uint8 images to (n, classes) logits.

    It must be made of Keras' own classes and functions, so that the bundle can be loaded anywhere. A custom
    recipe is also turned into an ONNX graph, which takes a second or two. Raises ModelError that says what the
    model is instead.
    """
    _check_kind(model, recipe_name)
    _check_output(model, input_shape, classes, recipe_name)
    if not model.trainable_variables:
        raise ModelError(f"the model of the recipe {recipe_name} has no weights to train", hint="add a Dense layer")
    _check_kept(model, recipe_name)
    end = _last_activation(model)
    # Rather by the graph: in it stands, too, what is no layer.
    if is_custom(recipe_name) and end not in _ENDS:
        operation = last_step(_graph(model, input_shape, recipe_name)).operation
        end = next((name for name, each in _ENDS.items() if each == operation), "")
    if end in _ENDS:
        raise ModelError(
            f"the model of the recipe {recipe_name} ends in a {end}; training needs the logits before it",
            hint=f"leave the {end} away, so that the last layer is for example Dense(classes): the bundle gets a "
            "softmax of its own",
        )


def _check_kind(model: Any, name: str) -> None:
    import keras

    if not isinstance(model, keras.Model):
        given = "nothing (None)" if model is None else f"a {type(model).__module__}.{type(model).__name__}"
        raise ModelError(
            f"the recipe {name} gives {given}; a Keras model is expected",
            hint="end the function in: return keras.Sequential([…])",
        )
    inputs, outputs = getattr(model, "inputs", None), getattr(model, "outputs", None)
    if not inputs or not outputs:
        raise ModelError(
            f"the model of the recipe {name} does not say what its input is",
            hint="begin it with keras.Input(input_shape), in keras.Sequential([…]) or keras.Model(inputs, outputs)",
        )
    if len(inputs) != 1 or len(outputs) != 1:
        raise ModelError(
            f"the model of the recipe {name} has {len(inputs)} inputs and {len(outputs)} outputs; one of each is "
            "expected",
            hint="let it take an image and give the logits",
        )


def _check_output(model: Any, input_shape: tuple[int, int, int], classes: int, name: str) -> None:
    try:
        outputs = model(np.zeros((2, *input_shape), np.uint8), training=False)
    except Exception as error:  # whatever layers raise on a shape that does not fit
        raise ModelError(
            f"the model of the recipe {name} cannot make predictions for black images of {input_shape}: {told(error)}",
            hint="begin it with keras.Input(input_shape), for uint8 pixels from 0 to 255",
        ) from error
    shape = tuple(getattr(outputs, "shape", ()))
    dtype = str(getattr(getattr(outputs, "dtype", None), "name", type(outputs).__name__))
    if shape != (2, classes) or "float" not in dtype:
        raise ModelError(
            f"the model of the recipe {name} gives {dtype} of shape {shape} for 2 images; float32 of shape "
            f"{(2, classes)}, a logit for each class, is expected",
            hint="let it end in keras.layers.Dense(classes)",
        )


def _check_kept(model: Any, name: str) -> None:
    """Raise ModelError where Keras alone could not load the model from a file."""
    import keras

    try:
        facts = keras.saving.serialize_keras_object(model)
    except Exception as error:  # layers that do not tell their settings raise nearly anything
        raise ModelError(
            f"the model of the recipe {name} cannot be saved: {told(error)}", hint="use layers of Keras"
        ) from error
    strange = sorted(set(_not_of_keras(facts)))
    if strange:
        raise ModelError(
            f"the model of the recipe {name} uses {', '.join(strange)}, which Keras does not know; a bundle must load "
            "without your code",
            hint="write it with layers and activations of Keras in keras.Sequential([…]) or keras.Model(inputs, "
            "outputs), or import a finished model as SavedModel or ONNX: batchclf model import",
        )


def _not_of_keras(facts: Any) -> Iterator[str]:
    """Name the classes and functions of what Keras says of a model that are not its own."""
    if isinstance(facts, list | tuple):
        for each in facts:
            yield from _not_of_keras(each)
    if not isinstance(facts, dict):
        return
    kind = facts.get("class_name")
    if kind == "__lambda__":
        yield "a lambda"
    elif facts.get("registered_name") and not str(facts.get("module")).startswith("keras."):
        yield f"the function {facts.get('config')}" if kind == "function" else f"the class {kind}"
    for each in facts.values():
        yield from _not_of_keras(each)


def _graph(model: Any, input_shape: tuple[int, int, int], name: str) -> Any:
    try:
        return keras_model(Path(f"{name}.keras"), model).graph(input_shape).graph
    except ModelError as error:
        raise ModelError(f"the model of the recipe {name} cannot be kept: {error.message}", hint=error.hint) from error


def _last_activation(model: Any) -> str:
    """Name the activation of the last layer, or its class in small letters."""
    last = model.layers[-1]
    activation = getattr(getattr(last, "activation", None), "__name__", "linear")
    return str(type(last).__name__.lower() if activation == "linear" else activation)
