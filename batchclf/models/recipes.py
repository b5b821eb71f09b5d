"""The recipes that `train --recipe` knows: one function each, named in `RECIPES`."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

Schedule = Literal["constant", "cosine"]
"""The learning rate over the steps: as it is, or up to it over a fifth of them and down to 0 along a cosine."""


FINE_TUNE = "fine-tune"
"""Stands in place of a recipe's name where a base is fine-tuned."""


@dataclass(frozen=True)
class Recipe:
    """How a model is made and trained: `build(input_shape, classes)` gives an uncompiled Keras model.

    The model takes (n, height, width, channels) uint8 images as they are on disk, scales them itself, and gives
    (n, classes) float32 logits. The other values are what is done unless something else is asked for: Adam's
    `learning_rate` and its `schedule`, decoupled `weight_decay` (AdamW; not of biases and normalisation),
    `label_smoothing`, how images are changed (`augment`, as the option has it: "flip,shift", or "flip,shift/flip,erase"
    for two members), whether the model averages its logits for an image and its mirror image (`average_mirrored`,
    where `augment` has "flip"), of how many `members` it averages them, networks that are built and trained side by
    side, the share of the training images held out for `validation`, and after how many epochs without a lower
    validation loss `early_stopping` ends, 0 never. `xla` lets XLA compile the steps, which makes dense networks faster
    and convolutions, on a processor, many times slower.
    """

    build: Callable[[tuple[int, int, int], int], Any]
    epochs: int
    batch_size: int
    description: str
    learning_rate: float = 0.001
    schedule: Schedule = "constant"
    weight_decay: float = 0.0
    label_smoothing: float = 0.0
    augment: str = "none"
    average_mirrored: bool = False
    members: int = 1
    validation: float = 0.0
    early_stopping: int = 0
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


def cnn(input_shape: tuple[int, int, int], classes: int) -> Any:
    """Build a small convolutional network: each layer halves the image, a hidden layer sees what is left of it."""
    import keras

    layers = keras.layers
    image = keras.Input(input_shape, dtype="uint8", name="image")
    x = layers.Rescaling(1 / 127.5, offset=-1, name="scale")(image)
    x = _halved(x, 32)
    for channels in _widths(x, 64, 128):
        x = _halved(x, channels)
    x = layers.Dropout(0.3)(_convolution(x, 128))
    x = layers.Dense(128, activation="relu", name="hidden")(layers.Flatten()(x))
    x = layers.Dropout(0.4)(x)
    return keras.Model(image, layers.Dense(classes, name="logits")(x), name="cnn")


def cnn_large(input_shape: tuple[int, int, int], classes: int) -> Any:
    """Build a residual network (He 2016): each stage halves the image, and ends in a block of two convolutions."""
    import keras

    layers = keras.layers
    image = keras.Input(input_shape, dtype="uint8", name="image")
    x = layers.Rescaling(1 / 127.5, offset=-1, name="scale")(image)
    x = _halved(x, 32)
    for channels in _widths(x, 64, 192):
        x = layers.MaxPooling2D()(_residual(_convolution(x, channels)))
    x = _residual(_convolution(x, 192))
    x = layers.Dropout(0.4)(layers.Flatten()(x))
    return keras.Model(image, layers.Dense(classes, name="logits")(x), name="cnn_large")


def _widths(x: Any, first: int, most: int) -> Iterator[int]:
    """Give the channels of each stage that halves the image, until at most 8 pixels of its shorter side are left."""
    side = min(x.shape[1:3])
    while side > 8:
        yield first
        side, first = side // 2, min(2 * first, most)


def _convolution(x: Any, channels: int, *, activation: str | None = "relu") -> Any:
    import keras

    x = keras.layers.BatchNormalization(momentum=0.9)(_filters(x, channels))
    return x if activation is None else keras.layers.Activation(activation)(x)


def _halved(x: Any, channels: int) -> Any:
    """Pool before normalising: that is the same but for negative scales, and has a quarter of the pixels."""
    import keras

    layers = keras.layers
    x = layers.MaxPooling2D()(_filters(x, channels))
    return layers.Activation("relu")(layers.BatchNormalization(momentum=0.9)(x))


def _filters(x: Any, channels: int) -> Any:
    import keras

    return keras.layers.Conv2D(channels, 3, padding="same", use_bias=False, kernel_initializer="he_normal")(x)


def _residual(x: Any) -> Any:
    import keras

    layers = keras.layers
    change = _convolution(_convolution(x, x.shape[-1]), x.shape[-1], activation=None)
    return layers.Activation("relu")(layers.Add()([x, change]))


RECIPES = {
    "mlp": Recipe(mlp, epochs=10, batch_size=32, description="784-128-10 dense network of the tutorial", xla=True),
    "cnn": Recipe(
        cnn,
        epochs=13,
        batch_size=64,
        description="small convolutional network, minutes on 2 cores",
        learning_rate=0.003,
        schedule="cosine",
        weight_decay=0.05,
        augment="flip",
        average_mirrored=True,
        validation=0.05,
    ),
    "cnn-large": Recipe(
        cnn_large,
        epochs=18,
        batch_size=128,
        description="residual network, most of an hour on 2 cores",
        learning_rate=0.004,
        schedule="cosine",
        weight_decay=0.05,
        label_smoothing=0.1,
        augment="flip,shift,erase",
        average_mirrored=True,
        validation=0.05,
    ),
}
