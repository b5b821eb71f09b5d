"""The recipes that `train --recipe` knows: one function each, named in `RECIPES`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Recipe:
    """How a model is made: `build(input_shape, classes)` gives an uncompiled Keras model.

    The model takes (n, height, width, channels) uint8 images as they are on disk, scales them itself, and gives
    (n, classes) float32 logits. `xla` lets XLA compile its training, which makes dense networks faster and
    convolutions, on a processor, many times slower.
    """

    build: Callable[[tuple[int, int, int], int], Any]
    epochs: int
    batch_size: int
    description: str
    xla: bool = False


def mlp(input_shape: tuple[int, int, int], classes: int) -> Any:
    """Build the tutorial's network: scale to 0-1, flatten, 128 hidden units, one logit a class."""
    import keras

    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input(input_shape, dtype="uint8", name="image"),
            layers.Rescaling(1 / 255, name="scale"),
            layers.Flatten(name="flatten"),
            layers.Dense(128, activation="relu", name="hidden"),
            layers.Dense(classes, name="logits"),
        ],
        name="mlp",
    )


RECIPES = {
    "mlp": Recipe(mlp, epochs=10, batch_size=32, description="784-128-10 dense network of the tutorial", xla=True),
}
